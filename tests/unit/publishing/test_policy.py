"""The values that say what a publication may do."""

from typing import Any

import pytest

from lusid_image_publish.archives.archive_error import MAX_ARCHIVE_BYTES
from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.publishing.policy import Limits, Policy


def test_an_archive_may_be_as_large_as_archives_are_read_by_default() -> None:
    assert Limits().max_archive_bytes == MAX_ARCHIVE_BYTES


def test_a_pause_that_is_given_is_every_pause() -> None:
    pauses = iter(Limits(poll_interval=3).pauses(first=0.1, quick_for=1))
    assert [next(pauses) for _ in range(3)] == [3, 3, 3]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"push_timeout": -1}, "push_timeout must be a number, 0 or greater, not -1"),
        ({"wait_timeout": "60"}, "wait_timeout must be a number, 0 or greater, not '60'"),
        ({"scan_timeout": float("nan")}, "scan_timeout must be a number"),
        ({"push_idle_timeout": None}, "push_idle_timeout must be a number"),
        ({"push_retries": 1.5}, "push_retries must be a whole number, 0 or greater, not 1.5"),
        ({"push_retries": True}, "push_retries must be a whole number"),
        ({"poll_interval": -0.1}, "poll_interval must be a number"),
        ({"max_archive_size": float("inf")}, "max_archive_size must be a number"),
    ],
)
def test_limits_are_numbers(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Limits(**values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"if_exists": "Skip"}, "if_exists must be verify, fail or skip, not 'Skip'"),
        ({"if_exists": None}, "if_exists must be verify, fail or skip, not None"),
        ({"scan": "high"}, "scan must be a ScanPolicy or None, not 'high'"),
    ],
)
def test_a_policy_that_is_not_one_is_refused_at_once(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Policy(**values)
