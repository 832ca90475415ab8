"""The wait at the end: LUSID must list the digest that was pushed, in both places."""

from collections.abc import Iterator
from typing import Any, cast

import pytest

from lusid_image_publish.errors import (
    DigestMismatchError,
    NotFoundError,
    ServerError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)
from lusid_image_publish.names import ImageName, ImageReference
from lusid_image_publish.publishing.arrival import require_listed, wait_until_listed
from lusid_image_publish.publishing.run import Limits, Run
from lusid_image_publish.publishing.upload import PushedImage
from lusid_image_publish.scheduler.models import Image, ImageSummary, Tag

OURS, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
PUSHED = PushedImage(ImageReference("127.0.0.1:5000", "local/job", "1.0"), OURS)

Timeline = tuple[tuple[float, str | None], ...]


class SlowScheduler:
    """A Scheduler whose answers depend on the time: a timeline has (second, digest or None).

    Its list follows the same timeline, unless `listing` has one of its own.
    """

    def __init__(self, *timeline: tuple[float, str | None]) -> None:
        self.now = 0.0
        self.looks: list[float] = []
        self.timeline = timeline
        self.listing: Timeline | None = None
        self.failing: set[float] = set()
        self.name: str | None = "job"

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def get_image(self, name: str) -> Image:
        self.looks.append(self.now)
        if self.now in self.failing:
            raise ServerError("LUSID refused get_image: HTTP 502")
        shown = self._shown(self.timeline)
        if not shown:
            raise NotFoundError(f"no {name}")
        return Image(name=self.name, digest=shown[-1], size=5, tags=[Tag(name="1.0")])

    def iter_images(self, _name: str) -> Iterator[ImageSummary]:
        yield ImageSummary(name="job", digest=OTHER, tags=[Tag(name="0.9"), Tag(name="1.0.1")])
        for digest in self._shown(self.timeline if self.listing is None else self.listing)[-1:]:
            yield ImageSummary(name="job", digest=digest, tags=[Tag(name="1.0")])

    def _shown(self, timeline: Timeline) -> list[str | None]:
        return [digest for since, digest in timeline if since <= self.now]

    def run(self, seconds: float, **limits: Any) -> Run:
        return Run(
            name=ImageName("job", "1.0"),
            engine=cast("Any", None),
            images=cast("Any", self),
            settings=cast("Any", None),
            limits=Limits(wait_timeout=seconds, **limits),
            clock=self.clock,
            sleep=self.sleep,
        )

    def wait(self, seconds: float, *, former: str | None = None, **limits: Any) -> Image:
        return wait_until_listed(PUSHED, self.run(seconds, **limits), former=former)


EXISTING = Image(name="job", digest=OURS, tags=[Tag(name="1.0")])


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


def test_the_digest_that_the_tag_had_before_may_be_shown_for_longer() -> None:
    scheduler = SlowScheduler((0, OTHER), (60, OURS))
    assert scheduler.wait(300, former=OTHER).digest == OURS


def test_an_image_that_the_list_does_not_have_yet_is_waited_for() -> None:
    scheduler = SlowScheduler((0, OURS))
    scheduler.listing = ((9, OURS),)
    assert scheduler.wait(60).digest == OURS
    assert scheduler.now >= 9


def test_an_image_that_the_list_never_has_is_no_proof() -> None:
    scheduler = SlowScheduler((0, OURS))
    scheduler.listing = ()
    with pytest.raises(WaitTimeoutError, match="list_images not yet"):
        scheduler.wait(60)


def test_another_digest_in_the_list_alone_is_an_error_too() -> None:
    scheduler = SlowScheduler((0, OURS))
    scheduler.listing = ((0, OTHER),)
    with pytest.raises(DigestMismatchError, match="list_images has"):
        scheduler.wait(60)
    assert scheduler.now < 15


def test_the_pause_between_two_looks_can_be_set() -> None:
    scheduler = SlowScheduler((7.1, OURS))
    scheduler.wait(60, poll_interval=3)
    assert scheduler.looks == [0, 3, 6, 9]


@pytest.mark.parametrize("name", ["other", None])
def test_an_answer_about_something_else_that_stays_is_an_error_of_the_service(
    name: str | None,
) -> None:
    scheduler = SlowScheduler((0, OURS))
    scheduler.name = name
    with pytest.raises(UnexpectedAnswerError, match="not about job"):
        scheduler.wait(60)
    assert scheduler.now == 60


def test_an_existing_image_is_waited_for_in_the_list() -> None:
    scheduler = SlowScheduler((0, OURS))
    scheduler.listing = ((9, OURS),)
    assert require_listed(EXISTING, scheduler.run(60)).digest == OURS
    assert scheduler.now >= 9


def test_an_existing_image_that_the_list_never_has_is_no_success() -> None:
    scheduler = SlowScheduler((0, OURS))
    scheduler.listing = ()
    with pytest.raises(WaitTimeoutError, match="list_images not yet") as caught:
        require_listed(EXISTING, scheduler.run(60))
    assert "push succeeded" not in caught.value.cause


def test_an_existing_image_that_the_list_has_with_another_digest_is_no_success() -> None:
    scheduler = SlowScheduler((0, OURS))
    scheduler.listing = ((0, OTHER),)
    with pytest.raises(DigestMismatchError, match="list_images has") as caught:
        require_listed(EXISTING, scheduler.run(60))
    assert "pushed" not in caught.value.message


def test_an_existing_image_without_a_digest_is_no_success() -> None:
    with pytest.raises(UnexpectedAnswerError, match="no digest"):
        require_listed(EXISTING.model_copy(update={"digest": None}), SlowScheduler().run(60))
