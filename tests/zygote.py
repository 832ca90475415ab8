"""Commands as processes, without the time that Python and its imports take.

A process that has imported the package waits for requests, and forks for each. The child gets the
folder, the environment and the streams of the request, runs `main()` of a command and exits as that
does: a real process, with real signals and streams. `Zygote.interpreter` is for shells.
"""

import atexit
import fcntl
import gc
import importlib
import json
import os
import random
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any, Final, NoReturn, Self

from lusid_image_publish.config import Settings
from lusid_image_publish.http.transport import trusted_authorities

ROOT: Final = Path(__file__).parents[1]
COMMANDS: Final = ("publish", "images", "local")
_MODULES: Final = (
    *(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sorted((ROOT / "lusid_image_publish").rglob("[!_]*.py"))
    ),
    "rich.progress",
    "rich.table",
)
_MAX_REQUEST_BYTES: Final = 1 << 18
_MAX_FILES: Final = 64
_CLIENT: Final = Path(__file__).with_name("zygote_client.py")
_FIXED_AT_THE_START: Final = ("PYTHON", "LC_", "LANG", "TZ", "COVERAGE")
"""Variables that the interpreter or a library reads once: with others, a new process is needed."""


class Process:
    """A command that runs, with what tests use of `subprocess.Popen`."""

    def __init__(self, status: socket.socket, args: Sequence[str], out: int, err: int) -> None:
        self.args = args
        self.returncode: Any = None  # an int, None while it runs, as Popen has it
        self.stdout: IO[str] = os.fdopen(out)
        self.stderr: IO[str] = os.fdopen(err)
        self._written = {self.stdout: bytearray(), self.stderr: bytearray()}
        self._status = status.makefile("r")
        self._socket = status
        self.pid = int(self._status.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stdout.close()
        self.stderr.close()
        self.wait()

    def poll(self) -> int | None:
        """Return the exit code, None while the command runs."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code. Raises `TimeoutExpired`."""
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._socket, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(self._status.readline() or -signal.SIGKILL)
            self._status.close()
            self._socket.close()
        return int(self.returncode)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return what the command writes to stdout and stderr until it ends."""
        end = float("inf") if timeout is None else time.monotonic() + timeout
        files = [file for file in (self.stdout, self.stderr) if not file.closed]
        with selectors.DefaultSelector() as selector:
            for file in files:
                selector.register(file, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(None if timeout is None else end - time.monotonic())
                if not ready:
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
                for key, _ in ready:
                    chunk = os.read(key.fd, 1 << 16)
                    self._written[key.fileobj] += chunk  # type: ignore[index]  # one of the files
                    if not chunk:
                        selector.unregister(key.fileobj)
        self.wait(None if timeout is None else max(0.0, end - time.monotonic()))
        texts = [written.decode() for written in self._written.values()]
        for file in files:
            file.close()
        return texts[0], texts[1]

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the command has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Zygote:
    """The process that forks, started when it is first needed. Many threads may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._folder = ExitStack()
        self._interpreter = Path()
        self._process: subprocess.Popen[bytes] | None = None
        # Now: pytest changes the environment later, also while other threads read it.
        self._environ = dict(os.environ) | {"PYTHONPATH": str(ROOT)}

    def can_start(self, environ: Mapping[str, str]) -> bool:
        """Return whether a process with `environ` can be forked."""
        return _fixed(environ) == _fixed(self._environ)

    def start(self, module: str, *arguments: str, cwd: Path, environ: Mapping[str, str]) -> Process:
        """Start `lusid_image_publish.cli.<module>`; stdin is empty."""
        ours, theirs = socket.socketpair()
        (out, child_out), (err, child_err) = os.pipe(), os.pipe()
        request = {
            "module": module,
            "arguments": arguments,
            "cwd": str(cwd),
            "environ": dict(environ),
            "files": [1, 2],
        }
        descriptors = [theirs.fileno(), child_out, child_err]
        content = json.dumps(request, ensure_ascii=True).encode()
        with self._lock:
            socket.send_fds(self._started(), [content], descriptors)
        theirs.close()
        os.close(child_out)
        os.close(child_err)
        return Process(ours, [module, *arguments], out, err)

    @property
    def interpreter(self) -> str:
        """The path of a Python that has the zygote run what it gets as `-m MODULE ARGUMENTS`.

        Beside it are `lusid-publish` and `lusid-images`.
        """
        with self._lock:
            self._started()
        return str(self._interpreter)

    def _started(self) -> socket.socket:
        if self._control is None:
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            folder = Path(self._folder.enter_context(tempfile.TemporaryDirectory()))
            self._interpreter = folder / "python"
            for program in ("python", *(f"lusid-{command}" for command in COMMANDS[:2])):
                (folder / program).write_text(f"#!{sys.executable} -IS\n{_CLIENT.read_text()}")
                (folder / program).chmod(0o755)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
                door.bind(str(folder / "door"))
                door.listen()
                files = [theirs.fileno(), door.fileno()]
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tests.zygote", *map(str, files)],
                    cwd=ROOT,
                    env=self._environ,
                    pass_fds=files,
                    stdin=subprocess.DEVNULL,
                )
            theirs.close()
            atexit.register(self._stop)
        return self._control

    def _stop(self) -> None:
        if self._control and self._process:
            self._control.close()
            self._process.wait()
            self._folder.close()


