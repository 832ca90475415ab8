"""Known secrets, and the filter that keeps them out of every sink.

A secret is a type: `Secret` prints as `***` and makes itself known here when it is made. Whatever
is shown to a person or written to a log passes `redact()` first, which also knows the forms in
which a secret travels: base64 (alone and as `user:password`) and percent-encoding.
"""

import base64
import logging
import re
import threading
import urllib.parse
from collections.abc import Callable
from typing import Final

MASK: Final = "***"
_SHORTEST = 4  # hiding anything shorter would hide ordinary words and no secret

_COMMAND_AT_BEGINNING: Final = re.compile(r"^(\s*)::")
_COMMAND_ANYWHERE: Final = re.compile(r"(##\w*)\[")

Learner = Callable[[str], None]
"""Is told a secret."""

_known: set[str] = set()
_learners: list[Learner] = []
_pattern: re.Pattern[str] | None = None
_lock = threading.Lock()


class Secret:
    """A value that is shown as `***` wherever it is printed; `reveal()` gives the text."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        register(value)

    def reveal(self) -> str:
        """Return the text itself: only where it is sent to the host it belongs to."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return MASK


def register(value: str) -> None:
    """Make `value` and its encoded forms known, so that `redact` hides them from now on."""
    if len(value) < _SHORTEST:
        return
    raw = value.encode(errors="surrogateescape")  # the environment may have bytes that are no UTF-8
    encoded = base64.b64encode(raw).decode()
    forms = {
        value,
        encoded,
        encoded.rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        urllib.parse.quote(raw, safe=""),
        urllib.parse.quote_plus(raw),
    }
    global _pattern  # noqa: PLW0603  # one set of secrets for the process: every sink must know it
    with _lock:
        is_new = value not in _known
        _known.update(forms)
        _pattern = None
    if is_new:
        for learner in _learners:
            learner(value)


def tell(learner: Learner) -> None:
    """Let `learner` know each secret that becomes known from now on, before it is used."""
    _learners.append(learner)


def register_pair(user: str, password: str) -> None:
    """Make a Basic credential known in the form it has on the wire, base64 of `user:password`."""
    register(password)
    register(f"{user}:{password}")


def redact(text: str) -> str:
    """Return `text` with every known secret, in every known form, replaced by `***`."""
    pattern = _current_pattern()
    return pattern.sub(MASK, text) if pattern else text


def _current_pattern() -> re.Pattern[str] | None:
    """Return what matches every known secret; made when it is needed, for a server knows many."""
    global _pattern  # noqa: PLW0603
    with _lock:
        if _pattern is None and _known:
            longest_first = sorted(_known, key=len, reverse=True)
            _pattern = re.compile("|".join(map(re.escape, longest_first)))
        return _pattern


def plain(text: str, *, longest: int = 2000) -> str:
    """Return a foreign text in one line, without secrets and what a terminal or a CI acts on.

    No more than `longest` characters of it; what cannot be printed becomes U+FFFD.
    """
    # Twice: one secret is known before its strange blanks are tidied, another, wrapped, after.
    shown = redact(_printable(" ".join(redact(text).split())))
    return without_commands(shown)[:longest]


def without_commands(line: str) -> str:
    """Return a line that no CI's runner acts on.

    They act on `##[` (GitHub's) and `##vso[` (Azure's) wherever it is in a line; GitHub's acts on
    `::` at its beginning, white space before it aside.
    """
    return _COMMAND_ANYWHERE.sub(r"\1 [", _COMMAND_AT_BEGINNING.sub(r"\1: :", line))


def _printable(text: str, *, also: str = "") -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in also else "\N{REPLACEMENT CHARACTER}" for c in text)


class RedactingFormatter(logging.Formatter):
    """Format a log record, traceback included, without secrets and what a terminal acts on."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's text, of one or more lines."""
        return _printable(redact(super().format(record)), also="\n")
