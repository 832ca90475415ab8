"""Split JSON into its parts without changing them: numbers, escapes and blanks stay as they are.

Python's own parser would change them: 1.10 becomes 1.1, and 1e400 is too large for it.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

_BLANKS: Final = re.compile(r"[ \t\n\r]*")
_DECODER: Final = json.JSONDecoder(strict=False, parse_float=str, parse_int=str)


def members_of(text: str) -> dict[str, str]:
    """Return the members of an object, each value as JSON; of several with one name, the last.

    Raises `ValueError` for any other text.
    """
    members: dict[str, str] = {}
    at = _after(text, 0, "{")
    while text[at : at + 1] != "}":
        name, at = _value(text, at)
        at = _after(text, at, ":")
        begin = at
        _, at = _value(text, at)
        members[name] = text[begin:at]
        at = _after_item(text, at, "}")
    return members


def items_of(text: str) -> Iterator[str]:
    """Yield the items of an array, each as JSON. Raises `ValueError` for any other text."""
    at = _after(text, 0, "[")
    while text[at : at + 1] != "]":
        begin = at
        _, at = _value(text, at)
        yield text[begin:at]
        at = _after_item(text, at, "]")


def _value(text: str, at: int) -> tuple[Any, int]:
    value, end = _DECODER.raw_decode(text, at)
    return value, end


def _after_item(text: str, at: int, end: str) -> int:
    """Return the position of the next item, or of the `end`."""
    at = _skip(text, at)
    return at if text[at : at + 1] == end else _after(text, at, ",")


def _after(text: str, at: int, sign: str) -> int:
    """Return the position after `sign` and the blanks around it."""
    at = _skip(text, at)
    if text[at : at + 1] != sign:
        raise ValueError(f"expected {sign} at character {at}")
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    blanks = _BLANKS.match(text, at)
    return blanks.end() if blanks else at
