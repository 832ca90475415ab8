"""A job is started once, whatever becomes of the answer."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from lusid_image_publish.errors import JobRunError
from lusid_image_publish.progress import Warned
from tests.unit.jobs.runs import ENDED, run, starts
from tests.unit.jobs.service import Service, is_to

LOST: list[Callable[[], httpx.Response | Exception]] = [
    lambda: httpx.ReadError("broken"),
    lambda: httpx.Response(502, text="<html>"),
    lambda: httpx.Response(200, text="{"),
]


@pytest.mark.parametrize("lost", LOST, ids=["no answer", "502", "cut"])
def test_a_lost_answer_is_looked_up_and_the_job_never_run_twice(
    lost: Callable[[], httpx.Response | Exception],
) -> None:
    service = Service(runs=[ENDED])
    service.instead = lambda request: lost() if is_to(request, "POST", "run$") else None
    assert run(service).error is None
    assert len(starts(service)) == 1
    assert "was lost" in service.texts(Warned)[0]


def test_a_run_that_lusid_does_not_know_is_not_started_again() -> None:
    service = Service()

    def answer(request: httpx.Request) -> httpx.Response | Exception:
        if is_to(request, "POST", "run$"):
            return httpx.ReadError("broken")
        return httpx.Response(404, json={"code": -1, "title": "No such run", "status": 404})

    service.instead = answer
    with pytest.raises(JobRunError, match="not known whether the run") as caught:
        run(service)
    (sent,) = starts(service)
    assert caught.value.run_id == sent["runId"]
    assert sent["runId"] in caught.value.message
    assert "lusid-jobs history me/my-job" in caught.value.hint


def refusing_ids(request: httpx.Request) -> httpx.Response | None:
    if not is_to(request, "POST", "run$") or "runId" not in json.loads(request.content):
        return None
    problem = {"code": 151, "title": "Invalid", "errors": {"$.runId": ["Could not be bound."]}}
    return httpx.Response(400, json=problem)


def test_a_deployment_that_does_not_know_run_ids_chooses_one() -> None:
    service = Service(runs=[ENDED], instead=refusing_ids, known={"chosen-here"})
    assert run(service).run_id == "chosen-here"
    assert [("runId" in sent) for sent in starts(service)] == [True, False]


@pytest.mark.parametrize("lost", LOST, ids=["no answer", "502", "cut"])
def test_without_an_id_of_ours_a_lost_answer_is_reported(
    lost: Callable[[], httpx.Response | Exception],
) -> None:
    service = Service(known=set())
    service.instead = lambda request: (
        refusing_ids(request) or (lost() if is_to(request, "POST", "run$") else None)
    )
    with pytest.raises(JobRunError, match="not known whether the run"):
        run(service)
    assert len(starts(service)) == 2


def test_the_id_of_the_answer_is_believed() -> None:
    service = Service(runs=[ENDED])
    service.instead = lambda request: (
        httpx.Response(200, json={"runId": "theirs"}) if is_to(request, "POST", "run$") else None
    )
    assert run(service).run_id == "theirs"


@pytest.mark.parametrize("run_id", ["../x", "a" * 37, "a b", "\x1b[31m"])
@pytest.mark.parametrize("is_known", [True, False])
def test_an_id_that_cannot_be_one_is_not_used(*, run_id: str, is_known: bool) -> None:
    service = Service(runs=[ENDED], known=None if is_known else set())
    service.instead = lambda request: (
        httpx.Response(200, json={"runId": run_id}) if is_to(request, "POST", "run$") else None
    )
    if is_known:
        assert run(service).run_id == starts(service)[0]["runId"]
    else:
        with pytest.raises(JobRunError, match="no valid run id"):
            run(service)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_no_run_and_says_so(status: int) -> None:
    refusal = httpx.Response(status, json={"code": 731, "title": "No", "status": status})
    service = Service(known=set())
    service.instead = lambda request: refusal if is_to(request, "POST", "") else None
    with pytest.raises(JobRunError, match="was not run: ") as caught:
        run(service)
    assert caught.value.run_id == ""
    assert len(starts(service)) == 1


def test_a_refusal_without_an_id_of_ours_is_no_run() -> None:
    service = Service(known=set())
    service.instead = lambda request: (
        refusing_ids(request) or (httpx.Response(403) if is_to(request, "POST", "run$") else None)
    )
    with pytest.raises(JobRunError, match="was not run: "):
        run(service)
    assert len(starts(service)) == 2


ALREADY = {"code": 151, "title": "A run with this runId exists already.", "status": 400}


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (409, "A run with this runId already exists"),
        (409, "Conflict"),
        (400, "Run {id} already exists"),
        (400, "A run with this id is already in use"),
        (400, "The run id is already used"),
        (400, "Bad request"),
    ],
)
def test_a_run_that_began_is_followed_however_its_start_was_refused(
    status: int, title: str
) -> None:
    service = Service(runs=[ENDED])

    def refuse(request: httpx.Request) -> httpx.Response | None:
        if not is_to(request, "POST", "run$"):
            return None
        sent = json.loads(request.content)["runId"]
        return httpx.Response(status, json={"code": 151, "title": title.format(id=sent)})

    service.instead = refuse
    result = run(service)
    assert result.error is None
    assert [sent["runId"] for sent in starts(service)] == [result.run_id]


def test_an_older_answer_with_202_has_the_id_too() -> None:
    service = Service(runs=[ENDED])
    service.instead = lambda request: (
        httpx.Response(202, json={"runId": "theirs"}) if is_to(request, "POST", "run$") else None
    )
    assert run(service).run_id == "theirs"
    assert service.texts(Warned) == []


@pytest.mark.parametrize("looks", [0, 1, 20])
def test_an_id_that_is_refused_because_the_run_is_there_is_that_run(looks: int) -> None:
    """A gateway may send a request twice: the second one is refused, and the history lags."""
    service = Service(runs=[ENDED])
    unknown = [httpx.Response(404)] * looks

    def answer(request: httpx.Request) -> httpx.Response | None:
        if is_to(request, "POST", "run$"):
            return httpx.Response(400, json=ALREADY)
        return unknown.pop() if unknown and is_to(request, "GET", "/history/") else None

    service.instead = answer
    assert run(service).error is None
    assert len(starts(service)) == 1


@pytest.mark.parametrize(
    ("problem", "look"),
    [
        (ALREADY, 404),
        (ALREADY, 403),
        ({"title": "Invalid", "errors": {"runId": ["Could not be bound."]}}, 403),
        ({"title": "Invalid", "errors": {"runId": ["Could not be bound."]}}, 503),
    ],
)
def test_where_it_is_unknown_whether_it_began_it_is_not_started_again(
    problem: dict[str, Any], look: int
) -> None:
    service = Service()
    service.instead = lambda request: (
        httpx.Response(400, json=problem) if request.method == "POST" else httpx.Response(look)
    )
    with pytest.raises(JobRunError, match="not known whether the run") as caught:
        run(service)
    assert caught.value.run_id == starts(service)[0]["runId"]
    assert len(starts(service)) == 1


def test_another_member_whose_name_ends_like_it_is_a_refusal() -> None:
    problem = {"title": "Invalid", "errors": {"arguments.parentRunId": ["It is required."]}}
    service = Service(known=set())
    service.instead = lambda request: (
        httpx.Response(400, json=problem) if request.method == "POST" else None
    )
    with pytest.raises(JobRunError, match="was not run"):
        run(service)
    assert len(starts(service)) == 1


@pytest.mark.parametrize("status", [302, 405])
def test_what_is_no_answer_of_the_service_is_no_run(status: int) -> None:
    service = Service(known=set())
    service.instead = lambda request: httpx.Response(status) if request.method == "POST" else None
    with pytest.raises(JobRunError, match="was not run"):
        run(service)
    assert service.slept == 0


@pytest.mark.parametrize("status", [401, 403])
def test_a_lookup_that_is_refused_leaves_it_open_whether_the_run_began(status: int) -> None:
    service = Service()
    service.instead = lambda request: httpx.Response(502 if request.method == "POST" else status)
    with pytest.raises(JobRunError, match="not known whether the run") as caught:
        run(service)
    assert caught.value.run_id == starts(service)[0]["runId"]
