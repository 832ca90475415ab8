"""Sizes and dates for people."""

from datetime import UTC, datetime
from typing import Final

NOTHING: Final = "-"
"""What is shown for what is not known."""


def human_size(size: int | None) -> str:
    """Return a number of bytes in decimal units, as Docker shows it."""
    if size is None:
        return NOTHING
    for factor, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def date(moment: datetime | None) -> str:
    """Return a date in UTC; year 1 is how the service writes "never"."""
    if moment is None:
        return NOTHING
    if moment.year == 1:
        return "never"
    try:
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except OverflowError:  # at the end of the year 9999
        return f"{moment:%Y-%m-%d %H:%M}"
