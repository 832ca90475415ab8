"""LusidJob: one SCOPE/CODE in LUSID: look up its image, and set it."""

from dataclasses import dataclass, field
from typing import Final

import httpx

from lusid_image_publish.config import ConfigurationOptions
from lusid_image_publish.errors import (
    JobUpdateError,
    LusidPublishError,
    RateLimitedError,
    ServerError,
    ServiceError,
    TransportError,
    UnexpectedAnswerError,
    UnsafeJobError,
)
from lusid_image_publish.jobs.job_arguments import hide_secrets
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
from lusid_image_publish.publishing.policy import Limits
from lusid_image_publish.scheduler.job_models import JobDefinition
from lusid_image_publish.scheduler.jobs_client import JobsClient
from lusid_image_publish.waiting import Clock, Deadline, Sleep, monotonic, poll, sleep, within

_CANNOT_BE_READ: Final = "The job could not be read afterwards:"
_NOTHING: Final = "Nothing was changed."
_MAX_SHOWN_NAMES: Final = 10
_SETTLING_SECONDS: Final = 10.0
"""How long LUSID may list the job as it was before an update."""

_PAUSES: Final = (1.0, 2.0, 4.0)
"""The minimum seconds before each retry of an update."""

_MAX_PAUSE_SECONDS: Final = 60.0
_UPDATE_SECONDS: Final = 300.0
"""The time limit for an update, retries included."""

_AT_ONCE: Final = ConfigurationOptions(rate_limit_retries=0)
"""No automatic retries of an update: they would undo changes that someone made in between."""


