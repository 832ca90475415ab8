"""What happens to whole servers and to the person's patience in the middle of a publication."""

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from docker import DockerClient

from lusid_image_publish.local_scheduler.server import LocalScheduler
from tests.faults import Asked, Fault
from tests.integration.faults import Proxy, running
from tests.integration.parts import (
    ENGINE_SOCKET,
    Job,
    Registry,
    command_environment,
    communicate,
    run,
    start,
)
from tests.integration.registries import running_registry
from tests.integration.scripted_service import ScriptedService, serve
from tests.integration.stage import Api, Stage, import_image, staged


@pytest.fixture
def stage(engine: DockerClient, scheduler: LocalScheduler, tmp_path: Path) -> Iterator[Stage]:
    with staged(engine, scheduler, tmp_path) as found:
        yield found


def publish(stage: Stage, *options: str) -> subprocess.CompletedProcess[str]:
    done = run(
        "publish",
        *(stage.local, stage.name, "-vv", *options),
        cwd=stage.folder,
        environ=stage.environ,
    )
    assert stage.leaks(done.stdout + done.stderr) == []
    return done


def _sends(asked: Asked) -> bool:
    return asked.method in {"POST", "PATCH", "PUT"}


def test_publishing_again_sends_nothing(stage: Stage) -> None:
    assert publish(stage).returncode == 0
    assert any(map(_sends, stage.registry.asked))
    stage.registry.asked.clear()
    again = publish(stage)
    assert again.returncode == 0, again.stderr
    assert "unchanged" in again.stderr
    assert not any(map(_sends, stage.registry.asked))


def test_a_retry_sends_only_what_the_registry_lacks(stage: Stage) -> None:
    stage.registry.fault = Fault.RESET
    stage.registry.at = lambda asked, _: asked.method == "PUT" and "/manifests/" in asked.path
    done = publish(stage)
    assert done.returncode == 0, done.stderr
    assert "retry 1 of 3" in done.stderr
    assert "Layer already exists" in done.stderr
    sent = [len(asked.body) for asked, _ in stage.registry.answered if asked.method == "PATCH"]
    assert 100_000 < sum(sent) < 150_000, "the layer went over the wire once"


def test_latest_that_does_not_follow_is_reported_separately(
    stage: Stage, scheduler: LocalScheduler
) -> None:
    stage.registry.fault, stage.registry.always = Fault.FORBIDDEN, True
    stage.registry.at = lambda asked, _: asked.path.endswith("/manifests/latest")
    done = publish(stage, "--latest")
    assert (done.returncode, done.stdout) == (7, ""), done.stderr
    assert f"{stage.name} is published, but the tag latest was not moved" in done.stderr
    assert list(Api(scheduler).tags(stage.repository)) == ["1.0"]


@dataclass
class World:
    """A registry of its own behind a proxy, and an Images API over it."""

    registry: Registry
    proxy: Proxy
    environ: dict[str, str]
    restart: Callable[[], None]


@contextmanager
def world(folder: Path, *, room: str = "") -> Iterator[World]:
    with running_registry(folder, room=room) as (find, restart):
        proxy = Proxy(lambda: find().host)
        registry = find()
        scripted = ScriptedService(
            proxy.host, registry.username, registry.password, lambda *name: find().digest(*name)
        )
        with running(proxy), serve(scripted.app()) as url:
            environ = command_environment(
                FBN_SCHEDULER_URL=f"{url}/scheduler2", FBN_ACCESS_TOKEN="token-0123456789"
            )
            yield World(registry, proxy, environ, restart)


@pytest.fixture
def big(clean_engine: DockerClient, repository: str) -> str:
    """The name of an image that takes the engine a moment to push."""
    import_image(clean_engine, f"{repository}:local", 20_000_000)
    return repository


def test_a_registry_that_restarts_in_the_middle_of_a_push_gets_the_image(
    big: str, tmp_path: Path
) -> None:
    with world(tmp_path) as found:

        def restart_once(asked: Asked) -> None:
            if asked.method == "PATCH" and not restarted:
                restarted.append(asked)
                found.restart()

        restarted: list[Asked] = []
        found.proxy.before = restart_once
        done = run("publish", f"{big}:local", f"{big}:1.0", cwd=tmp_path, environ=found.environ)
        assert restarted
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip().startswith("sha256:")


def test_a_registry_without_room_is_reported(big: str, tmp_path: Path) -> None:
    with world(tmp_path, room="size=1m") as found:
        options = ("--push-timeout", "8", "--push-retries", "1")
        done = run(
            "publish", f"{big}:local", f"{big}:1.0", *options, cwd=tmp_path, environ=found.environ
        )
        assert (done.returncode, done.stdout) == (7, ""), done.stderr
        assert "Next step" in done.stderr
        assert found.registry.digest(f"foo/{big}", "1.0") == ""


def test_of_two_that_publish_one_tag_at_a_time_one_is_refused(
    clean_engine: DockerClient, repository: str, tmp_path: Path
) -> None:
    for number in (1, 2):
        import_image(clean_engine, f"{repository}:local{number}", 1000)
    name = f"{repository}:1.0"
    with world(tmp_path) as found:
        both = threading.Barrier(2)

        def meet(asked: Asked) -> None:
            is_last = asked.method == "PUT" and "/manifests/" in asked.path
            if is_last and "authorization" in asked.headers:
                both.wait(60)

        found.proxy.before = meet  # both have seen that the tag is free,
        found.proxy.after = meet  # and both are stored before either gets an answer
        processes = [
            start(
                "publish", f"{repository}:local{number}", name, cwd=tmp_path, environ=found.environ
            )
            for number in (1, 2)
        ]
        results = [(process, *communicate(process)) for process in processes]
        digest = found.registry.digest(f"foo/{repository}", "1.0")
    (out,) = [out for process, out, _ in results if process.returncode == 0]
    assert out.strip() == digest
    (err,) = [err for process, _, err in results if process.returncode]
    assert "different image" in err
    assert {process.returncode for process, _, _ in results} <= {0, 7, 11}


