"""What people do with an engine and `lusid-publish`: the same flows on each engine.

A flow runs the real command against the local Scheduler and keeps what came of it. What it leaves
in the engine is known by the name of its repository, which is in a label of its images as well.
"""

import os
import shutil
import signal
import subprocess
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from docker import DockerClient

from lusid_image_publish.registry.session import MANIFEST_TYPES
from tests.faults import Asked, Fault
from tests.integration.cleanup import cleaned_up, label
from tests.integration.engines import NEW_BUILDX_CONFIG, Engine
from tests.integration.faults import Proxy, running
from tests.integration.image_tars import docker_archive, relabelled_archive, sha, tar_of
from tests.integration.parts import BUILDX_CONFIG, communicate, run, start
from tests.integration.stage import Api
from tests.plain_http import HTTP

PLATFORMS: Final = "linux/amd64,linux/arm64"
OTHER_PLATFORMS: Final = "linux/arm64,linux/riscv64"


@dataclass(frozen=True)
class Outcome:
    """What came of one run of the command.

    `tags` are those in LUSID afterwards with their digests, `manifest` is what the registry has
    under the tag that was to be published, `pushed` says whether the run pushed anything.
    """

    code: int
    stdout: str
    stderr: str
    tags: Mapping[str, str] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def pushed(self) -> bool:
        """Whether the command began to push."""
        return "==> Pushing" in self.stderr

    @property
    def word(self) -> str:
        """What a table says."""
        return "ok" if self.code == 0 else str(self.code)


Outcomes = Mapping[str, Outcome]
"""What came of the steps of a flow, by their names."""


@dataclass
class Bench:
    """One flow at work on an engine; its images have the name `repository`."""

    engine: Engine
    client: DockerClient
    api: Api
    folder: Path
    repository: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex[:12]}")

    @property
    def name(self) -> str:
        """The name to publish as."""
        return f"{self.repository}:1.0"

    @property
    def local(self) -> str:
        """The name of an image that the engine has."""
        return f"{self.repository}:local"

    @property
    def labels(self) -> dict[str, str]:
        """The labels by which an image of this flow is known."""
        name, _, value = label(self.repository).partition("=")
        return {name: value}

    def dockerfile(self, *lines: str) -> str:
        """Write a Dockerfile for an image that nobody else has; return its path."""
        content = [
            "FROM scratch",
            "COPY content /content",
            f"LABEL {label(self.repository)}",
            *lines,
        ]
        (self.folder / "content").write_text(self.repository)
        (self.folder / "Dockerfile").write_text("\n".join(content))
        return "Dockerfile"

    def environment(self, **changes: str) -> dict[str, str]:
        """Return an environment for `lusid-publish`."""
        return self.engine.environment(**(self.api.scheduler.environment() | changes))

    def configuration(self, buildx: Path) -> str:
        """Return a Docker configuration of this flow's own, with the buildx that `buildx` has."""
        folder = self.folder / f"docker-config-{uuid.uuid4().hex[:6]}"
        shutil.copytree(buildx / "cli-plugins", folder / "cli-plugins", symlinks=True)
        return str(folder)

    def publish(self, source: str, *options: str, name: str = "", **changes: str) -> Outcome:
        """Run `lusid-publish`, and look at what LUSID and the registry have then."""
        environ = self.environment(**changes)
        name = name or self.name
        result = run("publish", source, name, *options, cwd=self.folder, environ=environ)
        return self.outcome(result.returncode, result.stdout, result.stderr, name)

    def outcome(self, code: int, stdout: str, stderr: str, name: str = "") -> Outcome:
        """Return what has come of a run."""
        name = name or self.name
        tags = self.api.tags(name.partition(":")[0])
        return Outcome(code, stdout, stderr, tags, self.manifest(name))

    def manifest(self, name: str) -> Mapping[str, Any]:
        """Return what the registry has under a name, empty when that is nothing."""
        answer = HTTP.post(
            f"{self.api.scheduler.url}/api/images",
            json={"imageName": f"{name}-{uuid.uuid4().hex}"},
            headers={"Authorization": f"Bearer {self.api.scheduler.access_token.reveal()}"},
        )
        login = answer.raise_for_status().json()["dockerLoginCommand"]
        _, _, _, user, _, password, host = login.split()
        repository, _, tag = name.partition(":")
        answer = HTTP.get(
            f"http://{host}/v2/foo/{repository}/manifests/{tag}",
            auth=(user, password),
            headers={"Accept": ", ".join(MANIFEST_TYPES)},
        )
        return dict(answer.json()) if answer.is_success else {}

    def build_here(self, *lines: str) -> None:
        """Let the engine build an image by itself, as `local`."""
        self.dockerfile(*lines)
        self.client.images.build(path=str(self.folder), tag=self.local, rm=True, forcerm=True)

    def save(self, name: str) -> str:
        """Save an image of the engine; return the path of the archive."""
        path = self.folder / f"{uuid.uuid4().hex[:6]}.tar"
        with path.open("wb") as file:
            file.writelines(self.client.api.get_image(name))
        return str(path)

    def load_image(self, content: bytes, *, architecture: str = "amd64") -> None:
        """Load an image with one file into the engine, as `local`."""
        layer = tar_of({"content": content})
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Labels": self.labels},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha(layer)}"]},
        }
        self.client.images.load(docker_archive(self.local, config, [layer]))


