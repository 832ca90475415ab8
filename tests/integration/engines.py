"""The engines that the tests publish with: the default one, and those that `.ci/engines` starts."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final

import docker
import pytest
from docker import DockerClient
from docker.errors import DockerException

from lusid_image_publish.engine import connect, has_containerd_store
from tests.integration.parts import ENGINE_SOCKET, ROOT, command_environment, end_without

FOLDER: Final = ROOT / ".cache" / "engines"
DEFAULT: Final = "docker"
"""The machine's own."""

STARTED: Final = ("docker-containerd", "docker-classic", "podman")
"""Those that `.ci/engines` starts."""

NAMES: Final = (DEFAULT, *STARTED)

NEW_BUILDX_CONFIG: Final = FOLDER / "docker-config"
"""A Docker configuration with a later buildx than that of `parts.BUILDX_CONFIG`."""


@dataclass(frozen=True)
class Engine:
    """A running engine; `host` is its `DOCKER_HOST`, empty for the default engine."""

    name: str
    host: str
    client: DockerClient
    is_containerd: bool
    is_podman: bool

    @property
    def variables(self) -> dict[str, str]:
        """The variables by which a command uses this engine."""
        return {"DOCKER_HOST": self.host} if self.host else {}

    def environment(self, **changes: str) -> dict[str, str]:
        """Return an environment in which commands use this engine, and no configuration of LUSID.

        Docker 28 comes with its own `docker` command; the others use that of the machine.
        """
        own = self.variables
        if self.name in STARTED and not self.is_podman:
            own["PATH"] = f"{FOLDER / 'root-docker/usr/bin'}:{os.environ['PATH']}"
        return command_environment(**(own | changes))

    @contextmanager
    def connected(self) -> Iterator[DockerClient]:
        """Yield another client of this engine, for a thread of its own."""
        with closing(_connect(self.host)) as client:
            client.api.trust_env = False
            yield client


@contextmanager
def running_engine(name: str) -> Iterator[Engine]:
    """Yield the engine of this name. Without it a test is skipped, but not in CI."""
    host = _host(name)
    with closing(_connect(host)) as client:
        client.api.trust_env = False  # threads use it, and pytest changes the environment meanwhile
        yield Engine(
            name,
            host,
            client,
            is_containerd=has_containerd_store(client.info()),
            is_podman=client.version()["Components"][0]["Name"] == "Podman Engine",
        )


def _host(name: str) -> str:
    if name == DEFAULT:
        # `make test` lets tests that choose no engine use one of those that it started.
        used = f"unix://{ENGINE_SOCKET}"
        is_started = any(file.read_text().strip() == used for file in FOLDER.glob("*.host"))
        return "unix:///var/run/docker.sock" if is_started else ""
    file = FOLDER / f"{name}.host"
    if not file.exists():
        missing = FOLDER / "missing"
        reason = missing.read_text().strip() if missing.exists() else "run `.ci/engines start`"
        end_without(f"{name} does not run: {reason}", "REQUIRE_ENGINES")
    return file.read_text().strip()


def _connect(host: str) -> DockerClient:
    if not host:
        return connect(timeout=120)
    while True:
        try:
            return docker.DockerClient(host, version="auto", timeout=120)
        except DockerException as error:
            # requests reads the environment for proxies, and pytest changes that between tests.
            if not isinstance(error.__context__, KeyError):
                raise


@pytest.fixture(scope="session")
def docker_containerd() -> Iterator[Engine]:
    """Docker 28 or later with the containerd image store."""
    with running_engine("docker-containerd") as engine:
        yield engine


@pytest.fixture(scope="session")
def docker_classic() -> Iterator[Engine]:
    """Docker 28 or later with the classic image store."""
    with running_engine("docker-classic") as engine:
        yield engine


@pytest.fixture(scope="session")
def podman() -> Iterator[Engine]:
    with running_engine("podman") as engine:
        yield engine


@pytest.fixture(scope="session", params=NAMES)
def any_engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each of the engines, one after the other."""
    with running_engine(request.param) as engine:
        yield engine
