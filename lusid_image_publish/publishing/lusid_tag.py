"""LusidTag: one NAME:TAG in LUSID: read it, wait for it and delete it."""

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Self

from lusid_image_publish.errors import (
    AccessDeniedError,
    DigestMismatchError,
    LusidPublishError,
    NotFoundError,
    PlatformError,
    RateLimitedError,
    ServerError,
    TransportError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)
from lusid_image_publish.names import MAX_NAME_CHARACTERS, ImageName, is_image_name
from lusid_image_publish.progress import Listener, StepDone, StepStarted, ignore
from lusid_image_publish.publishing.policy import Limits
from lusid_image_publish.scheduler.client import ImagesClient
from lusid_image_publish.scheduler.instructions import PushInstructions, read_instructions
from lusid_image_publish.scheduler.models import Image, ImageSummary, ListedImage
from lusid_image_publish.text import plain
from lusid_image_publish.waiting import Clock, Deadline, Sleep, monotonic, poll, sleep

logger = logging.getLogger(__name__)

TEMPORARY_FAILURES: Final = (
    ServerError,
    RateLimitedError,
    TransportError,
    UnexpectedAnswerError,
)
"""Failures of a request that the next request may not have."""

_MAX_RECENT_TAGS: Final = 3

_SETTLING_SECONDS: Final = 10.0
"""The time in which LUSID may show a former digest, or a tag that it has deleted."""


