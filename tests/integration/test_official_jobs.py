"""FINBOURNE's own SDK and this package's clients say the same of the local Scheduler's Jobs API.

Two releases of the SDK are held against `JobsClient` and `AsyncJobsClient`: each operation that
they have, errors included, field by field. What the later release alone knows is compared with
that one.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from docker import DockerClient

from lusid_image_publish.local_scheduler.server import LocalScheduler, LocalSchedulerSettings
from lusid_image_publish.scheduler import job_models
from lusid_image_publish.scheduler.async_jobs_client import AsyncJobsClient
from lusid_image_publish.scheduler.jobs_client import JobsClient
from lusid_image_publish.scheduler.listing import quote
from tests.integration.official_sdk import (
    Release,
    answers_of,
    as_text,
    fields_of,
    problem,
    required_of,
    running_release,
    without,
)
from tests.integration.runnable import await_run, publish_runnable
from tests.integration.seeding import Seeder
from tests.integration.test_official_sdk import Call, Clients

LACKING: Final = {"2.1.136": frozenset({"list_api_endpoints"}), "2.3.9": frozenset[str]()}
REQUESTS: Final = ("CreateJobRequest", "UpdateJobRequest", "StartJobRequest")
ANSWERS: Final = (
    "StartJobResponse",
    "JobRunResult",
    *(f"ResourceListOf{kind}" for kind in ("JobDefinition", "JobHistory", "ScheduleDefinition")),
)
"""The models of what is answered; those inside them are compared as well."""

OF_A_RUN: Final = frozenset({"imageName", "imageTag", "ttl", "userId"})
NEWER: Final = {
    "2.1.136": {"JobHistory": OF_A_RUN, "JobRunResult": OF_A_RUN, "StartJobRequest": {"runId"}},
    "2.3.9": {},
}
"""The fields that a release does not know, by model."""


def argument(order: int, kind: str, passed_as: str, **more: Any) -> dict[str, Any]:
    """Return an ArgumentDefinition."""
    members = {"dataType": kind, "passedAs": passed_as, "order": order, "description": "Any"}
    return {"required": False, "constraints": "None", **members, **more}


LEAST: Final[Mapping[str, Any]] = {"name": "A", "description": "B", "argumentDefinitions": {}}
FULL: Final[Mapping[str, Any]] = {
    "name": "Load prices",
    "description": "Loads prices, and says so",
    "author": "Somebody",
    "ttl": 240,
    "minCpu": "1",
    "maxCpu": "2",
    "minMemory": "16Mi",
    "maxMemory": "128Mi",
    "argumentDefinitions": {
        "mode": argument(1, "String", "CommandLine", required=True),
        "count": argument(2, "Int", "CommandLine", defaultValue="3"),
        "GREETING": argument(3, "SecureString", "EnvironmentVariable", defaultValue="config://a/b"),
    },
    "commandLineArgumentSeparator": " ",
    "requiredResources": {"lusidApis": ["IBOR"], "lusidFileSystem": [], "externalCalls": ["AWS"]},
}
"""A job with all that it can have, apart from identifier, date and image."""


@pytest.fixture(scope="module", params=list(LACKING))
def sdk(request: pytest.FixtureRequest) -> Iterator[Release]:
    with running_release("lusid-scheduler-sdk", request.param) as release:
        yield release


@pytest.fixture
def clients(scheduler: LocalScheduler, sdk: Release, tmp_path: Path) -> Clients:
    runs = ("get_history", "get_run_history")
    newer = dict.fromkeys(runs, OF_A_RUN) if NEWER[sdk.version] else {}
    ours = (JobsClient, AsyncJobsClient, job_models)
    return Clients(sdk, scheduler.environment(), tmp_path, LACKING[sdk.version], newer, *ours)


@pytest.fixture
def image(scheduler: LocalScheduler, repository: str) -> Mapping[str, str]:
    """An image that LUSID has, and has scanned; no engine can run it."""
    with Seeder(scheduler, "foo") as seeder:
        seeder.push([repository], ["1.0", "2.0"])
    return {"imageName": repository, "imageTag": "1.0"}


@pytest.fixture
def runnable(
    clients: Clients, clean_engine: DockerClient, repository: str, tmp_path: Path
) -> Mapping[str, str]:
    images = Clients(clients.sdk, clients.variables, clients.folder)
    publish_runnable(images, clean_engine, tmp_path / "image", repository, "1.0")
    return {"imageName": repository, "imageTag": "1.0"}


def creation(scope: str, code: str, job: Mapping[str, Any], **members: Any) -> Call:
    """Return the call that creates a job."""
    request = {"jobId": {"scope": scope, "code": code}, **job, **members}
    return Call("create_job", create_job_request=request)


def run_of(scope: str, code: str, **request: Any) -> Call:
    """Return the call that runs a job."""
    return Call("run_job", scope=scope, code=code, start_job_request=request)


def in_scope(scope: str, condition: str = "") -> str:
    """Return the filter for what is of one scope."""
    return f"jobId.scope eq {quote(scope)}{condition and f' and {condition}'}"


def test_models_have_the_same_fields_of_the_same_types(sdk: Release, tmp_path: Path) -> None:
    names = (*REQUESTS, *ANSWERS)
    ours = fields_of([getattr(job_models, name).model_json_schema() for name in names])
    for model, fields in NEWER[sdk.version].items():
        ours[model] = without(ours[model], fields)
    assert ours == fields_of(sdk.schemas(names, folder=tmp_path))
    # An answer may lack what the SDK wants: its model of an argument is that of the request.
    required = required_of([getattr(job_models, name).model_json_schema() for name in REQUESTS])
    theirs = required_of(sdk.schemas(REQUESTS, folder=tmp_path))
    assert required == theirs | {"ArgumentDefinition": set()}


def test_operations_that_are_offered_are_listed_alike(clients: Clients, tmp_path: Path) -> None:
    (offered,) = answers_of(clients.ask_all([Call("list_api_endpoints")]))
    names = {endpoint["operation"].lower() for endpoint in offered["endpoints"]}
    assert {call.operation.replace("_", "") for call in every_operation("a")} <= names

    theirs = fields_of(clients.sdk.schemas(("ServiceApiEndpoints",), folder=tmp_path))
    ours = fields_of([job_models.ServiceApiEndpoints.model_json_schema()])
    assert bool(theirs) == ("list_api_endpoints" not in clients.lacking)
    for model, fields in ours.items() if theirs else ():
        assert fields == theirs[model], model


def every_operation(scope: str) -> list[Call]:
    """Return a call of each operation, of a job that is not there."""
    job, run = {"scope": scope, "code": "job"}, {"run_id": str(uuid.uuid4())}
    update = {**LEAST, "imageName": scope, "imageTag": "1.0"}
    return [
        creation(scope, "job", update),
        Call("update_job", **job, update_job_request=update),
        Call("delete_job", **job),
        run_of(scope, "job"),
        Call("get_schedules_for_a_job", **job),
        Call("get_run_history", **run),
        Call("get_job_console_output", **run),
        Call("list_jobs"),
        Call("get_history"),
        Call("list_api_endpoints"),
    ]


def test_a_bad_token_is_refused_alike(clients: Clients, repository: str) -> None:
    url = clients.variables["FBN_SCHEDULER_URL"]
    variables = {"FBN_SCHEDULER_URL": url, "FBN_ACCESS_TOKEN": "wrong"}
    calls = every_operation(repository)
    results = replace(clients, variables=variables).ask_all(calls)
    assert results == [problem(401, None, request_id=True)] * len(calls)


def test_what_is_not_there_is_refused_alike(clients: Clients, repository: str) -> None:
    calls = every_operation(repository)[1:7]
    results = clients.ask_all(calls)
    assert [(result["status"], result["code"]) for result in results] == [(404, -1)] * len(calls)
    assert all(result["detail"] and result["request_id"] for result in results)


def test_jobs_are_created_updated_and_deleted_alike(
    clients: Clients, image: Mapping[str, str], repository: str
) -> None:
    date = {"dateCreated": "2019-12-11T01:02:03.456789+00:00"}
    other = {"imageName": repository, "imageTag": "2.0", "author": None}
    codes = [f"code-{letter}" for letter in "abc"]
    steps = []
    for code in codes:
        job = {"scope": repository, "code": code}
        create = creation(repository, code, {**FULL, **image, **date})
        look = Call("list_jobs", filter=in_scope(repository, f"jobId.code eq {quote(code)}"))
        steps.append(
            [
                create,
                create,
                look,
                Call("update_job", **job, update_job_request={**LEAST, **other}),
                look,
                Call("update_job", **job, update_job_request={**FULL, **image}),
                Call("get_schedules_for_a_job", **job),
                Call("delete_job", **job),
                look,
            ]
        )
    asked = clients.ask_sdk(steps[0]), clients.ask(steps[1]), clients.ask_async(steps[2])
    theirs, ours, ours_async = (
        as_text(results).replace(code, "CODE") for code, results in zip(codes, asked, strict=True)
    )
    assert theirs == ours == ours_async

    created, refused, *later = asked[0]
    assert (refused["status"], refused["code"], [*refused["errors"]]) == (400, 157, ["jobId"])
    first, shown, updated, shown_again, restored, schedules, deleted, gone = answers_of(
        [created, *later]
    )
    kept = {"jobId": {"scope": repository, "code": codes[0]}, **date}
    assert first == restored == {**kept, **FULL, "dockerImage": f"{repository}:1.0"}
    # What a request does not have is removed, and what has a default gets that again.
    defaults = {"ttl": 300, "minCpu": "2", "commandLineArgumentSeparator": " "}
    assert updated == {
        **kept,
        **LEAST,
        **defaults,
        "requiredResources": {},
        "dockerImage": f"{repository}:2.0",
    }
    assert (shown["values"], shown_again["values"]) == ([first], [updated])
    assert schedules["values"] == deleted["values"] == gone["values"] == []


def test_lists_are_alike(clients: Clients, image: Mapping[str, str], repository: str) -> None:
    for number, code in enumerate("abc"):
        name, date = f"Job {number % 2}", f"202{number}-01-01T00:00:00+00:00"
        job = {**LEAST, **image, "name": name, "ttl": 60 * number, "dateCreated": date}
        answers_of(clients.ask([creation(repository, code, job)]))
    in_order = {"filter": in_scope(repository), "sort_by": ["-jobId.code"], "limit": 2}
    (begun,) = answers_of(clients.ask([Call("list_jobs", **in_order)]))
    token = str(begun["nextPage"])  # a text, as another program would have it
    lists = {
        Call("list_jobs", **in_order): "cb",
        Call("list_jobs", **in_order, page=token): "a",
        Call("list_jobs", filter=in_scope(repository), start=1): "bc",
        Call("list_jobs", filter=in_scope(repository), sort_by=["name", "-ttl"]): "cab",
        Call("list_jobs", filter=in_scope(repository, "ttl gt 0 and not name eq 'Job 1'")): "c",
        Call("list_jobs", filter=in_scope(repository, "dateCreated lt 2021-06-01")): "ab",
        Call("list_jobs", filter=in_scope(repository, "jobId.code in 'a', 'x'")): "a",
        Call("list_jobs", filter=f"dockerImage eq {quote(f'{repository}:1.0')}"): "abc",
        Call("list_jobs", filter=in_scope(repository.upper())): "",
    }
    for call, answer in zip(lists, answers_of(clients.ask_all([*lists])), strict=True):
        assert [job["jobId"]["code"] for job in answer["values"]] == [*lists[call]], call

    refused = {
        Call("list_jobs", filter="jobId.scope eq"): 157,
        Call("list_jobs", filter="nothing eq 'a'"): 157,
        Call("list_jobs", sort_by=["nothing"]): 157,
        Call("list_jobs", filter=in_scope(repository), page=token): 689,
        Call("get_history", filter="nothing eq 'a'"): 157,
        Call("get_history", sort_by=["-nothing"]): 157,
        Call("get_history", page="bm90aGluZw=="): 689,
    }
    codes = [(result["status"], result["code"]) for result in clients.ask_all([*refused])]
    assert codes == [(400, code) for code in refused.values()]


BAD: Final[list[tuple[str, Any]]] = [
    ("name", ""),
    ("name", "n" * 513),
    ("description", ""),
    ("description", "d" * 513),
    ("author", "a" * 513),
    ("imageName", ""),
    ("imageTag", "t" * 129),
    ("ttl", -1),
    ("ttl", 18_001),
    ("commandLineArgumentSeparator", "-" * 6),
    ("argumentDefinitions", {"a": argument(1, "String", "Nowhere")}),
    ("argumentDefinitions", {"a": argument(1 << 31, "String", "CommandLine")}),
    ("argumentDefinitions", {"a": argument(1, "String", "CommandLine", description="d" * 256)}),
    ("jobId", {"scope": "", "code": "c"}),
    ("jobId", {"scope": "s", "code": "c d"}),
    ("jobId", {"scope": "s", "code": "c" * 65}),
]
"""Members of a CreateJobRequest that break a rule of the OpenAPI document."""


def test_bad_bodies_are_refused_alike(
    clients: Clients, image: Mapping[str, str], repository: str
) -> None:
    calls = [creation(repository, "bad", {**LEAST, **image, name: value}) for name, value in BAD]
    for (name, _), result in zip(BAD, clients.ask_all(calls), strict=True):
        (place,) = result["errors"]
        assert (result["status"], result["code"], place.split(".")[0]) == (400, 157, name), result


def test_runs_are_refused_alike(
    clients: Clients, image: Mapping[str, str], repository: str, own_volume: str
) -> None:
    job = {**FULL, **image}
    missing = creation(repository, "no-image", job, imageTag="3.0")
    create = creation(repository, "least", {**LEAST, **image})
    answers_of(clients.ask([creation(repository, "job", job), create, missing]))
    calls = {
        run_of(repository, "no-image"): 731,
        run_of(repository, "job"): 157,
        run_of(repository, "job", arguments={"mode": "succeed", "nothing": "1"}): 157,
        run_of(repository, "job", arguments={"mode": "succeed", "count": "many"}): 157,
    }
    if not NEWER[clients.sdk.version]:
        calls[run_of(repository, "least", runId="no GUID")] = 157
    codes = [(result["status"], result["code"]) for result in clients.ask_all([*calls])]
    assert codes == [(400, code) for code in calls.values()]
    (history,) = answers_of(clients.ask_all([Call("get_history", filter=in_scope(repository))]))
    assert history["values"] == []

    settings = LocalSchedulerSettings(volume=own_volume, domain="foo", scan_delay=3600)
    with LocalScheduler(settings) as scheduler, Seeder(scheduler, "foo") as seeder:
        seeder.push([repository], ["1.0"])
        unscanned = replace(clients, variables=scheduler.environment())
        answers_of(unscanned.ask([create]))
        (result,) = unscanned.ask_all([run_of(repository, "least")])
    assert (result["status"], result["code"]) == (400, 756)


@pytest.mark.parametrize("sdk", ["2.3.9"], indirect=True)
def test_a_run_id_of_the_callers_is_taken_once(
    clients: Clients, runnable: Mapping[str, str], repository: str
) -> None:
    run = str(uuid.uuid4())
    answers_of(clients.ask([creation(repository, "job", {**LEAST, **runnable})]))
    (started,) = answers_of(clients.ask_all([run_of(repository, "job", runId=run)]))
    assert started["runId"] == run
    await_run(clients.variables, run, "Succeeded")
    (history,) = answers_of(clients.ask_all([Call("get_history", filter=in_scope(repository))]))
    assert [each["runId"] for each in history["values"]] == [run]


@pytest.mark.parametrize(
    ("mode", "status", "of_the_end"),
    [
        ("succeed", "Succeeded", {"jobResult": "Succeeded", "message": ""}),
        ("fail", "Failed", {"jobResult": "Failed", "message": "Exit code 3."}),
        ("wait", "Running", {}),
    ],
)
def test_runs_are_shown_alike(
    clients: Clients,
    runnable: Mapping[str, str],
    repository: str,
    mode: str,
    status: str,
    of_the_end: Mapping[str, str],
) -> None:
    answers_of(clients.ask([creation(repository, "job", {**FULL, **runnable})]))
    request = {"arguments": {"mode": mode, "GREETING": "hello"}, "useAsAuth": "somebody"}
    calls = [run_of(repository, "job", **request, notifications=[{"destination": ["a@b.c"]}])]
    asked = (clients.ask_sdk(calls), clients.ask(calls), clients.ask_async(calls))
    started = [answer for results in asked for answer in answers_of(results)]
    runs = [str(answer["runId"]) for answer in started]
    forms = {as_text(each).replace(run, "RUN") for each, run in zip(started, runs, strict=True)}
    assert len(forms) == 1
    for run in runs:
        await_run(clients.variables, run, status)

    in_order = {"filter": in_scope(repository), "sort_by": ["-initialisedDate"], "limit": 2}
    (begun,) = answers_of(clients.ask([Call("get_history", **in_order)]))
    calls = [
        *(Call("get_run_history", run_id=run) for run in runs),
        *(Call("get_job_console_output", run_id=run) for run in runs),
        Call("get_history", **in_order),
        Call("get_history", **in_order, page=str(begun["nextPage"])),
        Call("get_history", filter=f"runId eq {quote(runs[0])}"),
    ]
    answers = answers_of(clients.ask_all(calls))
    listed = [[run["runId"] for run in page["values"]] for page in answers[6:]]
    assert listed == [[runs[2], runs[1]], [runs[0]], [runs[0]]]
    assert answers[8]["values"] == [without(answers[0], {"consoleOutputUrl"})]
    written = f"words: mode {mode} count 3\ngreeting: hello\n" if of_the_end else ""
    assert answers[3:6] == [written] * 3
    for run, shown in zip(runs, answers[:3], strict=True):
        dates = [shown.pop(name, None) for name in ("initialisedDate", "startDate", "endDate")]
        assert [bool(date) for date in dates] == [True, True, bool(of_the_end)]
        assert shown.pop("manuallyTriggeredBy") == shown.pop("userId")
        assert shown == {
            "runId": run,
            "jobId": {"scope": repository, "code": "job"},
            **{name: FULL[name] for name in ("name", "description", "ttl")},
            "arguments": {"mode": mode, "count": "3"},
            "environmentVariables": {"GREETING": "********"},
            "jobStatus": status,
            "consoleOutputUrl": f"api/jobs/history/{run}/console",
            **runnable,
            **of_the_end,
        }
