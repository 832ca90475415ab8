"""The local Scheduler starts, stops and cleans up, as a context manager and as a command."""

import signal
import socket
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from docker import DockerClient

from lusid_image_publish.errors import ConfigurationError, EngineError
from lusid_image_publish.local_scheduler.server import LocalScheduler, LocalSchedulerSettings
from tests.integration.parts import Started, command_environment, run, start
from tests.plain_http import HTTP


def test_a_taken_port_is_reported(volume: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match="cannot listen"):
            LocalScheduler(LocalSchedulerSettings(port=port, volume=volume)).__enter__()
        with pytest.raises(ConfigurationError, match="in use"):
            LocalScheduler(LocalSchedulerSettings(registry_port=port, volume=volume)).__enter__()


def test_a_registry_image_that_cannot_be_had_is_told(volume: str) -> None:
    settings = LocalSchedulerSettings(registry_image="localhost:1/registry:2", volume=volume)
    with pytest.raises(EngineError, match="cannot be pulled") as caught:
        LocalScheduler(settings).__enter__()
    assert "--registry-image" in caught.value.hint


def containers(engine: DockerClient, volume: str) -> list[str]:
    found = engine.containers.list(all=True, filters={"volume": volume})
    return [str(container.id) for container in found]


def wait_for_ready(process: Started) -> str:
    """Return the line that says so."""
    assert process.stderr
    for line in process.stderr:
        if "ready" in line:
            return line
    pytest.fail("the server ended without being ready")


@pytest.mark.parametrize("stop", ["SIGINT", "SIGTERM"])
def test_the_command_serves_until_it_is_stopped(
    engine: DockerClient, tmp_path: Path, own_volume: str, stop: str
) -> None:
    env_file = tmp_path / "local.env"
    process = start(
        "local",
        *("--env-file", str(env_file), "--volume", own_volume, "--domain", "bar"),
        cwd=tmp_path,
        environ=command_environment(),
    )
    try:
        line = wait_for_ready(process)
        assert env_file.stat().st_mode & 0o777 == 0o600
        variables = dict(line.split("=", 1) for line in env_file.read_text().splitlines())
        assert variables["FBN_SCHEDULER_URL"] in line
        answer = HTTP.get(
            variables["FBN_SCHEDULER_URL"] + "/api/images/repository",
            headers={"Authorization": f"Bearer {variables['FBN_ACCESS_TOKEN']}"},
        )
        assert answer.json()["values"] == []
        assert len(containers(engine, own_volume)) == 1
        process.send_signal(signal.Signals[stop])
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, out) == (0, "")
    assert err.strip().endswith("stopped")
    assert containers(engine, own_volume) == []
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exists_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MINE=1\n")
    result = run("local", "--env-file", ".env", cwd=tmp_path, environ=command_environment())
    assert (result.returncode, (tmp_path / ".env").read_text()) == (2, "MINE=1\n")
    assert "exists" in result.stderr


def test_what_a_killed_run_left_behind_is_removed_by_the_next(
    engine: DockerClient, tmp_path: Path, own_volume: str, scheduler: LocalScheduler
) -> None:
    process = start("local", "--volume", own_volume, cwd=tmp_path, environ=command_environment())
    wait_for_ready(process)
    process.kill()
    process.communicate()
    assert len(containers(engine, own_volume)) == 1
    with LocalScheduler(LocalSchedulerSettings(volume=own_volume, domain="next")):
        assert len(containers(engine, own_volume)) == 1
        answer = HTTP.get(f"http://{scheduler.registry_host}/v2/")
        assert answer.status_code == 401, "the registry of a run that is alive is left alone"
    assert containers(engine, own_volume) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--env-file", "absent/local.env"], "cannot be written"),
        (["--domain", "Not A Domain"], "is not a valid LUSID domain"),
        (["--host", "203.0.113.1"], "cannot listen"),
        (["--port", "99999"], "99999"),
    ],
)
def test_bad_options_are_refused_before_anything_is_started(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    result = run("local", *arguments, cwd=tmp_path, environ=command_environment())
    assert result.returncode == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("host", "is_warned"), [("0.0.0.0", True), ("127.0.0.1", False)])  # noqa: S104  # it is meant
def test_a_host_that_others_can_reach_is_a_warning(
    own_volume: str, tmp_path: Path, host: str, *, is_warned: bool
) -> None:
    process = start(
        "local",
        *("--host", host, "--volume", own_volume),
        cwd=tmp_path,
        environ=command_environment(),
    )
    assert process.stderr
    try:
        lines = iter(process.stderr.readline, "")
        said = next(line for line in lines if "ready" in line or "warning" in line)
        assert ("It has no TLS" in said) is is_warned
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def test_a_body_without_an_end_is_refused_by_the_server_itself(volume: str) -> None:
    settings = LocalSchedulerSettings(volume=volume)
    with LocalScheduler(settings) as scheduler:
        address = httpx.URL(scheduler.url)
        with socket.create_connection((address.host, address.port or 0), timeout=30) as client:
            head = "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            client.sendall(head.encode())
            with suppress(OSError):  # the answer may come, and the end, before all is sent
                for _ in range(40):
                    client.sendall(b"8000\r\n" + b"a" * 0x8000 + b"\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 413 ")
