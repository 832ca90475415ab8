"""The values that say what a publication may do."""

from lusid_image_publish.archives.archive_error import MAX_ARCHIVE_BYTES
from lusid_image_publish.publishing.policy import Limits


def test_an_archive_may_be_as_large_as_archives_are_read_by_default() -> None:
    assert Limits().max_archive_bytes == MAX_ARCHIVE_BYTES


def test_a_pause_that_is_given_is_every_pause() -> None:
    pauses = iter(Limits(poll_interval=3).pauses(first=0.1, quick_for=1))
    assert [next(pauses) for _ in range(3)] == [3, 3, 3]
