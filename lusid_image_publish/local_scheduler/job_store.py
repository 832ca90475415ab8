"""Store jobs, their runs and their output as JSON files next to the images, on the same volume.

Each has its own file, so that Schedulers that share a volume replace only what they change. Nothing
can be removed from the volume of a running container without its tools, so a deleted job is `null`.
"""

import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

Document = dict[str, Any]

_JOBS: Final = "jobs"
_RUNS: Final = "runs"
_CONSOLES: Final = "consoles"


class Files(Protocol):
    """Files that are kept when a Scheduler stops."""

    def read_files(self, folder: str, name: str = "") -> Mapping[str, bytes]:
        """Return the existing files of a folder by name, or only `name`."""
        ...

    def write_file(self, folder: str, name: str, content: bytes) -> None:
        """Write a file, and create the folder if needed."""
        ...


class JobStore:
    """The jobs and runs in `files`. Many threads may use it at a time.

    `premade` are jobs that exist from the start, and are stored when they change. A stored one gets
    their arguments, too: a job that was made for trying things out may get more. Hold `changes`
    while a job is read and then replaced.
    """

    def __init__(self, files: Files, premade: Iterable[Document] = ()) -> None:
        self._files = files
        self._premade = {_file_of(**job["jobId"]): job for job in premade}
        self._lock = threading.Lock()
        self.changes = threading.Lock()

    def jobs(self) -> list[Document]:
        """Return all jobs, by scope and code."""
        found = self._with_premade(self._read(_JOBS), self._premade)
        return sorted(found, key=lambda job: (job["jobId"]["scope"], job["jobId"]["code"]))

    def job(self, scope: str, code: str) -> Document | None:
        """Return one job, None if it does not exist."""
        name = _file_of(scope, code)
        premade = {name: self._premade[name]} if name in self._premade else {}
        return next(iter(self._with_premade(self._read(_JOBS, name), premade)), None)

    def make_premade(self) -> list[str]:
        """Create the premade jobs that are not stored, or deleted; return their SCOPE/CODE."""
        kept = self._read(_JOBS)
        made = {name: job for name, job in self._premade.items() if not kept.get(name)}
        for name in made.keys() & kept.keys():
            self.keep_job(made[name])
        return [f"{job['jobId']['scope']}/{job['jobId']['code']}" for job in made.values()]

    def _with_premade(
        self, kept: Mapping[str, Document | None], premade: Mapping[str, Document]
    ) -> list[Document]:
        jobs = {name: job for name, job in {**premade, **kept}.items() if job}
        for name, made in premade.items():
            job = jobs.get(name)
            if job and job["description"] == made["description"]:
                arguments = made["argumentDefinitions"] | job["argumentDefinitions"]
                jobs[name] = job | {"argumentDefinitions": arguments}
        return list(jobs.values())

    def keep_job(self, job: Document) -> None:
        """Store a job, in place of the one with its identifier."""
        self._write(_JOBS, _file_of(**job["jobId"]), job)

    def drop_job(self, scope: str, code: str) -> None:
        """Delete a job; its runs stay."""
        self._write(_JOBS, _file_of(scope, code), None)

    def runs(self) -> list[Document]:
        """Return all runs, the latest first."""
        found = [run for run in self._read(_RUNS).values() if run]
        return sorted(found, key=lambda run: str(run["initialisedDate"]), reverse=True)

    def run(self, run_id: str) -> Document | None:
        """Return one run, None if it does not exist."""
        return next(iter(self._read(_RUNS, f"{run_id}.json").values()), None)

    def keep_run(self, run: Document) -> None:
        """Store a run, in place of the one with its id."""
        self._write(_RUNS, f"{run['runId']}.json", run)

    def console(self, run_id: str) -> str | None:
        """Return the output of a run, None if it is not stored."""
        name = f"{run_id}.txt"
        with self._lock:
            content = self._files.read_files(_CONSOLES, name).get(name)
        return None if content is None else content.decode(errors="replace")

    def keep_console(self, run_id: str, text: str) -> None:
        """Store the output of a run."""
        with self._lock:
            self._files.write_file(_CONSOLES, f"{run_id}.txt", text.encode())

    def _read(self, folder: str, name: str = "") -> dict[str, Document | None]:
        with self._lock:
            found = self._files.read_files(folder, name)
        return {name: json.loads(content) for name, content in found.items() if content}

    def _write(self, folder: str, name: str, document: Document | None) -> None:
        with self._lock:
            self._files.write_file(folder, name, json.dumps(document).encode())


def _file_of(scope: str, code: str) -> str:
    return f"{scope}.{code}.json"  # neither has a dot
