"""FINBOURNE's configuration tool, fbnconfig, works with the local Scheduler's jobs.

Its `JobResource` creates, reads, updates and deletes jobs over its own HTTP client; what it made,
this package updates and runs, and it finds what it knows of a job unchanged.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from docker import DockerClient

from lusid_image_publish.config import load_settings
from lusid_image_publish.jobs.lusid_job import LusidJob
from lusid_image_publish.local_scheduler.app import BASE_PATH
from lusid_image_publish.local_scheduler.server import LocalScheduler, LocalSchedulerSettings
from lusid_image_publish.names import ImageName, JobId
from lusid_image_publish.scheduler.job_models import StartJobRequest
from lusid_image_publish.scheduler.jobs_client import JobsClient
from tests.integration.official_sdk import Release, running_release
from tests.integration.parts import end_without
from tests.integration.runnable import await_run, publish_runnable
from tests.integration.seeding import Seeder
from tests.integration.test_official_sdk import Clients

JOBS: Final = f"{BASE_PATH}/api/jobs"
OPTIONAL: Final[Mapping[str, Any]] = {
    "author": "Somebody",
    "ttl": 240,
    "min_cpu": "1",
    "max_cpu": "2",
    "min_memory": "16Mi",
    "max_memory": "128Mi",
    "command_line_argument_separator": " ",
    "command_line": {
        "mode": {"data_type": "String", "description": "How it ends", "order": 1, "required": True},
        "count": {"data_type": "Int", "description": "Any", "order": 2, "default_value": "3"},
    },
    "environment": {
        "GREETING": {"data_type": "String", "description": "Any", "order": 3},
        "TOKEN": {
            "data_type": "SecureString",
            "description": "Any",
            "order": 4,
            "default_value": "config://personal/jobs/token",
        },
    },
}
"""What a `JobResource` may have, apart from its date."""


@dataclass(frozen=True)
class Tool:
    """fbnconfig, which is given the whole environment of a LUSID domain."""

    release: Release
    variables: Mapping[str, str]
    folder: Path

    def use(self, operation: str, **members: Any) -> Any:
        """Return what an operation of the tool answers and sends."""
        variables = {name: self.variables[name] for name in ("LUSID_ENV", "FBN_ACCESS_TOKEN")}
        calls = [{"operation": operation, "members": members}]
        (result,) = self.release.run(calls, variables=variables, folder=self.folder)
        return result

    def answer_of(self, operation: str, **members: Any) -> Any:
        """Return the answer alone."""
        return self.use(operation, **members)["answer"]


@pytest.fixture(scope="module")
def release() -> Iterator[Release]:
    if sys.version_info >= (3, 14):
        end_without("fbnconfig pins a pydantic without a wheel for this Python", "REQUIRE_ENGINES")
    script = Path(__file__).with_name("fbnconfig_jobs.py")
    with running_release("fbnconfig", "0.1.271", script) as running:
        yield running


@pytest.fixture
def tool(release: Release, scheduler: LocalScheduler, tmp_path: Path) -> Tool:
    return Tool(release, scheduler.environment(), tmp_path)


@pytest.fixture
def job(scheduler: LocalScheduler, repository: str) -> dict[str, Any]:
    """The least that a `JobResource` has; LUSID has its image, also with the tag 2.0."""
    with Seeder(scheduler, "foo") as seeder:
        seeder.push([repository], ["1.0", "2.0"])
    return least_job(repository)


def least_job(repository: str) -> dict[str, Any]:
    """Return what a `JobResource` must have."""
    image = {"name": repository, "tag": "1.0"}
    names = {"scope": repository, "code": "job", "name": "A job", "description": "Does something"}
    return {**names, "image": image}


def with_tag(job: Mapping[str, Any], tag: str) -> dict[str, Any]:
    """Return the job with another tag of its image."""
    return {**job, "image": job["image"] | {"tag": tag}}


def test_an_image_is_attached_if_it_is_there(tool: Tool, job: Mapping[str, Any]) -> None:
    repository = job["scope"]
    asked = [f"GET {BASE_PATH}/api/images/repository/{repository}"]
    found = tool.use("attach_image", name=repository, tag="2.0")
    assert found == {"answer": None, "requests": asked}
    for name, tag in ((repository, "3.0"), (f"{repository}-other", "1.0")):
        missing = tool.use("attach_image", name=name, tag=tag)
        assert missing["error"] == f"Image with name {name} and tag {tag} not found"


@pytest.mark.parametrize("members", [{}, OPTIONAL], ids=["least", "all"])
def test_a_job_is_read_as_it_was_created(
    tool: Tool, job: Mapping[str, Any], members: Mapping[str, Any]
) -> None:
    job = {**job, **members}
    repository = job["scope"]
    created = tool.use("create", **job)
    assert created["answer"] == {"id": "job", "scope": repository, "code": "job"}
    images = f"{BASE_PATH}/api/images/repository/{repository}"
    assert created["requests"] == [f"GET {images}", f"POST {JOBS}"]

    read = tool.answer_of("read", **job)
    assert read.pop("dateCreated")
    arguments = {
        name: {"required": False, "constraints": "None", "passedAs": passed_as, **as_sent(argument)}
        for place, passed_as in (
            ("command_line", "CommandLine"),
            ("environment", "EnvironmentVariable"),
        )
        for name, argument in members.get(place, {}).items()
    }
    defaults = {"author": None, "ttl": 300, "minCpu": "2", "commandLineArgumentSeparator": " "}
    assert read == {
        **defaults,
        "name": job["name"],
        "description": job["description"],
        "imageName": repository,
        "imageTag": "1.0",
        **as_sent(without_arguments(members)),
        "argumentDefinitions": arguments,
    }


def without_arguments(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of `OPTIONAL` that are not arguments."""
    return {name: value for name, value in members.items() if not isinstance(value, dict)}


