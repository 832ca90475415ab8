"""A run is waited for, and its output is shown."""

import re
from typing import Any

import httpx
import pytest

from lusid_image_publish.errors import JobRunError
from lusid_image_publish.progress import JobOutput, Note, StepStarted, Waiting, Warned
from tests.unit.jobs.runs import ENDED, run, starts
from tests.unit.jobs.service import Service, is_to

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_a_run_is_started_with_an_id_of_ours_and_waited_for() -> None:
    service = Service(runs=[{"jobStatus": "Pending"}, {"jobStatus": "Running"}, ENDED])
    service.console = "one\r\ntwo\n"
    result = run(service, arguments={"date": "today"})
    (sent,) = starts(service)
    assert GUID.fullmatch(sent["runId"])
    assert sent["arguments"] == {"date": "today"}
    assert (result.run_id, result.status, result.seconds) == (sent["runId"], "Succeeded", 7.0)
    assert result.error is None
    assert service.texts(Waiting) == ["pending", "running"]
    assert [event.line for event in service.events if isinstance(event, JobOutput)] == [
        "one",
        "two",
    ]
    steps = [event for event in service.events if isinstance(event, StepStarted)]
    assert f"The run {result.run_id} continues" in steps[1].if_interrupted
    assert f"lusid-jobs logs {result.run_id}" in steps[1].if_interrupted
    assert "today" not in str(service.events)


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (
            {"jobStatus": "Failed", "message": "Exit code 3."},
            "did not succeed: Failed, Exit code 3.",
        ),
        ({"jobStatus": "Running", "endDate": "2026-01-02T03:04:05Z"}, "Running"),
        ({"jobStatus": "SomethingNew"}, "SomethingNew"),
        ({"endDate": "2026-01-02T03:04:05Z"}, "no status"),
        (
            {"jobStatus": "Succeeded", "imageName": "r/other", "imageTag": "2"},
            "ran other:2 instead of",
        ),
        ({"jobStatus": "Bad\x1b[31m\n::error::x"}, "Bad"),
    ],
)
def test_any_other_end_is_a_failure(ended: dict[str, Any], words: str) -> None:
    result = run(Service(runs=[ended]))
    assert isinstance(result.error, JobRunError)
    assert words in result.error.message
    assert result.error.message.isprintable()
    assert result.error.run_id == result.run_id


@pytest.mark.parametrize(
    "image",
    [
        {"imageName": "my-job", "imageTag": "1.0.0"},
        {"imageName": "r.example/foo/my-job", "imageTag": "1.0.0"},
        {"imageName": "other"},
        {},
    ],
)
def test_the_image_that_ran_must_be_the_published_one_where_it_is_named(
    image: dict[str, str],
) -> None:
    assert run(Service(runs=[ENDED | image])).error is None


def test_the_id_may_come_back_in_capitals_and_a_run_that_has_not_ended_with_the_year_1() -> None:
    never = {"jobStatus": "Running", "endDate": "0001-01-01T00:00:00.0000000+00:00"}
    service = Service(runs=[never, ENDED])

    def capitals(request: httpx.Request) -> httpx.Response | None:
        if not is_to(request, "GET", "/history/[^/]+$"):
            return None
        shown = service.runs.pop(0) | {"runId": request.url.path.rpartition("/")[2].upper()}
        return httpx.Response(200, json=shown)

    service.instead = capitals
    assert run(service).status == "Succeeded"


@pytest.mark.parametrize(
    ("timeout", "ttl", "waited"), [(None, 60, 360), (None, None, 600), (None, 0, 600), (5, 60, 5)]
)
def test_a_run_is_waited_for_as_long_as_it_may_take(
    timeout: float | None, ttl: int | None, waited: float
) -> None:
    service = Service(runs=[{"jobStatus": "Running"}])
    with pytest.raises(JobRunError, match=f"did not finish within {waited} seconds") as caught:
        run(service, ttl=ttl, timeout=timeout)
    assert service.slept == waited
    assert "continues" in caught.value.hint
    assert caught.value.run_id in caught.value.hint


def test_a_run_may_be_unknown_for_a_moment() -> None:
    service = Service(runs=[ENDED])
    unknown = [httpx.Response(404), httpx.Response(400), httpx.Response(503)]
    service.instead = lambda request: (
        unknown.pop() if unknown and is_to(request, "GET", "/history/") else None
    )
    assert run(service).error is None


def test_a_run_that_was_seen_may_be_unknown_for_a_moment_much_later() -> None:
    service = Service(runs=[{"jobStatus": "Running"}])
    looks = iter(range(1000))

    def later(request: httpx.Request) -> httpx.Response | None:
        if not is_to(request, "GET", "/history/[^/]+$"):
            return None
        look = next(looks)
        if look == 90:
            assert service.slept > 60
            service.runs = [ENDED]
        return httpx.Response(404) if look == 90 else None

    service.instead = later
    assert run(service).error is None


def test_a_run_that_stays_unknown_is_an_error_that_says_so() -> None:
    service = Service()
    service.instead = lambda request: (
        httpx.Response(404) if is_to(request, "GET", "/history/") else None
    )
    with pytest.raises(JobRunError, match="could not be followed"):
        run(service)
    assert service.slept < 60


def test_another_run_is_not_taken_for_this_one() -> None:
    service = Service(runs=[ENDED | {"runId": "another"}])
    with pytest.raises(JobRunError, match="LUSID returned another run, another"):
        run(service)


def test_of_a_long_output_the_end_is_shown() -> None:
    service = Service(runs=[ENDED])
    service.console = "\n".join(map(str, range(3000)))
    run(service)
    lines = [event.line for event in service.events if isinstance(event, JobOutput)]
    assert (lines[0], lines[-1]) == ("2000", "2999")
    assert any("2000 earlier lines are not shown" in text for text in service.texts(Note))


def test_an_output_that_cannot_be_had_is_a_warning() -> None:
    service = Service(runs=[ENDED])
    service.instead = lambda request: (
        httpx.Response(403) if is_to(request, "GET", "console") else None
    )
    assert run(service).error is None
    assert "cannot be shown" in service.texts(Warned)[0]


@pytest.mark.parametrize("lines", [0, 1, 999, 1000, 1001])
def test_all_lines_are_shown_up_to_the_most(lines: int) -> None:
    service = Service(runs=[ENDED], console="".join(f"{number}\n" for number in range(lines)))
    run(service)
    shown = [event.line for event in service.events if isinstance(event, JobOutput)]
    assert shown == [str(number) for number in range(lines)][-1000:]
    left_out = [text for text in service.texts(Note) if "earlier lines are not shown" in text]
    assert len(left_out) == (lines > 1000)


def test_a_run_of_a_local_scheduler_does_not_go_on() -> None:
    service = Service(runs=[{"jobStatus": "Running"}])
    with pytest.raises(JobRunError) as caught:
        run(service, is_local=True)
    assert "stops with the local Scheduler" in caught.value.hint
    failed = run(Service(runs=[{"jobStatus": "Failed"}]), is_local=True)
    assert failed.error
    assert f"`lusid-jobs logs --local {failed.run_id}`" in failed.error.hint
