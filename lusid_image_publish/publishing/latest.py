"""Moving the tag `latest` to what was published, and never backwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final, Literal

from lusid_image_publish.errors import LusidPublishError
from lusid_image_publish.progress import StepDone, StepStarted, Warned
from lusid_image_publish.publishing.arrival import require_listed, wait_until_listed
from lusid_image_publish.publishing.ask import borrow_instructions
from lusid_image_publish.publishing.existing import find
from lusid_image_publish.publishing.run import Run
from lusid_image_publish.publishing.upload import Upload
from lusid_image_publish.scheduler.instructions import PushInstructions
from lusid_image_publish.scheduler.models import Image
from lusid_image_publish.sources.image import LocalImage

LATEST: Final = "latest"

LatestOutcome = Literal["moved", "kept", "unchanged"]
"""`kept`: it was pushed later than the versioned tag, so it stays where it is."""


def move_latest(
    image: LocalImage, published: Image, instructions: PushInstructions | None, run: Run
) -> LatestOutcome:
    """Let `latest` point to `image`, which LUSID has as `published` under the name of `run`.

    `instructions` are those of the push, None when there was none. Raises as a push does.
    """
    latest = run.under(LATEST)
    so_far = f"{run.name} is in LUSID with {published.digest}; {latest.name} may not have followed."
    run.listener(StepStarted(f"Looking at LUSID for {latest.name}", so_far, so_far))
    there = find(latest)
    outcome = judge_latest(there, published, run.name.tag)
    if there and outcome == "unchanged":
        run.listener(StepDone("it is this image already"))
        with _saying_what_is_published(run):
            require_listed(there, latest)
        return outcome
    if outcome == "kept":
        run.listener(
            Warned(
                f"{latest.name} stays where it is: it was pushed later than {run.name}, so moving "
                "it would be going back."
            )
        )
        return outcome
    run.listener(StepDone("it is another image" if there else "LUSID has none yet"))
    upload = Upload(
        image,
        instructions.for_tag(LATEST) if instructions else borrow_instructions(latest),
        latest,
        renew=lambda: borrow_instructions(latest),
        replaces=True,
    )
    with _saying_what_is_published(run):
        wait_until_listed(upload(), latest, former=there.digest if there else None)
    return outcome


@contextmanager
def _saying_what_is_published(run: Run) -> Iterator[None]:
    """Let an error about `latest` say that the versioned tag is published."""
    try:
        yield
    except LusidPublishError as error:
        error.message = f"{run.name} is published, but {LATEST} did not follow. {error.message}"
        raise


def judge_latest(there: Image | None, published: Image | None, tag: str) -> LatestOutcome:
    """Return what is to become of `latest`, which LUSID has as `there`.

    `published` is what it has under the versioned `tag`, None when that is yet to be pushed. What
    has no date is not newer than anything.
    """
    if there is None or published is None:
        return "moved"
    if there.digest and there.digest == published.digest:
        return "unchanged"
    theirs, ours = _pushed(there, LATEST), _pushed(published, tag)
    return "kept" if theirs and ours and theirs > ours else "moved"


def _pushed(image: Image, name: str) -> datetime | None:
    """Return when the tag was pushed, else the image; the service writes the year 1 for "never"."""
    dates = [tag.push_time for tag in image.tags or () if tag.name == name]
    return next((date for date in [*dates, image.push_time] if date and date.year > 1), None)
