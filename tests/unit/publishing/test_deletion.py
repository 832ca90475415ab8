"""A deletion is done when LUSID does not have the tag any more."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from lusid_image_publish.errors import (
    AccessDeniedError,
    ExitCode,
    NotFoundError,
    ServerError,
    ServiceError,
    UnexpectedAnswerError,
)
from lusid_image_publish.names import ImageName
from lusid_image_publish.publishing.deletion import delete_image
from lusid_image_publish.publishing.run import Watch
from lusid_image_publish.scheduler.models import Image, Tag

THERE = Image(name="job", digest="sha256:" + "a" * 64, tags=[Tag(name="1.0")])


def not_found(*, is_lusids_own: bool) -> NotFoundError:
    error = NotFoundError("HTTP 404")
    error.is_lusids_own = is_lusids_own
    return error


GONE = not_found(is_lusids_own=True)


@dataclass
class Service:
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
        return delete_image(
            Watch(name=name, images=images, clock=lambda: self.now, sleep=self.sleep)
        )


def test_what_is_gone_is_looked_at_once() -> None:
    service = Service([GONE])
    assert service.delete() == "Done."
    assert service.asked == ["delete_image job:1.0", "get_image job:1.0"]


@pytest.mark.parametrize("shown", [THERE, ServerError("HTTP 502"), UnexpectedAnswerError("HTML")])
def test_what_goes_a_moment_later_is_waited_for(shown: Image | ServiceError) -> None:
    assert Service([shown, shown, GONE]).delete() == "Done."


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (THERE, "still shows it .sha256:aaaa"),
        (Image(), "cannot be seen: .* not about job"),
        (ServerError("HTTP 502."), "cannot be seen: HTTP 502"),
    ],
)
def test_what_stays_is_an_error(shown: Image | ServiceError, words: str) -> None:
    service = Service([shown])
    with pytest.raises(UnexpectedAnswerError, match=words) as caught:
        service.delete()
    assert caught.value.exit_code == ExitCode.SERVICE
    assert caught.value.hint
    assert service.asked.count("delete_image job:1.0") == 1


def test_a_404_of_something_else_is_no_proof() -> None:
    missing = not_found(is_lusids_own=False)
    assert Service([missing]).delete() == "Done.", "a Scheduler answers there"
    with pytest.raises(NotFoundError):
        Service([missing], repositories=NotFoundError("There is no Images API")).delete()


def test_a_refused_look_is_told() -> None:
    with pytest.raises(AccessDeniedError):
        Service([AccessDeniedError("HTTP 403")]).delete()
