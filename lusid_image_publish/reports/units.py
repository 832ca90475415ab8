"""Sizes and dates for people."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

NOTHING: Final = "-"
"""The sign for an unknown value."""

_MAX_SIZE_BYTES: Final = 2**63  # a larger size makes no sense, and may not fit a float


def human_size(size: int | None) -> str:
    """Return a number of bytes in decimal units, as Docker shows it."""
    if size is None:
        return NOTHING
    for factor, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if factor <= size < _MAX_SIZE_BYTES:
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


def known(moment: datetime | None) -> datetime | None:
    """Return `moment`, None where it means "never"."""
    return moment if moment and moment.year > 1 else None


def utc_stamp(moment: datetime) -> str:
    """Return `YYYY-MM-DDThh:mm:ss` in UTC."""
    with suppress(OverflowError):  # at the end of the year 9999
        moment = moment.astimezone(UTC)
    # Not strftime, which writes the year 999 in three digits.
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")
