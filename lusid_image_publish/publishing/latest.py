"""Move the tag `latest` to the published image, and never backwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Final

from lusid_image_publish.errors import LusidPublishError
from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import StepDone, StepStarted, Warned
from lusid_image_publish.publishing.policy import Policy
from lusid_image_publish.publishing.results import LatestOutcome
from lusid_image_publish.publishing.run import Run
from lusid_image_publish.publishing.upload import Upload
from lusid_image_publish.scheduler.instructions import PushInstructions
from lusid_image_publish.scheduler.models import Image, ListedImage
from lusid_image_publish.sources.image import LocalImage

LATEST: Final = "latest"


def move_latest(
    image: LocalImage,
    published: ListedImage,
    instructions: PushInstructions | None,
    run: Run,
    policy: Policy,
) -> LatestOutcome:
    """Move `latest` to `image`, which LUSID has as `published` under the name of `run`.

    `instructions` are those of the push, None without one. Raises the errors of a push.
    """
    latest = run.with_tag(LATEST)
    so_far = f"{run.name} is in LUSID with {published.digest}; {latest.name} may not have moved."
    run.notify(StepStarted(f"Checking LUSID for {latest.name}", so_far, so_far))
    existing = latest.lusid.find()
    outcome = judge_latest(existing, published, run.name.tag)
    if existing and outcome == "unchanged":
        run.notify(StepDone("already this image"))
        with _saying_what_is_published(run.name):
            latest.lusid.require_listed(published.digest)
        return outcome
    if outcome == "kept":
        run.notify(
            Warned(
                f"{latest.name} was not moved, because its image was pushed later than {run.name}."
            )
        )
        return outcome
    run.notify(StepDone("a different image" if existing else "not in LUSID yet"))
    upload = Upload(
        image,
        instructions.for_tag(LATEST) if instructions else latest.lusid.borrow_instructions(),
        latest,
        renew=latest.lusid.borrow_instructions,
        policy=replace(policy, force=True),
    )
    with _saying_what_is_published(run.name):
        former = existing.digest if existing else None
        latest.lusid.wait_until_listed(upload(), former=former)
    return outcome


@contextmanager
def _saying_what_is_published(name: ImageName) -> Iterator[None]:
    """Let an error about `latest` say that the versioned tag is published."""
    try:
        yield
    except LusidPublishError as error:
        error.message = f"{name} is published, but the tag {LATEST} was not moved. {error.message}"
        raise


def judge_latest(existing: Image | None, published: Image | None, tag: str) -> LatestOutcome:
    """Return whether to move `latest`, which LUSID has as `existing`.

    `published` is the image under the versioned `tag`, None if that is yet to be pushed. An image
    without a date is never newer.
    """
    if existing is None or published is None:
        return "moved"
    if existing.digest and existing.digest == published.digest:
        return "unchanged"
    latest_push, tag_push = _push_time(existing, LATEST), _push_time(published, tag)
    return "kept" if latest_push and tag_push and latest_push > tag_push else "moved"


def _push_time(image: Image, name: str) -> datetime | None:
    """Return when the tag was pushed, else the image; the service writes the year 1 for "never"."""
    dates = [tag.push_time for tag in image.tags or () if tag.name == name]
    return next((date for date in [*dates, image.push_time] if date and date.year > 1), None)
