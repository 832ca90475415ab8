"""Uploads of an archive's layers to a real registry: cut in the middle, cancelled, used again.

What arrives is compared by other readers: skopeo, and the engine that pulls and runs it.
"""

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from lusid_image_publish.local_scheduler.server import LocalScheduler
from tests.archives import Files, Image, containerd, crane, docker20, sha, tar_of
from tests.integration.faults import listening_socket, running
from tests.integration.parts import (
    Registry,
    command_environment,
    end_without,
    interrupt_at,
    run,
    start,
)
from tests.integration.scripted_service import ScriptedService, serve
from tests.integration.test_archive import credential_for, pulled

LAYER = 3_000_000  # bytes; more than the buffers of sockets hold at the end of a connection
Layout = Callable[..., Files]


@dataclass
class CuttingProxy:
    """Forwards TCP to `upstream`, and cuts each of the first `cuts` connections that sends much.

    `after` is how many bytes such a connection may send. `sent` counts all that were sent.
    """

    upstream: str
    after: int
    cuts: int
    sent: int = 0
    is_over: bool = False
    listening: socket.socket = field(default_factory=listening_socket)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host(self) -> str:
        return "{}:{}".format(*self.listening.getsockname()[:2])

    def serve(self) -> None:
        while not self.is_over:
            with suppress(OSError):
                client, _ = self.listening.accept()
                threading.Thread(target=self._forward, args=[client], daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        host, _, port = self.upstream.partition(":")
        with client, socket.create_connection((host, int(port))) as server:
            back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
            back.start()
            count = 0
            with suppress(OSError):
                while part := client.recv(1 << 16):
                    count += len(part)
                    with self.lock:
                        self.sent += len(part)
                        is_cut = count > self.after and self.cuts > 0
                        self.cuts -= is_cut
                    server.sendall(part)
                    if is_cut:
                        client.shutdown(socket.SHUT_RDWR)
                        break
                server.shutdown(socket.SHUT_WR)
            back.join(10)  # the registry has what was on its way when it has answered

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while part := one.recv(1 << 16):
                with suppress(OSError):  # that side is cut, and this one still answers
                    other.sendall(part)


@dataclass
class World:
    """A registry behind a proxy, and an Images API over it, for a command without an engine."""

    registry: Registry
    proxy: CuttingProxy
    folder: Path
    name: str
    environ: dict[str, str]

    @property
    def arguments(self) -> tuple[str, ...]:
        return ("publish", "image.tar", self.name, "-vv")

    def digest(self) -> str:
        repository, _, tag = self.name.partition(":")
        return self.registry.digest(f"foo/{repository}", tag)


@contextmanager
def world(
    registry: Registry, folder: Path, repository: str, *, after: int = 1 << 40, cuts: int = 0
) -> Iterator[World]:
    with running(CuttingProxy(registry.host, after, cuts)) as proxy:
        scripted = ScriptedService(
            proxy.host, registry.username, registry.password, registry.digest
        )
        with serve(scripted.app()) as url:
            environ = command_environment(
                FBN_SCHEDULER_URL=f"{url}/scheduler2",
                FBN_ACCESS_TOKEN="token-of-the-test-0123456789",
                DOCKER_HOST=f"unix://{folder}/nowhere.sock",
            )
            yield World(registry, proxy, folder, f"{repository}:1.0", environ)


@pytest.mark.parametrize("layout", [docker20, containerd, crane])
def test_each_of_several_uploads_that_is_cut_is_begun_again(
    registry: Registry, tmp_path: Path, repository: str, layout: Layout
) -> None:
    """Resuming is tried with registries of a test's own, which can do it."""
    image = Image(tuple(os.urandom(LAYER) for _ in range(4)))
    (tmp_path / "image.tar").write_bytes(tar_of(layout(a=image)))
    with world(registry, tmp_path, repository, after=2_000_000, cuts=4) as found:
        done = run(*found.arguments, cwd=tmp_path, environ=found.environ)
        assert (done.returncode, done.stdout.strip()) == (0, found.digest()), done.stderr
        assert found.proxy.cuts == 0, "all of them were cut"
        assert found.proxy.sent < 4 * (LAYER + 2_500_000), "once, and what was cut"
    assert "retry" not in done.stderr
    begun = done.stderr.count("/blobs/uploads/ -> 202")
    assert begun == 5 + 4, "4 layers and the config: distribution 2 cannot say what it has"


def test_an_interrupted_push_leaves_no_upload_behind(
    registry: Registry, tmp_path: Path, repository: str
) -> None:
    image = Image((os.urandom(60_000_000),))
    (tmp_path / "image.tar").write_bytes(tar_of(docker20(a=image)))
    with world(registry, tmp_path, repository) as found:
        code, err = interrupt_at(
            start(*found.arguments, cwd=tmp_path, environ=found.environ), ": Pushing ("
        )
        assert code == 130, err
        assert found.digest() == ""
    assert "DELETE " in err
    assert " -> 204" in err


def test_an_archive_that_changes_while_it_is_sent_never_becomes_a_tag(
    registry: Registry, tmp_path: Path, repository: str
) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(tar_of(docker20(a=Image((os.urandom(60_000_000),)))))
    with world(registry, tmp_path, repository) as found:
        process = start(*found.arguments, cwd=tmp_path, environ=found.environ)
        lines = []
        assert process.stderr
        for line in process.stderr:
            lines.append(line)
            if ": Pushing (" in line:
                with path.open("r+b") as file:
                    file.seek(-2_000_000, os.SEEK_END)
                    file.write(b"another byte")
        out, _ = process.communicate(timeout=60)
        assert (process.returncode, out) == (6, ""), lines
        assert found.digest() == ""
    shown = "".join(lines)
    assert "a layer has the digest" in shown
    assert "It was changed while it was being published" in shown
    assert "DELETE " in shown


@pytest.mark.parametrize("layout", [docker20, containerd])
def test_skopeo_reads_what_was_published(
    scheduler: LocalScheduler, tmp_path: Path, repository: str, layout: Layout
) -> None:
    if not shutil.which("skopeo"):
        end_without("skopeo is not there: see `make peers`", "REQUIRE_ENGINES")
    kept = os.urandom(LAYER)
    for tag in ("1.0", "1.1"):  # the second has a layer of the first
        image = Image((kept, tag.encode(), b""))
        (tmp_path / "image.tar").write_bytes(tar_of(layout(a=image)))
        environ = command_environment(**scheduler.environment(), DOCKER_HOST="unix:///nowhere.sock")
        done = run("publish", "image.tar", f"{repository}:{tag}", cwd=tmp_path, environ=environ)
        assert done.returncode == 0, done.stderr
        copy = tmp_path / tag
        host, user, password = credential_for(scheduler, f"{repository}:{tag}")
        command = ["skopeo", "copy", "--quiet", "--insecure-policy", "--src-tls-verify=false"]
        copied = subprocess.run(
            [
                *command,
                *("--src-creds", f"{user}:{password}"),
                f"docker://{host}/foo/{repository}:{tag}",
                f"dir:{copy}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert copied.returncode == 0, copied.stderr
        manifest = (copy / "manifest.json").read_bytes()
        assert done.stdout.strip() == f"sha256:{sha(manifest)}"
        document: dict[str, Any] = json.loads(manifest)
        assert document["config"]["digest"] == image.id
        assert (copy / image.id.removeprefix("sha256:")).read_bytes() == image.config
    assert ("Reused (" in done.stderr) is (layout is docker20)


def test_an_image_with_layers_of_an_earlier_one_is_pulled_and_runs(
    engine: DockerClient, scheduler: LocalScheduler, tmp_path: Path, repository: str
) -> None:
    environ = command_environment(**scheduler.environment(), DOCKER_HOST="unix:///nowhere.sock")
    busybox = tmp_path / "busybox.tar"
    with busybox.open("wb") as file:
        file.writelines(engine.api.get_image("busybox:1.37"))
    image_id = engine.images.get("busybox:1.37").id
    for tag, outcome in (("1.0", ": Pushed ("), ("1.1", ": Reused (")):
        done = run("publish", str(busybox), f"{repository}:{tag}", cwd=tmp_path, environ=environ)
        assert done.returncode == 0, done.stderr
        assert outcome in done.stderr
    with pulled(engine, scheduler, f"{repository}:1.1") as reference:
        assert engine.images.get(reference).id == image_id
        said = engine.containers.run(reference, ["echo", "it runs"], remove=True)
        assert said == b"it runs\n"
