"""Sizes and dates, whatever the service says."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from lusid_image_publish.reports.formats import FORMATS
from lusid_image_publish.reports.words import human_size, known, utc_stamp
from tests.unit.reports.contents import timed
from tests.unit.reports.gitlab_rules import broken_rules

EAST = timezone(timedelta(hours=14))
WEST = timezone(timedelta(hours=-5))
YEAR_ONE = datetime(1, 1, 1, tzinfo=EAST)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def sarif_times(began: datetime | None, ended: datetime | None) -> tuple[str | None, str | None]:
    run = json.loads(FORMATS["sarif"].render(timed(began, ended)))["runs"][0]
    invocation: dict[str, Any] = run["invocations"][0]
    return invocation.get("startTimeUtc"), invocation.get("endTimeUtc")


@pytest.mark.parametrize("size", [2**63, 10**400, -1, -(10**400)])
def test_a_size_that_cannot_be_is_shown_as_it_is(size: int) -> None:
    assert human_size(size) == f"{size} B"


@pytest.mark.parametrize(
    ("moment", "stamp"),
    [
        (datetime(2026, 3, 1, 14, tzinfo=EAST), "2026-03-01T00:00:00"),
        (datetime(2026, 3, 1, 23, 0, 1, 999, tzinfo=WEST), "2026-03-02T04:00:01"),
        (datetime(999, 1, 1, tzinfo=UTC), "0999-01-01T00:00:00"),
        (datetime(9999, 12, 31, 23, tzinfo=WEST), "9999-12-31T23:00:00"),
    ],
)
def test_a_stamp_is_in_utc_and_has_four_digits_for_the_year(moment: datetime, stamp: str) -> None:
    assert utc_stamp(moment) == stamp


def test_the_year_one_is_never() -> None:
    assert known(YEAR_ONE) is known(None) is None
    assert known(NOON) == NOON


def test_sarif_has_the_times_of_the_scan_in_utc() -> None:
    began, ended = datetime(2026, 3, 1, 14, tzinfo=EAST), NOON
    assert sarif_times(began, ended) == ("2026-03-01T00:00:00Z", "2026-03-01T12:00:00Z")
    assert sarif_times(None, YEAR_ONE) == (None, None)


def test_sarif_never_has_an_end_before_its_beginning() -> None:
    assert sarif_times(NOON + timedelta(days=1), NOON) == (None, "2026-03-01T12:00:00Z")


@pytest.mark.parametrize("year", [2, 999, 9999])
def test_gitlab_s_times_are_well_formed_in_any_year(year: int) -> None:
    content = timed(datetime(year, 1, 1, tzinfo=EAST), datetime(year, 12, 31, 23, tzinfo=WEST))
    assert broken_rules(json.loads(FORMATS["gitlab"].render(content))) == []