@dataclass(frozen=True, kw_only=True)
class LusidTag:
    """One NAME:TAG in LUSID, seen through the Images API.

    `clock`, `sleep` and `now` (in UTC) are parameters, so that tests need not wait.
    """

    name: ImageName
    images: ImagesClient
    limits: Limits = field(default_factory=Limits)
    listener: Listener = ignore
    clock: Clock = monotonic
    sleep: Sleep = sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def with_tag(self, tag: str) -> Self:
        """Return another tag of the repository."""
        return replace(self, name=self.name.with_tag(tag))

    def look_up(self) -> Image | None:
        """Return the existing image. This also checks the credentials before a build."""
        self.listener(StepStarted(f"Checking LUSID for {self.name}", "Nothing was changed."))
        existing = self.find_for_sure()
        digest = f", with {existing.digest or 'no digest'}" if existing else ""
        self.listener(StepDone(f"already in LUSID{digest}" if existing else "not in LUSID yet"))
        return existing

    def find_for_sure(self) -> Image | None:
        """Return the existing image, None if a Scheduler reports that there is none.

        A 404 that is not LUSID's own may come from another server: it is accepted only if a
        Scheduler answers `list_repositories`. Raises the errors of `get`.
        """
        try:
            return self.get()
        except NotFoundError as error:
            if not error.is_lusids_own:
                self._require_scheduler()
            return None

    def find(self) -> Image | None:
        """Return the existing image, None without one. Raises the errors of `get`."""
        try:
            return self.get()
        except NotFoundError:
            return None

    def get(self) -> Image:
        """Return the existing image. Raises `NotFoundError` if there is none.

        Raises `UnexpectedAnswerError` for an answer without this name and this tag.
        """
        image = self.images.get_image(str(self.name))
        if not (image.name and self._has_name(image) and self._has_tag(image)):
            raise self._foreign("get_image", image)
        return image

    def find_in_list(self) -> list[ImageSummary]:
        """Return all images that LUSID lists with the tag; normally one or none.

        Raises `UnexpectedAnswerError` for a list of another repository.
        """
        try:
            listed = list(self.images.iter_images(self.name.repository))
        except NotFoundError:
            return []
        for image in listed:
            if not self._has_name(image):
                raise self._foreign("list_images", image)
        return [image for image in listed if self._has_tag(image)]

    def recent_tags(self) -> list[str]:
        """Return a few tags of the repository, the last pushed first.

        Returns none if LUSID does not list them.
        """
        try:
            page = self.images.list_images(
                self.name.repository, sort_by="-pushTime", limit=_MAX_RECENT_TAGS
            )
        except LusidPublishError as error:
            logger.debug("earlier images of the repository: %s", error.message)
            return []
        return [
            tag.name
            for image in page.values[:_MAX_RECENT_TAGS]
            for tag in (image.tags or ())[:1]
            if tag.name and is_image_name(f"{self.name.repository}:{tag.name}")
        ]

    def require_digest(self, image: Image) -> ListedImage:
        """Return `image`, an answer of `get_image`, as an image with a digest.

        Raises `UnexpectedAnswerError` if it has none: such an image cannot be compared.
        """
        if image.digest:
            return ListedImage.model_construct(image.model_fields_set, **dict(image))
        raise UnexpectedAnswerError(
            f"LUSID's answer to get_image has no digest for {self.name}.",
            cause="LUSID is still processing the image, or a proxy answered in its place.",
            hint="Run again. If it fails again, check the Scheduler URL, which usually ends in "
            "/scheduler2.",
            operation="get_image",
            status=200,
        )

    def ask_instructions(self, platform: str) -> PushInstructions:
        """Request the upload instructions: after the build, because the credential expires.

        Raises `BadRequestError` for a tag that exists, `InstructionsError` if the answer cannot be
        followed, and `PlatformError` if LUSID requires another platform.
        """
        self.listener(StepStarted("Requesting upload instructions", "Nothing was pushed."))
        instructions = self._instructions(self.name)
        wanted = instructions.platform
        if wanted and wanted != platform:
            raise PlatformError(
                f"LUSID requires an image for {wanted}, not for {platform}.",
                cause="--platform was given, or LUSID now runs jobs on another platform.",
                hint=f"Build for {wanted}, with --platform {wanted}.",
            )
        self.listener(StepDone(f"push to {instructions.target}"))
        return instructions

    def borrow_instructions(self) -> PushInstructions:
        """Return instructions for an existing tag, with the credential for a new tag.

        A credential is valid for every tag of its repository, and LUSID gives none for a tag that
        exists. Nothing is pushed under the new tag. Raises the errors of `ask_instructions`.
        """
        room = MAX_NAME_CHARACTERS - len(self.name.repository) - 1
        other = self.name.with_tag(f"lusid-publish-{uuid.uuid4().hex[:12]}"[-room:].lstrip("-"))
        return self._instructions(other).for_tag(self.name.tag)

    def wait_until_listed(self, digest: str, *, former: str | None = None) -> ListedImage:
        """Return the image once LUSID has the pushed `digest`, in `get_image` and `list_images`.

        `former` is the digest that the tag had before the push; it is accepted for the whole wait.
        Raises `WaitTimeoutError` after the timeout, `UnexpectedAnswerError` if LUSID's last answer
        was about something else, and `DigestMismatchError` if another digest stays.
        """
        is_pushed = f"{digest} was pushed, and LUSID may list it later: run again to check."
        self.listener(StepStarted(f"Waiting for LUSID to list {self.name}", is_pushed, is_pushed))
        found = self._wait(_Arrival(digest, self, is_pushed=True, former=former))
        self.listener(StepDone("listed with the pushed digest"))
        return found

    def require_listed(self, digest: str) -> ListedImage:
        """Return the existing image once `list_images` has its `digest`, too.

        It is for a tag that was not pushed. Raises the errors of `wait_until_listed`.
        """
        nothing = "Nothing was changed."
        self.listener(StepStarted(f"Checking that LUSID lists {self.name}", nothing, nothing))
        found = self._wait(_Arrival(digest, self, is_pushed=False))
        self.listener(StepDone("listed with the same digest"))
        return found

    def delete(self) -> str:
        """Delete the image; return the service's message once the tag is gone.

        Raises `UnexpectedAnswerError` if the tag still exists after a while, and the errors of the
        Images API.
        """
        said = self.images.delete_image(str(self.name))
        departure = _Departure(self)
        gone = poll(
            departure.look,
            deadline=Deadline(_SETTLING_SECONDS, clock=self.clock),
            pauses=self.limits.pauses(first=0.15, quick_for=1),
            sleep=self.sleep,
        )
        if not gone:
            raise departure.failure()
        return said

    def _instructions(self, name: ImageName) -> PushInstructions:
        instructions = read_instructions(self.images.upload_image(str(name)), name)
        instructions.require_allowed(self.images.settings)
        return instructions

    def _wait(self, arrival: "_Arrival") -> ListedImage:
        found = poll(
            arrival.look,
            deadline=Deadline(self.limits.wait_timeout, clock=self.clock),
            pauses=self.limits.pauses(first=0.15, quick_for=15),
            sleep=self.sleep,
        )
        if found is None:
            raise arrival.failure()
        return found

    def _has_name(self, image: Image | ImageSummary) -> bool:
        """Return whether `image` is of the repository; a list may leave the name out."""
        name = (image.name or self.name.repository).rpartition("/")[2].partition(":")[0]
        return name == self.name.repository

    def _has_tag(self, image: Image | ImageSummary) -> bool:
        return any(tag.name == self.name.tag for tag in image.tags or ())

    def _foreign(self, operation: str, image: Image | ImageSummary) -> UnexpectedAnswerError:
        tags = ", ".join(plain(tag.name or "no name") for tag in image.tags or ())
        shown = f"{plain(image.name or 'an image without a name')} ({tags or 'no tags'})"
        return UnexpectedAnswerError(
            f"LUSID's answer to {operation} is about {shown}, not about {self.name}.",
            cause="The Scheduler URL points to another service, or a proxy answered in its place.",
            hint="Check the Scheduler URL, which usually ends in /scheduler2.",
            operation=operation,
            status=200,
        )

    def _require_scheduler(self) -> None:
        """Raise what `list_repositories` raises unless a Scheduler answers it.

        A Scheduler may refuse it to these credentials, in its own words.
        """
        try:
            self.images.list_repositories(limit=1)
        except AccessDeniedError as error:
            if error.code is None:
                raise


