"""Engines and builders that are not what they should be: each is named, and nothing is changed."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lusid_image_publish.local_scheduler.server import LocalScheduler
from tests.integration.parts import BUILDX_CONFIG, Job, command_environment, run

CONTEXT = {"DOCKER_CONTEXT": "far"}


class NoEngine(ThreadingHTTPServer):
    """A web server that answers everything with `status` and `content`."""

    status = 200
    content = b""


class _Answer(BaseHTTPRequestHandler):
    server: NoEngine

    def do_GET(self) -> None:
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def no_engine() -> Iterator[NoEngine]:
    with NoEngine(("127.0.0.1", 0), _Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def environ(scheduler: LocalScheduler, tmp_path: Path) -> dict[str, str]:
    """An environment with a Docker configuration of its own, in which buildx is, and no host."""
    folder = tmp_path / "docker"
    folder.mkdir()
    (folder / "config.json").write_text("{}")  # docker-py sees no context without
    (folder / "cli-plugins").symlink_to(BUILDX_CONFIG / "cli-plugins")
    found = command_environment(**scheduler.environment(), DOCKER_CONFIG=str(folder))
    found.pop("DOCKER_HOST", None)
    return found


def fails(job: Job, environ: dict[str, str], source: str = "job") -> str:
    done = run("publish", source, "never:1.0", cwd=job.folder.parent, environ=environ)
    assert (done.returncode, done.stdout) == (6, ""), done.stderr
    assert "Traceback" not in done.stderr
    assert "Next step: " in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (404, b"404 page not found"),
        (200, b"<html>Welcome</html>"),
        (200, b"{}"),
        (200, b"[]"),
        (200, b'{"ApiVersion": 5}'),
        (200, b'{"ApiVersion": "newest"}'),
    ],
)
def test_what_answers_and_is_no_engine_is_reported_as_that(
    job: Job, environ: dict[str, str], no_engine: NoEngine, status: int, content: bytes
) -> None:
    no_engine.status, no_engine.content = status, content
    address = f"tcp://127.0.0.1:{no_engine.server_port}"
    shown = fails(job, environ | {"DOCKER_HOST": address})
    assert f"The server at {address} (DOCKER_HOST) is not a Docker engine" in shown


def test_a_server_of_another_protocol_is_reported_as_that(
    job: Job, environ: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                    connection.close()

        threading.Thread(target=greet, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        shown = fails(job, environ | {"DOCKER_HOST": address})
        server.shutdown(socket.SHUT_RDWR)
    assert "is not a Docker engine" in shown


def test_a_context_that_is_gone_is_told(job: Job, environ: dict[str, str]) -> None:
    assert "The Docker context far does not exist" in fails(job, environ | CONTEXT)


def docker(environ: dict[str, str], *arguments: str) -> None:
    subprocess.run(["docker", *arguments], env=environ, check=True, capture_output=True)


def test_a_context_of_another_engine_is_reported_with_the_one_that_counts(
    job: Job, environ: dict[str, str], tmp_path: Path
) -> None:
    docker(environ, "context", "create", "far", "--docker", f"host=unix://{tmp_path}/far.sock")
    shown = fails(job, environ | CONTEXT)
    assert f"No Docker engine answers at unix://{tmp_path}/far.sock (context far)" in shown
    here = {"DOCKER_HOST": "unix:///var/run/docker.sock"}
    shown = fails(job, environ | CONTEXT | here, source="absent:image")
    assert "unix:///var/run/docker.sock (DOCKER_HOST, overriding the context far)" in shown


def test_a_builder_that_is_current_and_gone_is_reported_with_its_engine(
    job: Job, environ: dict[str, str]
) -> None:
    shown = fails(job, environ | {"BUILDX_BUILDER": "gone"})
    assert "The buildx builder gone cannot be used with the engine at" in shown
    assert "docker.sock" in shown


def test_a_builder_that_is_current_and_does_not_answer_is_reported_with_its_engine(
    job: Job, environ: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        endpoint = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    docker(environ, "buildx", "create", "--use", "--name", "dead", "--driver", "remote", endpoint)
    shown = fails(job, environ)
    assert "The buildx builder dead cannot be used with the engine at" in shown
    assert f"It does not answer at {endpoint}" in shown
    assert "docker.sock" in shown
