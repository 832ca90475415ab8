"""Which images go: never one that should stay."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.prune import judge, parse_age
from lusid_image_publish.scheduler.models import ImageSummary, Tag

NOW = datetime(2026, 11, 23, tzinfo=UTC)
YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)


def image(
    name: str, days: float | None, *, tags: tuple[str, ...] = (), tag_days: float | None = None
) -> ImageSummary:
    pushed = None if days is None else NOW - timedelta(days=days)
    tag_pushed = YEAR_ONE if tag_days is None else NOW - timedelta(days=tag_days)
    named = [Tag(name=tag, push_time=tag_pushed) for tag in tags or (name,)]
    return named_image(name, pushed, named)


def named_image(name: str, pushed: datetime | None, tags: list[Tag]) -> ImageSummary:
    """Return an image whose digest is a short name, so that a test can be read."""
    return ImageSummary.model_construct(digest=name, push_time=pushed, tags=tags)


def going(images: list[ImageSummary], keep: int, days: float | None = None) -> list[str]:
    older_than = None if days is None else timedelta(days=days)
    verdicts = judge(images, keep=keep, older_than=older_than, now=NOW)
    assert len(verdicts) == len(images)
    assert all(verdict.reason for verdict in verdicts)
    return [str(verdict.image.digest) for verdict in verdicts if verdict.goes]


def test_the_newest_stay() -> None:
    images = [image("b", 2), image("a", 1), image("d", 4), image("c", 3)]
    assert going(images, 2) == ["c", "d"]
    assert going(images, 4) == going(images, 9) == []
    assert going(images, 0) == ["a", "b", "c", "d"]


def test_what_is_not_old_enough_stays() -> None:
    images = [image("a", 1), image("b", 30), image("c", 30.1)]
    assert going(images, 0, 30) == ["b", "c"]
    assert going(images, 2, 30) == ["c"]


def test_latest_stays() -> None:
    assert going([image("a", 1), image("b", 2, tags=("1.0", "latest"))], 1) == []


def test_an_image_is_as_new_as_its_newest_tag() -> None:
    images = [image("a", 90, tag_days=1), image("b", 2)]
    assert going(images, 1) == ["b"]


def test_what_cannot_be_judged_stays_and_takes_nobody_s_place() -> None:
    untagged = named_image("untagged", NOW - timedelta(days=500), [])
    undated = [
        image("none", None),
        named_image("one", YEAR_ONE, [Tag(name="x")]),
    ]
    assert going([untagged, *undated, image("a", 1), image("b", 2)], 1) == ["b"]


@given(
    st.lists(
        st.tuples(st.none() | st.integers(0, 400), st.sampled_from(["1", "latest"])), max_size=8
    ),
    st.integers(0, 9),
    st.none() | st.integers(0, 400),
)
def test_never_too_many_go(
    found: list[tuple[int | None, str]], keep: int, days: int | None
) -> None:
    images = [image(str(n), age, tags=(tag,)) for n, (age, tag) in enumerate(found)]
    gone = {int(name) for name in going(images, keep, days)}
    ages = {n: age for n, (age, _) in enumerate(found) if age is not None}
    stay = sorted(ages[n] for n in ages if n not in gone)
    assert len(stay) >= min(keep, len(ages))
    assert all(found[n][0] is not None and found[n][1] != "latest" for n in gone)
    assert all(ages[n] >= (days or 0) for n in gone)
    assert all(sum(ages[other] <= ages[n] for other in ages if other != n) >= keep for n in gone)


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("30d", timedelta(days=30)),
        ("12H", timedelta(hours=12)),
        ("8w", timedelta(weeks=8)),
        ("0d", timedelta()),
    ],
)
def test_an_age_is_read(text: str, age: timedelta) -> None:
    assert parse_age(text) == age


@pytest.mark.parametrize(
    "text", ["", "30", "d", "-1d", "1.5d", "30 days", "5m", "1d2h", "9" * 9 + "d"]
)
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not an age"):
        parse_age(text)


def test_an_image_that_is_listed_twice_is_one() -> None:
    twice = [image("a", 1, tags=("1",)), image("a", 9, tags=("1", "2")), image("b", 2)]
    assert going_merged(twice, 2) == []
    by_tag = [image("a", 90, tags=("1.0",)), image("a", 80, tags=("latest",)), image("b", 1)]
    assert going_merged(by_tag, 1) == []


def going_merged(images: list[ImageSummary], keep: int) -> list[str]:
    verdicts = judge(images, keep=keep, older_than=None, now=NOW)
    assert len(verdicts) == len({one.digest for one in images})
    return [str(verdict.image.digest) for verdict in verdicts if verdict.goes]


def test_what_has_no_digest_or_no_usable_tag_stays() -> None:
    nameless = ImageSummary(push_time=NOW - timedelta(days=9), tags=[Tag(name="1.0")])
    odd = image("odd", 9, tags=("V1", "_"))
    assert going([nameless, nameless, odd, image("a", 1)], 0) == ["a"]