class _Arrival:
    """Looks whether LUSID has `digest` under the name, and remembers what it saw last."""

    def __init__(
        self, digest: str, tag: LusidTag, *, is_pushed: bool, former: str | None = None
    ) -> None:
        self._digest = digest
        self._tag = tag
        self._is_pushed = is_pushed
        self._former = former
        self._patience: Deadline | None = None
        self._last_seen = "not listed"
        self._foreign: UnexpectedAnswerError | None = None

    def look(self) -> ListedImage | None:
        """Return the image once it has the digest in both places, None until then."""
        self._foreign = None
        try:
            found = self._tag.find()
            if found is None:
                self._last_seen = "not listed"
                return None
            if not self._is_wanted(found.digest, "get_image"):
                return None
            return self._tag.require_digest(found) if self._is_in_list() else None
        except TEMPORARY_FAILURES as error:
            self._last_seen = f"no valid answer from LUSID ({error.message})"
            self._foreign = error if isinstance(error, UnexpectedAnswerError) else None
            return None

    def failure(self) -> LusidPublishError:
        """Return the error for an image that was not seen in time."""
        if self._foreign:  # what answers is not the service: waiting longer does not help
            return self._foreign
        return WaitTimeoutError(
            f"LUSID did not list {self._tag.name} with {self._digest} within "
            f"{self._tag.limits.wait_timeout:g} seconds; last state: {self._last_seen}.",
            cause="The push succeeded, so LUSID is slow to list it, or uses another registry."
            if self._is_pushed
            else "LUSID's list is not up to date, or the image is being deleted.",
            hint="Wait longer with --wait-timeout, or run again later: an image that is in "
            "the registry is not pushed again.",
        )

    def _is_in_list(self) -> bool:
        digests = [image.digest for image in self._tag.find_in_list()]
        if self._digest in digests:
            return True
        if not digests:
            self._last_seen = "in get_image, but not yet in list_images"
            return False
        return self._is_wanted(digests[0], "list_images")

    def _is_wanted(self, digest: str | None, operation: str) -> bool:
        """Return whether `digest` is the wanted one; `DigestMismatchError` if another one stays."""
        if digest == self._digest:
            return True
        self._last_seen = f"{operation} had {f'the digest {digest}' if digest else 'no digest'}"
        # The registry may have known the tag a moment longer in its former meaning.
        self._patience = self._patience or Deadline(_SETTLING_SECONDS, clock=self._tag.clock)
        if digest and digest != self._former and self._patience.passed():
            was = "was pushed" if self._is_pushed else "was there before"
            raise DigestMismatchError(
                f"LUSID's {operation} has {digest} for {self._tag.name}, but {self._digest} {was}.",
                cause="Someone else published a different image under this tag at the same time.",
                hint="Publish under a new tag, and let only one job at a time publish a tag.",
            )
        return False


class _Departure:
    """Looks whether the tag is gone, and remembers what it saw last."""

    def __init__(self, tag: LusidTag) -> None:
        self._tag = tag
        self._last_seen = "this was not checked"

    def look(self) -> bool | None:
        """Return True once LUSID has nothing under the name, None until then."""
        try:
            image = self._tag.find_for_sure()
        except TEMPORARY_FAILURES as error:
            self._last_seen = f"this cannot be verified: {error.message.rstrip('.')}"
            return None
        if image is None:
            return True
        self._last_seen = f"it still exists ({image.digest or 'no digest'})"
        return None

    def failure(self) -> UnexpectedAnswerError:
        """Return the error for a tag that did not go."""
        return UnexpectedAnswerError(
            f"LUSID reported that {self._tag.name} is deleted, but {self._last_seen}.",
            cause="LUSID deletes it later, or someone published the tag again at the same time.",
            hint=f"Check with `lusid-images get {self._tag.name}`, and delete it again if it "
            "still exists.",
            operation="get_image",
        )
