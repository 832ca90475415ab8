"""A command whose streams, terminal or surroundings are bad ends with the exit code of that."""

import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lusid_image_publish.errors import ExitCode
from tests.environment import OF_A_CI

ROOT = Path(__file__).parents[2]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such descriptors")

COMPLETION = {
    "_LUSID_IMAGES_COMPLETE": "bash_complete",
    "COMP_WORDS": "lusid-images ",
    "COMP_CWORD": "1",
}
WRITING: dict[str, tuple[list[str], dict[str, str]]] = {
    "help": (["publish", "--help"], {}),
    "unbuffered help": (["images", "list", "--help"], {"PYTHONUNBUFFERED": "1"}),
    "version": (["local", "--version"], {}),
    "completion script": (["images", "completion", "zsh"], {}),
    "completion": (["images"], COMPLETION),
}
REFUSED = {
    "option": (["publish", "--nonsense"], ExitCode.USAGE),
    "source": (["publish", "./none", "a:1"], ExitCode.SOURCE),
}


def command(name: str, *arguments: str | bytes) -> list[str | bytes]:
    """Return what runs a command under its own name, as its script does."""
    start = "lusid_scheduler_local" if name == "local" else f"lusid_{name}"
    code = f"import sys; sys.argv[0] = 'lusid-{name}'; from lusid_image_publish.cli.start import"
    return [sys.executable, "-c", f"{code} {start}; {start}()", *arguments]


def environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OF_A_CI)}
    return kept | {"PYTHONPATH": str(ROOT)} | variables


