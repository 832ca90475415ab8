"""The operations of the Jobs API over HTTP, with a runner that runs nothing."""

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import anyio
import httpx
import pytest

from lusid_image_publish.local_scheduler.app import create_app
from lusid_image_publish.local_scheduler.job_runs import MAX_CONSOLE_BYTES, RunEnd, RunOrder
from lusid_image_publish.local_scheduler.oauth import TokenIssuer
from lusid_image_publish.local_scheduler.scans import Scans
from tests.memory_registry import MemoryRegistry

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ARGUMENT = {"dataType": "String", "description": "d", "order": 1, "passedAs": "CommandLine"}
UPDATE: dict[str, Any] = {
    "name": "My job",
    "description": "What it does",
    "imageName": "job",
    "imageTag": "1.0",
    "argumentDefinitions": {},
}
JOB: dict[str, Any] = UPDATE | {"jobId": {"scope": "me", "code": "my-job"}}


class Runner:
    """Ends each run at once, as it is told."""

    def __init__(self) -> None:
        self.end: RunEnd | Exception = RunEnd("Succeeded", "", b"Hello\n")
        self.orders: list[RunOrder] = []

    def run(self, order: RunOrder, began: Callable[[], None]) -> RunEnd:
        self.orders.append(order)
        began()
        if isinstance(self.end, Exception):
            raise self.end
        return self.end

    def stop(self) -> None:
        pass


class Api:
    """The application over a registry in memory, asked over ASGI."""

    def __init__(self, registry: MemoryRegistry, *, scan_delay: float = 0) -> None:
        self.registry = registry
        self.runner = Runner()
        self._tokens = TokenIssuer()
        self._app = create_app(
            registry,
            self._tokens,
            domain="foo",
            instructions_lifetime=60,
            scans=Scans(delay=scan_delay, now=lambda: NOW),
            runner=self.runner,
            spawn=lambda work: work(),
        )

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        bearer = {"Authorization": f"Bearer {self._tokens.access_token.reveal()}"}
        options["headers"] = bearer | options.get("headers", {})

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, f"/scheduler2/api{path}", **options)

        return anyio.run(send)

    def jobs(self, method: str, path: str = "", **options: Any) -> httpx.Response:
        return self.ask(method, f"/jobs{path}", **options)

    def started(self, **start: Any) -> Any:
        """Return the history of a run that was started."""
        answer = self.jobs("POST", "/me/my-job/$run", json=start)
        assert answer.status_code == 200, answer.text
        return self.jobs("GET", f"/history/{answer.json()['runId']}").json()


@pytest.fixture
def registry() -> Iterator[MemoryRegistry]:
    memory = MemoryRegistry(now=lambda: NOW)
    memory.put_image("foo/job", "1.0")
    with memory.http:
        yield memory


@pytest.fixture
def api(registry: MemoryRegistry) -> Api:
    return Api(registry)


def with_job(api: Api, **members: Any) -> Any:
    answer = api.jobs("POST", json=JOB | members)
    assert answer.status_code == 200, answer.text
    return answer.json()


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


def test_a_job_is_created_once_however_many_try(
    api: Api, registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = registry.write_file

    def write_slowly(folder: str, name: str, content: bytes) -> None:
        time.sleep(0.05)
        write(folder, name, content)

    monkeypatch.setattr(registry, "write_file", write_slowly)
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


def test_another_method_is_told_which_there_are(api: Api) -> None:
    answer = api.jobs("GET", "/me/my-job")
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, PUT")


@pytest.mark.parametrize("run_id", ["a b", "x" * 37, "a_b"])
def test_an_id_that_no_run_has_is_refused(api: Api, run_id: str) -> None:
    assert api.jobs("GET", f"/history/{run_id}").status_code == 400


def test_a_run_without_the_sign_in_is_refused(api: Api) -> None:
    answer = api.jobs("POST", "/me/my-job/$run", headers={"Authorization": "Bearer no"})
    assert answer.status_code == 401