@contextmanager
def bench(engine: Engine, api: Api, folder: Path) -> Iterator[Bench]:
    """Yield a bench, and remove from the engine what its flow leaves there."""
    folder = folder / uuid.uuid4().hex[:12]
    folder.mkdir()
    with engine.connected() as client:
        made = Bench(engine, client, api, folder)
        with cleaned_up(client, made.repository):
            yield made


# ---- the flows


def build_classic(on: Bench) -> Outcomes:
    """Build a Dockerfile without BuildKit."""
    return {"": on.publish(on.dockerfile(), DOCKER_BUILDKIT="0")}


def build_with_old_buildx(on: Bench) -> Outcomes:
    """Build a Dockerfile with buildx 0.13, which uses the engine's own BuildKit."""
    return {"": on.publish(on.dockerfile(), DOCKER_CONFIG=on.configuration(BUILDX_CONFIG))}


def build_with_new_buildx(on: Bench) -> Outcomes:
    """Build a Dockerfile with the newest buildx."""
    return {"": on.publish(on.dockerfile(), DOCKER_CONFIG=on.configuration(NEW_BUILDX_CONFIG))}


def build_elsewhere(on: Bench, buildkit: str) -> Outcomes:
    """Build a Dockerfile with a current builder of buildx that is outside the engine."""
    configuration = on.configuration(BUILDX_CONFIG)
    environ = on.environment(DOCKER_CONFIG=configuration)
    subprocess.run(
        ["docker", "buildx", "create", "--driver", "remote", "--use", buildkit],
        env=environ,
        capture_output=True,
        check=True,
    )
    return {"": on.publish(on.dockerfile(), DOCKER_CONFIG=configuration)}


def publish_by_name(on: Bench) -> Outcomes:
    """Publish an image of the engine, then again, then its archive, then another image."""
    on.build_here()
    first = on.publish(on.local)
    again = on.publish(on.local)
    from_archive = on.publish(on.save(on.local), DOCKER_HOST=f"unix://{on.folder}/nowhere.sock")
    on.build_here('LABEL other="yes"')
    other = on.publish(on.local)
    return {"": first, "again": again, "archive": from_archive, "other": other}


def publish_wrong_platform(on: Bench) -> Outcomes:
    """Publish an image of the engine that is for another platform."""
    on.load_image(os.urandom(100), architecture="arm64")
    return {"": on.publish(on.local)}


