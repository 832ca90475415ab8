"""Keep jobs, their runs and the output of these: JSON files beside the images, on the same volume.

A file for each, so that Schedulers that share a volume replace what they change alone. Nothing can
be removed from the volume of a running container without its tools, so what is deleted is `null`.
"""

import json
import threading
from collections.abc import Mapping
from typing import Any, Final, Protocol

Document = dict[str, Any]

_JOBS: Final = "jobs"
_RUNS: Final = "runs"
_CONSOLES: Final = "consoles"


class Files(Protocol):
    """Files that outlive a Scheduler."""

    def read_files(self, folder: str) -> Mapping[str, bytes]:
        """Return the files of a folder by their names, none where there is no such folder."""
        ...

    def write_file(self, folder: str, name: str, content: bytes) -> None:
        """Write a file, and the folder if it is not there."""
        ...


class JobStore:
    """The jobs and runs in `files`. It may be used by many threads at a time."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._lock = threading.Lock()

    def jobs(self) -> list[Document]:
        """Return all jobs, by scope and code."""
        return sorted(
            self._documents(_JOBS), key=lambda job: (job["jobId"]["scope"], job["jobId"]["code"])
        )

    def job(self, scope: str, code: str) -> Document | None:
        """Return one job, None without it."""
        wanted = {"scope": scope, "code": code}
        return next((job for job in self.jobs() if job["jobId"] == wanted), None)

    def keep_job(self, job: Document) -> None:
        """Keep a job, in place of the one that has its identifier."""
        self._write(_JOBS, _file_of(**job["jobId"]), job)

    def drop_job(self, scope: str, code: str) -> None:
        """Delete a job; its runs stay."""
        self._write(_JOBS, _file_of(scope, code), None)

    def runs(self) -> list[Document]:
        """Return all runs, the latest first."""
        return sorted(
            self._documents(_RUNS), key=lambda run: str(run["initialisedDate"]), reverse=True
        )

    def keep_run(self, run: Document) -> None:
        """Keep a run, in place of the one that has its id."""
        self._write(_RUNS, f"{run['runId']}.json", run)

    def console(self, run_id: str) -> str | None:
        """Return what a run wrote, None where that is not kept."""
        with self._lock:
            content = self._files.read_files(_CONSOLES).get(f"{run_id}.txt")
        return None if content is None else content.decode(errors="replace")

    def keep_console(self, run_id: str, text: str) -> None:
        """Keep what a run wrote."""
        with self._lock:
            self._files.write_file(_CONSOLES, f"{run_id}.txt", text.encode())

    def _documents(self, folder: str) -> list[Document]:
        with self._lock:
            found = self._files.read_files(folder)
        documents = [json.loads(content) for content in found.values() if content]
        return [document for document in documents if document]

    def _write(self, folder: str, name: str, document: Document | None) -> None:
        with self._lock:
            self._files.write_file(folder, name, json.dumps(document).encode())


def _file_of(scope: str, code: str) -> str:
    return f"{scope}.{code}.json"  # neither has a dot
