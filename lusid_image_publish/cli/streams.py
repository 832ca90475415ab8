"""Standard streams that are closed, full, or cannot encode all characters."""

import codecs
import errno
import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TextIO

from lusid_image_publish.errors import OutputError
from lusid_image_publish.system import IS_WINDOWS, reader_left

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_ESCAPED: Final = "lusid-escaped"


class NoReaderError(Exception):
    """The reader of stdout stopped reading, and needs no more output.

    It is not a `BrokenPipeError`, for which click has its own exit code.
    """


def open_standard_streams() -> None:
    """Make all three streams usable; errors of stdout become `OutputError` or `NoReaderError`.

    Python has None for a stream that was closed before the start. Such a stdout raises an error on
    every write, because the text would be lost.
    """
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123  # never closed
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            _accept_all_characters(stream)
    sys.stdout = _strict(sys.stdout)


def close_standard_streams() -> None:
    """Flush the streams, and drop the rest if that fails: the error was already reported.

    Python would report it again at exit, with its own exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, OutputError, NoReaderError):
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Answers(io.FileIO):
    """A stdout that raises the errors of this package, also for bytes."""

    def write(self, content: "ReadableBuffer", /) -> int:
        try:
            written: int | None = super().write(content)
        except OSError as error:
            if reader_left(error):
                raise NoReaderError from error
            raise _output_error(error) from error
        if written is None:
            raise _output_error(BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)))
        return written


def _output_error(error: OSError) -> OutputError:
    return OutputError(
        "The output cannot be written to stdout.",
        cause=f"{error}.",
        hint="Free some disk space, or redirect stdout elsewhere.",
    )


def _strict(stream: TextIO) -> TextIO:
    """Return `stream` over `_Answers`; a test's stream and a Windows console are unchanged.

    It has a buffer, also with PYTHONUNBUFFERED: Python would lose the rest of a text that a raw
    stream writes only in part.
    """
    is_real = isinstance(stream, io.TextIOWrapper) and isinstance(
        getattr(stream.buffer, "raw", stream.buffer), io.FileIO
    )
    if not is_real or (IS_WINDOWS and stream.isatty()):
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(_Answers(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        newline="\n",
    )


def _accept_all_characters(stream: io.TextIOWrapper) -> None:
    """Make `stream` accept every text, and end lines with a line feed.

    On Windows the default encoding of a pipe or a file is a legacy one, which is not valid for
    JSON. A script would read a carriage return as part of a line.
    """
    is_chosen = "PYTHONIOENCODING" in os.environ
    is_ascii = codecs.lookup(stream.encoding).name == "ascii"
    needs_utf8 = is_ascii or (IS_WINDOWS and not is_chosen and not stream.isatty())
    encoding = "utf-8" if needs_utf8 else stream.encoding
    stream.reconfigure(encoding=encoding, errors=_ESCAPED, newline="\n")


def _escape(error: UnicodeError) -> tuple[str, int]:
    r"""Write a character that the encoding lacks as \u and four digits, as JSON does."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    units = (missing[at : at + 2].hex() for at in range(0, len(missing), 2))
    return "".join(f"\\u{unit}" for unit in units), error.end


codecs.register_error(_ESCAPED, _escape)