def publish_index(on: Bench) -> Outcomes:
    """Publish indexes: of several platforms, and of several without the one that LUSID runs."""
    configuration = on.configuration(NEW_BUILDX_CONFIG)
    outcomes = {}
    for step, platforms in (("", PLATFORMS), ("other", OTHER_PLATFORMS)):
        on.dockerfile(f"LABEL platforms={platforms}")
        subprocess.run(
            [
                "docker",
                "buildx",
                "build",
                "--load",
                "--platform",
                platforms,
                "--tag",
                on.local,
                ".",
            ],
            cwd=on.folder,
            env=on.environment(DOCKER_CONFIG=configuration),
            capture_output=True,
            check=True,
        )
        outcomes[step] = on.publish(on.local, name=f"{on.repository}:{step or '1.0'}")
    return outcomes


@contextmanager
def _proxies(on: Bench) -> Iterator[tuple[Proxy, dict[str, str]]]:
    """Yield a proxy before the registry, and the variables that let the command use it."""
    scheduler = on.api.scheduler
    registry = Proxy(lambda: scheduler.registry_host)
    lusid = Proxy(lambda: scheduler.url.split("/")[2])
    lusid.rewrites = {scheduler.registry_host.encode(): registry.host.encode()}
    with running(registry), running(lusid):
        yield registry, {"FBN_SCHEDULER_URL": f"http://{lusid.host}/scheduler2"}


def push_refused(on: Bench) -> Outcomes:
    """Push to a registry that refuses the image's manifest."""
    on.build_here()
    with _proxies(on) as (registry, variables):
        registry.fault, registry.always = Fault.FORBIDDEN, True
        registry.at = lambda asked, _: asked.method == "PUT" and "/manifests/" in asked.path
        outcome = on.publish(on.local, "--push-retries", "0", **variables)
        assert registry.happened, outcome.stderr
        return {"": outcome}


def push_interrupted(on: Bench) -> Outcomes:
    """Press Ctrl-C while the registry takes a layer; nothing comes of the push, now or later."""
    on.load_image(os.urandom(20_000_000))
    sending, ended, arrived = threading.Event(), threading.Event(), threading.Event()

    def hold(asked: Asked) -> None:
        if asked.method in {"PATCH", "PUT"}:
            sending.set()
            ended.wait(60)

    def notice(asked: Asked) -> None:
        if asked.method == "PUT" and "/manifests/" in asked.path:
            arrived.set()

    with _proxies(on) as (registry, variables):
        registry.before, registry.after = hold, notice
        environ = on.environment(**variables)
        process = start("publish", on.local, on.name, cwd=on.folder, environ=environ)
        try:
            assert sending.wait(60), "no layer comes"
            process.send_signal(signal.SIGINT)
            out, err = communicate(process)
        finally:
            ended.set()
            process.kill()
        arrived.wait(3)  # an engine that goes on is done by then
        return {"": on.outcome(process.returncode, out, err)}


@dataclass(frozen=True)
class Origin:
    """An image that was published from an engine's archive, without an engine."""

    name: str
    archive: bytes
    outcome: Outcome


def publish_archive(on: Bench) -> Origin:
    """Publish what the engine saves."""
    on.build_here()
    path = on.save(on.local)
    outcome = on.publish(path, DOCKER_HOST=f"unix://{on.folder}/nowhere.sock")
    return Origin(on.name, Path(path).read_bytes(), outcome)


def publish_loaded(on: Bench, origin: Origin) -> Outcomes:
    """Load what was published from an engine's archive, and publish it by its name."""
    on = replace(on, repository=origin.name.partition(":")[0])
    with cleaned_up(on.client, on.repository):
        on.client.images.load(origin.archive)
        return {"": on.publish(on.local)}


def publish_relabelled(on: Bench, origin: Origin) -> Outcomes:
    """Publish an image that differs from the published one in a label alone."""
    on.client.images.load(relabelled_archive(origin.archive, on.local, on.labels))
    return {"": on.publish(on.local, name=origin.name)}
