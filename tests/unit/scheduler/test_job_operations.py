"""What each operation of the Jobs API sends, and what comes back."""

import json
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest

from lusid_image_publish import AsyncJobsClient, ImagesClient, JobsClient, errors
from lusid_image_publish.names import JobId
from lusid_image_publish.scheduler import job_models, job_operations
from lusid_image_publish.scheduler.job_models import (
    ArgumentDefinition,
    CreateJobRequest,
    JobDefinition,
    ResourceId,
    StartJobRequest,
    UpdateJobRequest,
    request_text,
)
from lusid_image_publish.scheduler.listing import HistoryQuery, ListQuery
from lusid_image_publish.scheduler.operations import Call, Operation

URL = "https://foo.lusid.com/scheduler2"
LIST = ListQuery(page="YWJj", sort_by=("-name",), limit=10, filter="ttl gt 1")
UPDATE = UpdateJobRequest(
    name="n",
    description="d",
    image_name="job",
    image_tag="1",
    argument_definitions={"a": ArgumentDefinition(data_type="Int", order=1)},
)
CREATE = CreateJobRequest(
    job_id=ResourceId(scope="me", code="my-job"),
    name="n",
    description="d",
    image_name="job",
    image_tag="1",
    argument_definitions={},
    ttl=None,
)
CALLS: list[tuple[Call[Any], str, str]] = [
    (job_operations.list_jobs(LIST), "GET", "/api/jobs"),
    (job_operations.create_job("{}"), "POST", "/api/jobs"),
    (job_operations.update_job("me", "my-job", "{}"), "PUT", "/api/jobs/me/my-job"),
    (job_operations.delete_job("me", "my-job"), "DELETE", "/api/jobs/me/my-job"),
    (job_operations.run_job("me", "my-job", "{}"), "POST", "/api/jobs/me/my-job/$run"),
    (
        job_operations.get_schedules_for_a_job("me", "my-job"),
        "GET",
        "/api/jobs/me/my-job/schedules",
    ),
    (job_operations.get_history(LIST), "GET", "/api/jobs/history"),
    (job_operations.get_run_history("a-1"), "GET", "/api/jobs/history/a-1"),
    (job_operations.get_job_console_output("a-1"), "GET", "/api/jobs/history/a-1/console"),
    (job_operations.list_api_endpoints(), "GET", "/api/metadata/endpoints"),
]
ALL = [value for value in vars(job_operations).values() if isinstance(value, Operation)]


@pytest.mark.parametrize(("call", "method", "path"), CALLS)
def test_each_request_is_the_documented_one(call: Call[Any], method: str, path: str) -> None:
    assert (call.operation.method, call.path) == (method, path)


def test_every_operation_is_tried_here() -> None:
    assert {call.operation.name for call, _, _ in CALLS} == {each.name for each in ALL}


def test_what_changes_something_is_not_sent_twice() -> None:
    changing = {"create_job", "update_job", "delete_job", "run_job"}
    assert {each.name for each in ALL if not each.retry_safe} == changing


@pytest.mark.parametrize(
    ("scope", "code"),
    [("", "a"), ("a", ""), ("a/b", "c"), ("a", "b c"), ("a" * 65, "b"), ("é", "b"), ("..", "b")],
)
def test_a_job_that_is_none_is_refused(scope: str, code: str) -> None:
    for build in (
        lambda: job_operations.update_job(scope, code, "{}"),
        lambda: job_operations.run_job(scope, code, "{}"),
        lambda: job_operations.delete_job(scope, code),
        lambda: job_operations.get_schedules_for_a_job(scope, code),
        lambda: JobId.of(scope, code),
    ):
        with pytest.raises(errors.InvalidNameError):
            build()


@pytest.mark.parametrize("text", ["", "me", "me/", "/my-job", "a/b/c", "me/$JOB", "me my/job"])
def test_scope_and_code_stand_beside_a_slash(text: str) -> None:
    with pytest.raises(errors.InvalidNameError) as caught:
        JobId.parse(text)
    assert caught.value.hint


@pytest.mark.parametrize("run_id", ["", "a/b", "..", "a" * 37, "a b", "é"])
def test_a_run_id_that_is_none_is_refused(run_id: str) -> None:
    for build in (job_operations.get_run_history, job_operations.get_job_console_output):
        with pytest.raises(errors.ConfigurationError, match="is not a run id"):
            build(run_id)


