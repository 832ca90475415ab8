"""Jobs in real engines: an image is published, a job is pointed at it, and runs."""

import json
import os
import re
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient
from docker.errors import ImageNotFound

from lusid_image_publish import JobsClient
from lusid_image_publish.config import load_settings
from lusid_image_publish.local_scheduler.catalogue import Catalogue
from lusid_image_publish.local_scheduler.job_container import ContainerRunner
from lusid_image_publish.local_scheduler.job_runs import RunOrder
from lusid_image_publish.local_scheduler.registry_container import Registry
from lusid_image_publish.local_scheduler.scans import Scans
from lusid_image_publish.local_scheduler.server import LocalScheduler, LocalSchedulerSettings
from lusid_image_publish.scheduler.job_models import (
    ArgumentDefinition,
    CreateJobRequest,
    JobRunResult,
    ResourceId,
    StartJobRequest,
)
from tests.integration.cleanup import cleaned_up
from tests.integration.engines import NAMES, Engine, running_engine
from tests.integration.parts import (
    BUSYBOX,
    Job,
    command_environment,
    interrupt_at,
    run,
    start,
)

SCRIPT = 'echo "argument $*, variable $WHO"; echo problem >&2; $DO'


@pytest.fixture
def echoing(job: Job) -> Job:
    """A Dockerfile of a job that says what it gets, and does what $DO says."""
    (job.folder / "job.sh").write_text(SCRIPT)
    job.write(f'FROM {BUSYBOX}\nCOPY job.sh content /\nENTRYPOINT ["sh", "/job.sh"]\n')
    return job


# In the tests' Podman containers have no network, so a local Scheduler has no registry there.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "podman"])
def test_the_whole_way_on_each_engine(name: str, echoing: Job, tmp_path: Path) -> None:
    volume = f"lusid-tests-{uuid.uuid4().hex[:12]}"
    with running_engine(name) as engine, cleaned_up(engine.client, echoing.own):
        engine.client.volumes.create(volume)
        try:
            for _ in range(2):  # the second time nothing is pushed, and the job runs again
                done = run(
                    "publish",
                    *("--local", str(echoing.folder), f"{echoing.own}:1.0", "--scan-delay", "0"),
                    *("--job", "me/my-job", "--run-job", "--argument", "who=you"),
                    cwd=tmp_path,
                    environ=engine.environment(LUSID_LOCAL_VOLUME=volume),
                )
                assert done.returncode == 0, done.stderr
                assert "    | argument who you, variable \n" in done.stderr
                assert "    | problem\n" in done.stderr
            assert "it already has this image" in done.stderr
            assert engine.client.containers.list(all=True, filters={"volume": volume}) == []
        finally:
            engine.client.volumes.get(volume).remove(force=True)


def lent_tags(engine: DockerClient) -> list[str]:
    """Return the tags of images that this process brought into an engine for a run."""
    tags = [tag for image in engine.images.list() for tag in image.tags]
    return [tag for tag in tags if re.search(rf"lusid-local-run:.*\.{os.getpid()}\.", tag)]


@pytest.mark.parametrize("do", ["true", "exit 3", "sleep 600"])
def test_an_image_is_brought_into_each_engine_and_run(
    any_engine: Engine, engine: DockerClient, own_volume: str, echoing: Job, tmp_path: Path, do: str
) -> None:
    name = f"{echoing.own}:1.0"
    settings = LocalSchedulerSettings(volume=own_volume, scan_delay=0)
    with LocalScheduler(settings) as scheduler, cleaned_up(engine, echoing.own):
        environ = command_environment(**scheduler.environment())
        done = run("publish", str(echoing.folder), name, cwd=tmp_path, environ=environ)
        assert done.returncode == 0, done.stderr
    wanted = {"image": "registry:2", "volume": own_volume, "port": 0, "domain": "local"}
    with (
        Registry(engine, **wanted) as registry,  # type: ignore[arg-type]  # of two types
        any_engine.connected() as client,
    ):
        catalogue = Catalogue(registry, "local", Scans(delay=0))
        runner = ContainerRunner(client, catalogue)
        image = catalogue.get(echoing.own, "1.0")
        order = RunOrder(
            run_id="1",
            image=image,
            words=("a b",),
            variables={"WHO": "me", "DO": do},
            ttl=3,
            cpu="1",
            memory="64Mi",
        )
        began: list[bool] = []
        end = runner.run(order, lambda: began.append(True))
        assert lent_tags(client) == []
    assert began == [True], end.message
    assert sorted(end.console.splitlines()) == [b"argument a b, variable me", b"problem"]
    assert end.status == {"true": "Succeeded", "exit 3": "Failed"}.get(do, "TimedOut")


