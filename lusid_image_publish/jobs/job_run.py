"""JobRun: start a job once, wait for its end, and get what it wrote."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import httpx

from lusid_image_publish.errors import (
    BadRequestError,
    JobRunError,
    LusidPublishError,
    NotFoundError,
    ServiceError,
)
from lusid_image_publish.jobs.job_results import RunResult, shown_seconds
from lusid_image_publish.jobs.lusid_job import LusidJob, is_open
from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import JobOutput, Note, StepDone, StepStarted, Waiting, Warned
from lusid_image_publish.publishing.lusid_tag import TEMPORARY_FAILURES
from lusid_image_publish.redact import redact
from lusid_image_publish.scheduler.job_models import (
    DEFAULT_TTL_SECONDS,
    JobHistory,
    JobRunResult,
    StartJobRequest,
    StartJobResponse,
)
from lusid_image_publish.scheduler.job_operations import is_run_id
from lusid_image_publish.text import plain
from lusid_image_publish.waiting import Deadline, poll, within

_QUEUEING_SECONDS: Final = 300.0
"""How long a run may take to begin, and its end to be shown, besides the job's own time."""

_SETTLING_SECONDS: Final = 30.0
"""For so long a run that has begun may be unknown to LUSID's history, also in between."""

_START_SECONDS: Final = 120.0
"""How long the answer to the start of a run may take."""

_NAMES_RUN_ID: Final = re.compile(r"\brun_?id\b", re.IGNORECASE)
_IS_ABOUT_ID: Final = re.compile(r"\brun[ _]?id\b|\brun\b.*\bid\b", re.IGNORECASE)
_MAY_HAVE_BEGUN: Final = (httpx.codes.BAD_REQUEST, httpx.codes.CONFLICT)
_BEGAN_ALREADY: Final = re.compile(
    r"\b(already|exists?|started|running|duplicate|in use|used)\b", re.IGNORECASE
)
_UNDER_WAY: Final = {"pending", "running", ""}
_SUCCEEDED: Final = "succeeded"
_MAX_SHOWN_LINES: Final = 1000
_MAX_LINE_CHARACTERS: Final = 4000


def is_over(run: JobHistory) -> bool:
    """Return whether a run has ended: its end is known, or its status is a word for an end.

    The service writes the year 1 for "never".
    """
    has_end = run.end_date is not None and run.end_date.year > 1
    return has_end or (run.job_status or "").strip().casefold() not in _UNDER_WAY


def has_succeeded(run: JobHistory) -> bool:
    """Return whether a run succeeded: `Succeeded` is the only word for that."""
    return (run.job_status or "").strip().casefold() == _SUCCEEDED


def seconds_of(run: JobHistory) -> float | None:
    """Return how long a run took, None when LUSID does not say."""
    if run.start_date is None or run.end_date is None:
        return None
    return max(0.0, (run.end_date - run.start_date).total_seconds())


