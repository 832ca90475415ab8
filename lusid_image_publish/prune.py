"""Which images of a repository are no longer wanted, and deleting them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from lusid_image_publish.errors import ConfigurationError, NotFoundError
from lusid_image_publish.progress import Listener, StepDone, StepStarted, ignore
from lusid_image_publish.scheduler.client import ImagesClient
from lusid_image_publish.scheduler.models import ImageSummary

_PROTECTED_TAG: Final = "latest"
_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Verdict:
    """One image, whether it goes, and why it stays or goes, for a person."""

    image: ImageSummary
    goes: bool
    reason: str


def judge(
    images: Iterable[ImageSummary], *, keep: int, older_than: timedelta | None, now: datetime
) -> list[Verdict]:
    """Return a verdict for each image, the newest first.

    The `keep` newest stay, and of the others what is not `older_than`; an image is as new as the
    last push of it or of one of its tags. What is tagged `latest` stays, and what cannot be judged:
    an image without a push time, or without a tag to name it by. These two kinds do not count among
    the newest.
    """
    dated: list[tuple[datetime, ImageSummary]] = []
    verdicts: list[Verdict] = []
    for image in images:
        pushed = _last_push(image)
        if not _tags(image):
            verdicts.append(Verdict(image, goes=False, reason="it has no tag to name it by"))
        elif pushed is None:
            verdicts.append(Verdict(image, goes=False, reason="LUSID does not say how old it is"))
        else:
            dated.append((pushed, image))
    dated.sort(key=lambda entry: entry[0], reverse=True)
    for place, (pushed, image) in enumerate(dated, start=1):
        if place <= keep:
            verdict = Verdict(image, goes=False, reason=f"it is one of the {keep} newest")
        elif _PROTECTED_TAG in _tags(image):
            verdict = Verdict(image, goes=False, reason=f"it is tagged {_PROTECTED_TAG}")
        elif older_than is not None and now - pushed < older_than:
            verdict = Verdict(image, goes=False, reason="it is not old enough")
        else:
            verdict = Verdict(image, goes=True, reason=f"it is number {place}")
        verdicts.append(verdict)
    return verdicts


def delete(
    verdicts: Iterable[Verdict], repository: str, images: ImagesClient, listener: Listener = ignore
) -> list[str]:
    """Delete the images that go, by their tags; return the names that are gone.

    A tag that was moved to another image since the list was made is left alone. Raises a
    `ServiceError` at the first image that cannot be deleted; what went before stays deleted.
    """
    gone: list[str] = []
    for verdict in verdicts:
        if not verdict.goes:
            continue
        for tag in _tags(verdict.image):
            name, so_far = f"{repository}:{tag}", f"Deleted so far: {', '.join(gone) or 'none'}."
            listener(StepStarted(f"Deleting {name}", so_far, so_far))
            if _still_is(name, verdict.image, images):
                images.delete_image(name)
                listener(StepDone("deleted"))
                gone.append(name)
            else:
                listener(StepDone("it is gone already, or another image now"))
    return gone


def parse_age(text: str) -> timedelta:
    """Return the age that `text` spells: a whole number and `h`, `d` or `w`, as in `30d`.

    Raises `ConfigurationError`.
    """
    match = re.fullmatch(r"([0-9]{1,5})([hdw])", text.strip().lower())
    if not match:
        raise ConfigurationError(
            f"{text[:50]!r} is not an age.",
            cause="It is a whole number with h for hours, d for days or w for weeks.",
            hint="Write 30d, for example.",
        )
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _still_is(name: str, image: ImageSummary, images: ImagesClient) -> bool:
    try:
        return images.get_image(name).digest == image.digest
    except NotFoundError:
        return False  # it went with another tag of its image


def _last_push(image: ImageSummary) -> datetime | None:
    """Return when the image or one of its tags was pushed last; year 1 is no date."""
    moments = [image.push_time, *(tag.push_time for tag in image.tags or ())]
    return max((moment for moment in moments if moment and moment.year > 1), default=None)


def _tags(image: ImageSummary) -> list[str]:
    return sorted(tag.name for tag in image.tags or () if tag.name)
