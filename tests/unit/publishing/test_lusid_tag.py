"""One NAME:TAG in LUSID: which answers are believed, and how long an answer is waited for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from lusid_image_publish.config import Settings
from lusid_image_publish.errors import (
    AccessDeniedError,
    DigestMismatchError,
    ExitCode,
    InstructionsError,
    LusidPublishError,
    NotFoundError,
    ServerError,
    ServiceError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)
from lusid_image_publish.names import ImageName
from lusid_image_publish.publishing.lusid_tag import LusidTag
from lusid_image_publish.publishing.policy import Limits
from lusid_image_publish.scheduler.instructions import PushInstructions
from lusid_image_publish.scheduler.models import Image, ImageSummary, Tag, UploadImageInstructions
from tests.unit.publishing.scripted import instructions_for

SETTINGS = Settings.from_values(scheduler_url="https://foo.lusid.com/scheduler2")
OURS, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64

DIGEST = OURS

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
        self.name = "job"

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

    def tag(self, seconds: float, **limits: Any) -> LusidTag:
        return LusidTag(
            name=ImageName("job", "1.0"),
            images=cast("Any", self),
            limits=Limits(wait_timeout=seconds, **limits),
            clock=self.clock,
            sleep=self.sleep,
        )

    def wait(self, seconds: float, *, former: str | None = None, **limits: Any) -> Image:
        return self.tag(seconds, **limits).wait_until_listed(OURS, former=former)


def test_the_image_is_returned_within_half_a_second_of_appearing() -> None:
    scheduler = SlowScheduler((7.1, OURS))
    assert scheduler.wait(60).digest == OURS
    assert scheduler.now - 7.1 <= 0.5


def test_what_never_appears_is_reported_with_what_was_seen_last() -> None:
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
    with pytest.raises(WaitTimeoutError, match="get_image had no digest"):
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
    with pytest.raises(WaitTimeoutError, match="not yet in list_images"):
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


def test_an_answer_about_something_else_that_stays_is_an_error_of_the_service() -> None:
    scheduler = SlowScheduler((0, OURS))
    scheduler.name = "other"
    with pytest.raises(UnexpectedAnswerError, match="not about job"):
        scheduler.wait(60)
    assert scheduler.now == 60


def test_an_existing_image_is_waited_for_in_the_list() -> None:
    scheduler = SlowScheduler((0, OURS))
    scheduler.listing = ((9, OURS),)
    assert scheduler.tag(60).require_listed(OURS).digest == OURS
    assert scheduler.now >= 9


def test_an_existing_image_that_the_list_never_has_is_no_success() -> None:
    scheduler = SlowScheduler((0, OURS))
    scheduler.listing = ()
    with pytest.raises(WaitTimeoutError, match="not yet in list_images") as caught:
        scheduler.tag(60).require_listed(OURS)
    assert "push succeeded" not in caught.value.cause


def test_an_existing_image_that_the_list_has_with_another_digest_is_no_success() -> None:
    scheduler = SlowScheduler((0, OURS))
    scheduler.listing = ((0, OTHER),)
    with pytest.raises(DigestMismatchError, match="list_images has") as caught:
        scheduler.tag(60).require_listed(OURS)
    assert "pushed" not in caught.value.message


def test_an_existing_image_without_a_digest_is_no_success() -> None:
    with pytest.raises(UnexpectedAnswerError, match="no digest"):
        SlowScheduler().tag(60).require_digest(Image(name="job", tags=[Tag(name="1.0")]))


def test_an_image_with_a_digest_stays_as_it_is() -> None:
    image = Image(name="job", digest=OURS, size=7, tags=[Tag(name="1.0")])
    listed = SlowScheduler().tag(60).require_digest(image)
    assert (listed.digest, listed.model_dump_json()) == (OURS, image.model_dump_json())
    assert listed.model_fields_set == image.model_fields_set


# What is believed of an answer.


@dataclass
class Answering:
    """Answers `get_image` and both lists, or raises what they raise."""

    image: Image | ServiceError
    listed: list[ImageSummary] | ServiceError = field(default_factory=list)
    repositories: ServiceError | None = None
    asked: list[str] = field(default_factory=list)

    def get_image(self, name: str) -> Image:
        self.asked.append(f"get_image {name}")
        if isinstance(self.image, ServiceError):
            raise self.image
        return self.image

    def iter_images(self, name: str) -> list[ImageSummary]:
        self.asked.append(f"list_images {name}")
        if isinstance(self.listed, ServiceError):
            raise self.listed
        return self.listed

    def list_repositories(self, **_: object) -> None:
        self.asked.append("list_repositories")
        if self.repositories:
            raise self.repositories

    def tag(self) -> LusidTag:
        return LusidTag(name=ImageName("job", "1.0"), images=cast("Any", self))


def image(name: str = "job", *tags: str) -> Image:
    return Image(name=name, digest=DIGEST, tags=[Tag(name=tag) for tag in tags])


def summary(name: str | None, *tags: str, digest: str = DIGEST) -> ImageSummary:
    return ImageSummary(name=name, digest=digest, tags=[Tag(name=tag) for tag in tags])


def not_found(*, is_lusids_own: bool) -> NotFoundError:
    error = NotFoundError("HTTP 404", operation="get_image")
    error.is_lusids_own = is_lusids_own
    return error


@pytest.mark.parametrize("name", ["job", "foo/job", "job:1.0"])
def test_an_answer_about_this_name_and_tag_is_believed(name: str) -> None:
    service = Answering(image(name, "latest", "1.0"))
    assert service.tag().find() is service.image
    assert service.asked == ["get_image job:1.0"], "and costs one request"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (image("other", "1.0"), r"other \(1\.0\)"),
        (image("ob", "1.0"), "ob"),
        (image("job", "2.0", "latest"), r"job \(2\.0, latest\)"),
        (Image(name="other"), r"other \(no tags\)"),
        (image("\x1b[31mother", "1.0"), "other"),
    ],
)
@pytest.mark.parametrize("ask", [LusidTag.find, LusidTag.look_up])
def test_an_answer_about_something_else_is_an_error(ask: Any, answer: Image, words: str) -> None:
    with pytest.raises(
        UnexpectedAnswerError, match=f"is about .*{words}.*, not about job:1.0"
    ) as it:
        ask(Answering(answer, [summary("job", "1.0", digest=OTHER)]).tag())
    assert it.value.message.isprintable()
    assert it.value.hint


@pytest.mark.parametrize("answer", [image("job"), Image(name="job")])
@pytest.mark.parametrize("listed", [summary("job", "1.0"), summary(None, "1.0")])
def test_an_answer_that_leaves_out_the_tag_is_an_error(answer: Image, listed: ImageSummary) -> None:
    with pytest.raises(UnexpectedAnswerError):
        Answering(answer, [listed]).tag().find()


def test_a_list_may_leave_the_names_out_and_may_not_be_of_another_repository() -> None:
    ours, other = summary(None, "1.0"), summary(None, "2.0")
    assert Answering(image(), [other, ours]).tag().find_in_list() == [ours]
    with pytest.raises(
        UnexpectedAnswerError, match=r"list_images is about other \(2\.0\), not about"
    ):
        Answering(image(), [ours, summary("other", "2.0")]).tag().find_in_list()


def test_lusid_s_own_404_is_believed() -> None:
    service = Answering(not_found(is_lusids_own=True))
    assert service.tag().look_up() is None
    assert service.asked == ["get_image job:1.0"]


def test_of_another_404_the_list_of_repositories_decides() -> None:
    assert Answering(not_found(is_lusids_own=False)).tag().look_up() is None
    refused_here = AccessDeniedError("HTTP 403", code=186)
    service = Answering(not_found(is_lusids_own=False), repositories=refused_here)
    assert service.tag().look_up() is None, "a Scheduler that does not show its list is one, too"


@pytest.mark.parametrize(
    "error",
    [
        NotFoundError("The URL does not serve the Images API"),
        AccessDeniedError("HTTP 403"),
        UnexpectedAnswerError("HTML"),
        ServerError("HTTP 502"),
    ],
)
def test_what_is_no_scheduler_ends_the_run(error: LusidPublishError) -> None:
    assert isinstance(error, ServiceError)
    service = Answering(not_found(is_lusids_own=False), repositories=error)
    with pytest.raises(type(error)) as caught:
        service.tag().look_up()
    assert caught.value is error


# The deletion.

THERE = Image(name="job", digest="sha256:" + "a" * 64, tags=[Tag(name="1.0")])


GONE = not_found(is_lusids_own=True)


@dataclass
class Deleting:
    """Says that it deleted, and shows things in turn; the last one stays."""

    shown: list[Image | ServiceError]
    repositories: ServiceError | None = None
    now: float = 0.0
    asked: list[str] = field(default_factory=list)

    def delete_image(self, name: str) -> str:
        self.asked.append(f"delete_image {name}")
        return "Done."

    def get_image(self, name: str) -> Image:
        self.asked.append(f"get_image {name}")
        shown = self.shown.pop(0) if len(self.shown) > 1 else self.shown[0]
        if isinstance(shown, ServiceError):
            raise shown
        return shown

    def list_repositories(self, **_: object) -> None:
        if self.repositories:
            raise self.repositories

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def delete(self) -> str:
        name, images = ImageName("job", "1.0"), cast("Any", self)
        clock = lambda: self.now  # noqa: E731
        return LusidTag(name=name, images=images, clock=clock, sleep=self.sleep).delete()


def test_what_is_gone_is_looked_at_once() -> None:
    service = Deleting([GONE])
    assert service.delete() == "Done."
    assert service.asked == ["delete_image job:1.0", "get_image job:1.0"]


@pytest.mark.parametrize("shown", [THERE, ServerError("HTTP 502"), UnexpectedAnswerError("HTML")])
def test_what_goes_a_moment_later_is_waited_for(shown: Image | ServiceError) -> None:
    assert Deleting([shown, shown, GONE]).delete() == "Done."


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (THERE, "still exists .sha256:aaaa"),
        (image("job"), "cannot be verified: .* not about job"),
        (ServerError("HTTP 502."), "cannot be verified: HTTP 502"),
    ],
)
def test_what_stays_is_an_error(shown: Image | ServiceError, words: str) -> None:
    service = Deleting([shown])
    with pytest.raises(UnexpectedAnswerError, match=words) as caught:
        service.delete()
    assert caught.value.exit_code == ExitCode.SERVICE
    assert caught.value.hint
    assert service.asked.count("delete_image job:1.0") == 1


def test_a_404_of_something_else_is_no_proof() -> None:
    missing = not_found(is_lusids_own=False)
    assert Deleting([missing]).delete() == "Done.", "a Scheduler answers there"
    with pytest.raises(NotFoundError):
        Deleting(
            [missing], repositories=NotFoundError("The URL does not serve the Images API")
        ).delete()


def test_a_refused_look_is_reported() -> None:
    with pytest.raises(AccessDeniedError):
        Deleting([AccessDeniedError("HTTP 403")]).delete()


# The upload instructions.


class Instructing:
    """Answers `upload_image`, and keeps the names that it was asked for."""

    def __init__(self, host: str = "foo.lusid.com") -> None:
        self.host = host
        self.asked: list[ImageName] = []
        self.settings = SETTINGS

    def upload_image(self, name: str) -> UploadImageInstructions:
        self.asked.append(ImageName.parse(name))
        return instructions_for(name, self.host)


@pytest.mark.parametrize("length", [3, *range(225, 238)])
def test_the_fresh_tag_fits_whatever_the_name_is(length: int) -> None:
    service, name = Instructing(), ImageName("j" * length, "1")
    tag = LusidTag(name=name, images=cast("Any", service))
    for _ in range(20):
        assert tag.borrow_instructions().target.tag == "1"
    assert len(set(service.asked)) == 20, "each is another one"
    assert {asked.repository for asked in service.asked} == {name.repository}


@pytest.mark.parametrize(
    "ask", [lambda tag: tag.ask_instructions("linux/amd64"), LusidTag.borrow_instructions]
)
def test_a_registry_that_the_scheduler_must_not_name_is_refused(
    ask: Callable[[LusidTag], PushInstructions],
) -> None:
    service = Instructing("localhost:5000")
    tag = LusidTag(name=ImageName("job", "1"), images=cast("Any", service))
    with pytest.raises(InstructionsError, match="localhost:5000"):
        ask(tag)