def test_a_filter_of_the_history_may_be_longer() -> None:
    HistoryQuery(filter="x" * 16384)
    for query, size in ((HistoryQuery, 16385), (ListQuery, 1025)):
        with pytest.raises(errors.ConfigurationError, match="the maximum is"):
            query(filter="x" * size)


def test_a_request_has_what_was_set_and_no_more() -> None:
    assert json.loads(request_text(UPDATE)) == {
        "name": "n",
        "description": "d",
        "imageName": "job",
        "imageTag": "1",
        "argumentDefinitions": {"a": {"dataType": "Int", "order": 1}},
    }
    assert json.loads(request_text(StartJobRequest())) == {}
    started = StartJobRequest(arguments={"a": None, "b": "1"}, run_id="x")
    assert json.loads(request_text(started)) == {
        "arguments": {"a": None, "b": "1"},
        "runId": "x",
    }
    with pytest.raises(ValueError, match="Extra inputs"):
        StartJobRequest(argument={})  # type: ignore[call-arg]


def test_secrets_are_not_in_what_is_shown_of_a_model() -> None:
    shown = [
        ArgumentDefinition(default_value="s3cret"),
        StartJobRequest(arguments={"a": "s3cret"}),
        job_models.JobRunResult(arguments={"a": "s3cret"}, environment_variables={"b": "s3cret"}),
        job_models.ScheduleDefinition(
            schedule_identifier=ResourceId(scope="a", code="b"), arguments={"a": "s3cret"}
        ),
    ]
    assert "s3cret" not in repr(shown)


