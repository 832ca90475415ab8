"""The operations of the Jobs API on runs, and the list of all operations."""

import uuid
from typing import Any

import pytest

from lusid_image_publish.local_scheduler.job_runs import MAX_CONSOLE_BYTES, RunEnd
from tests.memory_registry import MemoryRegistry
from tests.unit.local_scheduler.jobs_api import ARGUMENT, Api, with_job


def test_a_run_has_its_words_and_variables(api: Api) -> None:
    with_job(
        api,
        ttl=60,
        maxCpu="500m",
        maxMemory="64Mi",
        argumentDefinitions={
            "second": ARGUMENT | {"order": 2},
            "first": ARGUMENT | {"order": 1, "defaultValue": "a b"},
            "third": ARGUMENT | {"order": 3},
            "WHO": ARGUMENT | {"passedAs": "EnvironmentVariable", "dataType": "Int"},
            "KEY": ARGUMENT | {"passedAs": "EnvironmentVariable", "dataType": "SecureString"},
        },
    )
    run = api.started(arguments={"second": "x", "WHO": "-5", "KEY": "s3cret", "third": None})
    (order,) = api.runner.orders
    assert order.words == ("first", "a b", "second", "x")
    assert order.variables == {"WHO": "-5", "KEY": "s3cret"}
    assert (order.ttl, order.cpu, order.memory) == (60, "500m", "64Mi")
    assert run["arguments"] == {"first": "a b", "second": "x"}
    assert run["environmentVariables"] == {"WHO": "-5", "KEY": "********"}
    assert (run["jobStatus"], run["imageName"], run["imageTag"]) == ("Succeeded", "job", "1.0")
    assert run["startDate"] == run["endDate"] == "2026-01-02T03:04:05.0000000+00:00"
    assert "s3cret" not in str(api.registry.files) + repr(order)


def test_another_separator_makes_one_word_of_each(api: Api) -> None:
    arguments = {"a": ARGUMENT, "b": ARGUMENT | {"order": 2}}
    with_job(api, commandLineArgumentSeparator="=", argumentDefinitions=arguments)
    api.started(arguments={"b": "2", "a": "x y"})
    assert api.runner.orders[0].words == ("a=x y", "b=2")


@pytest.mark.parametrize(
    ("start", "field"),
    [
        ({"arguments": {"other": "x"}}, "arguments.other"),
        ({"arguments": {}}, "arguments.must"),
        ({"arguments": {"must": None}}, "arguments.must"),
        ({"arguments": {"must": "x"}}, "arguments.must"),
        ({"arguments": {"must": 1}}, "arguments.must"),
        ({"arguments": {"must": "1"}, "runId": "no-guid"}, "runId"),
        ({"arguments": {"must": "1"}, "runID": "x"}, "runID"),
        ({"arguments": {"must": "1"}, "notifications": [1]}, "notifications"),
    ],
)
def test_a_run_that_cannot_be_is_refused(api: Api, start: dict[str, Any], field: str) -> None:
    with_job(api, argumentDefinitions={"must": ARGUMENT | {"required": True, "dataType": "Int"}})
    answer = api.jobs("POST", "/me/my-job/$run", json=start)
    assert (answer.status_code, [*answer.json()["errors"]]) == (400, [field])
    assert api.runner.orders == []


def test_a_value_that_no_program_can_be_given_is_refused(api: Api) -> None:
    with_job(api, argumentDefinitions={"word": ARGUMENT})
    answer = api.jobs("POST", "/me/my-job/$run", json={"arguments": {"word": "a\0b"}})
    assert (answer.status_code, [*answer.json()["errors"]]) == (400, ["arguments.word"])


def test_a_run_id_is_one_run(api: Api) -> None:
    with_job(api)
    run_id = str(uuid.uuid4())
    assert {api.started(runId=run_id)["runId"] for _ in range(2)} == {run_id}
    assert len(api.runner.orders) == 1
    assert len(api.jobs("GET", "/history").json()["values"]) == 1
    later = Api(api.registry)
    assert later.started(runId=run_id)["runId"] == run_id
    assert later.runner.orders == []
    with_job(api, jobId={"scope": "me", "code": "other"})
    assert api.jobs("POST", "/me/other/$run", json={"runId": run_id}).status_code == 400


