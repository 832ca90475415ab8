"""A LUSID domain in this process: Scheduler, registry, engine and clock, and commands run there."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from anyio.from_thread import BlockingPortal

from lusid_image_publish.cli import images, jobs, local, publish
from lusid_image_publish.local_scheduler.app import BASE_PATH, TOKEN_PATH, create_app
from lusid_image_publish.local_scheduler.findings import Findings
from lusid_image_publish.local_scheduler.job_runs import RunEnd, RunOrder
from lusid_image_publish.local_scheduler.job_store import JobStore
from lusid_image_publish.local_scheduler.oauth import TokenIssuer
from lusid_image_publish.local_scheduler.scans import Scans
from tests.archives import Image
from tests.fake_engine import running
from tests.inprocess.clock import FakeClock
from tests.inprocess.command import Ended, run_main
from tests.inprocess.engine import Engine
from tests.inprocess.network import Application, Network, Server
from tests.integration.leaks import (
    configured_secrets,
    find_secrets,
    find_secrets_below,
    passwords_in,
    poisoned_configuration,
)
from tests.memory_registry import MemoryRegistry

SCHEDULER: Final = "foo.lusid.example"
REGISTRY: Final = "registry.lusid.example"
_COMMANDS: Final = {
    "publish": (publish.main, "lusid-publish"),
    "images": (images.main, "lusid-images"),
    "jobs": (jobs.main, "lusid-jobs"),
    "local": (local.main, "lusid-scheduler-local"),
}


@dataclass
class FakeRunner:
    """Runs no image: each run ends with `end`. `orders` are the runs that were asked for."""

    end: RunEnd = field(default_factory=lambda: RunEnd("Succeeded", "", b"Hello from the job\n"))
    orders: list[RunOrder] = field(default_factory=list)

    def run(self, order: RunOrder, began: Callable[[], None]) -> RunEnd:
        """Return the end."""
        self.orders.append(order)
        began()
        return self.end

    def stop(self) -> None:
        """Do nothing."""


@dataclass
class Stage:
    """The domain; `environ` lets commands use it from `folder`, with a clean environment.

    `lusid` and `registry` are the servers that commands and the engine talk to, and `stored` is
    what the registry has. `scans` are what the Scheduler says of scans. `runner` runs its jobs.
    """

    folder: Path
    clock: FakeClock
    network: Network
    lusid: Server
    registry: Server
    stored: MemoryRegistry
    engine: Engine
    tokens: TokenIssuer
    environ: dict[str, str]
    runner: FakeRunner = field(default_factory=FakeRunner)
    image: Image = field(default_factory=Image)

    def run(
        self,
        command: str,
        *arguments: str,
        variables: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        is_terminal: bool = False,
    ) -> Ended:
        """Run `publish`, `images`, `jobs` or `local` with `arguments`; see `run_main`.

        `variables` are added to `environ`.
        """
        return run_main(
            *_COMMANDS[command],
            *arguments,
            environ=self.environ | dict(variables or {}),
            folder=self.folder,
            stdin=stdin,
            is_terminal=is_terminal,
        )

    def publish(self, source: str, name: str, *options: str, **variables: str) -> Ended:
        """Run `lusid-publish SOURCE NAME`."""
        return self.run("publish", source, name, *options, variables=variables)

    def hold(self, name: str, *contents: bytes, **image: Any) -> str:
        """Have an image in the engine as `name`, and return its id."""
        return self.engine.hold(name, Image(contents, **image) if contents else self.image)

    def archive(self, name: str, file: str = "image.tar") -> str:
        """Save an image of the engine in the folder, and return the file's name."""
        (self.folder / file).write_bytes(self.engine.archive_of(name))
        return file

    def dockerfile(self, folder: str = "job", **files: str) -> str:
        """Write a Dockerfile with what it copies, and return the folder."""
        path = self.folder / folder
        path.mkdir(exist_ok=True)
        (path / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
        for name, content in files.items():
            (path / name).write_text(content)
        return folder

    def tags(self, repository: str) -> dict[str, str]:
        """Return the tags of a repository and the digests that they point to."""
        return {link.tag: link.digest for link in self.stored.tags(repository)}

    def config_digest(self, repository: str, tag: str) -> str:
        """Return the digest of the config of the image that the registry has."""
        return str(self.stored.manifest(repository, tag)["config"]["digest"])

    def add_job(self, name: str = "me/my-job", image: str = "old:1", **members: Any) -> None:
        """Let the Scheduler have a job; an empty `image` is none."""
        scope, code = name.split("/")
        job = {
            "jobId": {"scope": scope, "code": code},
            "name": "My job",
            "description": "What it does",
            "dateCreated": "2026-01-02T03:04:05.0000000+00:00",
            "argumentDefinitions": {},
        }
        if image:
            job["imageName"], job["imageTag"] = image.split(":")
        JobStore(self.stored).keep_job(job | members)

    def job(self, name: str = "me/my-job") -> dict[str, Any]:
        """Return a job as the Scheduler keeps it."""
        found = JobStore(self.stored).job(*name.split("/"))
        assert found
        return found

    def leaks(self, shown: str) -> list[str]:
        """Return the secrets that are in `shown`, or on disk."""
        secrets = configured_secrets(self.environ)
        secrets += passwords_in(answered.body for _, answered in self.lusid.answered)
        return find_secrets(shown, secrets) + find_secrets_below(self.folder, secrets)

    def require_nothing_was_pushed(self) -> None:
        """Fail where something was changed in the registry, or is left in the engine."""
        assert self.registry.changes() == []
        assert not [name for name in self.engine.tags if name.startswith(REGISTRY)]

    @property
    def without_engine(self) -> dict[str, str]:
        """The variables for a command that finds no engine."""
        return {"DOCKER_HOST": f"unix://{self.folder}/nowhere.sock"}


MakeStage = Callable[..., Stage]


@contextmanager
def staged(
    folder: Path,
    portal: BlockingPortal,
    *,
    scan_status: str | None = None,
    scan_delay: float = 0,
    findings: Mapping[str, Any] | None = None,
    is_containerd: bool = False,
    instructions_lifetime: float = 43200,
) -> Iterator[Stage]:
    """Set a stage; `findings` are what scans find, in the form of `--scan-findings`."""
    clock, network, tokens = FakeClock(), Network(), TokenIssuer()
    stored = MemoryRegistry(host=REGISTRY, now=clock.now)
    runner = FakeRunner()
    scans = Scans(
        delay=scan_delay,
        status=scan_status,
        findings=_findings(folder, findings),
        now=clock.now,
    )
    app = create_app(
        stored,
        tokens,
        domain="foo",
        instructions_lifetime=instructions_lifetime,
        scans=scans,
        runner=runner,
        spawn=lambda work: work(),
    )
    lusid = Server(Application(app, portal), clock)
    registry = Server(stored, clock)
    network.servers |= {SCHEDULER: lusid, REGISTRY: registry}
    engine = Engine(transport=network, is_containerd=is_containerd)
    with running(engine, folder), pytest.MonkeyPatch.context() as patch:
        clock.install(patch)
        network.install(patch)
        yield Stage(
            folder=folder,
            clock=clock,
            network=network,
            lusid=lusid,
            registry=registry,
            stored=stored,
            engine=engine,
            tokens=tokens,
            runner=runner,
            environ=_environ(folder, tokens, engine),
        )


def _environ(folder: Path, tokens: TokenIssuer, engine: Engine) -> dict[str, str]:
    root = f"https://{SCHEDULER}"
    return {
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PATH": "/nowhere",
        "DOCKER_CONFIG": str(poisoned_configuration(folder, REGISTRY)),
        "DOCKER_HOST": engine.url,
        "FBN_SCHEDULER_URL": f"{root}{BASE_PATH}",
        "FBN_TOKEN_URL": f"{root}{TOKEN_PATH}",
        "FBN_USERNAME": tokens.username,
        "FBN_PASSWORD": tokens.password.reveal(),
        "FBN_CLIENT_ID": tokens.client_id,
        "FBN_CLIENT_SECRET": tokens.client_secret.reveal(),
        "FBN_ACCESS_TOKEN": tokens.access_token.reveal(),
    }


def _findings(folder: Path, findings: Mapping[str, Any] | None) -> Findings:
    if findings is None:
        return Findings()
    file = folder / "findings.json"
    file.write_text(json.dumps(findings))
    return Findings.read(file)
