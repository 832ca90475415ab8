"""Text from elsewhere, cleaned for one line, a terminal or the log of a CI."""

import logging
import re
from functools import lru_cache
from typing import Final

from lusid_image_publish.redact import redact

_BLANK: Final = re.compile(r"[^\S ]")
_COMMAND_AT_BEGINNING: Final = re.compile(r"^(\s*)::")
_COMMAND_ANYWHERE: Final = re.compile(r"(##\w*)\[")
_TRIED_FORMATS: Final = re.compile(
    r"failed, attempted the following formats: [^\s(]+\((.+?)\)(?:, application/.*)?$"
)
_ERROR_NUMBER: Final = re.compile(r"\[(?:Errno|WinError) -?\d+\] ?")
_HEAD_CHARACTERS: Final = 120
_TAIL_CHARACTERS: Final = 200
_MAX_MESSAGE_CHARACTERS: Final = 1 << 16  # before it is shortened


def plain(text: str, *, longest: int = 2000) -> str:
    """Return a foreign text in one line, without secrets, terminal controls and CI commands.

    It has at most `longest` characters; an unprintable one becomes U+FFFD.
    """
    # Twice: one secret is known before its strange blanks are tidied, another, wrapped, after.
    return line_of(" ".join(redact(text).split()))[:longest]


def line_of(text: str) -> str:
    """Return a text in one line, cleaned as by `plain`, with its blanks and at full length."""
    return without_commands(redact(printable(_BLANK.sub(" ", redact(text)))))


def is_utf_8(text: str) -> bool:
    """Return whether `text` is UTF-8: arguments and environment variables may not be."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def without_commands(line: str) -> str:
    """Return `line` so that no CI runner reads it as a command.

    Runners act on `##[` (GitHub) and `##vso[` (Azure) anywhere in a line; GitHub's also acts on
    `::` at its beginning, even after white space.
    """
    return _COMMAND_ANYWHERE.sub(r"\1 [", _COMMAND_AT_BEGINNING.sub(r"\1: :", line))


def shorten_message(message: str) -> str:
    """Return an engine's message as one clean line of some 300 characters.

    Podman repeats a refusal for each manifest format that it tried. Any other long line keeps its
    beginning, which says what was done, and its end, which says why it failed.
    """
    line = _TRIED_FORMATS.sub(r"failed: \1", plain(message, longest=_MAX_MESSAGE_CHARACTERS))
    if len(line) <= _HEAD_CHARACTERS + _TAIL_CHARACTERS:
        return line
    return f"{line[:_HEAD_CHARACTERS].rstrip()} [...] {line[-_TAIL_CHARACTERS:].lstrip()}"


def without_error_number(message: str) -> str:
    """Return the system's words for an error as one line, without its number and a full stop."""
    return _ERROR_NUMBER.sub("", plain(message)).rstrip(".")


def printable(text: str) -> str:
    """Return a text of one or more lines without terminal controls.

    A tab becomes a blank, and a byte that is not UTF-8 the escape that Python writes.
    """
    if text.isprintable():
        return text
    return "".join(map(_printable_sign, text))


@lru_cache(1 << 12)
def _printable_sign(sign: str) -> str:
    if sign.isprintable() or sign == "\n":
        return sign
    if "\ud800" <= sign <= "\udfff":
        return f"\\u{ord(sign):04x}"
    return " " if sign == "\t" else "\N{REPLACEMENT CHARACTER}"


class RedactingFormatter(logging.Formatter):
    """Format a log record, traceback included, without secrets and terminal controls."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's text, of one or more lines."""
        return printable(redact(super().format(record)))