Answers = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Calls a method of either client, of a service with a given answer."""

    def sync(answer: Answers, method: str, *arguments: Any, **values: Any) -> Any:
        http = httpx.Client(base_url=URL, transport=httpx.MockTransport(answer))
        with http, JobsClient.from_httpx(http) as jobs:
            found = getattr(jobs, method)(*arguments, **values)
            return list(found) if method.startswith("iter_") else found

    def asynchronous(answer: Answers, method: str, *arguments: Any, **values: Any) -> Any:
        async def call() -> Any:
            http = httpx.AsyncClient(base_url=URL, transport=httpx.MockTransport(answer))
            async with http, AsyncJobsClient.from_httpx(http) as jobs:
                found = getattr(jobs, method)(*arguments, **values)
                if method.startswith("iter_"):
                    return [each async for each in found]
                return await found

        return anyio.run(call)

    return sync if request.param == "sync" else asynchronous


def test_a_job_is_found_on_a_later_page(ask: Callable[..., Any]) -> None:
    seen: list[httpx.URL] = []
    other, wanted = (
        {"values": [{"jobId": {"scope": "me", "code": code}, "ttl": 1}]} for code in ("x", "my-job")
    )

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url)
        paged = "page" in request.url.params
        return httpx.Response(200, json=wanted if paged else other | {"nextPage": "YWJj"})

    job = ask(answer, "get_job", "me", "my-job")
    assert (job.job_id.code, json.loads(job.document)) == ("my-job", wanted["values"][0])
    assert [url.params["filter"] for url in seen] == [
        "jobId.scope eq 'me' and jobId.code eq 'my-job'"
    ] * 2


@pytest.mark.parametrize(
    ("method", "arguments", "answer", "body"),
    [
        ("create_job", [CREATE], {"jobId": {"scope": "a", "code": "b"}}, request_text(CREATE)),
        ("update_job", ["a", "b", UPDATE], {"jobId": {"scope": "a", "code": "b"}}, None),
        ("update_job", ["a", "b", '{ "x":1.0 }'], {"jobId": {"scope": "a", "code": "b"}}, None),
        ("run_job", ["a", "b"], {"runId": "1"}, "{}"),
        ("run_job", ["a", "b", StartJobRequest(run_id="1")], {"runId": "1"}, '{"runId":"1"}'),
        ("delete_job", ["a", "b"], {"values": []}, ""),
        ("get_schedules_for_a_job", ["a", "b"], {"values": []}, ""),
        ("get_run_history", ["1"], {"runId": "1", "jobStatus": "New"}, ""),
        ("get_history", [], {"values": [{"runId": "1"}]}, ""),
        ("iter_history", [], {"values": [{"runId": "1"}]}, ""),
        ("list_jobs", [], {"values": [{"jobId": {"scope": "a", "code": "b"}}]}, ""),
        ("iter_jobs", [], {"values": [{"jobId": {"scope": "a", "code": "b"}}]}, ""),
        ("list_api_endpoints", [], {"application": "s", "endpoints": [{"path": "/x"}]}, ""),
    ],
)
def test_each_method_sends_its_request_and_reads_its_answer(
    ask: Callable[..., Any], method: str, arguments: list[Any], answer: Any, body: str | None
) -> None:
    seen: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=answer | {"somethingNew": 1})

    got = ask(respond, method, *arguments)
    expected = request_text(arguments[-1]) if body is None else body
    assert seen[0].content.decode() == expected
    if isinstance(got, list):
        assert [each.model_dump(by_alias=True, exclude_unset=True) for each in got] == answer[
            "values"
        ]
    else:
        assert got.model_dump(by_alias=True, exclude_unset=True) == answer
    if isinstance(got, JobDefinition):
        assert json.loads(got.document) == answer | {"somethingNew": 1}


@pytest.mark.parametrize(
    ("response", "text"),
    [
        (httpx.Response(200, json="a\n\u001b[1m"), "a\n\u001b[1m"),
        (httpx.Response(200, text='"a"\n'), '"a"\n'),
        (httpx.Response(200, content=b"\xff\n"), "\ufffd\n"),
        (httpx.Response(200, text=""), ""),
        (
            httpx.Response(200, content=b'"a\xff"', headers={"Content-Type": "text/json"}),
            '"a\ufffd"',
        ),
        (httpx.Response(200, text="a", headers={"Content-Type": "application/json"}), "a"),
    ],
    ids=["JSON", "text", "bytes", "nothing", "bytes in JSON", "text called JSON"],
)
def test_console_output_comes_as_json_or_as_text(
    ask: Callable[..., Any], response: httpx.Response, text: str
) -> None:
    assert ask(lambda _: response, "get_job_console_output", "1") == text


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (404, None, errors.NotFoundError, "no job a/b, or does not show it"),
        (403, None, errors.AccessDeniedError, "Scheduler's Jobs API"),
        (400, 731, errors.BadRequestError, "not in LUSID"),
        (400, 756, errors.BadRequestError, "scan"),
        (500, 756, errors.ServerError, "scan"),
        (400, 704, errors.BadRequestError, "schedules"),
        (400, 151, errors.BadRequestError, "breaks a rule"),
    ],
)
def test_a_refusal_says_what_it_means(
    ask: Callable[..., Any], status: int, code: int | None, kind: type[Exception], words: str
) -> None:
    answer = httpx.Response(status, json={"code": code, "title": "No", "status": status})
    with pytest.raises(kind) as caught:
        ask(lambda _: answer, "delete_job", "a", "b")
    assert isinstance(caught.value, errors.ServiceError)
    assert words in " ".join(text for _, text in caught.value.diagnostics())
    assert caught.value.operation == "delete_job"


def test_a_run_that_is_not_there_is_named(ask: Callable[..., Any]) -> None:
    with pytest.raises(errors.NotFoundError, match="no run a-1"):
        ask(lambda _: httpx.Response(404), "get_run_history", "a-1")
    with pytest.raises(errors.NotFoundError, match="does not serve the Jobs API"):
        ask(lambda _: httpx.Response(404), "list_jobs")


def test_clients_beside_each_other_share_their_connections() -> None:
    http = httpx.Client(
        base_url=URL, transport=httpx.MockTransport(lambda _: httpx.Response(200, json="x"))
    )
    with http, ImagesClient.from_httpx(http) as images:
        with JobsClient.beside(images) as jobs:
            assert jobs.get_job_console_output("1") == "x"
        assert not http.is_closed


def test_a_client_beside_another_leaves_it_open() -> None:
    images = ImagesClient.from_values(scheduler_url=URL, access_token="t0ken")
    jobs = JobsClient.beside(images)
    jobs.close()
    assert not images._http.is_closed
    assert jobs._is_given is images._is_given is False
    images.close()
    assert jobs._http.is_closed
