"""What the local Scheduler lists, read out of the storage of real registries."""

import logging
import os
from contextlib import ExitStack
from typing import Any

import pytest
from docker import DockerClient
from docker.models.containers import Container

from lusid_image_publish.local_scheduler.server import LocalScheduler, LocalSchedulerSettings
from tests.integration.parts import Job
from tests.integration.seeding import Seeder
from tests.plain_http import HTTP

LOGGER = "lusid_image_publish.local_scheduler.storage"


def listed(scheduler: LocalScheduler) -> dict[str, int]:
    """Return the repositories that are listed, with the number of images of each."""
    answer = HTTP.get(
        f"{scheduler.url}/api/images/repository",
        headers={"Authorization": f"Bearer {scheduler.access_token.reveal()}"},
    )
    values = answer.raise_for_status().json()["values"]
    return {value["name"]: value["imageCount"] for value in values}


@pytest.fixture
def settings(own_volume: str) -> dict[str, Any]:
    return {"volume": own_volume, "domain": "foo", "scan_delay": 0}


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all that containers gave out."""
    sizes: list[int] = []
    run, archive = Container.exec_run, Container.get_archive

    def exec_run(self: Container, *arguments: Any, **options: Any) -> Any:
        done: Any = run(self, *arguments, **options)
        sizes.extend(len(output or b"") for output in done.output)
        return done

    def get_archive(self: Container, *arguments: Any, **options: Any) -> Any:
        chunks, facts = archive(self, *arguments, **options)
        whole = b"".join(chunks)
        sizes.append(len(whole))
        return iter([whole]), facts

    monkeypatch.setattr(Container, "exec_run", exec_run)
    monkeypatch.setattr(Container, "get_archive", get_archive)
    return sizes


@pytest.fixture(params=["its tools", "no shell"])
def registry_image(
    request: pytest.FixtureRequest, clean_engine: DockerClient, job: Job, repository: str
) -> str:
    """A registry as it is pulled, and one that nothing can be run in."""
    if request.param == "its tools":
        return "registry:2"
    job.write('FROM registry:2\nRUN ["rm", "/bin/sh"]\n')
    clean_engine.images.build(path=str(job.folder), tag=f"{repository}:bare", rm=True)
    return f"{repository}:bare"


def test_repositories_are_listed_whatever_can_be_run_in_the_registry_s_container(
    settings: dict[str, Any], registry_image: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    chosen = LocalSchedulerSettings(**settings, registry_image=registry_image)
    with LocalScheduler(chosen) as scheduler, Seeder(scheduler, "foo") as seeder:
        assert listed(scheduler) == {}
        seeder.push(["one", "two"], ["1.0", "1.1", "1.2"])
        assert listed(scheduler) == {"one": 3, "two": 3}
    is_slow = "one repository at a time" in caplog.text
    assert is_slow is (registry_image != "registry:2"), caplog.text


def test_what_another_scheduler_of_the_volume_was_given_is_listed(
    settings: dict[str, Any],
) -> None:
    with ExitStack() as stack:
        schedulers = [
            stack.enter_context(LocalScheduler(LocalSchedulerSettings(**settings))) for _ in "ab"
        ]
        seeders = [stack.enter_context(Seeder(each, "foo")) for each in schedulers]
        expected: dict[str, int] = {}
        for number, seeder in enumerate(seeders):
            assert [listed(scheduler) for scheduler in schedulers] == [expected] * 2
            seeder.push([f"job-{number}"], ["1.0", "1.1"])
            expected[f"job-{number}"] = 2
        assert [listed(scheduler) for scheduler in schedulers] == [expected] * 2
        seeders[0].push(["job-1"], ["1.1", "1.2"])
        assert [listed(scheduler)["job-1"] for scheduler in schedulers] == [3, 3]


def test_an_upload_under_way_is_not_read(
    settings: dict[str, Any], registry_image: str, received: list[int]
) -> None:
    chosen = LocalSchedulerSettings(**settings, registry_image=registry_image)
    with LocalScheduler(chosen) as scheduler, Seeder(scheduler, "foo") as seeder:
        seeder.push(["job"], ["1.0"])
        seeder.begin_upload("job", os.urandom(5_000_000))
        seeder.begin_upload("new", os.urandom(5_000_000))
        assert listed(scheduler) == {"job": 1}
    assert received
    assert sum(received) < 1_000_000
