"""Check the arguments of a Python caller: a choice, a number. Annotations alone stop nobody."""

import math
from collections.abc import Sequence
from typing import Final

from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.text import plain

_MAX_SHOWN_CHARACTERS: Final = 100


def argument_error(name: str, value: object, allowed: str) -> ConfigurationError:
    """Return the error for an argument `name`; `allowed` completes "must be"."""
    shown = plain(repr(value), longest=_MAX_SHOWN_CHARACTERS)
    return ConfigurationError(
        f"{name} must be {allowed}, not {shown}.", hint="Correct the argument."
    )


def require_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raise `ConfigurationError` unless `value` is one of the `choices`."""
    if value not in choices:
        raise argument_error(name, value, any_of(choices))


def require_number(name: str, value: object, *, is_whole: bool = False) -> None:
    """Raise `ConfigurationError` unless `value` is a number, 0 or greater."""
    kind = int if is_whole else int | float
    if (
        isinstance(value, bool)
        or not isinstance(value, kind)
        or not math.isfinite(value)
        or value < 0
    ):
        raise argument_error(name, value, f"a {'whole ' if is_whole else ''}number, 0 or greater")


def any_of(words: Sequence[str]) -> str:
    """Return the words as an enumeration: `a, b or c`."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
