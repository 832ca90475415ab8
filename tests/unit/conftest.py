"""Unit tests touch no network, no engine and no configuration of the machine."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_socket
from hypothesis import HealthCheck, settings

from lusid_image_publish import redact
from tests.environment import OF_A_CI

# No test asserts a time, and a loaded machine stops for longer than hypothesis bears.
settings.register_profile("timeless", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# For `make unit`: a fifth of the examples, which CI tries all.
settings.register_profile("quick", settings.get_profile("timeless"), max_examples=20)
settings.load_profile(os.environ.get("HYPOTHESIS", "timeless"))


@pytest.fixture(scope="session")
def _shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def _folder(request: pytest.FixtureRequest, _shared_folder: Path) -> Iterator[Path]:
    """An empty folder: the test's own if it asks for that, which thousands of tests do not."""
    if "tmp_path" in request.fixturenames:
        yield request.getfixturevalue("tmp_path")
        return
    yield _shared_folder
    for path in _shared_folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, _folder: Path) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith((*OF_A_CI, "FBN_", "DOCKER_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(_folder)
    monkeypatch.setattr(redact, "_known", set())
    monkeypatch.setattr(redact, "_forms", None)
    monkeypatch.setattr(redact, "_listeners", [])
    if hasattr(socket, "AF_UNIX"):
        pytest_socket.disable_socket(allow_unix_socket=True)
    else:  # Windows: a pair of sockets is a connection there, and so is the fake engine's
        pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"])
    yield
    pytest_socket.enable_socket()
