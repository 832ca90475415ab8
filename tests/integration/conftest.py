"""Real parts: the Docker engine, a `registry:2` with a password, the commands as processes.

A part that is missing fails the tests: a suite that skips in silence proves nothing.
"""

import io
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from docker import DockerClient
from testcontainers.core.config import testcontainers_config

from lusid_image_publish import redact
from lusid_image_publish.engine import connect
from lusid_image_publish.local_scheduler.server import LocalScheduler, LocalSchedulerSettings
from tests.integration.cleanup import cleaned_up, labelled
from tests.integration.engines import any_engine, docker_containerd
from tests.integration.github_step import built_action
from tests.integration.parts import BUSYBOX, Job, Registry
from tests.integration.registries import running_registry
from tests.integration.scripted_service import ScriptedService, serve

__all__ = ["any_engine", "docker_containerd"]  # fixtures of another module

testcontainers_config.ryuk_disabled = True  # its image cannot be had everywhere


@pytest.fixture(autouse=True)
def _forget_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test's secrets be looked for in those that follow: there are thousands."""
    monkeypatch.setattr(redact, "_known", set(redact._known))
    monkeypatch.setattr(redact, "_forms", None)


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerClient]:
    client = connect()
    client.api.trust_env = False  # threads use it, and pytest changes the environment meanwhile
    own = f"test-{uuid.uuid4().hex[:12]}"
    with cleaned_up(client, own):
        # Builds share the empty layer of a label after `FROM scratch`. Docker may remove it with
        # the last image that has it, while a build counts on it: this image keeps it.
        client.images.build(fileobj=io.BytesIO(labelled("FROM scratch", own).encode()))
        yield client
    client.close()


@pytest.fixture
def clean_engine(engine: DockerClient, repository: str) -> Iterator[DockerClient]:
    """The engine; what the test makes there is removed, see `cleanup`."""
    with cleaned_up(engine, repository):
        yield engine


@pytest.fixture(scope="session")
def action(engine: DockerClient) -> Iterator[str]:
    """The image of the action."""
    with built_action(engine) as built:
        yield built


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("auth")) as (find, _):
        yield find()


@pytest.fixture
def repository() -> str:
    """A name that no other test uses; it is in the names of all that the test makes."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def built(repository: str, clean_engine: DockerClient) -> str:
    """The name of an image that the engine has, as if an earlier step or job had built it."""
    name = f"{repository}:ci"
    clean_engine.images.get(BUSYBOX).tag(name)
    return name


@pytest.fixture
def job(tmp_path: Path, repository: str) -> Job:
    return Job(tmp_path / "job", repository)


@pytest.fixture
def service(registry: Registry) -> Iterator[ScriptedService]:
    """An Images API over `registry` that a test can make answer otherwise."""
    scripted = ScriptedService(registry.host, registry.username, registry.password, registry.digest)
    with serve(scripted.app()) as url:
        scripted.url = f"{url}/scheduler2"
        yield scripted


@contextmanager
def _volume(engine: DockerClient) -> Iterator[str]:
    name = f"lusid-tests-{uuid.uuid4().hex[:12]}"
    engine.volumes.create(name)
    try:
        yield name
    finally:
        engine.volumes.get(name).remove(force=True)


@pytest.fixture(scope="session")
def volume(engine: DockerClient) -> Iterator[str]:
    """The name of a volume for local Schedulers that all tests share."""
    with _volume(engine) as name:
        yield name


@pytest.fixture(scope="module")
def module_volume(engine: DockerClient) -> Iterator[str]:
    """The name of a volume for the local Schedulers of one module."""
    with _volume(engine) as name:
        yield name


@pytest.fixture
def own_volume(engine: DockerClient) -> Iterator[str]:
    """The name of a volume for the local Schedulers of one test."""
    with _volume(engine) as name:
        yield name


@pytest.fixture(scope="session")
def scheduler(volume: str) -> Iterator[LocalScheduler]:
    """A local Scheduler whose scans end at once."""
    settings = LocalSchedulerSettings(volume=volume, domain="foo", scan_delay=0)
    with LocalScheduler(settings) as running:
        yield running