def _fixed(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(_FIXED_AT_THE_START)}


def _serve(control: socket.socket, door: socket.socket) -> Callable[[], NoReturn]:
    """Fork for each request until `control` is closed; return, in a child, what to run."""
    started_with = _fixed(os.environ)
    status_of: dict[int, int] = {}  # of each child, by its number
    signalled, writing = socket.socketpair(type=socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([control, door, signalled], [], [])
        if signalled in ready:
            signalled.recv(1024)
            _tell_ends(status_of)
            continue
        visitor = control if control in ready else door.accept()[0]
        content, files, _, _ = socket.recv_fds(visitor, _MAX_REQUEST_BYTES, _MAX_FILES)
        if visitor is control and not content:
            sys.exit(0)
        status = files.pop(0) if visitor is control else visitor.detach()
        request = json.loads(content or b"{}")
        child = 0
        if content and _fixed(request["environ"]) == started_with:
            child = os.fork()
            if not child:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.set_wakeup_fd(-1)
                for inherited in (control, door, signalled, writing):
                    inherited.close()
                for descriptor in (status, *status_of.values()):
                    os.close(descriptor)
                return _command(request, files)
        for descriptor in files:
            os.close(descriptor)
        _tell(status, child)
        if child:
            status_of[child] = status
        else:
            os.close(status)


def _tell_ends(status_of: dict[int, int]) -> None:
    """Send the exit code of each child that has ended."""
    while status_of:
        child, ended = os.waitpid(-1, os.WNOHANG)
        if not child:
            break
        status = status_of.pop(child)
        _tell(status, os.waitstatus_to_exitcode(ended))
        os.close(status)


def _tell(status: int, number: int) -> None:
    with suppress(OSError):  # the caller may have ended
        os.write(status, f"{number}\n".encode())


def _command(request: Mapping[str, Any], files: Sequence[int]) -> Callable[[], NoReturn]:
    above = max(request["files"]) + 1  # where no file is that is still needed
    moved = [fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, above) for file in files]
    for file in files:
        os.close(file)
    for file, number in zip(moved, request["files"], strict=True):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environ"])
    random.seed()
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    for name in ("stdin", "stdout", "stderr"):
        setattr(sys, f"__{name}__", getattr(sys, name))
    module = importlib.import_module(f"lusid_image_publish.cli.{request['module']}")
    program = request.get("program")
    sys.argv = [program or str(module.__file__), *request["arguments"]]
    # click names the program by it.
    sys.modules["__main__"].__package__ = None if program else module.__package__
    return lambda: _run(module.main)


def _run(main: Callable[[], object]) -> NoReturn:
    """Run `main`, and exit as Python does, but for what clears its memory: that takes long here."""
    code: object = 0
    try:
        main()
    except SystemExit as error:
        code = error.code
    except BaseException:  # noqa: BLE001  # as the interpreter shows it
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    assert isinstance(code, int)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = 120
    os._exit(code)


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    for found in _MODULES:
        importlib.import_module(found)
    trusted_authorities(Settings.from_values(scheduler_url="https://foo.example"))
    gc.collect()
    gc.freeze()
    _serve(*(socket.socket(fileno=int(number)) for number in sys.argv[1:]))()
