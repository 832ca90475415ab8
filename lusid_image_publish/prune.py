"""Decide which images of a repository to delete, and delete them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from lusid_image_publish.errors import ConfigurationError, NotFoundError
from lusid_image_publish.names import ImageName, is_image_name
from lusid_image_publish.progress import Listener, StepDone, StepStarted, ignore
from lusid_image_publish.publishing.lusid_tag import LusidTag
from lusid_image_publish.scheduler.client import ImagesClient
from lusid_image_publish.scheduler.models import Image, ImageSummary

_PROTECTED_TAG: Final = "latest"
_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_SAME_PUSH: Final = timedelta(seconds=1)
"""How far the push times of the list and of the image may differ: they may be rounded."""


@dataclass(frozen=True)
class Verdict:
    """The decision on one image: `goes` says whether to delete it, `reason` why or why not."""

    image: ImageSummary
    goes: bool
    reason: str


def judge(
    images: Iterable[ImageSummary], *, keep: int, older_than: timedelta | None, now: datetime
) -> list[Verdict]:
    """Return a verdict for each image, the newest first; entries with one digest are one image.

    The `keep` newest images stay, and of the others those that are not `older_than`; the age of an
    image counts from the last push of it or of one of its tags. Images tagged `latest` stay, and so
    do those without a digest, a push time or a usable tag; these three kinds are not included in
    the newest.
    """
    dated: list[tuple[datetime, ImageSummary]] = []
    verdicts: list[Verdict] = []
    for image in _merged(images):
        pushed = _last_push(image)
        if not image.digest:
            verdicts.append(Verdict(image, goes=False, reason="it has no digest"))
        elif not _usable_tags(image):
            verdicts.append(Verdict(image, goes=False, reason="it has no usable tag"))
        elif pushed is None:
            verdicts.append(Verdict(image, goes=False, reason="it has no push time"))
        else:
            dated.append((pushed, image))
    dated.sort(key=lambda entry: entry[0], reverse=True)
    for place, (pushed, image) in enumerate(dated, start=1):
        if place <= keep:
            reason = "it is the newest" if keep == 1 else f"it is one of the {keep} newest"
            verdict = Verdict(image, goes=False, reason=reason)
        elif _PROTECTED_TAG in _tags(image):
            verdict = Verdict(image, goes=False, reason=f"it is tagged {_PROTECTED_TAG}")
        elif older_than is not None and now - pushed < older_than:
            verdict = Verdict(image, goes=False, reason="it is not old enough")
        else:
            verdict = Verdict(
                image, goes=True, reason=f"it is number {place} by push time, newest first"
            )
        verdicts.append(verdict)
    return verdicts


def delete(
    verdicts: Iterable[Verdict], repository: str, images: ImagesClient, listener: Listener = ignore
) -> dict[str, str]:
    """Delete the images that go, by their tags; return the deleted names, with the digest of each.

    Each name is checked again right before it is deleted: it is kept if it now has a different
    image, or if its image was pushed or tagged again. It is also checked afterwards. Raises a
    `ServiceError` at the first image that cannot be deleted or still exists; earlier deletions are
    not undone.
    """
    gone: dict[str, str] = {}
    for verdict in verdicts:
        if not verdict.goes:
            continue
        for tag in _usable_tags(verdict.image):
            name = f"{repository}:{tag}"
            so_far = f"Deleted so far: {', '.join(gone) or 'none'}."
            listener(StepStarted(f"Deleting {name}", so_far, so_far))
            try:
                obstacle = _obstacle(verdict.image, images.get_image(name))
                if not obstacle:
                    LusidTag(name=ImageName.parse(name), images=images).delete()
                    gone[name] = verdict.image.digest or ""
            except NotFoundError:
                obstacle = "already deleted"  # with another tag of its image, or by other hands
            listener(StepDone(obstacle or "deleted"))
    return gone


def parse_age(text: str) -> timedelta:
    """Return the age that `text` spells: a whole number and `h`, `d` or `w`, as in `30d`.

    Raises `ConfigurationError`.
    """
    match = re.fullmatch(r"([0-9]{1,5})([hdw])", text.strip().lower())
    if not match:
        raise ConfigurationError(
            f"{text[:50]!r} is not an age.",
            cause="An age is a whole number followed by h (hours), d (days) or w (weeks).",
            hint="Use 30d, for example.",
        )
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _merged(images: Iterable[ImageSummary]) -> list[ImageSummary]:
    """Return each image once: a push between two pages can bring one of them on both."""
    merged: dict[object, ImageSummary] = {}
    for number, image in enumerate(images):
        key = image.digest or number
        other = merged.get(key)
        if other:
            tags = [*(other.tags or ()), *(image.tags or ())]
            newer = max(other, image, key=lambda one: _last_push(one) or _NEVER)
            merged[key] = newer.model_copy(update={"tags": tags})
        else:
            merged[key] = image
    return list(merged.values())


def _obstacle(judged: ImageSummary, found: Image) -> str:
    """Return why what a name points to now is not to be deleted, empty if it is."""
    if found.digest != judged.digest:
        return "not deleted: the tag has a different image now"
    if set(_tags(found)) - set(_tags(judged)):
        return "not deleted: its image has another tag now"
    then, now = _last_push(judged), _last_push(found)
    if then and now and now - then >= _SAME_PUSH:
        return "not deleted: its image was pushed again"
    return ""


def _last_push(image: ImageSummary | Image) -> datetime | None:
    """Return when the image or one of its tags was pushed last; the year 1 is not a date."""
    moments = [image.push_time, *(tag.push_time for tag in image.tags or ())]
    return max((moment for moment in moments if moment and moment.year > 1), default=None)


def _usable_tags(image: ImageSummary) -> list[str]:
    """Return the tags of `image` that a name may have; a registry takes others too."""
    return [tag for tag in _tags(image) if is_image_name(f"name:{tag}")]


def _tags(image: ImageSummary | Image) -> list[str]:
    return sorted({tag.name for tag in image.tags or () if tag.name})
