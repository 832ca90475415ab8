"""An engine as docker-in-docker is: behind TLS that wants a certificate, and not there at once."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import certifi
import yaml

from lusid_image_publish.cli.command import variable_of
from lusid_image_publish.errors import ExitCode
from lusid_image_publish.local_scheduler.server import LocalScheduler
from tests.integration.faults import listening_socket
from tests.integration.forward import pump
from tests.integration.parts import (
    ENGINE_SOCKET,
    ROOT,
    command_environment,
    communicate,
    run,
    start,
    write_certificate,
)

_, TEMPLATE = yaml.safe_load_all((ROOT / "templates/lusid-publish.yml").read_text())
VARIABLES = TEMPLATE[".$[[ inputs.job-name ]]-from-dind"]["variables"]


@contextmanager
def engine_behind_tls(listening: socket.socket, certificates: Path) -> Iterator[None]:
    """Let the engine answer there to clients with the certificate, as docker-in-docker does."""
    certificates.mkdir()
    key, certificate = certificates / "key.pem", certificates / "cert.pem"
    write_certificate(certificate, key, "DNS:localhost")
    (certificates / "ca.pem").write_bytes(certificate.read_bytes())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificate, key)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(ENGINE_SOCKET)
        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)

    async def serve(over: asyncio.Event) -> None:
        async with await asyncio.start_server(forward, sock=listening, ssl=context):
            await over.wait()

    loop, over = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(over),))
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


def environment(
    scheduler: LocalScheduler, port: int, certificates: Path, timeout: str = ""
) -> dict[str, str]:
    """Return the variables of the template, with this engine's address."""
    own = {
        "REQUESTS_CA_BUNDLE": certifi.where(),  # a company's, which has no say about the engine
        variable_of("engine-timeout"): timeout,
        "DOCKER_HOST": VARIABLES["DOCKER_HOST"].replace("docker:2376", f"localhost:{port}"),
        "DOCKER_CERT_PATH": str(certificates),
    }
    return command_environment(**scheduler.environment(), **(VARIABLES | own))


def test_an_engine_that_does_not_answer_is_not_waited_for_unasked(
    scheduler: LocalScheduler, built: str, tmp_path: Path
) -> None:
    environ = environment(scheduler, 9, tmp_path)
    done = run("publish", built, "my-job:1.0", cwd=tmp_path, environ=environ)
    assert done.returncode == ExitCode.SOURCE
    assert "No Docker engine answers" in done.stderr


def test_an_engine_that_is_started_with_the_job_is_waited_for(
    scheduler: LocalScheduler, built: str, tmp_path: Path
) -> None:
    listening, certificates = listening_socket(), tmp_path / "certificates"
    environ = environment(scheduler, listening.getsockname()[1], certificates, timeout="60")
    name = f"{built.partition(':')[0]}:1.0"
    with listening, start("publish", built, name, cwd=tmp_path, environ=environ) as process:
        try:
            assert process.stderr
            assert any("Waiting for a Docker engine" in line for line in process.stderr)
            with engine_behind_tls(listening, certificates):
                out, err = communicate(process)
        finally:
            process.kill()
    assert process.returncode == 0, err
    assert out.startswith("sha256:")