def test_an_image_that_is_not_there_is_refused(api: Api) -> None:
    for image in ({"imageTag": "2.0"}, {"imageName": "Not/A:name"}, {"imageTag": ""}):
        with_job(api, **image)
        answer = api.jobs("POST", "/me/my-job/$run")
        assert (answer.status_code, answer.json()["code"]) == (400, 731)
        api.jobs("DELETE", "/me/my-job")


def test_an_image_that_is_not_scanned_is_refused(registry: MemoryRegistry) -> None:
    api = Api(registry, scan_delay=10)
    with_job(api)
    answer = api.jobs("POST", "/me/my-job/$run")
    assert (answer.status_code, answer.json()["code"]) == (400, 756)


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (RunEnd("Failed", "Exit code 3."), "Failed"),
        (RunEnd("TimedOut", "x"), "TimedOut"),
        (RuntimeError("odd"), "Failed"),
    ],
)
def test_a_run_may_end_in_other_words(api: Api, end: RunEnd | Exception, status: str) -> None:
    with_job(api)
    api.runner.end = end
    run = api.started()
    assert run["jobStatus"] == status
    assert run["endDate"]
    assert run["message"]


def test_of_a_long_output_the_end_is_kept(api: Api) -> None:
    with_job(api)
    api.runner.end = RunEnd("Succeeded", "", b"a" * MAX_CONSOLE_BYTES + b"\xff\x1b[1mend")
    run = api.started()
    path = f"/history/{run['runId']}/console"
    text = api.jobs("GET", path, headers={"Accept": "application/json"}).json()
    assert text.endswith("a\ufffd\x1b[1mend")
    assert len(text) == MAX_CONSOLE_BYTES


def test_the_history_has_filters_and_no_links_to_the_output(api: Api) -> None:
    with_job(api)
    with_job(api, jobId={"scope": "me", "code": "other"})
    run = api.started()
    api.jobs("POST", "/me/other/$run")
    wanted = "jobId.scope eq 'me' and jobId.code eq 'my-job' and jobStatus eq 'Succeeded'"
    (found,) = api.jobs("GET", "/history", params={"filter": wanted}).json()["values"]
    assert found | {"consoleOutputUrl": run["consoleOutputUrl"]} == run
    assert "consoleOutputUrl" not in found
    longest = " or ".join(["runId eq 'x'"] * 1000)[:16384].rpartition(" or ")[0]
    assert api.jobs("GET", "/history", params={"filter": longest}).status_code == 200
    everything = api.jobs("GET", "/history", params={"start": 5}).json()["values"]
    assert len(everything) == 2, "its start is obsolete"
    too_long = "runId eq '" + "x" * 16384 + "'"
    assert api.jobs("GET", "/history", params={"filter": too_long}).status_code == 400


def test_what_is_offered_is_listed(api: Api) -> None:
    listed = api.ask("GET", "/metadata/endpoints").json()
    found = {each["operation"]: (each["httpMethod"], each["path"]) for each in listed["endpoints"]}
    assert found["UpdateJob"] == ("PUT", "/api/jobs/{scope}/{code}")
    assert found["RunJob"] == ("POST", "/api/jobs/{scope}/{code}/$run")
    assert found["GetImage"] == ("GET", "/api/images/{name}")
    assert found["ListApiEndpoints"] == ("GET", "/api/metadata/endpoints")
    assert len(found) == len(listed["endpoints"]) == 16


def test_another_method_is_answered_with_the_allowed_ones(api: Api) -> None:
    answer = api.jobs("GET", "/me/my-job")
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, PUT")


@pytest.mark.parametrize("run_id", ["a b", "x" * 37, "a_b"])
def test_an_id_that_no_run_has_is_refused(api: Api, run_id: str) -> None:
    assert api.jobs("GET", f"/history/{run_id}").status_code == 400


def test_a_run_without_the_sign_in_is_refused(api: Api) -> None:
    answer = api.jobs("POST", "/me/my-job/$run", headers={"Authorization": "Bearer no"})
    assert answer.status_code == 401