@pytest.fixture
def scheduler(own_volume: str) -> Iterator[LocalScheduler]:
    with LocalScheduler(LocalSchedulerSettings(volume=own_volume, scan_delay=0)) as running:
        yield running


@pytest.fixture
def jobs(scheduler: LocalScheduler) -> Iterator[JobsClient]:
    with JobsClient(load_settings(environ=scheduler.environment())) as client:
        yield client


@pytest.fixture
def published(
    clean_engine: DockerClient, echoing: Job, scheduler: LocalScheduler, tmp_path: Path
) -> str:
    """The NAME:TAG of the image that says what it gets."""
    del clean_engine
    name = f"{echoing.own}:1.0"
    environ = command_environment(**scheduler.environment())
    done = run("publish", str(echoing.folder), name, cwd=tmp_path, environ=environ)
    assert done.returncode == 0, done.stderr
    return name


def create(jobs: JobsClient, image: str, **members: Any) -> None:
    repository, tag = image.split(":")
    arguments = {
        "word": argument("CommandLine", 1),
        "WHO": argument("EnvironmentVariable", 2),
        "DO": argument("EnvironmentVariable", 3, default_value="true"),
    }
    jobs.create_job(
        CreateJobRequest(
            job_id=ResourceId(scope="me", code="my-job"),
            name="My job",
            description="Says what it gets",
            image_name=repository,
            image_tag=tag,
            argument_definitions=arguments,
            **members,
        )
    )


def argument(passed_as: str, order: int, **members: Any) -> ArgumentDefinition:
    return ArgumentDefinition(
        data_type="String", description="d", order=order, passed_as=passed_as, **members
    )


def begin(jobs: JobsClient, **arguments: str | None) -> str:
    request = StartJobRequest(arguments=arguments, run_id=str(uuid.uuid4()))
    run_id = jobs.run_job("me", "my-job", request).run_id
    assert run_id == request.run_id
    return str(run_id)


