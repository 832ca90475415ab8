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

# No test asserts a time, and a loaded machine pauses for longer than hypothesis allows.
settings.register_profile("timeless", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# For `make unit`: a tenth of the examples, which CI tries all.
settings.register_profile("quick", settings.get_profile("timeless"), max_examples=10)
settings.load_profile(os.environ.get("HYPOTHESIS", "timeless"))


_OF_THIS_MACHINE = [
    name
    for name in os.environ
    if name.startswith((*OF_A_CI, "FBN_", "DOCKER_")) or name.lower().endswith("_proxy")
]


@pytest.fixture(scope="session")
def _shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(autouse=True)
def _alone(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _shared_folder: Path
) -> Iterator[None]:
    """Run each test in an empty folder: its own if it asks for that, which thousands do not."""
    for name in _OF_THIS_MACHINE:
        monkeypatch.delenv(name, raising=False)
    has_own = "tmp_path" in request.fixturenames
    monkeypatch.chdir(request.getfixturevalue("tmp_path") if has_own else _shared_folder)
    monkeypatch.setattr(redact, "_known", set())
    monkeypatch.setattr(redact, "_forms", None)
    monkeypatch.setattr(redact, "_listeners", [])
    if hasattr(socket, "AF_UNIX"):
        pytest_socket.disable_socket(allow_unix_socket=True)
    else:  # Windows: a pair of sockets is a connection there, and so is the fake engine's
        pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"])
    yield
    pytest_socket.enable_socket()
    for left in os.scandir(_shared_folder):
        if left.is_dir(follow_symlinks=False):
            shutil.rmtree(left)
        else:
            os.remove(left)  # noqa: PTH107  # after each of thousands of tests