@dataclass(kw_only=True)
class JobRun:
    """A run of `target`, to be waited for `timeout` seconds: None for the job's time and more.

    `image` is what it must run, None for whatever the job has. `secrets` are hidden in what is said
    of the run. `run_id` is the id that it is to have, a GUID, and then the one that it has; empty
    when LUSID chooses one that is not known yet.
    """

    target: LusidJob
    arguments: Mapping[str, str] = field(repr=False)
    timeout: float | None = None
    image: ImageName | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def start(self) -> None:
        """Start the run, once.

        It is never sent again when its answer is lost: LUSID is asked whether it knows the run.
        Raises `JobRunError` when it is refused, and when it is unknown whether the run began.
        """
        job = self.target.job
        self.target.listener(StepStarted(f"Running the job {job}", self._if_begun()))
        try:
            with within(Deadline(_START_SECONDS, clock=self.target.clock)):
                answer = self._send()
        except ServiceError as error:
            if self._began_already(error):
                answer = None
            elif isinstance(error, BadRequestError) and _NAMES_RUN_ID.search(error.message):
                answer = self._start_without_id()
            else:
                raise self._refused(error) from error
        self._take_id(answer)

    def _start_without_id(self) -> StartJobResponse | None:
        """Start the run in a deployment that takes no ids from its clients."""
        self.run_id = ""
        self.target.listener(StepDone("this deployment chooses the ids of runs itself"))
        look = f"look with `lusid-jobs history{self.target.local} {self.target.job}`"
        started = StepStarted(f"Running the job {self.target.job}", f"If it has begun, {look}.")
        self.target.listener(started)
        try:
            return self._send()
        except ServiceError as error:
            raise self._refused(error) from error

    def _began_already(self, error: ServiceError) -> bool:
        """Return whether the run is there, though its start was refused.

        Something in between may have sent the request twice. Raises `JobRunError` when that is
        unknown.
        """
        if error.status not in _MAY_HAVE_BEGUN:
            return False
        is_about_id = bool(_IS_ABOUT_ID.search(error.message)) or self.run_id in error.message
        if is_about_id and _BEGAN_ALREADY.search(error.message):
            if not self._appears():
                raise self._unknown(error)
            return True
        if error.status == httpx.codes.CONFLICT:
            return self._appears()
        try:
            self.target.jobs.get_run_history(self.run_id)
        except (NotFoundError, BadRequestError):
            return False
        except ServiceError as unseen:
            if is_about_id:
                raise self._unknown(unseen) from unseen
            return False
        return True

    def _send(self) -> StartJobResponse | None:
        """Start the run; return None when the answer was lost, and LUSID knows the run."""
        arguments = dict(self.arguments)
        members = {"arguments": arguments} if arguments else {}
        identity = {"run_id": self.run_id} if self.run_id else {}
        job = self.target.job
        try:
            return self.target.jobs.run_job(
                job.scope, job.code, StartJobRequest(**members, **identity)
            )
        except ServiceError as error:
            if not is_open(error):
                raise
            if not self.run_id:
                raise self._unknown(error) from error
            self.target.listener(
                Warned(
                    f"The answer to run_job was lost ({self._hidden(error.message)}): looking for "
                    "the run."
                )
            )
            if not self._appears():
                raise self._unknown(error) from error
            return None

    def _take_id(self, answer: StartJobResponse | None) -> None:
        """Take the id of the answer, which may be another than the one that was sent."""
        given = (answer.run_id if answer else None) or self.run_id
        if not is_run_id(given) and self.run_id and self._appears():
            given = self.run_id
        if not is_run_id(given):
            raise JobRunError(
                f"The job {self.target.job} was started, but LUSID's answer has no usable run id.",
                cause="Something in between answers, or the service has changed.",
                hint=f"Look with `lusid-jobs history{self.target.local} {self.target.job}`.",
            )
        self.run_id = given
        self.target.listener(StepDone(f"the run is {given}"))

    def _is_known(self) -> bool:
        """Return whether LUSID knows the run."""
        try:
            self.target.jobs.get_run_history(self.run_id)
        except ServiceError:
            return False
        return True

    def _appears(self) -> bool:
        """Return whether LUSID comes to know the run."""
        return bool(
            poll(
                lambda: self._is_known() or None,
                deadline=Deadline(_SETTLING_SECONDS, clock=self.target.clock),
                pauses=self.target.limits.pauses(first=0.5, quick_for=5),
                sleep=self.target.sleep,
            )
        )

    def wait(self, ttl: int | None) -> RunResult:
        """Wait for the end of the run, and return what came of it.

        `ttl` is the job's own time in seconds. Raises `JobRunError` when the end was not seen; that
        a run did not succeed is in the result.
        """
        seconds = self.timeout
        if seconds is None:
            seconds = (ttl or DEFAULT_TTL_SECONDS) + _QUEUEING_SECONDS
        later = self._later()
        self.target.listener(StepStarted(f"Waiting for the run {self.run_id}", later))
        watch = _Watch(self.target, self.run_id)
        try:
            ended = poll(
                watch.look,
                deadline=Deadline(seconds, clock=self.target.clock),
                pauses=self.target.limits.pauses(first=0.3, quick_for=10),
                sleep=self.target.sleep,
            )
        except ServiceError as error:
            raise JobRunError(
                f"The run {self.run_id} of the job {self.target.job} could not be followed: "
                f"{self._hidden(error.message)}",
                cause=error.cause,
                hint=f"{error.hint} {later}",
                run_id=self.run_id,
            ) from error
        if ended is None:
            raise JobRunError(
                f"The run {self.run_id} of the job {self.target.job} did not end within "
                f"{seconds:g} seconds; last, {watch.seen}.",
                cause="It waits for its turn, or takes longer.",
                hint=f"{later} --run-timeout waits longer.",
                run_id=self.run_id,
            )
        status = plain(ended.job_status or "")
        took = seconds_of(ended)
        after = "" if took is None else f" after {shown_seconds(took)}"
        self.target.listener(StepDone(f"{status or 'ended'}{after}"))
        return RunResult(run_id=self.run_id, status=status, seconds=took, error=self._error(ended))

    def show_output(self) -> list[str]:
        """Pass on what the run wrote, and return it: its last lines if there are very many."""
        self.target.listener(StepStarted(f"What the run {self.run_id} wrote"))
        output = self.output()
        if output is None:
            return []
        text = output.removesuffix("\n")
        before, *lines = text.rsplit("\n", _MAX_SHOWN_LINES)
        if len(lines) < _MAX_SHOWN_LINES:
            lines = [before, *lines] if text else []
        else:
            left_out = before.count("\n") + 1
            self.target.listener(Note(f"{left_out} lines before these: {self._logs()} shows all"))
        lines = [line.rstrip("\r")[:_MAX_LINE_CHARACTERS] for line in lines]
        for line in lines:
            self.target.listener(JobOutput(line))
        self.target.listener(StepDone("that is all" if lines else "nothing"))
        return lines

    def output(self) -> str | None:
        """Return what the run wrote, without secrets; None with a warning when it cannot be had.

        A secret may have several lines, so it is looked for before the text is taken apart.
        """
        try:
            return self._hidden(self.target.jobs.get_job_console_output(self.run_id))
        except ServiceError as error:
            self.target.listener(
                Warned(f"What the run {self.run_id} wrote cannot be shown: {error.message}")
            )
            return None

    def _error(self, run: JobRunResult) -> JobRunError | None:
        used = f"{(run.image_name or '').rpartition('/')[2]}:{run.image_tag}"
        if self.image and run.image_name and run.image_tag and used != str(self.image):
            return JobRunError(
                f"The run {self.run_id} of the job {self.target.job} ran {plain(used)}, and not "
                f"{self.image}.",
                cause="Somebody else changed the job between the update and the run.",
                hint="Let one pipeline at a time change the job, and run again.",
                run_id=self.run_id,
            )
        if has_succeeded(run):
            return None
        words = [plain(self._hidden(text or "")) for text in (run.message, run.job_result)]
        status = plain(run.job_status or "") or "no status"
        said = "; ".join(dict.fromkeys(word for word in words if word and word != status))
        return JobRunError(
            f"The run {self.run_id} of the job {self.target.job} did not succeed: {status}"
            f"{f', {said.rstrip(chr(46))}' if said else ''}.",
            cause="Only `Succeeded` is a success. What the job wrote usually says why.",
            hint=f"{self._logs()} shows what it wrote.",
            run_id=self.run_id,
        )

    def _logs(self) -> str:
        return f"`lusid-jobs logs{self.target.local} {self.run_id}`"

    def _later(self) -> str:
        if self.target.is_local:
            return f"The run {self.run_id} ends with the local Scheduler."
        return (
            f"The run {self.run_id} goes on in LUSID, where it cannot be stopped: "
            f"`lusid-jobs logs {self.run_id}` shows what it says."
        )

    def _if_begun(self) -> str:
        if self.target.is_local:
            return self._later()
        return (
            f"If the run {self.run_id} has begun, it goes on in LUSID: "
            f"`lusid-jobs logs {self.run_id}` shows what it says."
        )

    def _refused(self, error: ServiceError) -> JobRunError:
        return JobRunError(
            f"The job {self.target.job} was not run: {self._hidden(error.message)}",
            cause=error.cause,
            hint=error.hint,
        )

    def _unknown(self, error: LusidPublishError) -> JobRunError:
        named = f" {self.run_id}" if self.run_id else ""
        return JobRunError(
            f"Whether the run{named} of the job {self.target.job} began is not known: "
            f"{self._hidden(error.message)}",
            cause="LUSID may have started it, but does not show it. It is not started again, "
            "because then it could run twice.",
            hint=f"Look with `lusid-jobs history{self.target.local} {self.target.job}`.",
            run_id=self.run_id,
        )

    def _hidden(self, text: str) -> str:
        return redact(text, also=self.secrets)


class _Watch:
    """Looks whether the run is over, and tells what it sees."""

    def __init__(self, target: LusidJob, run_id: str) -> None:
        self._target = target
        self._run_id = run_id
        self._patience = Deadline(_SETTLING_SECONDS, clock=target.clock)
        self.seen = "LUSID did not show it"

    def look(self) -> JobRunResult | None:
        """Return the run when it is over, None until then."""
        try:
            run = self._target.jobs.get_run_history(self._run_id)
        except TEMPORARY_FAILURES as error:
            self._report(f"LUSID did not answer well ({error.message})")
            return None
        except (NotFoundError, BadRequestError):
            if self._patience.passed():
                raise
            self._report("LUSID does not show it yet")
            return None
        self._patience.restart()
        if run.run_id and run.run_id.casefold() != self._run_id.casefold():
            self._report(f"LUSID shows another run, {plain(run.run_id or '')}")
            return None
        if is_over(run):
            return run
        self._report(plain(run.job_status or "no status").lower())
        return None

    def _report(self, text: str) -> None:
        if text != self.seen:
            self.seen = text
            self._target.listener(Waiting(text))
