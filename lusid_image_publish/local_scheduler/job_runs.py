"""Runs of jobs: their input, their progress and their history."""

import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from lusid_image_publish.local_scheduler.documents import Problem, invalid, wire_date
from lusid_image_publish.local_scheduler.job_documents import DEFAULT_TTL_SECONDS, MAX_TTL_SECONDS
from lusid_image_publish.local_scheduler.job_store import Document, JobStore
from lusid_image_publish.local_scheduler.registry_container import has_gone, own_name
from lusid_image_publish.local_scheduler.storage import StoredImage

logger = logging.getLogger(__name__)

_MASK: Final = "********"
_OWNER: Final = "owner"
"""The member of a stored run that is never shown: the process that runs it."""

MAX_CONSOLE_BYTES: Final = 1 << 20
"""Only the end of a run's output is kept."""


@dataclass(frozen=True, kw_only=True)
class RunOrder:
    """A run to start: `image` in the registry, with command-line `words` and `variables`.

    `ttl` is in seconds; `cpu` and `memory` are the job's own texts, None for no limit.
    """

    run_id: str
    image: StoredImage
    words: tuple[str, ...] = field(repr=False)
    variables: Mapping[str, str] = field(repr=False)
    ttl: int = DEFAULT_TTL_SECONDS
    cpu: str | None = None
    memory: str | None = None


@dataclass(frozen=True)
class RunEnd:
    """The end of a run: `status` is one of the service's words or another, `console` its output."""

    status: str
    message: str
    console: bytes = b""


class Runner(Protocol):
    """Runs images."""

    def run(self, order: RunOrder, began: Callable[[], None]) -> RunEnd:
        """Run an image until it ends; call `began` when it has started."""
        ...

    def stop(self) -> None:
        """Stop all runs."""
        ...


class NoRunner:
    """Lets each run fail, for a Scheduler without an engine."""

    def run(self, order: RunOrder, began: Callable[[], None]) -> RunEnd:
        """Return a failure."""
        del order, began
        return RunEnd("Failed", "This Scheduler has no engine to run the image.")

    def stop(self) -> None:
        """Do nothing."""


def in_thread(work: Callable[[], None]) -> None:
    """Do `work` in a thread; return at once."""
    threading.Thread(target=work, name="local-run", daemon=True).start()