def run(name: str, *arguments: str | bytes, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a command; it must call nothing a bug."""
    given: dict[str, Any] = {"env": environment(), "stderr": subprocess.PIPE} | options
    done: subprocess.CompletedProcess[bytes] = subprocess.run(
        command(name, *arguments), check=False, **given
    )
    said = (done.stderr or b"").decode(errors="replace")
    for sign in ("a bug in this program", "Traceback", "Exception ignored"):
        assert sign not in said
    return done


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def opened(path: str, flags: int, stack: ExitStack) -> int:
    descriptor = os.open(path, flags)
    stack.callback(os.close, descriptor)
    return descriptor


def full_disk(stack: ExitStack) -> int:
    return opened("/dev/full", os.O_WRONLY, stack)


def read_only(stack: ExitStack) -> int:
    return opened(os.devnull, os.O_RDONLY, stack)


def full_pipe(stack: ExitStack) -> int:
    """Return a pipe that nobody reads, and that takes no more and does not wait either."""
    reading, writing = os.pipe()
    stack.callback(os.close, reading)
    stack.callback(os.close, writing)
    os.set_blocking(writing, False)
    for size in (1 << 16, 1):
        try:
            while True:
                os.write(writing, bytes(size))
        except BlockingIOError:
            pass
    return writing


def without_reader(stack: ExitStack) -> int:
    reading, writing = os.pipe()
    os.close(reading)
    stack.callback(os.close, writing)
    return writing


def reset_by_peer(stack: ExitStack) -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = stack.enter_context(socket.create_connection(server.getsockname()))
        theirs, _ = server.accept()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
    return ours.fileno()


FAILING = {
    "full disk": (full_disk, ExitCode.OUTPUT),
    "read-only": (read_only, ExitCode.OUTPUT),
    "full pipe": (full_pipe, ExitCode.OUTPUT),
    "no reader": (without_reader, ExitCode.BROKEN_PIPE),
    "reset by peer": (reset_by_peer, ExitCode.BROKEN_PIPE),
}
"""Streams that take nothing, and what a stdout of the kind ends a command with."""

if not Path("/dev/full").exists():  # macOS
    del FAILING["full disk"]


@POSIX
@pytest.mark.parametrize("stream", FAILING)
@pytest.mark.parametrize("written", WRITING)
def test_a_stdout_that_takes_nothing_is_not_a_bug(
    written: str, stream: str, stack: ExitStack
) -> None:
    arguments, variables = WRITING[written]
    make, code = FAILING[stream]
    done = run(*arguments, stdout=make(stack), env=environment(**variables))
    assert done.returncode == code
    assert (b"cannot be written to stdout" in done.stderr) is (code == ExitCode.OUTPUT)


@POSIX
@pytest.mark.parametrize("stream", FAILING)
@pytest.mark.parametrize("refused", REFUSED)
def test_a_stderr_that_takes_nothing_changes_no_exit_code(
    refused: str, stream: str, stack: ExitStack
) -> None:
    arguments, code = REFUSED[refused]
    make, _ = FAILING[stream]
    assert run(*arguments, stderr=make(stack)).returncode == code


@POSIX
@pytest.mark.parametrize(
    ("redirection", "arguments", "code"),
    [
        (">&-", ["publish", "--help"], ExitCode.OUTPUT),
        (">&-", ["publish", "--nonsense"], ExitCode.USAGE),
        ("2>&-", ["publish", "--help"], ExitCode.DONE),
        ("2>&-", ["publish", "--nonsense"], ExitCode.USAGE),
        ("<&- >&- 2>&-", ["publish", "--version"], ExitCode.OUTPUT),
        ("<&- >&- 2>&-", ["images", "nonsense"], ExitCode.USAGE),
        ("<&-", ["images", "delete", "a:1"], ExitCode.USAGE),
    ],
)
def test_a_stream_that_is_closed_is_not_a_bug(
    redirection: str, arguments: list[str], code: ExitCode
) -> None:
    closing = ["sh", "-c", f'exec "$@" {redirection}', "sh", *command(*arguments)]
    done = subprocess.run(closing, capture_output=True, env=environment(), check=False)
    assert done.returncode == code, done.stderr


@POSIX
def test_a_file_that_may_not_grow_is_not_a_cut_answer(tmp_path: Path) -> None:
    limited = ["sh", "-c", 'ulimit -f 1; exec "$@"', "sh", *command("publish", "--help")]
    for unbuffered in ("", "1"):
        with Path(tmp_path, "help").open("wb") as file:
            done = subprocess.run(
                limited,
                stdout=file,
                stderr=subprocess.PIPE,
                env=environment(PYTHONUNBUFFERED=unbuffered),
                check=False,
            )
        assert done.returncode == ExitCode.OUTPUT, done.stderr


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1:strict"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"TERM": "none such"},
        {"COLUMNS": "0"},
        {"COLUMNS": "1"},
        {"COLUMNS": "9" * 20},
        {"COLUMNS": "x"},
        {"HOME": "", "USERPROFILE": "", "TMPDIR": "/none", "TEMP": "/none", "TMP": "/none"},
    ],
    ids=str,
)
def test_odd_variables_are_not_a_bug(variables: dict[str, str]) -> None:
    env = environment(**variables)
    assert run("publish", "--help", env=env).returncode == ExitCode.DONE
    assert run("publish", "./n\N{EURO SIGN}", "a:1", env=env).returncode == ExitCode.SOURCE


def test_a_letter_that_the_encoding_lacks_is_written_as_in_json() -> None:
    env = environment(PYTHONIOENCODING="latin-1:strict")
    done = run("publish", "./\N{EURO SIGN}\N{PARTY POPPER}", "a:1", env=env)
    assert rb"./\u20ac\ud83c\udf89" in done.stderr


@POSIX
def test_a_source_that_is_not_text_is_shown(tmp_path: Path) -> None:
    done = run("publish", b"./\xff", "a:1", cwd=tmp_path)
    assert done.returncode == ExitCode.SOURCE
    assert rb"./\udcff" in done.stderr


@POSIX
def test_a_working_directory_that_was_removed_is_not_a_bug(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    there = ["sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", *command("publish", "./none", "a:1")]
    done = subprocess.run(there, cwd=folder, capture_output=True, env=environment(), check=False)
    assert done.returncode == ExitCode.SOURCE
    assert b"a directory that was removed" in done.stderr


def test_a_completion_for_an_unknown_shell_is_a_usage_error() -> None:
    done = run("images", env=environment(_LUSID_IMAGES_COMPLETE="tcsh_complete"))
    assert done.returncode == ExitCode.USAGE
    assert b"bash, zsh and fish" in done.stderr


def interrupted_when(
    importing: str, function: str, *arguments: str, stderr: int = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    """Return how a command ends that Ctrl-C reaches while it imports the module `importing`."""
    code = (
        "import importlib.abc, signal, sys\n"
        "class Finder(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {importing!r}:\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        f"from lusid_image_publish.cli.start import {function}\n"
        f"{function}()\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=environment(),
        check=False,
    )


@POSIX
@pytest.mark.parametrize("function", ["lusid_publish", "lusid_images", "lusid_scheduler_local"])
def test_ctrl_c_during_the_imports_shows_no_traceback(function: str) -> None:
    done = interrupted_when("lusid_image_publish.cli.main", function, "--help")
    assert (done.returncode, done.stderr, done.stdout) == (-signal.SIGINT, b"", b"")


@POSIX
@pytest.mark.parametrize("stream", FAILING)
def test_ctrl_c_is_what_it_is_on_any_stderr(stream: str, stack: ExitStack) -> None:
    make, _ = FAILING[stream]
    importing = "lusid_image_publish.sources.source"  # when the command runs
    arguments = ("lusid_publish", "./none", "a:1")
    done = interrupted_when(importing, *arguments, stderr=make(stack))
    assert done.returncode == ExitCode.INTERRUPTED
