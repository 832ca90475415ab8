"""Differences between systems: signals, process groups, shells, pipes, and CI.

Only this module checks whether a call or a signal exists.
"""

import errno
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

IS_WINDOWS: Final = sys.platform == "win32"

ENDING_SIGNALS: Final = tuple(
    signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if name in signal.Signals.__members__ and hasattr(signal, name)
)
"""The signals of this system that end a program. Windows has SIGBREAK, and no SIGHUP."""

_HAS_PROCESS_GROUPS: Final = hasattr(os, "killpg")
_SYNCHRONIZE_FLAG: Final = 0x00100000  # this and the next two are constants of Windows
_ACCESS_DENIED_CODE: Final = 5
_WAIT_TIMEOUT_CODE: Final = 0x102  # it is running

_WRITER_SECONDS: Final = 0.3  # how long a pipe waits for its writer
_PIPE_CHUNK_BYTES: Final = 1 << 20
_CI_VARIABLES: Final = ("CI", "TF_BUILD", "JENKINS_URL", "TEAMCITY_VERSION", "CODEBUILD_BUILD_ID")
"""Most CIs set `CI`; Azure, Jenkins, TeamCity and AWS have their own variables."""


def is_ci(environ: Mapping[str, str]) -> bool:
    """Return whether `environ` is that of a CI job, where others may have written the files."""
    return (
        environ.get("GITHUB_ACTIONS") == "true"
        or environ.get("GITLAB_CI") == "true"
        or any(environ.get(name, "").lower() not in {"", "0", "false"} for name in _CI_VARIABLES)
    )


def trusted_users() -> set[int]:
    """Return the ids of the user whose rights this process has, and of root.

    On Windows it is 0, which Python gives as the owner of each file.
    """
    return {os.geteuid(), 0} if hasattr(os, "geteuid") else {0}


def end_process_group(process: subprocess.Popen[Any], *, grace: float) -> None:
    """End `process` and its children: SIGINT, SIGTERM, then SIGKILL, each after `grace` seconds.

    Start it with `start_new_session=True`. Windows has no process groups: Ctrl-C reaches all
    programs of a terminal, so `process` has the time to end by itself.
    """
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            if _HAS_PROCESS_GROUPS:
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(grace)
                return
    finally:
        # Also when a second signal ends the wait: nothing may keep running.
        if process.poll() is None:
            if _HAS_PROCESS_GROUPS:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()


if sys.platform == "win32":

    def is_running(pid: int) -> bool:
        """Return whether a process runs, also another user's."""
        # Not os.kill: there 0 is Ctrl-C, and would be sent. Only Windows has the library.
        import ctypes  # noqa: PLC0415

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = ctypes.c_void_p
        handle = ctypes.c_void_p(kernel.OpenProcess(_SYNCHRONIZE_FLAG, 0, pid))
        if not handle:
            return ctypes.get_last_error() == _ACCESS_DENIED_CODE
        try:
            return bool(kernel.WaitForSingleObject(handle, 0) == _WAIT_TIMEOUT_CODE)
        finally:
            kernel.CloseHandle(handle)

else:

    def is_running(pid: int) -> bool:
        """Return whether a process runs, also another user's."""
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def read_pipe(path: Path) -> Iterator[bytes]:
    """Yield the content of a named pipe, nothing if no program opened it for writing.

    An ordinary open would wait forever for such a program.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
    with open(path, "rb", buffering=0, opener=lambda name, _: os.open(name, flags)) as pipe:
        chunk = pipe.read(_PIPE_CHUNK_BYTES)
        until = time.monotonic() + _WRITER_SECONDS
        while chunk == b"" and time.monotonic() < until:
            time.sleep(0.01)
            chunk = pipe.read(_PIPE_CHUNK_BYTES)
        os.set_blocking(pipe.fileno(), True)
        while chunk != b"":
            if chunk:  # None: the writer has not written yet
                yield chunk
            chunk = pipe.read(_PIPE_CHUNK_BYTES)


def reader_left(error: OSError) -> bool:
    """Return whether a write failed because the reader closed the pipe."""
    # Windows reports "invalid argument".
    if IS_WINDOWS and error.errno == errno.EINVAL:
        return True
    return isinstance(error, BrokenPipeError | ConnectionResetError)


def shell_command(words: Iterable[str]) -> str:
    """Return a command line to paste; PowerShell and cmd do not support POSIX quotes."""
    return subprocess.list2cmdline(words) if IS_WINDOWS else shlex.join(words)


def export_command(file: Path) -> str:
    """Return the command that sets the variables of `file`, a line NAME=VALUE for each."""
    if IS_WINDOWS:
        quoted = "'" + str(file).replace("'", "''") + "'"
        setting = "$name, $value = $_ -split '=', 2; Set-Item env:$name $value"
        return f"Get-Content {quoted} | ForEach-Object {{ {setting} }}"
    # A POSIX shell searches PATH for a file without a folder.
    return f"set -a; . {shlex.quote(str(file))}; set +a"
