"""Keep jobs, their runs and the output of these: JSON files beside the images, on the same volume.

A file for each, so that Schedulers that share a volume replace what they change alone. Nothing can
be removed from the volume of a running container without its tools, so what is deleted is `null`.
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
    """Files that outlive a Scheduler."""

    def read_files(self, folder: str, name: str = "") -> Mapping[str, bytes]:
        """Return the files of a folder by their names, or one of them; what is there."""
        ...

    def write_file(self, folder: str, name: str, content: bytes) -> None:
        """Write a file, and the folder if it is not there."""
        ...


class JobStore:
    """The jobs and runs in `files`. It may be used by many threads at a time.

    `premade` are jobs that are there from the beginning, and kept when they are changed. One that
    was kept has their arguments, too: a job that was made for trying things out may get more.
    `changes` is to be held while a job is read and then replaced.
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
        """Return one job, None without it."""
        name = _file_of(scope, code)
        premade = {name: self._premade[name]} if name in self._premade else {}
        return next(iter(self._with_premade(self._read(_JOBS, name), premade)), None)

    def make_premade(self) -> list[str]:
        """Make the premade jobs that are not kept, deleted ones too; return their SCOPE/CODE."""
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
        """Keep a job, in place of the one that has its identifier."""
        self._write(_JOBS, _file_of(**job["jobId"]), job)

    def drop_job(self, scope: str, code: str) -> None:
        """Delete a job; its runs stay."""
        self._write(_JOBS, _file_of(scope, code), None)

    def runs(self) -> list[Document]:
        """Return all runs, the latest first."""
        found = [run for run in self._read(_RUNS).values() if run]
        return sorted(found, key=lambda run: str(run["initialisedDate"]), reverse=True)

    def run(self, run_id: str) -> Document | None:
        """Return one run, None without it."""
        return next(iter(self._read(_RUNS, f"{run_id}.json").values()), None)

    def keep_run(self, run: Document) -> None:
        """Keep a run, in place of the one that has its id."""
        self._write(_RUNS, f"{run['runId']}.json", run)

    def console(self, run_id: str) -> str | None:
        """Return what a run wrote, None where that is not kept."""
        name = f"{run_id}.txt"
        with self._lock:
            content = self._files.read_files(_CONSOLES, name).get(name)
        return None if content is None else content.decode(errors="replace")

    def keep_console(self, run_id: str, text: str) -> None:
        """Keep what a run wrote."""
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
