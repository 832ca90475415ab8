"""The operations of the Jobs API on jobs, and what it offers."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest

from lusid_image_publish.local_scheduler.job_store import JobStore
from tests.memory_registry import MemoryRegistry
from tests.unit.local_scheduler.jobs_api import ARGUMENT, JOB, UPDATE, Api, with_job


def test_a_job_that_is_created_is_listed_with_what_it_did_not_say(api: Api) -> None:
    created = with_job(api, maxCpu="4", argumentDefinitions={"a": ARGUMENT})
    assert created["jobId"] == JOB["jobId"]
    assert created["dockerImage"] == "job:1.0"
    assert {"imageName", "imageTag"} & set(created) == set()
    assert (created["ttl"], created["minCpu"], created["maxCpu"]) == (300, "2", "4")
    assert created["commandLineArgumentSeparator"] == " "
    assert created["requiredResources"] == dict.fromkeys(
        ("lusidApis", "lusidFileSystem", "externalCalls")
    )
    assert created["argumentDefinitions"]["a"] == ARGUMENT | {
        "required": False,
        "constraints": "None",
    }
    assert created["dateCreated"] == "2026-01-02T03:04:05.0000000+00:00"
    assert api.jobs("GET").json()["values"] == [created]
    assert api.jobs("POST", json=JOB).status_code == 400


def test_the_list_has_filters_order_and_pages(api: Api) -> None:
    for scope, code in (("me", "b"), ("me", "a"), ("you", "a")):
        with_job(api, jobId={"scope": scope, "code": code}, ttl=ord(code))
    wanted = "jobId.scope eq 'me' and jobId.code eq 'a'"
    found = api.jobs("GET", params={"filter": wanted}).json()["values"]
    assert [each["jobId"] for each in found] == [{"scope": "me", "code": "a"}]
    page = api.jobs("GET", params={"sortBy": "-ttl", "limit": 1}).json()
    assert page["values"][0]["jobId"]["code"] == "b"
    assert page["nextPage"]
    assert api.jobs("GET", params={"filter": "what eq 1"}).status_code == 400


def test_an_update_replaces_all_but_the_identity(api: Api) -> None:
    created = with_job(api, author="me", ttl=60, argumentDefinitions={"a": ARGUMENT})
    put = api.jobs("PUT", "/me/my-job", json=UPDATE | {"imageTag": "2.0", "author": None})
    assert put.status_code == 200
    updated = api.jobs("GET").json()["values"][0]
    assert put.json() == updated
    assert (updated["author"], updated["ttl"]) == (None, 300)
    assert (updated["dockerImage"], updated["argumentDefinitions"]) == ("job:2.0", {})
    assert updated["dateCreated"] == created["dateCreated"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 513}, "name"),
        ({"description": None}, "description"),
        ({"imageName": ""}, "imageName"),
        ({"imageTag": "x" * 129}, "imageTag"),
        ({"argumentDefinitions": None}, "argumentDefinitions"),
        ({"argumentDefinitions": {"a": 1}}, "argumentDefinitions.a"),
        ({"argumentDefinitions": {"a": {}}}, "argumentDefinitions.a.dataType"),
        ({"argumentDefinitions": {"a": ARGUMENT | {"x": 1}}}, "argumentDefinitions.a.x"),
        ({"argumentDefinitions": {"a": ARGUMENT | {"order": "1"}}}, "argumentDefinitions.a.order"),
        ({"argumentDefinitions": {"a": ARGUMENT | {"passedAs": "x"}}}, "argumentDefinitions.a.pas"),
        ({"ttl": True}, "ttl"),
        ({"minCpu": 2}, "minCpu"),
        ({"commandLineArgumentSeparator": "123456"}, "commandLineArgumentSeparator"),
        ({"requiredResources": {"x": []}}, "requiredResources.x"),
        ({"requiredResources": {"lusidApis": [1]}}, "requiredResources.lusidApis"),
        ({"argumentDefinitions": {"a": ARGUMENT | {"dataType": ""}}}, "argumentDefinitions.a.data"),
        ({"dateCreated": "yesterday"}, "dateCreated"),
        ({"dockerImage": "job:1.0"}, "dockerImage"),
    ],
)
def test_a_definition_that_breaks_a_rule_is_refused(
    api: Api, change: dict[str, Any], field: str
) -> None:
    created = with_job(api)
    for method, path, body in (("POST", "", JOB), ("PUT", "/me/my-job", UPDATE)):
        answer = api.jobs(method, path, json=body | change)
        assert answer.status_code == 400
        (named,) = answer.json()["errors"]
        assert named.startswith(field)
    assert api.jobs("GET").json()["values"] == [created]


@pytest.mark.parametrize("identity", [{}, {"scope": "a"}, {"scope": "a b", "code": "c"}, None])
def test_a_job_needs_an_identity(api: Api, identity: Any) -> None:
    assert api.jobs("POST", json=JOB | {"jobId": identity}).status_code == 400


@pytest.mark.parametrize("ttl", [-1, 18001])
def test_a_new_job_has_its_time_within_bounds(api: Api, ttl: int) -> None:
    assert api.jobs("POST", json=JOB | {"ttl": ttl}).status_code == 400


def test_an_update_may_have_a_date_that_changes_nothing(api: Api) -> None:
    created = with_job(api, dateCreated="2025-01-02T03:04:05.1234567+02:00")
    assert created["dateCreated"] == "2025-01-02T01:04:05.1234560+00:00"
    put = api.jobs("PUT", "/me/my-job", json=UPDATE | {"dateCreated": "2026-01-02T03:04:05Z"})
    assert put.json()["dateCreated"] == created["dateCreated"]


def test_the_year_1_is_a_date(api: Api) -> None:
    created = with_job(api, dateCreated="0001-01-01T00:00:00+00:00")["dateCreated"]
    assert created == "0001-01-01T00:00:00.0000000+00:00"
    later = {"filter": "dateCreated gt 2020-01-01", "sortBy": "dateCreated"}
    assert api.jobs("GET", params=later).json()["values"] == []


@pytest.mark.parametrize("date", ["soon", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-10:00"])
def test_a_date_that_is_none_is_refused(api: Api, date: str) -> None:
    answer = api.jobs("POST", json=JOB | {"dateCreated": date})
    assert (answer.status_code, [*answer.json()["errors"]]) == (400, ["dateCreated"])


def test_a_job_is_created_once_however_many_try(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    look = JobStore.job
    meeting = Barrier(4)  # all would see that there is no such job, and create it

    def look_and_meet(store: JobStore, scope: str, code: str) -> Any:
        found = look(store, scope, code)
        with suppress(BrokenBarrierError):
            meeting.wait(timeout=0.2)
        return found

    monkeypatch.setattr(JobStore, "job", look_and_meet)
    with ThreadPoolExecutor(4) as pool:
        answers = [*pool.map(lambda _: api.jobs("POST", json=JOB).status_code, range(4))]
    assert sorted(answers) == [200, 400, 400, 400]


@pytest.mark.parametrize("code", ["%00", "z" * 300, "a.b"])
@pytest.mark.parametrize(("method", "rest"), [("POST", "/$run"), ("PUT", ""), ("DELETE", "")])
def test_a_code_that_no_job_can_have_is_refused(
    api: Api, code: str, method: str, rest: str
) -> None:
    answer = api.jobs(method, f"/me/{code}{rest}", **({"json": UPDATE} if method == "PUT" else {}))
    assert answer.status_code == 400
    assert [*answer.json()["errors"]] == ["code"]


@pytest.mark.parametrize(("ttl", "kept"), [(-5, 1), (10**12, 18_000), (60, 60)])
def test_a_run_has_a_time_within_bounds_whatever_an_update_says(
    api: Api, ttl: int, kept: int
) -> None:
    with_job(api)
    assert api.jobs("PUT", "/me/my-job", json=UPDATE | {"ttl": ttl}).status_code == 200
    api.started()
    assert api.runner.orders[0].ttl == kept


def test_the_members_of_a_definition_are_no_body_of_an_update(api: Api) -> None:
    created = with_job(api)
    answer = api.jobs("PUT", "/me/my-job", json=created)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b"\xff", b'"x"', b"[" * 100_000, b'{"name":"\\ud800"}']
)
def test_a_body_that_is_no_object_is_refused(api: Api, body: bytes) -> None:
    with_job(api)
    for method, path in (("POST", ""), ("PUT", "/me/my-job"), ("POST", "/me/my-job/$run")):
        assert api.jobs(method, path, content=body).status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/me/my-job"),
        ("DELETE", "/me/my-job"),
        ("POST", "/me/my-job/$run"),
        ("GET", "/me/my-job/schedules"),
        ("GET", "/history/nothing"),
        ("GET", "/history/nothing/console"),
    ],
)
def test_what_is_not_there_is_a_404(api: Api, method: str, path: str) -> None:
    answer = api.jobs(method, path, json=None if method == "GET" else UPDATE)
    assert answer.status_code == 404
    assert "does not exist" in answer.json()["detail"]


def test_a_deleted_job_is_gone_and_can_be_made_again(api: Api) -> None:
    with_job(api)
    assert api.jobs("GET", "/me/my-job/schedules").json()["values"] == []
    assert api.jobs("DELETE", "/me/my-job").json()["values"] == []
    assert api.jobs("GET").json()["values"] == []
    assert api.jobs("DELETE", "/me/my-job").status_code == 404
    with_job(api)


def test_another_scheduler_on_the_same_volume_has_the_jobs_and_runs(
    api: Api, registry: MemoryRegistry
) -> None:
    created = with_job(api)
    run = api.started()
    other = Api(registry)
    assert other.jobs("GET").json()["values"] == [created]
    assert other.jobs("GET", f"/history/{run['runId']}").json() == run
    console = other.jobs("GET", f"/history/{run['runId']}/console")
    assert (console.text, console.headers["content-type"]) == (
        "Hello\n",
        "text/plain; charset=utf-8",
    )
