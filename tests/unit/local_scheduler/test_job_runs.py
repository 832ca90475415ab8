"""Runs that end with their Scheduler or cannot be kept, and jobs from the beginning."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from lusid_image_publish.local_scheduler.job_container import memory_bytes, nano_cpus
from lusid_image_publish.local_scheduler.job_documents import new_job
from lusid_image_publish.local_scheduler.job_runs import JobRuns, RunEnd, RunOrder, in_thread
from lusid_image_publish.local_scheduler.job_store import JobStore
from lusid_image_publish.local_scheduler.registry_container import machine_name, own_name
from lusid_image_publish.local_scheduler.storage import StoredImage

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
IMAGE = StoredImage("job", "sha256:x")
JOB: dict[str, Any] = {
    "jobId": {"scope": "me", "code": "my-job"},
    "name": "My job",
    "description": "What it does",
    "imageName": "job",
    "imageTag": "1.0",
    "argumentDefinitions": {},
}


class Files:
    """Files in memory; `failing` is a folder that takes no more."""

    def __init__(self) -> None:
        self.content: dict[tuple[str, str], bytes] = {}
        self.failing = ""

    def read_files(self, folder: str, name: str = "") -> dict[str, bytes]:
        return {
            file: content
            for (place, file), content in self.content.items()
            if place == folder and name in {"", file}
        }

    def write_file(self, folder: str, name: str, content: bytes) -> None:
        if folder == self.failing:
            raise OSError("no space left")
        self.content[folder, name] = content


class Runner:
    """Calls `during` while an image runs."""

    def __init__(self, during: Callable[[], object] = lambda: None) -> None:
        self.during = during

    def run(self, order: RunOrder, began: Callable[[], None]) -> RunEnd:
        del order
        began()
        self.during()
        return RunEnd("Succeeded", "", b"Hello\n")

    def stop(self) -> None:
        pass


def runs_of(files: Files, runner: Runner) -> JobRuns:
    return JobRuns(
        JobStore(files), runner, user="local", now=lambda: NOW, spawn=lambda work: work()
    )


def test_at_the_end_runs_are_stopped_and_kept() -> None:
    stopped, began = threading.Event(), threading.Event()

    class Endless(Runner):
        def run(self, order: RunOrder, began_running: Callable[[], None]) -> RunEnd:
            del order
            began_running()
            began.set()
            stopped.wait(30)
            return RunEnd("Cancelled", "stopped")

        def stop(self) -> None:
            stopped.set()

    store = JobStore(Files())
    runs = JobRuns(store, Endless(), user="local", now=lambda: NOW, spawn=in_thread)
    run_id = runs.start(JOB, {}, StoredImage("job", "sha256:x"))["runId"]
    assert began.wait(30)
    running = runs.find(run_id)
    assert running
    assert (running["jobStatus"], running["endDate"]) == ("Running", None)
    runs.close()
    (kept,) = store.runs()
    assert (kept["runId"], kept["jobStatus"]) == (run_id, "Cancelled")


def test_a_run_that_begins_is_seen_by_others() -> None:
    files, seen = Files(), []
    runs = runs_of(files, Runner(lambda: seen.append(JobStore(files).runs()[0]["jobStatus"])))
    run_id = runs.start(JOB, {}, IMAGE)["runId"]
    assert seen == ["Running"]
    found = runs.find(run_id)
    assert found
    assert "owner" not in found
    assert "owner" not in runs.all()[0]


@pytest.mark.parametrize("folder", ["runs", "consoles"])
def test_a_run_ends_though_nothing_can_be_kept(folder: str) -> None:
    files = Files()
    runs = runs_of(files, Runner(lambda: setattr(files, "failing", folder)))
    run_id = runs.start(JOB, {}, IMAGE)["runId"]
    found = runs.find(run_id)
    assert found
    assert found["endDate"]
    assert found["jobStatus"] == ("Succeeded" if folder == "runs" else "Failed")
    runs.close(seconds=0)


def test_a_run_that_cannot_be_kept_does_not_begin() -> None:
    files, begun = Files(), []
    runs = runs_of(files, Runner(lambda: begun.append(True)))
    files.failing = "runs"
    start = {"runId": "11111111-1111-1111-1111-111111111111"}
    with pytest.raises(OSError, match="no space"):
        runs.start(JOB, start, IMAGE)
    assert begun == []
    files.failing = ""
    assert runs.start(JOB, start, IMAGE)["runId"] == start["runId"]
    assert begun == [True]


@pytest.mark.parametrize(
    ("owner", "status"),
    [
        (own_name(), "Running"),
        (f"{machine_name()}/99999999", "Cancelled"),
        ("elsewhere/1", "Running"),
    ],
    ids=["alive", "killed", "elsewhere"],  # the workers of a run must collect the same names
)
def test_a_run_of_a_killed_scheduler_is_over(owner: str, status: str) -> None:
    files = Files()
    runs = runs_of(files, Runner())
    run = runs.start(JOB, {}, IMAGE)
    kept = JobStore(files).runs()[0]
    JobStore(files).keep_run(kept | {"endDate": None, "jobStatus": "Running", "owner": owner})
    later = runs_of(files, Runner())
    found = later.find(run["runId"])
    assert found
    assert (found["jobStatus"], bool(found["endDate"])) == (status, status == "Cancelled")
    assert later.all() == [found]


def test_a_secret_word_is_not_kept() -> None:
    files = Files()
    argument = {"dataType": "SecureString", "passedAs": "CommandLine", "order": 1, "required": True}
    job = JOB | {"argumentDefinitions": {"key": argument}}
    runs_of(files, Runner()).start(job, {"arguments": {"key": "s3cret"}}, IMAGE)
    assert b"s3cret" not in b"".join(files.content.values())
    order = RunOrder(run_id="1", image=IMAGE, words=("key", "s3cret"), variables={"a": "s3cret"})
    assert "s3cret" not in repr(order)


def test_a_premade_job_that_was_deleted_is_made_again_at_the_next_start_only() -> None:
    files = Files()
    premade = [new_job("me", "my-job", [], "2026")]
    first = JobStore(files, premade)
    first.drop_job("me", "my-job")
    assert first.job("me", "my-job") is None
    later = JobStore(files, premade)
    assert later.make_premade() == ["me/my-job"]
    assert later.jobs() == [later.job("me", "my-job")] == premade
    assert later.make_premade() == []


def test_a_premade_job_is_kept_when_it_is_changed_and_may_get_more_arguments() -> None:
    files = Files()
    first = JobStore(files, [new_job("me", "my-job", ["who"], "2026")])
    assert first.make_premade() == ["me/my-job"]
    assert files.content == {}, "to look at it changes nothing"
    (job,) = first.jobs()
    first.keep_job(job | {"imageName": "job", "imageTag": "1.0"})
    later = JobStore(files, [new_job("me", "my-job", ["date"], "2027")])
    assert later.make_premade() == []
    found = later.job("me", "my-job")
    assert found == later.jobs()[0]
    assert {*found["argumentDefinitions"]} == {"who", "date"}
    assert found["imageName"] == "job"
    later.keep_job(JOB)
    assert later.job("me", "my-job") == JOB, "a job of somebody's own stays as it is"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1 << 30),
        ("0.5", 1 << 29),
        ("64Mi", 64 << 20),
        ("64M", 64_000_000),
        ("2 GiB", 2 << 30),
        ("1g", 10**9),
        ("lots", 0),
        ("", 0),
        (None, 0),
        ("-1", 0),
    ],
)
def test_memory_is_read_as_people_write_it(text: str | None, size: int) -> None:
    assert memory_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2", 2 * 10**9),
        ("0.5", 5 * 10**8),
        ("500m", 5 * 10**8),
        ("1m", 10**7),
        ("0", 0),
        ("x", 0),
        (None, 0),
    ],
)
def test_processors_are_read_as_people_write_them(text: str | None, number: int) -> None:
    assert nano_cpus(text) == number