class JobRuns:
    """The runs of one Scheduler, stored in `store`; active ones are also in memory.

    `user` is who runs them; `now` returns UTC. `spawn` starts the work of a run.
    """

    def __init__(
        self,
        store: JobStore,
        runner: Runner,
        *,
        user: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        spawn: Callable[[Callable[[], None]], None] = in_thread,
    ) -> None:
        self._store = store
        self._runner = runner
        self._user = user
        self._now = now
        self._spawn = spawn
        self._own: dict[str, Document] = {}
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._running = 0

    def start(self, job: Document, start: Document, image: StoredImage) -> Document:
        """Start a run of `job` as `start` requests; return its history.

        If the job already has a run with this id, that run is returned and nothing starts. Raises
        the 400 for an id of another job's run, and for unknown or missing arguments.
        """
        run_id = start.get("runId") or str(uuid.uuid4())
        words, variables, shown = _arguments(job, start.get("arguments", {}))
        known = self.find(run_id) if "runId" in start else None
        with self._lock:
            known = self._own.get(run_id, known)
            if known is None:
                run = self._own[run_id] = self._new_run(job, run_id, shown)
                self._running += 1
        if known is not None:
            if known["jobId"] != job["jobId"]:
                raise invalid("runId", "This run id belongs to another job.")
            return known
        order = RunOrder(
            run_id=run_id,
            image=image,
            words=words,
            variables=variables,
            ttl=min(max(job.get("ttl") or DEFAULT_TTL_SECONDS, 1), MAX_TTL_SECONDS),
            cpu=job.get("maxCpu"),
            memory=job.get("maxMemory"),
        )
        try:
            self._store.keep_run(run)
        except Exception:
            with self._idle:
                del self._own[run_id]
                self._end_one()
            raise
        self._spawn(lambda: self._follow(order))
        return run

    def all(self) -> list[Document]:
        """Return the history of all runs, the latest first."""
        with self._lock:
            own = dict(self._own)
        runs = [own.get(run["runId"], run) for run in self._store.runs()]
        return [_shown(run) for run in runs]

    def find(self, run_id: str) -> Document | None:
        """Return the history of one run, None if it does not exist."""
        with self._lock:
            own = self._own.get(run_id)
        run = own or self._store.run(run_id)
        return _shown(run) if run else None

    def console(self, run_id: str) -> str:
        """Return the output of a run, empty until it has ended."""
        return self._store.console(run_id) or ""

    def close(self, *, seconds: float = 10.0) -> None:
        """Stop all runs, and store their outcomes."""
        self._runner.stop()
        with self._idle:
            self._idle.wait_for(lambda: not self._running, timeout=seconds)

    def _follow(self, order: RunOrder) -> None:
        try:
            end = self._run(order)
            run = self._change(
                order.run_id,
                jobStatus=end.status,
                jobResult=end.status,
                message=end.message,
                endDate=wire_date(self._now()),
            )
            self._keep(run)
        finally:
            with self._idle:
                self._end_one()

    def _run(self, order: RunOrder) -> RunEnd:
        """Run until the end, and store the output before the end is visible."""

        def began() -> None:
            date = wire_date(self._now())
            self._keep(self._change(order.run_id, jobStatus="Running", startDate=date))

        try:
            end = self._runner.run(order, began)
            console = end.console[-MAX_CONSOLE_BYTES:].decode(errors="replace")
            self._store.keep_console(order.run_id, console)
        except Exception as error:  # a run must always end
            logger.debug("the run %s", order.run_id, exc_info=True)
            return RunEnd("Failed", f"The local Scheduler could not run the image: {error}")
        return end

    def _keep(self, run: Document) -> None:
        """Store a run for the next Scheduler; this one has it in memory."""
        try:
            self._store.keep_run(run)
        except Exception as error:  # noqa: BLE001  # a stopping engine must not break the run
            logger.warning("the run %s was not stored: %s", run["runId"], error)

    def _end_one(self) -> None:
        self._running -= 1
        self._idle.notify_all()

    def _change(self, run_id: str, **members: Any) -> Document:
        with self._lock:
            run = self._own[run_id] = self._own[run_id] | members
        return run

    def _new_run(self, job: Document, run_id: str, shown: Mapping[str, Document]) -> Document:
        base = f"api/jobs/history/{run_id}"
        return {
            "runId": run_id,
            "jobId": job["jobId"],
            "name": job["name"],
            "description": job["description"],
            "initialisedDate": wire_date(self._now()),
            "startDate": None,
            "endDate": None,
            **shown,
            "jobStatus": "Pending",
            "jobResult": None,
            "scheduleId": None,
            "resultUrl": None,
            "manuallyTriggeredBy": self._user,
            "message": None,
            "imageName": job["imageName"],
            "imageTag": job["imageTag"],
            "ttl": job.get("ttl", DEFAULT_TTL_SECONDS),
            "userId": self._user,
            "consoleOutputUrl": f"{base}/console",
            _OWNER: own_name(),
        }


def _shown(run: Document) -> Document:
    """Return the history of a run, as cancelled if the Scheduler that ran it was killed."""
    shown = {name: value for name, value in run.items() if name != _OWNER}
    if run["endDate"] is None and has_gone(run.get(_OWNER, ""), elsewhere=False):
        end = {"endDate": run["startDate"] or run["initialisedDate"], "jobStatus": "Cancelled"}
        return shown | end | {"message": "The local Scheduler that ran it was killed."}
    return shown


def _arguments(
    job: Document, given: Mapping[str, str | None]
) -> tuple[tuple[str, ...], dict[str, str], dict[str, Document]]:
    """Return the words of the command line, the variables, and both as a history shows them.

    A word is the argument's name, the job's separator, and the value; a blank makes two words.
    """
    definitions = job["argumentDefinitions"]
    for name in given:
        if name not in definitions:
            raise invalid(f"arguments.{name}", f"The job has no argument {name}.")
    separator = job.get("commandLineArgumentSeparator", " ")
    words: list[str] = []
    variables: dict[str, str] = {}
    shown: dict[str, Document] = {"arguments": {}, "environmentVariables": {}}
    for name, definition in sorted(definitions.items(), key=lambda item: item[1]["order"]):
        value = given.get(name)
        value = definition.get("defaultValue") if value is None else value
        if value is None:
            if definition["required"]:
                raise invalid(f"arguments.{name}", f"The argument {name} is required.")
            continue
        _require_kind(name, value, definition["dataType"])
        is_word = definition["passedAs"] == "CommandLine"
        if is_word:
            words += [name, value] if separator == " " else [f"{name}{separator}{value}"]
        else:
            variables[name] = value
        is_secret = definition["dataType"] == "SecureString"
        place = "arguments" if is_word else "environmentVariables"
        shown[place][name] = _MASK if is_secret else value
    return tuple(words), variables, shown


def _require_kind(name: str, value: str, kind: str) -> None:
    if kind == "Int" and not value.removeprefix("-").isdecimal():
        raise invalid(f"arguments.{name}", f"The argument {name} must be a whole number.")


def missing_run(run_id: str) -> Problem:
    """Return the 404 for a run that does not exist."""
    return Problem(404, "RunNotFound", -1, f"The run {run_id} does not exist.")