@dataclass(kw_only=True)
class LusidJob:
    """One job in LUSID, seen through the Jobs API.

    `force` accepts an update that could damage the job, and `force_option` is the option that sets
    it. `is_local` is true if LUSID is a Scheduler that stops with this program. Clock and sleep are
    parameters, so that tests need not wait. `has_sent` is true once an update was sent.
    """

    job: JobId
    jobs: JobsClient
    force: bool = False
    force_option: str = "--force"
    is_local: bool = False
    limits: Limits = field(default_factory=Limits)
    listener: Listener = ignore
    clock: Clock = monotonic
    sleep: Sleep = sleep
    has_sent: bool = field(default=False, init=False)

    @property
    def local(self) -> str:
        """The option that a command in a hint needs to use this Scheduler."""
        return " --local" if self.is_local else ""

    def look_up(self, image: ImageName) -> JobDefinition:
        """Return the job, if it already has `image` or its image can be set to it.

        Raises what `JobsClient.get_job` raises, and `UnsafeJobError`.
        """
        self.listener(StepStarted(f"Checking LUSID for the job {self.job}", _NOTHING))
        found = self.get()
        if not has_image(found, image):
            self._require_updatable(found)
        has = image_of(found)
        self.listener(StepDone(f"its image is {has}" if has else "it has no image"))
        return found

    def get(self) -> JobDefinition:
        """Return the job, and hide its secrets. Raises what `JobsClient.get_job` raises."""
        found = self.jobs.get_job(self.job.scope, self.job.code)
        hide_secrets(found)
        return found

    def set_image(self, image: ImageName, *, seen: JobDefinition | None = None) -> JobResult:
        """Give the job its `image`, and verify it; nothing else of the job changes.

        A job that already has it is left alone. `seen` is the job as it was looked up before:
        changes since then are kept, and reported in a warning. Raises what `JobsClient.get_job`
        raises, `UnsafeJobError`, and `JobUpdateError` once an update was sent.
        """
        job = self.get()
        so_far = f"The job {self.job} may already have the image {image}."
        self.listener(StepStarted(f"Setting the image of the job {self.job} to {image}", so_far))
        if seen:
            self._show_changes(seen, job)
        former = image_of(job)
        if has_image(job, image):
            self.listener(StepDone("it already has this image: nothing to do"))
            return JobResult(job=self.job, outcome="unchanged", former=former, image=former)
        self._require_updatable(job)
        with within(Deadline(_UPDATE_SECONDS, clock=self.clock)):
            sent, updated = self._update(job, image)
        changed = differences(sent, updated)
        if changed:
            self._warn(changed, "during the update", "Check the job.")
        self.listener(StepDone(f"it now has {image} instead of {shown_image(former)}"))
        return JobResult(
            job=self.job,
            outcome="updated",
            former=former,
            image=image_of(updated),
            differences=changed,
        )

    def _require_updatable(self, job: JobDefinition) -> None:
        require_updatable(job, force=self.force, option=self.force_option)

    def _update(self, job: JobDefinition, image: ImageName) -> tuple[JobDefinition, JobDefinition]:
        """Return the job as it was sent back with its image, and as it was read after that.

        An update without an answer is sent again after a temporary failure, each time based on the
        current job. Raises `JobUpdateError`.
        """
        may_be_made = False
        for pause in (*_PAUSES, None):
            try:
                self._send(job, image)
                return job, self._after(image)
            except ServiceError as error:
                lost = error
            may_be_made = may_be_made or is_open(lost)
            if pause is None or not (is_open(lost) or isinstance(lost, RateLimitedError)):
                break
            self.sleep(max(pause, _wished_pause(lost)))
            sent, job = job, self._read_again(image, lost)
            if has_image(job, image):
                return sent, job
            self._show_changes(sent, job)
            try:
                self._require_updatable(job)
            except UnsafeJobError as error:
                raise self._refused(error) from error
        if may_be_made:
            found, seen = self._settle(image)
            if found:
                return job, found
            if seen.problem:
                words = f"{lost.message} {_CANNOT_BE_READ} {seen.problem.message}"
                raise self._unseen(image, words, seen.problem)
        raise self._refused(lost) from lost

    def _send(self, job: JobDefinition, image: ImageName) -> None:
        request = update_request(job, image)
        self.has_sent = True
        answer = self.jobs.update_job(self.job.scope, self.job.code, request, opts=_AT_ONCE)
        if (answer.job_id.scope, answer.job_id.code) != (self.job.scope, self.job.code):
            raise UnexpectedAnswerError(
                f"LUSID's answer to update_job is not about {self.job}.",
                cause="The Scheduler URL points to another service, or a proxy answered in its "
                "place.",
                hint="Check the Scheduler URL, which usually ends in /scheduler2.",
                operation="update_job",
                status=200,
            )

    def _read_again(self, image: ImageName, lost: ServiceError) -> JobDefinition:
        """Return the job after an update without an answer; raise `JobUpdateError` if not."""
        try:
            return self.get()
        except ServiceError as error:
            words = f"{lost.message} {_CANNOT_BE_READ} {error.message}"
            raise self._unseen(image, words, error) from error

    def _after(self, image: ImageName) -> JobDefinition:
        """Return the job once LUSID lists it with the image."""
        found, seen = self._settle(image)
        if found is None and seen.problem:
            words = f"LUSID accepted the update. {_CANNOT_BE_READ} {seen.problem.message}"
            raise self._unseen(image, words, seen.problem)
        if found is None:
            raise JobUpdateError(
                f"LUSID accepted the update of the job {self.job}, but lists it with "
                f"{shown_image(seen.image)} instead of {image}.",
                cause="Someone else changed the job at the same time, or LUSID is slow to list "
                "the change.",
                hint=f"Check with `lusid-jobs get{self.local} {self.job}`, and run again.",
            )
        return found

    def _settle(self, image: ImageName) -> "tuple[JobDefinition | None, _Seen]":
        """Return the job once LUSID lists it with the image, else None; and what was seen."""
        seen = _Seen(self, image)
        found = poll(
            seen.look,
            deadline=Deadline(_SETTLING_SECONDS, clock=self.clock),
            pauses=self.limits.pauses(first=0.15, quick_for=2),
            sleep=self.sleep,
        )
        return found, seen

    def _unseen(self, image: ImageName, words: str, why: LusidPublishError) -> JobUpdateError:
        error = JobUpdateError(
            f"It is not known whether the job {self.job} has the image {image}: {words}",
            cause=why.cause,
            hint=f"Check with `lusid-jobs get{self.local} {self.job}`. {why.hint}",
        )
        error.is_unknown = True
        return error

    def _refused(self, error: LusidPublishError) -> JobUpdateError:
        return JobUpdateError(
            f"The job {self.job} was not updated: {error.message}",
            cause=error.cause,
            hint=error.hint,
        )

    def _show_changes(self, before: JobDefinition, now: JobDefinition) -> None:
        """Warn of changes that someone else made."""
        if changed := differences(before, now):
            self._warn(changed, "since it was checked", "The changes are kept.")

    def _warn(self, changed: tuple[str, ...], when: str, then: str) -> None:
        names = ", ".join(changed[:_MAX_SHOWN_NAMES])
        more = f" and {len(changed) - _MAX_SHOWN_NAMES} more" if changed[_MAX_SHOWN_NAMES:] else ""
        text = f"Members of the job {self.job} changed {when}: {names}{more}. {then}"
        self.listener(Warned(text))


class _Seen:
    """Checks whether the job has the image, and keeps what it saw last."""

    def __init__(self, job: LusidJob, image: ImageName) -> None:
        self._job = job
        self._wanted = image
        self.image = ""
        self.problem: ServiceError | None = None

    def look(self) -> JobDefinition | None:
        """Return the job once it has the image, None until then."""
        try:
            found = self._job.get()
        except ServiceError as error:
            self.problem = error
            return None
        self.problem, self.image = None, image_of(found)
        return found if has_image(found, self._wanted) else None


def is_open(error: ServiceError) -> bool:
    """Return whether a request that failed with `error` may have been carried out.

    A refused request was not, and neither was a redirected one: redirects are not followed.
    """
    if isinstance(error, UnexpectedAnswerError):
        status = error.status or httpx.codes.OK
        return status < httpx.codes.MULTIPLE_CHOICES
    return isinstance(error, TransportError | ServerError)


def _wished_pause(error: ServiceError) -> float:
    """Return the pause that the service requests, at most a minute."""
    asked = error.retry_after if isinstance(error, RateLimitedError) else None
    return min(asked or 0.0, _MAX_PAUSE_SECONDS)
