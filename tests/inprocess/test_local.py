"""lusid-scheduler-local and --local in process: the server's parts, without container and port."""

import json
import signal
import socket
import stat
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import pytest
import uvicorn
from anyio.from_thread import BlockingPortal

from lusid_image_publish.config import load_settings
from lusid_image_publish.local_scheduler import server
from lusid_image_publish.local_scheduler.scans import Scans
from tests.inprocess.network import Application, Server
from tests.inprocess.stage import Stage
from tests.memory_registry import MemoryRegistry

HERE = "127.0.0.1:8765"


@pytest.fixture
def stopped(stage: Stage, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was stopped; a local Scheduler answers at `HERE` while it runs."""
    stopped: list[str] = []

    class Registry(MemoryRegistry):
        """The registry of a local Scheduler, in memory."""

        def __init__(self, engine: object, *, domain: str, **_: object) -> None:
            del engine
            super().__init__(host="127.0.0.1:5000", domain=domain, now=stage.clock.now)

        def __enter__(self) -> Self:
            stage.network.servers[self.host] = Server(self, stage.clock)
            return self

        def __exit__(self, *_: object) -> None:
            stopped.append("registry")

    class HttpServer:
        """An HTTP server that answers in process."""

        def __init__(self, app: Any) -> None:
            stage.network.servers[HERE] = Server(Application(app, portal), stage.clock)
            self.started = False
            self._ended = threading.Event()

        @property
        def should_exit(self) -> bool:
            return self._ended.is_set()

        @should_exit.setter
        def should_exit(self, _: bool) -> None:
            self._ended.set()

        def run(self, **_: object) -> None:
            self.started = True
            self._ended.wait(30)
            stopped.append("server")

    def listen(scheduler: server.LocalScheduler) -> socket.socket:
        scheduler._root = f"http://{HERE}"
        scheduler.is_on_loopback = scheduler._settings.host == "127.0.0.1"
        return socket.socket(socket.AF_UNIX)

    monkeypatch.setattr(server, "Registry", Registry)
    monkeypatch.setattr(server, "Scans", partial(Scans, now=stage.clock.now))
    monkeypatch.setattr(server.LocalScheduler, "_listen", listen)
    monkeypatch.setattr(uvicorn, "Config", lambda app, **_: app)
    monkeypatch.setattr(uvicorn, "Server", HttpServer)
    return stopped


def at_the_first_pause(stage: Stage, act: Callable[[], object]) -> None:
    """Call `act` when the server waits, and then send SIGTERM."""

    def pause() -> None:
        if stage.clock.monotonic() > 1001:
            act()
            signal.raise_signal(signal.SIGTERM)

    stage.clock.on_sleep = pause


def test_the_server_runs_until_it_is_stopped(stage: Stage, stopped: list[str]) -> None:
    seen: list[dict[str, str]] = []

    def look() -> None:
        file = stage.folder / "mine.env"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        seen.append(dict(line.split("=", 1) for line in file.read_text().splitlines()))

    at_the_first_pause(stage, look)
    ended = stage.run("local", "--env-file", "mine.env")
    ended.require(0, f"ready: http://{HERE}/scheduler2, registry 127.0.0.1:5000", "stopped")
    assert seen[0]["FBN_SCHEDULER_URL"] == f"http://{HERE}/scheduler2"
    assert seen[0]["FBN_ACCESS_TOKEN"] not in ended.stderr
    for older in ("FBN_SCHEDULER_API_URL", "FBN_LUSID_SCHEDULER_API_URL"):
        assert seen[0][older] == seen[0]["FBN_SCHEDULER_URL"]
    for older in ("FBN_BASE_URL", "FBN_BASE_API_URL", "LUSID_ENV"):
        assert seen[0][older] == f"http://{HERE}"
    for older in ("FBN_LUSID_API_URL", "FBN_LUSID_URL"):
        assert seen[0][older] == f"http://{HERE}/api"
    settings = load_settings({}, seen[0])
    assert settings.scheduler_url == f"http://{HERE}/scheduler2"
    assert settings.remarks == ()
    assert not (stage.folder / "mine.env").exists()
    assert stopped == ["server", "registry"]


def test_a_file_that_exists_is_not_written_over(stage: Stage, stopped: list[str]) -> None:
    (stage.folder / "mine.env").write_text("mine")
    stage.run("local", "--env-file", "mine.env").fails(2, "already exists")
    stage.run("local", "--env-file", "no/such.env").fails(2, "cannot be written")
    assert (stage.folder / "mine.env").read_text() == "mine"
    assert stopped == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--port", "70000"), "--port"),
        (("--domain", "Not A Domain"), "is not a valid LUSID domain"),
        (("--scan-findings", "absent.json"), "absent.json"),
        (("--scan-status", "x" * 65), "--scan-status"),
        (("--instructions-lifetime", "0"), "--instructions-lifetime"),
    ],
)
def test_bad_options_are_refused_before_anything_is_started(
    stage: Stage, stopped: list[str], options: tuple[str, ...], words: str
) -> None:
    assert stage.run("local", *options).require(2, words).stdout == ""
    assert stopped == []


def test_a_host_that_others_can_reach_is_a_warning(stage: Stage, stopped: list[str]) -> None:
    at_the_first_pause(stage, lambda: None)
    stage.run("local", "--host", "192.0.2.1").require(0, "Other machines can reach the Scheduler")
    assert stopped == ["server", "registry"]


def test_no_engine(stage: Stage, stopped: list[str]) -> None:
    stage.run("local", variables=stage.without_engine).fails(6, "No Docker engine answers")
    assert stopped == []


def test_local_publishes_without_configuration(stage: Stage, stopped: list[str]) -> None:
    stage.hold("job:ci")
    for name in [name for name in stage.environ if name.startswith("FBN_")]:
        del stage.environ[name]
    ended = stage.publish("job:ci", "job:1.0", "--local", "--output", "json")
    ended.require(0, "Starting a local Scheduler", "registry 127.0.0.1:5000")
    assert json.loads(ended.stdout)["reference"] == "127.0.0.1:5000/local/job:1.0"
    assert stopped == ["server", "registry"]
    jobs = ("--local", "--job", "me/my-job")
    stage.publish("job:ci", "job:1.0", *jobs).require(
        0, "created the job me/my-job", "it now has job:1.0 instead of no image"
    )
    stage.publish("job:ci", "job:1.0", *jobs, "--dry-run").require(0)
    listed = stage.run("images", "repos", "--local", "--output", "json").require(0)
    assert json.loads(listed.stdout)["values"] == []
    assert "publishing would start" in stage.run("images", "doctor", "--local").require(0).stdout