@dataclass
class CutEngine:
    """The way to the engine; it is cut when `sign` passes, for a while or for ever."""

    path: Path
    for_ever: bool
    sign: bytes = b'"Pushing"'
    was_cut: bool = False
    is_cut: threading.Event = field(default_factory=threading.Event)
    connections: list[socket.socket] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(self.path))
            listening.listen(16)
            thread = threading.Thread(target=self._accept, args=(listening,), daemon=True)
            thread.start()
            try:
                yield
            finally:
                with suppress(OSError):
                    listening.shutdown(socket.SHUT_RDWR)
                thread.join(5)
                for connection in self.connections:
                    connection.close()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                ours, _ = listening.accept()
            except OSError:
                return
            if self.is_cut.is_set():
                ours.close()
                continue
            theirs = socket.socket(socket.AF_UNIX)
            theirs.connect(ENGINE_SOCKET)
            self.connections += [ours, theirs]
            for source, target in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(65536):
                target.sendall(content)
                if self.sign in content and not self.was_cut:
                    self._cut()
            target.shutdown(socket.SHUT_WR)

    def _cut(self) -> None:
        self.was_cut = True
        self.is_cut.set()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        if not self.for_ever:
            threading.Timer(0.5, self.is_cut.clear).start()


@pytest.mark.parametrize("for_ever", [False, True], ids=["restarted", "stopped"])
def test_an_engine_that_goes_away_in_the_middle_of_a_push_is_reported(
    big: str, tmp_path: Path, *, for_ever: bool
) -> None:
    cut = CutEngine(tmp_path / "engine.sock", for_ever)
    with world(tmp_path) as found, cut.running():
        environ = found.environ | {"DOCKER_HOST": f"unix://{cut.path}"}
        done = run("publish", f"{big}:local", f"{big}:1.0", cwd=tmp_path, environ=environ)
        pushed = found.registry.digest(f"foo/{big}", "1.0")
    assert cut.is_cut.is_set() is for_ever
    assert "was interrupted" in done.stderr
    if for_ever:
        assert (done.returncode, done.stdout, pushed) == (7, "", ""), done.stderr
        assert "docker rmi" in done.stderr
        assert "docker version" in done.stderr
    else:
        assert (done.returncode, done.stdout.strip()) == (0, pushed), done.stderr


def test_an_engine_that_goes_away_between_build_and_push_is_named(
    job: Job, clean_engine: DockerClient, repository: str, tmp_path: Path
) -> None:
    del clean_engine  # cleans up
    cut = CutEngine(tmp_path / "engine.sock", for_ever=True, sign=b"/tag?")
    with world(tmp_path) as found, cut.running():
        environ = found.environ | {"DOCKER_HOST": f"unix://{cut.path}"}
        source = str(job.folder)
        done = run("publish", source, f"{repository}:1.0", cwd=tmp_path, environ=environ)
        pushed = found.registry.digest(f"foo/{repository}", "1.0")
    assert (done.returncode, done.stdout, pushed) == (7, "", ""), done.stderr
    assert "in the engine" in done.stderr, "the build was over"
    assert f"he engine at unix://{cut.path} (DOCKER_HOST)" in done.stderr


STEPS: dict[str, tuple[str, Callable[[Asked], bool], str]] = {
    "looking": ("lusid", lambda asked: asked.method == "GET", "Checking LUSID"),
    "asking": ("lusid", lambda asked: asked.path.endswith("/api/images"), "Requesting upload"),
    "greeting": ("registry", lambda asked: asked.path == "/v2/", "Pushing to"),
    "sending": ("registry", lambda asked: asked.method == "PATCH", ": Pushing"),
    "committing": ("registry", lambda asked: "PUT" in asked.method, ": Pushing"),
}


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
@pytest.mark.parametrize("step", STEPS)
def test_a_signal_leaves_all_as_it_was(
    stage: Stage, scheduler: LocalScheduler, step: str, number: signal.Signals, code: int
) -> None:
    side, is_step, _ = STEPS[step]
    proxy = stage.lusid if side == "lusid" else stage.registry
    proxy.fault, proxy.at, proxy.always = Fault.STALL, lambda asked, _: is_step(asked), True
    other = import_image(stage.engine, f"{stage.repository}:other", 1000)
    own = f"{stage.registry.host}/foo/{stage.repository}"
    stage.engine.api.tag(other, own, "1.0")
    try:
        process = start("publish", stage.local, stage.name, cwd=stage.folder, environ=stage.environ)
        deadline = time.monotonic() + 30
        while not proxy.happened:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.1)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (code, ""), err
        assert "Interrupted by" in err
        assert stage.engine.images.get(f"{own}:1.0").id == other, "the person's own tag"
        assert stage.engine.images.get(stage.local).tags == [stage.local]
        assert Api(scheduler).tags(stage.repository) == {}
    finally:
        stage.engine.images.remove(other, force=True)
