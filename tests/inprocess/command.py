"""A command's main() in this process, with what a process of its own would have."""

import gc
import logging
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn, TextIO

import pytest

from lusid_image_publish.cli.console import console
from lusid_image_publish.system import ENDING_SIGNALS

_LOGGERS = ("lusid_image_publish", "httpx_retries")


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote."""

    code: int
    stdout: str
    stderr: str
    stdout_bytes: bytes = b""

    def require(self, code: int, *words: str) -> "Ended":
        """Return this if it is an end with `code` that says `words` on stderr."""
        assert self.code == code, self.stderr
        assert "Traceback" not in self.stderr
        assert [word for word in words if word not in self.stderr] == [], self.stderr
        return self

    def fails(self, code: int, *words: str) -> "Ended":
        """Return this if it is a failure that says `words`, and has no answer."""
        assert self.stdout == ""
        return self.require(code, *words, "Error: ")


class _Terminal:
    """A stdin on which somebody types."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def isatty(self) -> bool:
        return True

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


def run_main(
    main: Callable[[], NoReturn],
    program: str,
    *arguments: str,
    environ: Mapping[str, str],
    folder: Path,
    stdin: bytes = b"",
    is_terminal: bool = False,
) -> Ended:
    """Run `main` as `program` with `arguments` in `folder` and return how it ended.

    `stdin` is what it can read there; `is_terminal` says that a person typed it.
    """
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        out, err = (stack.enter_context(tempfile.TemporaryFile(dir="/tmp")) for _ in range(2))
        stack.enter_context(_environment(environ))
        stack.enter_context(_signals())
        stack.enter_context(_loggers())
        stack.enter_context(_console())
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", "docker-credential-")  # a process shows it, and goes on
        warnings.filterwarnings("ignore", "unclosed .*family=1,", ResourceWarning)
        patch.chdir(folder)
        patch.setattr(tempfile, "tempdir", None)
        patch.setattr(sys, "argv", [program, *arguments])
        patch.setattr(sys.modules["__main__"], "__package__", None)  # or click says `python -m`
        typed = stack.enter_context(_stdin(stdin))
        patch.setattr(sys, "stdin", _Terminal(typed) if is_terminal else typed)
        for name, file in (("stdout", out), ("stderr", err)):
            stream = open(file.fileno(), "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            patch.setattr(sys, name, stream)
        with pytest.raises(SystemExit) as leaving:
            main()
        sys.stdout.flush()
        sys.stderr.flush()
        assert isinstance(leaving.value.code, int)
        written = _content(out)
        said = _content(err).decode()
        has_no_engine = "Docker engine" in said or b"Docker engine" in written
        if leaving.value.code >= signal.SIGHUP + 128 or has_no_engine:
            stack.enter_context(sockets_left_open())
        return Ended(leaving.value.code, written.decode(errors="replace"), said, written)


@contextmanager
def sockets_left_open() -> Iterator[None]:
    """Close what docker-py leaves open that did not connect, or that a signal interrupted."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


@contextmanager
def _environment(environ: Mapping[str, str]) -> Iterator[None]:
    former = dict(os.environ)
    os.environ.clear()
    os.environ.update(environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(former)


@contextmanager
def _signals() -> Iterator[None]:
    former = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def _loggers() -> Iterator[None]:
    """Let the loggers be as they were: the console sets them up for a process."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    former = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)  # a completion takes all of it away
        for logger, (handlers, propagate, level) in zip(loggers, former, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)


@contextmanager
def _console() -> Iterator[None]:
    console.__init__()  # type: ignore[misc]  # the one console, as it is in a new process
    try:
        yield
    finally:
        console.__init__()  # type: ignore[misc]


@contextmanager
def _stdin(content: bytes) -> Iterator[TextIO]:
    """Let file descriptor 0 and a text stream over it give `content`."""
    former = os.dup(0)
    with tempfile.TemporaryFile(dir="/tmp") as file:
        file.write(content)
        file.seek(0)
        os.dup2(file.fileno(), 0)
        try:
            yield open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # main may keep it
        finally:
            os.dup2(former, 0)
            os.close(former)
