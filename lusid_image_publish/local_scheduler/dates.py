"""Dates as the service writes them: .NET's round-trip form, seven fractional digits, an offset."""

from datetime import datetime
from typing import Final

NEVER: Final = "0001-01-01T00:00:00.0000000+00:00"


def wire_date(moment: datetime) -> str:
    """Return `moment`, which must be in UTC, in the service's form."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}0+00:00"
