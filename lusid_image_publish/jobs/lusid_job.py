"""LusidJob: one SCOPE/CODE in LUSID, the image that it has, and what it comes to have."""

from dataclasses import dataclass, field
from typing import Final

from lusid_image_publish.errors import (
    JobUpdateError,
    LusidPublishError,
    NotFoundError,
    ServerError,
    TransportError,
    UnexpectedAnswerError,
)
from lusid_image_publish.jobs.job_results import JobResult, shown_image
from lusid_image_publish.jobs.job_update import (
    differences,
    has_image,
    image_of,
    require_updatable,
    update_request,
)
from lusid_image_publish.names import ImageName, JobId
from lusid_image_publish.progress import Listener, StepDone, StepStarted, Warned, ignore
from lusid_image_publish.publishing.lusid_tag import TEMPORARY_FAILURES
from lusid_image_publish.publishing.policy import Limits
from lusid_image_publish.scheduler.job_models import JobDefinition
from lusid_image_publish.scheduler.jobs_client import JobsClient
from lusid_image_publish.waiting import Clock, Deadline, Sleep, monotonic, poll, sleep

_SETTLING_SECONDS: Final = 10.0
"""For so long LUSID may show the job as it was before an update."""


@dataclass(frozen=True, kw_only=True)
class LusidJob:
    """One job in LUSID, seen through the Jobs API.

    `force` accepts an update that could damage the job, and `force_option` is what sets it. Clock
    and sleep are parameters, so that tests wait in no time.
    """

    job: JobId
    jobs: JobsClient
    force: bool = False
    force_option: str = "--force"
    limits: Limits = field(default_factory=Limits)
    listener: Listener = ignore
    clock: Clock = monotonic
    sleep: Sleep = sleep

    def look_up(self, image: ImageName) -> JobDefinition:
        """Return the job, if its image can be set to `image` or is that already.

        Raises what `JobsClient.get_job` raises, and `UnsafeJobError`.
        """
        self.listener(StepStarted(f"Looking at LUSID for the job {self.job}", _NOTHING))
        found = self.get()
        if not has_image(found, image):
            self._require_updatable(found)
        self.listener(StepDone(f"it has {shown_image(image_of(found))}"))
        return found

    def get(self) -> JobDefinition:
        """Return the job. Raises what `JobsClient.get_job` raises."""
        return self.jobs.get_job(self.job.scope, self.job.code)

    def set_image(self, image: ImageName, *, seen: JobDefinition | None = None) -> JobResult:
        """Give the job its `image`, and prove it; nothing else of the job changes.

        A job that has it already is left alone. `seen` is the job as it was looked at before: what
        has changed since then stays, and is told. Raises what the Jobs API raises, `UnsafeJobError`
        and `JobUpdateError`.
        """
        so_far = f"The job {self.job} may have the image {image}."
        self.listener(StepStarted(f"Setting the image of the job {self.job} to {image}", so_far))
        job = self.get()
        if seen and (changed := differences(seen, job)):
            self._warn(changed, "since it was looked at. That stays")
        former = image_of(job)
        if has_image(job, image):
            self.listener(StepDone("it has this image already: nothing to do"))
            return JobResult(job=self.job, outcome="unchanged", former=former, image=former)
        self._require_updatable(job)
        updated = self._update(job, image)
        changed = differences(job, updated)
        if changed:
            self._warn(changed, "while it was updated: look at the job")
        self.listener(StepDone(f"it has {image} now, in place of {shown_image(former)}"))
        return JobResult(
            job=self.job,
            outcome="updated",
            former=former,
            image=image_of(updated),
            differences=changed,
        )

    def _require_updatable(self, job: JobDefinition) -> None:
        require_updatable(job, force=self.force, option=self.force_option)

    def _update(self, job: JobDefinition, image: ImageName) -> JobDefinition:
        """Send the update, and return the job once it has the image."""
        lost: LusidPublishError | None = None
        try:
            self.jobs.update_job(self.job.scope, self.job.code, update_request(job, image))
        except (TransportError, ServerError, UnexpectedAnswerError) as error:
            lost = error  # what became of it is unknown: the job itself tells
        seen = _Seen(self, image)
        updated = poll(
            seen.look,
            deadline=Deadline(_SETTLING_SECONDS, clock=self.clock),
            pauses=self.limits.pauses(first=0.15, quick_for=2),
            sleep=self.sleep,
        )
        if updated is None:
            raise seen.failure(lost)
        return updated

    def _warn(self, changed: tuple[str, ...], what: str) -> None:
        names = ", ".join(changed[:_MAX_SHOWN_NAMES])
        more = f" and {len(changed) - _MAX_SHOWN_NAMES} more" if changed[_MAX_SHOWN_NAMES:] else ""
        self.listener(Warned(f"Of the job {self.job} these changed {what}: {names}{more}."))


_NOTHING: Final = "Nothing was changed."
_MAX_SHOWN_NAMES: Final = 10


class _Seen:
    """Looks whether the job has the image, and remembers what it saw last."""

    def __init__(self, job: LusidJob, image: ImageName) -> None:
        self._job = job
        self._image = image
        self._last_seen = "it was not looked at"

    def look(self) -> JobDefinition | None:
        """Return the job once it has the image, None until then."""
        try:
            found = self._job.get()
        except NotFoundError:
            self._last_seen = "LUSID did not show it"
            return None
        except TEMPORARY_FAILURES as error:
            self._last_seen = f"LUSID did not answer well ({error.message})"
            return None
        self._last_seen = f"it has {shown_image(image_of(found))}"
        return found if has_image(found, self._image) else None

    def failure(self, lost: LusidPublishError | None) -> JobUpdateError:
        """Return the error for a job that does not have the image; `lost` is why no answer came."""
        if lost:
            return JobUpdateError(
                f"The update of the job {self._job.job} did not come to pass: {lost.message} When "
                f"last looked at, {self._last_seen}.",
                cause=lost.cause,
                hint=f"{lost.hint} `lusid-jobs get {self._job.job}` shows the job.",
            )
        return JobUpdateError(
            f"LUSID took the update of the job {self._job.job}, but does not show it with "
            f"{self._image}; when last looked at, {self._last_seen}.",
            cause="Somebody else changed the job at the same time, or LUSID is slow to show it.",
            hint=f"Look with `lusid-jobs get {self._job.job}`, and run again.",
        )
