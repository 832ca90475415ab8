"""A real terminal of some width, and what a command writes to it."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_ROWS: Final = 24
_CONTROL: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CHUNK_BYTES: Final = 1 << 16


@dataclass(frozen=True)
class Shown:
    """What a terminal got, and the exit code of the command."""

    code: int
    written: str

    @property
    def lines(self) -> list[str]:
        """Each line that was drawn, also those that later ones replaced, without colours."""
        return [line for line in re.split(r"[\r\n]+", _CONTROL.sub("", self.written)) if line]

    @property
    def text(self) -> str:
        """All lines as one, as a person reads them on."""
        return " ".join(" ".join(self.lines).split())


def run_on_terminal(
    command: Sequence[str], *, columns: int, environ: Mapping[str, str], folder: str | None = None
) -> Shown:
    """Run a command whose stdout and stderr are a terminal of `columns` columns."""
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, columns, 0, 0))
        process = subprocess.Popen(
            command,
            env={"TERM": "xterm-256color", **environ},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        )
    finally:
        os.close(theirs)
    try:
        written = _read_all(ours)
    finally:
        os.close(ours)
    return Shown(process.wait(), written.decode())


def _read_all(descriptor: int) -> bytes:
    """Return what is written until the other side is closed, which Linux reports as an error."""
    written = b""
    while True:
        try:
            chunk = os.read(descriptor, _CHUNK_BYTES)
        except OSError:
            return written
        if not chunk:
            return written
        written += chunk
