"""Registries of a test's own: `registry:2` with a password, run by testcontainers."""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import bcrypt
import httpx
from testcontainers.core.container import DockerContainer

from tests.integration.parts import Registry

USER = "tester"


@contextmanager
def running_registry(
    folder: Path, *, room: str = "", is_public: bool = False
) -> Iterator[tuple[Callable[[], Registry], Callable[[], None]]]:
    """Run a registry; yield what finds it, also after a restart, and what restarts it.

    `room` is how much it can keep (`size=1m`), all that there is if empty. `folder` must last as
    long. A public one asks for no password.
    """
    password = secrets.token_urlsafe(24)
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    (folder / "htpasswd").write_text(f"{USER}:{hashed}\n")
    container = (
        DockerContainer("registry:2")
        .with_env("GOGC", os.environ.get("GOGC", "100"))
        .with_env("REGISTRY_LOG_LEVEL", "warn")
        .with_env("REGISTRY_LOG_ACCESSLOG_DISABLED", "true")
        .with_exposed_ports(5000)
    )
    if not is_public:
        container = (
            container.with_env("REGISTRY_AUTH", "htpasswd")
            .with_env("REGISTRY_AUTH_HTPASSWD_REALM", "tests")
            .with_env("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd")
            .with_volume_mapping(folder, "/auth", "ro")
        )
    if room:
        container = container.with_tmpfs_mount("/var/lib/registry", room)

    def find() -> Registry:
        return Registry(f"127.0.0.1:{container.get_exposed_port(5000)}", USER, password)

    def restart() -> None:
        container.get_wrapped_container().restart(timeout=0)
        _wait_for(find)

    with container:
        _wait_for(find)
        yield find, restart


def _wait_for(find: Callable[[], Registry]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            find().get("/v2/").raise_for_status()
        except httpx.HTTPError:
            assert time.monotonic() < deadline, "the registry does not answer"
            time.sleep(0.1)
        else:
            return
