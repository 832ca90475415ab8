"""The wait at the end of the pipeline: LUSID must list the digest that was pushed."""

from typing import cast

import pytest

from lusid_image_publish.errors import (
    DigestMismatchError,
    NotFoundError,
    ServerError,
    WaitTimeoutError,
)
from lusid_image_publish.names import ImageName, ImageReference
from lusid_image_publish.progress import ignore
from lusid_image_publish.publish import wait_until_listed
from lusid_image_publish.push.docker_daemon import PushedImage
from lusid_image_publish.scheduler.client import ImagesClient
from lusid_image_publish.scheduler.models import Image

OURS, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
NAME = ImageName("job", "1.0")
PUSHED = PushedImage(ImageReference("127.0.0.1:5000", "local/job", "1.0"), OURS)


class SlowScheduler:
    """A Scheduler whose answers depend on the time: `timeline` has (second, digest or None)."""

    def __init__(self, *timeline: tuple[float, str | None]) -> None:
        self.now = 0.0
        self.timeline = timeline
        self.failing: set[float] = set()

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def get_image(self, name: str) -> Image:
        if self.now in self.failing:
            raise ServerError("LUSID refused get_image: HTTP 502")
        shown = [digest for since, digest in self.timeline if since <= self.now]
        if not shown:
            raise NotFoundError(f"no {name}")
        return Image(name="job", digest=shown[-1], size=5)

    def wait(self, seconds: float) -> Image:
        return wait_until_listed(
            PUSHED,
            NAME,
            images=cast("ImagesClient", self),
            seconds=seconds,
            listener=ignore,
            clock=self.clock,
            sleep=self.sleep,
        )


def test_the_image_is_returned_within_half_a_second_of_appearing() -> None:
    scheduler = SlowScheduler((7.1, OURS))
    assert scheduler.wait(60).digest == OURS
    assert scheduler.now - 7.1 <= 0.5


def test_what_never_appears_is_told_with_what_was_seen_last() -> None:
    scheduler = SlowScheduler()
    with pytest.raises(WaitTimeoutError) as caught:
        scheduler.wait(60)
    assert "not listed" in caught.value.message
    assert scheduler.now == 60


def test_a_passing_failure_of_the_service_does_not_end_the_wait() -> None:
    scheduler = SlowScheduler((1, OURS))
    scheduler.failing = {0.0}
    assert scheduler.wait(60).digest == OURS


def test_an_image_without_a_digest_is_no_proof() -> None:
    with pytest.raises(WaitTimeoutError, match="digest missing"):
        SlowScheduler((0, None)).wait(60)


def test_another_digest_that_stays_is_an_error_before_the_time_is_over() -> None:
    scheduler = SlowScheduler((1, OTHER))
    with pytest.raises(DigestMismatchError) as caught:
        scheduler.wait(300)
    assert OURS in caught.value.message
    assert OTHER in caught.value.message
    assert scheduler.now < 15


def test_another_digest_that_goes_away_is_only_the_tag_s_former_meaning() -> None:
    assert SlowScheduler((1, OTHER), (5, OURS)).wait(60).digest == OURS