def awaited(jobs: JobsClient, run_id: str, is_so: Callable[[JobRunResult], object]) -> JobRunResult:
    """Return the history of a run once it is so."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = jobs.get_run_history(run_id)
        if is_so(found):
            return found
        threading.Event().wait(0.05)
    pytest.fail(f"the run stays {found.job_status}")


def ended(jobs: JobsClient, run_id: str) -> JobRunResult:
    return awaited(jobs, run_id, lambda found: found.end_date)


def test_a_run_gets_its_arguments_and_leaves_its_output(jobs: JobsClient, published: str) -> None:
    create(jobs, published)
    run_id = begin(jobs, word="a b", WHO="me")
    found = ended(jobs, run_id)
    assert (found.job_status, found.message) == ("Succeeded", "")
    assert f"{found.image_name}:{found.image_tag}" == published
    output = jobs.get_job_console_output(run_id).splitlines()
    assert sorted(output) == ["argument word a b, variable me", "problem"]
    assert found.start_date
    assert found.initialised_date
    assert found.end_date
    assert found.initialised_date <= found.start_date <= found.end_date


def test_another_separator_joins_name_and_value(jobs: JobsClient, published: str) -> None:
    create(jobs, published, command_line_argument_separator="=")
    run_id = begin(jobs, word="a b")
    ended(jobs, run_id)
    assert "argument word=a b," in jobs.get_job_console_output(run_id)


def test_a_program_that_fails_is_a_run_that_failed(jobs: JobsClient, published: str) -> None:
    create(jobs, published)
    found = ended(jobs, begin(jobs, DO="exit 3"))
    assert (found.job_status, found.message) == ("Failed", "Exit code 3.")


def container_of(engine: DockerClient, image: str) -> Any:
    """Return what the engine says of the container that runs `image`."""
    wanted = engine.images.get(image).id
    running = engine.containers.list(ignore_removed=True)
    [found] = [each for each in running if each.attrs["Image"] == wanted]
    return found.attrs


def test_a_run_has_its_limits(engine: DockerClient, jobs: JobsClient, published: str) -> None:
    create(jobs, published, max_cpu="500m", max_memory="64Mi")
    run_id = begin(jobs, DO="sleep 600")
    awaited(jobs, run_id, lambda found: found.job_status == "Running")
    limits = container_of(engine, published)["HostConfig"]
    assert (limits["NanoCpus"], limits["Memory"]) == (500_000_000, 64 << 20)


def test_an_image_that_the_engine_has_no_more_is_brought_for_the_run(
    engine: DockerClient, jobs: JobsClient, published: str
) -> None:
    create(jobs, published)
    engine.images.remove(published)
    found = ended(jobs, begin(jobs))
    assert found.job_status == "Succeeded", found.message
    with pytest.raises(ImageNotFound):
        engine.images.get(published)
    assert lent_tags(engine) == []


def test_an_image_that_was_brought_for_runs_goes_with_the_last_of_them(
    engine: DockerClient, jobs: JobsClient, published: str
) -> None:
    create(jobs, published)
    engine.images.remove(published)
    first = begin(jobs, DO="sleep 1")
    awaited(jobs, first, lambda found: found.job_status == "Running")
    second = begin(jobs, DO="sleep 2")
    assert ended(jobs, first).job_status == "Succeeded"
    found = ended(jobs, second)
    assert found.job_status == "Succeeded", found.message
    assert lent_tags(engine) == []


def test_a_run_that_needs_more_memory_than_it_may_have_says_so(
    jobs: JobsClient, published: str
) -> None:
    create(jobs, published, max_memory="16Mi")
    found = ended(jobs, begin(jobs, DO="tail /dev/zero"))
    assert found.job_status == "Failed"
    assert found.message == "Exit code 137. It used more memory than the job's maxMemory allows."


def test_a_scheduler_that_ends_ends_its_runs_and_the_next_one_knows(
    engine: DockerClient, own_volume: str, echoing: Job, tmp_path: Path
) -> None:
    settings = LocalSchedulerSettings(volume=own_volume, scan_delay=0)
    with cleaned_up(engine, echoing.own):
        name = f"{echoing.own}:1.0"
        with LocalScheduler(settings) as first:
            environ = command_environment(**first.environment())
            done = run("publish", str(echoing.folder), name, cwd=tmp_path, environ=environ)
            assert done.returncode == 0, done.stderr
            with JobsClient(load_settings(environ=first.environment())) as jobs:
                create(jobs, name)
                run_id = begin(jobs, DO="sleep 600")
                awaited(jobs, run_id, lambda found: found.job_status == "Running")
        assert not engine.containers.list(all=True, filters={"ancestor": name})
        with (
            LocalScheduler(settings) as second,
            JobsClient(load_settings(environ=second.environment())) as jobs,
        ):
            assert jobs.get_run_history(run_id).job_status == "Cancelled"
            assert jobs.get_job("me", "my-job").docker_image == name


def test_ctrl_c_during_a_run_says_that_it_goes_on(
    jobs: JobsClient, scheduler: LocalScheduler, published: str, tmp_path: Path
) -> None:
    create(jobs, published)
    process = start(
        "publish",
        *(published, published, "--job", "me/my-job", "--run-job", "--argument", "DO=sleep 600"),
        cwd=tmp_path,
        environ=command_environment(**scheduler.environment()),
    )
    code, shown = interrupt_at(process, "    running", signal.SIGINT)
    assert code == 130
    found_id = re.search(r"The run (\S+) continues in LUSID, .*`lusid-jobs logs \1`", shown)
    assert found_id, shown
    found = jobs.get_run_history(found_id[1])
    assert (found.job_status, found.end_date) == ("Running", None)


def test_the_command_shows_what_the_scheduler_has(
    jobs: JobsClient, scheduler: LocalScheduler, published: str, tmp_path: Path
) -> None:
    create(jobs, "old-one:1")
    environ = command_environment(**scheduler.environment())

    def command(*arguments: str, code: int = 0) -> str:
        done = run("jobs", *arguments, cwd=tmp_path, environ=environ)
        assert done.returncode == code, done.stderr
        return done.stdout

    refused = run("jobs", "run", "me/my-job", cwd=tmp_path, environ=environ)
    assert (refused.returncode, "code 731" in refused.stderr) == (15, True), refused.stderr
    assert command("set-image", "me/my-job", published) == f"{published}\n"
    assert "argument word x," in command("run", "me/my-job", "--argument", "word=x")
    command("run", "me/my-job", "--argument", "DO=exit 3", code=15)
    runs = json.loads(command("history", "me/my-job", "--output", "json"))["values"]
    assert sorted(each["jobStatus"] for each in runs) == ["Failed", "Succeeded"]
    assert all(value == "***" for each in runs for value in each["environmentVariables"].values())
