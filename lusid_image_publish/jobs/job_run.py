"""JobRun: start a job once, wait for its end, and get its output."""

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
"""The time for a run to start and for its end to be listed, in addition to the job's own time."""

_SETTLING_SECONDS: Final = 30.0
"""How long a run that has started may be missing from LUSID's history, also temporarily."""

_START_SECONDS: Final = 120.0
"""The time limit for starting a run."""

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
    """Return whether a run has ended: it has an end date, or a status that is final.

    The service writes the year 1 for "never".
    """
    has_end = run.end_date is not None and run.end_date.year > 1
    return has_end or (run.job_status or "").strip().casefold() not in _UNDER_WAY


def has_succeeded(run: JobHistory) -> bool:
    """Return whether a run succeeded: `Succeeded` is the only status of a success."""
    return (run.job_status or "").strip().casefold() == _SUCCEEDED


def seconds_of(run: JobHistory) -> float | None:
    """Return how long a run took, None if LUSID does not say."""
    if run.start_date is None or run.end_date is None:
        return None
    return max(0.0, (run.end_date - run.start_date).total_seconds())


@dataclass(kw_only=True)
class JobRun:
    """A run of `target`. `timeout` is in seconds, None for the job's own time plus five minutes.

    `image` is the image that it must run, None for any. `secrets` are hidden in all texts about the
    run. `run_id` is the requested id, a GUID, and after the start the actual one; it is empty while
    LUSID has not yet reported the id that it chose.
    """

    target: LusidJob
    arguments: Mapping[str, str] = field(repr=False)
    timeout: float | None = None
    image: ImageName | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def start(self) -> None:
        """Start the run, once.

        The request is never repeated if its answer is lost: `get_run_history` shows whether the run
        started. Raises `JobRunError` if it is refused, or if it is unknown whether the run
        started.
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
        """Start the run in a deployment that does not accept run ids from clients."""
        self.run_id = ""
        self.target.listener(StepDone("this deployment assigns run ids itself"))
        state = f"The run may have started. {self._check_hint()}"
        started = StepStarted(f"Running the job {self.target.job}", state)
        self.target.listener(started)
        try:
            return self._send()
        except ServiceError as error:
            raise self._refused(error) from error

    def _began_already(self, error: ServiceError) -> bool:
        """Return whether the run exists although its start was refused.

        A proxy may have sent the request twice. Raises `JobRunError` if that is unknown.
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
        """Start the run; return None if the answer was lost and LUSID lists the run."""
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
                    f"The answer to run_job was lost ({self._hidden(error.message)}). Looking for "
                    "the run."
                )
            )
            if not self._appears():
                raise self._unknown(error) from error
            return None

    def _take_id(self, answer: StartJobResponse | None) -> None:
        """Keep the id of the answer, which may differ from the requested one."""
        given = (answer.run_id if answer else None) or self.run_id
        if not is_run_id(given) and self.run_id and self._appears():
            given = self.run_id
        if not is_run_id(given):
            raise JobRunError(
                f"The job {self.target.job} was started, but LUSID's answer has no valid run id.",
                cause="The service has changed, or a proxy answered in its place.",
                hint=self._check_hint(),
            )
        self.run_id = given
        self.target.listener(StepDone(f"the run id is {given}"))

    def _is_known(self) -> bool:
        """Return whether LUSID lists the run."""
        try:
            self.target.jobs.get_run_history(self.run_id)
        except ServiceError:
            return False
        return True

    def _appears(self) -> bool:
        """Wait until LUSID lists the run; return whether it does."""
        return bool(
            poll(
                lambda: self._is_known() or None,
                deadline=Deadline(_SETTLING_SECONDS, clock=self.target.clock),
                pauses=self.target.limits.pauses(first=0.5, quick_for=5),
                sleep=self.target.sleep,
            )
        )

    def wait(self, ttl: int | None) -> RunResult:
        """Wait for the end of the run, and return its result.

        `ttl` is the job's own time in seconds. Raises `JobRunError` if the run was not seen to end;
        an unsuccessful run is in the result.
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
                f"The run {self.run_id} of the job {self.target.job} did not finish within "
                f"{seconds:g} seconds; last state: {watch.seen}.",
                cause="It is still queued, or needs more time.",
                hint=f"{later} To wait longer, use --run-timeout.",
                run_id=self.run_id,
            )
        status = plain(ended.job_status or "")
        took = seconds_of(ended)
        after = "" if took is None else f" after {shown_seconds(took)}"
        self.target.listener(StepDone(f"{status or 'ended'}{after}"))
        return RunResult(run_id=self.run_id, status=status, seconds=took, error=self._error(ended))

    def show_output(self) -> list[str]:
        """Show the output of the run, and return it: only its last lines if there are very many."""
        output = self.output()
        if output is None:
            return []
        title = f"Output of the run {self.run_id}"
        self.target.listener(StepStarted(title, has_output=bool(output)))
        text = output.removesuffix("\n")
        before, *lines = text.rsplit("\n", _MAX_SHOWN_LINES)
        if len(lines) < _MAX_SHOWN_LINES:
            lines = [before, *lines] if text else []
        else:
            left_out = before.count("\n") + 1
            self.target.listener(
                Note(f"{left_out} earlier lines are not shown: see {self._logs()}")
            )
        lines = [line.rstrip("\r")[:_MAX_LINE_CHARACTERS] for line in lines]
        for line in lines:
            self.target.listener(JobOutput(line))
        self.target.listener(StepDone("end of the output" if lines else "no output"))
        return lines

    def output(self) -> str | None:
        """Return the output of the run without secrets; None, with a warning, if it is unavailable.

        A secret may have several lines, so it is hidden before the text is split into lines.
        """
        try:
            return self._hidden(self.target.jobs.get_job_console_output(self.run_id))
        except ServiceError as error:
            self.target.listener(
                Warned(f"The output of the run {self.run_id} cannot be shown: {error.message}")
            )
            return None

    def _error(self, run: JobRunResult) -> JobRunError | None:
        used = f"{(run.image_name or '').rpartition('/')[2]}:{run.image_tag}"
        if self.image and run.image_name and run.image_tag and used != str(self.image):
            return JobRunError(
                f"The run {self.run_id} of the job {self.target.job} ran {plain(used)} instead of "
                f"{self.image}.",
                cause="Someone else changed the job between the update and the run.",
                hint="Run again, and let only one pipeline at a time change the job.",
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
            cause="Only `Succeeded` is a success; the output of the run usually shows the reason.",
            hint=f"Read its output with {self._logs()}.",
            run_id=self.run_id,
        )

    def _logs(self) -> str:
        return f"`lusid-jobs logs{self.target.local} {self.run_id}`"

    def _check_hint(self) -> str:
        return f"Check with `lusid-jobs history{self.target.local} {self.target.job}`."

    def _later(self) -> str:
        if self.target.is_local:
            return f"The run {self.run_id} stops with the local Scheduler."
        return (
            f"The run {self.run_id} continues in LUSID, where it cannot be stopped: "
            f"`lusid-jobs logs {self.run_id}` shows its output."
        )

    def _if_begun(self) -> str:
        if self.target.is_local:
            return self._later()
        return (
            f"If the run {self.run_id} has started, it continues in LUSID: "
            f"`lusid-jobs logs {self.run_id}` shows its output."
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
            f"It is not known whether the run{named} of the job {self.target.job} started: "
            f"{self._hidden(error.message)}",
            cause="LUSID may have started it, but does not list it. It is not started again, "
            "because the job could then run twice.",
            hint=self._check_hint(),
            run_id=self.run_id,
        )

    def _hidden(self, text: str) -> str:
        return redact(text, also=self.secrets)


class _Watch:
    """Checks whether the run has ended, and reports its state."""

    def __init__(self, target: LusidJob, run_id: str) -> None:
        self._target = target
        self._run_id = run_id
        self._patience = Deadline(_SETTLING_SECONDS, clock=target.clock)
        self.seen = "LUSID did not list it"

    def look(self) -> JobRunResult | None:
        """Return the run when it has ended, None until then."""
        try:
            run = self._target.jobs.get_run_history(self._run_id)
        except TEMPORARY_FAILURES as error:
            self._report(f"no valid answer from LUSID ({error.message})")
            return None
        except (NotFoundError, BadRequestError):
            if self._patience.passed():
                raise
            self._report("LUSID does not list it yet")
            return None
        self._patience.restart()
        if run.run_id and run.run_id.casefold() != self._run_id.casefold():
            self._report(f"LUSID returned another run, {plain(run.run_id or '')}")
            return None
        if is_over(run):
            return run
        self._report(plain(run.job_status or "no status").lower())
        return None

    def _report(self, text: str) -> None:
        if text != self.seen:
            self.seen = text
            self._target.listener(Waiting(text))
