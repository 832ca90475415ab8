"""LusidJob: one SCOPE/CODE in LUSID, the image that it has, and what it comes to have."""

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
"""For so long LUSID may show the job as it was before an update."""

_PAUSES: Final = (1.0, 2.0, 4.0)
"""Seconds before each further attempt of an update, at least."""

_MAX_PAUSE_SECONDS: Final = 60.0
_UPDATE_SECONDS: Final = 300.0
"""How long an update may take, with all its attempts."""

_AT_ONCE: Final = ConfigurationOptions(rate_limit_retries=0)
"""An update is not sent again by itself: it would undo what somebody changed meanwhile."""


@dataclass(kw_only=True)
class LusidJob:
    """One job in LUSID, seen through the Jobs API.

    `force` accepts an update that could damage the job, and `force_option` is what sets it.
    `is_local` says that LUSID is a Scheduler that ends with this program. Clock and sleep are
    parameters, so that tests wait in no time. `has_sent` says whether an update was sent.
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
        """What a command in a hint needs to look at this LUSID."""
        return " --local" if self.is_local else ""

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
        """Return the job, and hide its secrets. Raises what `JobsClient.get_job` raises."""
        found = self.jobs.get_job(self.job.scope, self.job.code)
        hide_secrets(found)
        return found

    def set_image(self, image: ImageName, *, seen: JobDefinition | None = None) -> JobResult:
        """Give the job its `image`, and prove it; nothing else of the job changes.

        A job that has it already is left alone. `seen` is the job as it was looked at before: what
        has changed since then stays, and is shown. Raises what `JobsClient.get_job` raises,
        `UnsafeJobError`, and `JobUpdateError` once an update was sent.
        """
        job = self.get()
        so_far = f"The job {self.job} may have the image {image}."
        self.listener(StepStarted(f"Setting the image of the job {self.job} to {image}", so_far))
        if seen:
            self._show_changes(seen, job)
        former = image_of(job)
        if has_image(job, image):
            self.listener(StepDone("it has this image already: nothing to do"))
            return JobResult(job=self.job, outcome="unchanged", former=former, image=former)
        self._require_updatable(job)
        with within(Deadline(_UPDATE_SECONDS, clock=self.clock)):
            sent, updated = self._update(job, image)
        changed = differences(sent, updated)
        if changed:
            self._warn(changed, "together with the update", "Look at the job.")
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

    def _update(self, job: JobDefinition, image: ImageName) -> tuple[JobDefinition, JobDefinition]:
        """Return the job as it was sent back with its image, and as it was read after that.

        An update whose answer does not come is sent again for what may pass, each time from the
        job as it is then. Raises `JobUpdateError`.
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
                cause="The Scheduler URL leads to something else, or something in between answers.",
                hint="Check the Scheduler URL, which usually ends in /scheduler2.",
                operation="update_job",
                status=200,
            )

    def _read_again(self, image: ImageName, lost: ServiceError) -> JobDefinition:
        """Return the job after an update without an answer; raise that it is unknown if not."""
        try:
            return self.get()
        except ServiceError as error:
            words = f"{lost.message} {_CANNOT_BE_READ} {error.message}"
            raise self._unseen(image, words, error) from error

    def _after(self, image: ImageName) -> JobDefinition:
        """Return the job once LUSID shows it with the image."""
        found, seen = self._settle(image)
        if found is None and seen.problem:
            words = f"LUSID took the update. {_CANNOT_BE_READ} {seen.problem.message}"
            raise self._unseen(image, words, seen.problem)
        if found is None:
            raise JobUpdateError(
                f"LUSID took the update of the job {self.job}, but does not show it with {image}: "
                f"it has {shown_image(seen.image)}.",
                cause="Somebody else changed the job at the same time, or LUSID is slow to show "
                "it.",
                hint=f"Look with `lusid-jobs get{self.local} {self.job}`, and run again.",
            )
        return found

    def _settle(self, image: ImageName) -> "tuple[JobDefinition | None, _Seen]":
        """Return the job once LUSID shows it with the image, else None; and what was seen."""
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
            f"Whether the job {self.job} has the image {image} is not known: {words}",
            cause=why.cause,
            hint=f"Look with `lusid-jobs get{self.local} {self.job}`. {why.hint}",
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
        """Warn of what somebody else changed."""
        if changed := differences(before, now):
            self._warn(changed, "since it was looked at", "They stay as they are now.")

    def _warn(self, changed: tuple[str, ...], when: str, then: str) -> None:
        names = ", ".join(changed[:_MAX_SHOWN_NAMES])
        more = f" and {len(changed) - _MAX_SHOWN_NAMES} more" if changed[_MAX_SHOWN_NAMES:] else ""
        text = f"Of the job {self.job} these changed {when}: {names}{more}. {then}"
        self.listener(Warned(text))


class _Seen:
    """Looks whether the job has the image, and remembers what it saw last."""

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
    """Return whether an error leaves open what became of a request that changes something.

    A refusal does not, and neither does a redirect, which is not followed.
    """
    if isinstance(error, UnexpectedAnswerError):
        status = error.status or httpx.codes.OK
        return status < httpx.codes.MULTIPLE_CHOICES
    return isinstance(error, TransportError | ServerError)


def _wished_pause(error: ServiceError) -> float:
    """Return how long the service asks to wait, at most a minute."""
    asked = error.retry_after if isinstance(error, RateLimitedError) else None
    return min(asked or 0.0, _MAX_PAUSE_SECONDS)