def as_sent(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return members by their names on the wire."""
    wire = {name: name.title().replace("_", "") for name in members}
    return {name[0].lower() + name[1:]: members[given] for given, name in wire.items()}


@pytest.mark.parametrize("members", [{}, OPTIONAL], ids=["least", "all"])
def test_an_update_without_a_change_sends_nothing(
    tool: Tool, job: Mapping[str, Any], members: Mapping[str, Any]
) -> None:
    job = {**job, **members}
    tool.answer_of("create", **job)
    assert tool.use("update", **job) == {"answer": None, "requests": [f"GET {JOBS}"]}


def test_a_new_tag_is_put_and_the_rest_stays(tool: Tool, job: Mapping[str, Any]) -> None:
    job = {**job, **OPTIONAL}
    tool.answer_of("create", **job)
    before = tool.answer_of("read", **job)
    newer = with_tag(job, "2.0")
    updated = tool.use("update", **newer)
    assert updated["answer"] == {"id": "job", "scope": job["scope"], "code": "job"}
    assert updated["requests"][-1] == f"PUT {JOBS}/{job['scope']}/job"
    assert tool.answer_of("read", **job) == before | {"imageTag": "2.0"}
    assert tool.answer_of("update", **newer) is None


def test_an_argument_that_is_dropped_goes(tool: Tool, job: Mapping[str, Any]) -> None:
    tool.answer_of("create", **job, **OPTIONAL)
    before = tool.answer_of("read", **job)
    kept = {"command_line": {"mode": OPTIONAL["command_line"]["mode"]}}
    assert tool.answer_of("update", **job, **without_arguments(OPTIONAL), **kept)
    mode = before["argumentDefinitions"]["mode"]
    assert tool.answer_of("read", **job) == before | {"argumentDefinitions": {"mode": mode}}


def test_a_deleted_job_cannot_be_attached(tool: Tool, job: Mapping[str, Any]) -> None:
    names = {"scope": job["scope"], "code": job["code"]}
    error = f"Failed to attach JobRef to job with scope={job['scope']} and code=job"
    assert tool.use("attach_job", **names)["error"] == error
    tool.answer_of("create", **job)
    assert tool.use("attach_job", **names) == {"answer": None, "requests": [f"GET {JOBS}"]}
    deleted = tool.use("delete", **job)
    assert deleted == {"answer": None, "requests": [f"DELETE {JOBS}/{job['scope']}/job"]}
    assert tool.use("attach_job", **names)["error"] == error
    assert "404" in tool.use("delete", **job)["error"]


def test_no_job_is_made_of_an_image_whose_scan_failed(
    release: Release, own_volume: str, repository: str, tmp_path: Path
) -> None:
    settings = LocalSchedulerSettings(volume=own_volume, domain="foo", scan_status="FAILED")
    with LocalScheduler(settings) as scheduler, Seeder(scheduler, "foo") as seeder:
        seeder.push([repository], ["1.0"])
        tool = Tool(release, scheduler.environment(), tmp_path)
        refused = tool.use("create", **least_job(repository))
    assert refused["error"] == "Image vulnerability scan failed."
    assert not any(request.startswith("POST") for request in refused["requests"])


def test_this_package_sets_the_image_of_a_job_and_nothing_else(
    tool: Tool, job: Mapping[str, Any]
) -> None:
    job = {**job, **OPTIONAL}
    tool.answer_of("create", **job)
    before = tool.answer_of("read", **job)
    with JobsClient(load_settings(environ=tool.variables)) as jobs:
        lusid_job = LusidJob(job=JobId.of(job["scope"], "job"), jobs=jobs)
        result = lusid_job.set_image(ImageName.parse(f"{job['scope']}:2.0"))
    assert (result.outcome, result.differences) == ("updated", ())
    assert tool.answer_of("read", **job) == before | {"imageTag": "2.0"}
    # A script that names the new image has nothing left to do, one with the old would take it back.
    assert tool.answer_of("update", **with_tag(job, "2.0")) is None
    assert tool.use("update", **job)["requests"][-1].startswith("PUT ")


def test_a_job_with_a_date_gets_a_new_tag(tool: Tool, job: Mapping[str, Any]) -> None:
    job = {**job, "date_created": "2019-12-11T01:02:03Z"}
    tool.answer_of("create", **job)
    assert tool.answer_of("update", **with_tag(job, "2.0"))
    assert tool.answer_of("read", **job)["imageTag"] == "2.0"


def test_a_job_is_deployed_from_the_tools_description_of_it(
    tool: Tool, job: Mapping[str, Any]
) -> None:
    job = {**job, **OPTIONAL}
    tool.answer_of("create", **job)
    before = tool.answer_of("read", **job)
    assert "error" not in tool.use("take_over", **job)
    assert tool.answer_of("read", **job) == before


def test_a_run_gets_the_arguments_that_the_tool_defined(
    tool: Tool, clean_engine: DockerClient, repository: str, tmp_path: Path
) -> None:
    clients = Clients(tool.release, tool.variables, tmp_path)
    publish_runnable(clients, clean_engine, tmp_path / "image", repository, "1.0")
    tool.answer_of("create", **least_job(repository), **OPTIONAL)
    with JobsClient(load_settings(environ=tool.variables)) as jobs:
        request = StartJobRequest(arguments={"mode": "succeed", "GREETING": "hello"})
        run = jobs.run_job(repository, "job", request).run_id or ""
        await_run(tool.variables, run, "Succeeded")
        written = jobs.get_job_console_output(run)
    assert written == "words: mode succeed count 3\ngreeting: hello\n"
