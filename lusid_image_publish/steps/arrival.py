"""The wait at the end: LUSID must list the digest that was pushed, wherever it lists the tag."""

from lusid_image_publish.errors import (
    DigestMismatchError,
    WaitTimeoutError,
)
from lusid_image_publish.progress import StepDone, StepStarted
from lusid_image_publish.scheduler.models import Image
from lusid_image_publish.steps.existing import PASSING_FAILURES, find, find_in_list
from lusid_image_publish.steps.run import Run
from lusid_image_publish.steps.upload import PushedImage
from lusid_image_publish.waiting import Deadline, poll

_SETTLING = 10.0
"""Seconds that LUSID may go on showing another digest, until that is an error."""


def wait_until_listed(pushed: PushedImage, run: Run, *, former: str | None = None) -> Image:
    """Return what LUSID shows for the name once that has the digest that was pushed.

    It must have it in `get_image` and in `list_images`. `former` is the digest that the tag had
    before it was pushed over; LUSID may show that one for as long as it likes. Raises
    `WaitTimeoutError` when the time is over, and `DigestMismatchError` when another digest stays.
    """
    is_pushed = f"{pushed.digest} was pushed, and LUSID may list it later: run again to make sure."
    run.listener(StepStarted(f"Waiting for LUSID to list {run.name}", is_pushed, is_pushed))
    seconds = run.limits.wait_timeout
    arrival = _Arrival(pushed, run, former)
    found = poll(
        arrival.look,
        deadline=Deadline(seconds, clock=run.clock),
        pauses=run.limits.pauses(first=0.15, quick_for=15),
        sleep=run.sleep,
    )
    if found is None:
        raise WaitTimeoutError(
            f"LUSID did not list {run.name} with {pushed.digest} within {seconds:g} seconds; when "
            f"last looked at, {arrival.last_seen}.",
            cause="The push succeeded, so LUSID is slow to notice, or looks at another registry.",
            hint="Wait longer with --wait-timeout, or run again later: it will not push twice.",
        )
    run.listener(StepDone("listed, with the digest that was pushed"))
    return found


class _Arrival:
    """Looks whether LUSID has what was pushed, and remembers what it saw last."""

    def __init__(self, pushed: PushedImage, run: Run, former: str | None) -> None:
        self._pushed = pushed
        self._run = run
        self._former = former
        self._patience: Deadline | None = None
        self.last_seen = "it was not listed"

    def look(self) -> Image | None:
        """Return the image once its digest is the pushed one in both places, None until then."""
        try:
            found = find(self._run)
            if found is None:
                self.last_seen = "it was not listed"
                return None
            if not self._agrees(found.digest, "get_image"):
                return None
            return found if self._is_in_list() else None
        except PASSING_FAILURES as error:
            self.last_seen = f"LUSID did not answer well ({error.message})"
            return None

    def _is_in_list(self) -> bool:
        digests = [image.digest for image in find_in_list(self._run)]
        if self._pushed.digest in digests:
            return True
        if not digests:
            self.last_seen = "get_image had it, and list_images not yet"
            return False
        return self._agrees(digests[0], "list_images")

    def _agrees(self, digest: str | None, operation: str) -> bool:
        """Return whether `digest` is the pushed one; `DigestMismatchError` if another one stays."""
        if digest == self._pushed.digest:
            return True
        self.last_seen = f"{operation} had it with the digest {digest or 'missing'}"
        # The registry may have known the tag a moment longer in its former meaning.
        self._patience = self._patience or Deadline(_SETTLING, clock=self._run.clock)
        if digest and digest != self._former and self._patience.passed():
            raise DigestMismatchError(
                f"{self._pushed.digest} was pushed as {self._run.name}, but LUSID's {operation} "
                f"has {digest}.",
                cause="Somebody else published another image under this tag at the same time.",
                hint="Publish under a new tag, and let one job at a time publish a tag.",
            )
        return False
