"""What each engine makes of a registry's refusals, and what people read of it.

Engines differ in the words, and in what they keep to themselves: a current Docker with the
containerd store has the registry's message alone, one with the classic store repeats a layer that
was refused for good, Podman says nothing before the end.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from lusid_image_publish.credential import Credential
from lusid_image_publish.errors import PushError
from lusid_image_publish.local_scheduler.server import LocalScheduler
from lusid_image_publish.names import ImageReference
from lusid_image_publish.redact import Secret
from lusid_image_publish.registry.push_engine import push_image
from lusid_image_publish.sources.engine_source import inspect_image
from lusid_image_publish.waiting import Deadline
from tests.archives import (
    OCI,
    Image,
    blob,
    descriptor,
    entry_of,
    index_of,
    layout_of,
    manifest_of,
    tar_of,
)
from tests.faults import Answered, Asked
from tests.integration.cleanup import cleaned_up
from tests.integration.engines import Engine
from tests.integration.faults import Proxy, running
from tests.integration.parts import run
from tests.integration.stage import import_image

LAYER: Final = re.compile(r"POST .*/blobs/uploads/")
MANIFEST: Final = re.compile(r"PUT .*/manifests/")
LONGEST: Final = 500  # characters of a line that people are to read


def refusal(status: int, code: str, message: str) -> Answered:
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    # An engine must not take the end of a connection for the answer.
    headers = {"Content-Type": "application/json", "Connection": "close"}
    return Answered(status, headers, body)


@dataclass
class Stage:
    """An engine with an image, and a registry that refuses the first `times` of some requests."""

    engine: Engine
    name: str
    folder: Path
    registry: Proxy
    environ: dict[str, str]
    refused: int = 0

    def refuse(self, what: re.Pattern[str], answer: Answered, *, times: int = 1000) -> None:
        def instead(asked: Asked) -> Answered | None:
            if "authorization" not in asked.headers or not what.match(str(asked)):
                return None
            self.refused += 1
            return answer if self.refused <= times else None

        self.registry.instead = instead

    def publish(self, *options: str) -> tuple[int, str]:
        done = run(
            "publish",
            *(f"{self.name}:local", f"{self.name}:1.0", *options),
            cwd=self.folder,
            environ=self.environ,
        )
        assert "Traceback" not in done.stderr
        assert self.refused, "the registry was not asked"
        assert max(map(len, done.stderr.splitlines())) < LONGEST, done.stderr
        assert bool(done.stdout) == (done.returncode == 0)
        return done.returncode, done.stderr


@pytest.fixture
def stage(
    any_engine: Engine, scheduler: LocalScheduler, repository: str, tmp_path: Path
) -> Iterator[Stage]:
    registry = Proxy(lambda: scheduler.registry_host)
    lusid = Proxy(lambda: scheduler.url.split("/")[2])
    lusid.rewrites = {scheduler.registry_host.encode(): registry.host.encode()}
    with cleaned_up(any_engine.client, repository), running(registry), running(lusid):
        import_image(any_engine.client, f"{repository}:local", 1000)
        environ = any_engine.environment(**scheduler.environment())
        environ["FBN_SCHEDULER_URL"] = f"http://{lusid.host}/scheduler2"
        yield Stage(any_engine, repository, tmp_path, registry, environ)


def test_a_layer_that_is_refused_for_good_ends_the_push_with_the_refusal(stage: Stage) -> None:
    """Without the registry's own word, a classic store goes on for 50 seconds."""
    stage.refuse(LAYER, refusal(400, "NAME_INVALID", "invalid repository name"))
    code, shown = stage.publish("--push-timeout", "20")
    assert code == 7, shown
    assert re.search("NAME_INVALID|name invalid|invalid repository name", shown)
    assert "did not finish in time" not in shown
    assert "retry" not in shown
    assert "Run again" not in shown


def test_a_tag_that_is_refused_for_good_is_not_advised_to_be_run_again(stage: Stage) -> None:
    words = "the tag is immutable and cannot be overwritten"
    stage.refuse(MANIFEST, refusal(400, "TAG_INVALID", words))
    code, shown = stage.publish()
    assert code == 7, shown
    assert words in shown
    assert "Run again" not in shown
    assert "Publish under a new tag" in shown
    assert "Retrying" not in shown


def test_a_registry_that_fails_for_a_while_gets_the_image(stage: Stage) -> None:
    # A current Docker with the containerd store asks twice by itself; the others go on as well.
    times = 3 if stage.engine.is_containerd else 1
    stage.refuse(LAYER, refusal(500, "UNKNOWN", "denied"), times=times)
    code, shown = stage.publish()
    assert code == 0, shown


def test_a_registry_that_goes_on_failing_is_reported_as_that(stage: Stage) -> None:
    stage.refuse(LAYER, refusal(500, "UNKNOWN", "denied"))
    code, shown = stage.publish("--push-retries", "1", "--push-timeout", "6")
    assert code == 7, shown
    assert "500" in shown
    assert "The credential has expired" not in shown


def test_a_credential_that_is_refused_is_reported_as_that(stage: Stage) -> None:
    stage.refuse(LAYER, refusal(403, "DENIED", "denied"))
    code, shown = stage.publish("--push-timeout", "20")
    assert code == 7, shown
    assert shown.count("Requesting a new credential") == 1
    assert "The credential has expired" in shown


def test_a_registry_without_tls_is_reported_with_the_engine_s_own_file(stage: Stage) -> None:
    """No engine takes 0.0.0.0 for an address of this machine, though it leads to one."""
    client = stage.engine.client
    host = f"0.0.0.0:{stage.registry.host.partition(':')[2]}"
    image = inspect_image(client, f"{stage.name}:local", "linux/amd64")
    with pytest.raises(PushError) as caught:
        push_image(
            client,
            image.id,
            image.platform,
            ImageReference(host, f"foo/{stage.name}", "1.0"),
            Credential("tests", Secret("password-of-the-tests")),
            deadline=Deadline(30),
            idle=30,
        )
    assert "uses HTTPS" in caught.value.cause
    file = "registries.conf" if stage.engine.is_podman else "insecure-registries"
    assert file in caught.value.hint
    assert host in caught.value.hint


def test_an_index_whose_image_for_lusid_is_elsewhere_says_what_is_here(
    docker_containerd: Engine, scheduler: LocalScheduler, repository: str, tmp_path: Path
) -> None:
    here, blobs = manifest_of(Image((repository.encode(),), "linux/arm64"))
    elsewhere, _ = manifest_of(Image((b"elsewhere",), "linux/amd64"))
    index = index_of(
        entry_of(here, platform="linux/arm64"), entry_of(elsewhere, platform="linux/amd64")
    )
    entry = descriptor(f"{OCI}.index.v1+json", index)
    entry["annotations"] = {"io.containerd.image.name": f"docker.io/library/{repository}:local"}
    archive = tar_of(layout_of(index_of(entry), blob(index), blobs))
    with cleaned_up(docker_containerd.client, repository):
        docker_containerd.client.images.load(archive)
        environ = docker_containerd.environment(**scheduler.environment())
        names = (f"{repository}:local", f"{repository}:1.0")
        done = run("publish", *names, cwd=tmp_path, environ=environ)
    assert (done.returncode, done.stdout) == (6, ""), done.stderr
    assert "its image for linux/amd64 is not in the engine" in done.stderr
    assert "only for linux/arm64" in done.stderr
    assert f"docker pull --platform linux/amd64 {repository}:local" in done.stderr
