"""What `doctor` and `--dry-run` say before a publication, with each engine."""

import json
from collections.abc import Iterator

import pytest

from lusid_image_publish.local_scheduler.server import LocalScheduler
from tests.integration.cleanup import cleaned_up
from tests.integration.engines import Engine
from tests.integration.parts import Job, run


class Publisher:
    """The commands with one engine, in a folder with a job."""

    def __init__(self, engine: Engine, scheduler: LocalScheduler, job: Job, name: str) -> None:
        self.engine = engine
        self.name = f"{name}:1.0"
        self._folder = job.folder.parent
        self._environ = engine.environment(**scheduler.environment())

    def __call__(self, command: str, *arguments: str) -> tuple[str, str]:
        done = run(command, *arguments, cwd=self._folder, environ=self._environ)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, done.stderr


@pytest.fixture
def publisher(
    any_engine: Engine, scheduler: LocalScheduler, job: Job, repository: str
) -> Iterator[Publisher]:
    with cleaned_up(any_engine.client, repository):
        yield Publisher(any_engine, scheduler, job, repository)


def test_doctor_names_the_engine_and_the_builder_that_would_be_used(publisher: Publisher) -> None:
    out, _ = publisher("images", "doctor", "job", publisher.name, "--output", "json")
    found = {finding["check"]: finding for finding in json.loads(out)["findings"]}
    engine, builder = found["engine"], found["builder"]
    assert publisher.engine.client.version()["Version"] in engine["text"]
    assert publisher.engine.host in engine["text"]
    assert ("containerd store" in engine["text"]) == publisher.engine.is_containerd
    if publisher.engine.is_podman:
        assert engine["text"].startswith("Podman ")
        assert builder["text"] == "the engine's own builder"
        assert "Podman has no BuildKit" in builder["cause"]
        assert "docker buildx create" in builder["hint"]
    else:
        assert engine["text"].startswith("Docker ")
        assert (builder["state"], builder["text"]) == ("ok", "BuildKit (docker buildx)")


def test_a_dry_run_says_what_the_run_then_does(publisher: Publisher) -> None:
    planned, shown = publisher("publish", "--dry-run", "job", publisher.name, "--output", "json")
    plan = json.loads(planned)
    assert plan["action"] == "push"
    assert plan["imageId"] in shown
    out, _ = publisher("publish", "job", publisher.name)
    planned, _ = publisher("publish", "--dry-run", "job", publisher.name, "--output", "json")
    again = json.loads(planned)
    assert again["imageId"] == plan["imageId"]
    # Other stores do not know which digest their image has in a registry.
    assert again["action"] == ("nothing" if publisher.engine.is_containerd else "compare")
    assert out.strip() == again["existingDigest"]
