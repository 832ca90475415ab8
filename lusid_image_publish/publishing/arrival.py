"""The look at the end: LUSID must have the digest under the name, wherever it lists the tag."""

from lusid_image_publish.errors import (
    DigestMismatchError,
    LusidPublishError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)
from lusid_image_publish.progress import StepDone, StepStarted
from lusid_image_publish.publishing.existing import PASSING_FAILURES, digest_of, find, find_in_list
from lusid_image_publish.publishing.run import Run
from lusid_image_publish.publishing.upload import PushedImage
from lusid_image_publish.scheduler.models import Image
from lusid_image_publish.waiting import Deadline, poll

_SETTLING = 10.0
"""Seconds that LUSID may go on showing another digest, until that is an error."""


def wait_until_listed(pushed: PushedImage, run: Run, *, former: str | None = None) -> Image:
    """Return what LUSID shows for the name once that has the digest that was pushed.

    It must have it in `get_image` and in `list_images`. `former` is the digest that the tag had
    before it was pushed over; LUSID may show that one for as long as it likes. Raises
    `WaitTimeoutError` when the time is over, `UnexpectedAnswerError` when LUSID's last answer then
    was about something else, and `DigestMismatchError` when another digest stays.
    """
    is_pushed = f"{pushed.digest} was pushed, and LUSID may list it later: run again to make sure."
    run.listener(StepStarted(f"Waiting for LUSID to list {run.name}", is_pushed, is_pushed))
    found = _wait(_Arrival(pushed.digest, run, is_pushed=True, former=former), run)
    run.listener(StepDone("listed, with the digest that was pushed"))
    return found


def require_listed(existing: Image, run: Run) -> Image:
    """Return what LUSID shows for the name once `list_images` has `existing` too.

    Nothing was pushed: `existing` is what `get_image` gave. Raises as `wait_until_listed` does, and
    `UnexpectedAnswerError` when it has no digest.
    """
    digest = digest_of(existing, run)
    nothing = "Nothing was changed."
    run.listener(StepStarted(f"Looking for {run.name} in LUSID's list", nothing, nothing))
    found = _wait(_Arrival(digest, run, is_pushed=False), run)
    run.listener(StepDone("listed, with the same digest"))
    return found


def _wait(arrival: "_Arrival", run: Run) -> Image:
    """Return what `arrival` sees within the time, else raise the error for what it did not see."""
    found = poll(
        arrival.look,
        deadline=Deadline(run.limits.wait_timeout, clock=run.clock),
        pauses=run.limits.pauses(first=0.15, quick_for=15),
        sleep=run.sleep,
    )
    if found is None:
        raise arrival.failure()
    return found


class _Arrival:
    """Looks whether LUSID has `digest` under the name, and remembers what it saw last."""

    def __init__(
        self, digest: str, run: Run, *, is_pushed: bool, former: str | None = None
    ) -> None:
        self._digest = digest
        self._run = run
        self._is_pushed = is_pushed
        self._former = former
        self._patience: Deadline | None = None
        self._last_seen = "it was not listed"
        self._strange: UnexpectedAnswerError | None = None

    def look(self) -> Image | None:
        """Return the image once it has the digest in both places, None until then."""
        self._strange = None
        try:
            found = find(self._run)
            if found is None:
                self._last_seen = "it was not listed"
                return None
            if not self._agrees(found.digest, "get_image"):
                return None
            return found if self._is_in_list() else None
        except PASSING_FAILURES as error:
            self._last_seen = f"LUSID did not answer well ({error.message})"
            self._strange = error if isinstance(error, UnexpectedAnswerError) else None
            return None

    def failure(self) -> LusidPublishError:
        """Return the error for an image that was not seen in time."""
        if self._strange:  # what answers is not the service: waiting longer does not help
            return self._strange
        return WaitTimeoutError(
            f"LUSID did not list {self._run.name} with {self._digest} within "
            f"{self._run.limits.wait_timeout:g} seconds; when last looked at, {self._last_seen}.",
            cause="The push succeeded, so LUSID is slow to notice, or looks at another registry."
            if self._is_pushed
            else "LUSID's list is slow to follow, or the image is being deleted.",
            hint="Wait longer with --wait-timeout, or run again later: it will not push twice.",
        )

    def _is_in_list(self) -> bool:
        digests = [image.digest for image in find_in_list(self._run)]
        if self._digest in digests:
            return True
        if not digests:
            self._last_seen = "get_image had it, and list_images not yet"
            return False
        return self._agrees(digests[0], "list_images")

    def _agrees(self, digest: str | None, operation: str) -> bool:
        """Return whether `digest` is the wanted one; `DigestMismatchError` if another one stays."""
        if digest == self._digest:
            return True
        self._last_seen = f"{operation} had it with the digest {digest or 'missing'}"
        # The registry may have known the tag a moment longer in its former meaning.
        self._patience = self._patience or Deadline(_SETTLING, clock=self._run.clock)
        if digest and digest != self._former and self._patience.passed():
            was = "was pushed as" if self._is_pushed else "was under"
            raise DigestMismatchError(
                f"{self._digest} {was} {self._run.name}, but LUSID's {operation} has {digest}.",
                cause="Somebody else published another image under this tag at the same time.",
                hint="Publish under a new tag, and let one job at a time publish a tag.",
            )
        return False
