"""A job is run once, waited for, and what it said is shown."""

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from lusid_image_publish.errors import (
    ConfigurationError,
    JobRunError,
)
from lusid_image_publish.jobs.job_arguments import require_arguments, secrets_of
from lusid_image_publish.jobs.job_results import RunResult
from lusid_image_publish.jobs.job_run import JobRun
from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import JobOutput, Note, StepStarted, Waiting, Warned
from lusid_image_publish.redact import redact
from lusid_image_publish.scheduler.job_models import JobDefinition
from tests.unit.jobs.service import Service, is_to

NEW = ImageName("my-job", "1.0.0")
ENDED = {
    "jobStatus": "Succeeded",
    "startDate": "2026-01-02T03:04:05.1234567+00:00",
    "endDate": "2026-01-02T03:04:12.1234567Z",
}
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def run(service: Service, ttl: int | None = 60, **options: Any) -> RunResult:
    """Run the job of `service`, and wait for it."""
    with service.target(is_local=options.pop("is_local", False)) as target:
        values: dict[str, Any] = {"arguments": {}, "image": NEW} | options
        job_run = JobRun(target=target, **values)
        job_run.start()
        result = job_run.wait(ttl)
        job_run.show_output()
        return result


def starts(service: Service) -> list[Any]:
    """Return what was sent to start runs."""
    asked = zip(service.asked, service.bodies, strict=True)
    return [json.loads(body) for path, body in asked if path.endswith("$run")]


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
    assert f"The run {result.run_id} goes on" in steps[1].if_interrupted
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
        ({"jobStatus": "Succeeded", "imageName": "r/other", "imageTag": "2"}, "ran other:2, and"),
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
    with pytest.raises(JobRunError, match="began is not known") as caught:
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
def test_without_an_id_of_ours_a_lost_answer_is_told(
    lost: Callable[[], httpx.Response | Exception],
) -> None:
    service = Service(known=set())
    service.instead = lambda request: (
        refusing_ids(request) or (lost() if is_to(request, "POST", "run$") else None)
    )
    with pytest.raises(JobRunError, match="began is not known"):
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
        with pytest.raises(JobRunError, match="no usable run id"):
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
    with pytest.raises(JobRunError, match="began is not known") as caught:
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
    with pytest.raises(JobRunError, match="began is not known") as caught:
        run(service)
    assert caught.value.run_id == starts(service)[0]["runId"]


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


KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n-----END KEY-----"


@pytest.mark.parametrize(
    "written",
    [KEY, KEY.replace("\n", "\r\n"), KEY.replace("\n", "\nINFO "), KEY.replace("\n", " ")],
    ids=["whole", "CRLF", "logged", "one line"],
)
def test_a_secret_of_several_lines_is_hidden_in_the_output(written: str) -> None:
    require_arguments(WANTED, {"day": "1", "key": KEY})
    service = Service(runs=[ENDED], console=f"the key is\n{written}\n")
    run(service)
    assert "MIIEvQ" not in str(service.events)


def test_a_secret_that_a_job_has_by_default_is_hidden() -> None:
    service = Service()
    secret = '{"K": {"dataType": "securestring", "defaultValue": "a-default-secret"}}'
    service.add(argumentDefinitions=secret)
    with service.target() as target:
        target.get()
    assert "a-default-secret" not in redact("it says a-default-secret")


def test_short_secrets_and_lines_are_hidden_in_what_a_run_says_and_nowhere_else() -> None:
    arguments = {"day": "1", "key": "0397\nhunter2"}
    require_arguments(WANTED, arguments)
    service = Service(runs=[ENDED], console="pin 0397, then hunter2\n")
    run(service, arguments=arguments, secrets=secrets_of(WANTED, arguments))
    (shown,) = [event.line for event in service.events if isinstance(event, JobOutput)]
    assert shown == "pin ***, then ***"
    assert redact("sha256:10397") == "sha256:10397"


def test_what_a_refusal_says_of_a_short_secret_is_hidden() -> None:
    refusal = httpx.Response(403, json={"code": 1, "title": "0397 is wrong"})
    service = Service(instead=lambda request: refusal if is_to(request, "POST", "") else None)
    with pytest.raises(JobRunError) as caught:
        run(service, secrets=("0397",))
    assert "0397" not in caught.value.message


def test_a_secret_that_is_part_of_the_names_does_not_hide_them() -> None:
    require_arguments(WANTED, {"day": "1", "key": "prod-job-eu"}, ImageName("prod-job-eu", "1.0"))
    assert redact("prod-job-eu:1.0") == "prod-job-eu:1.0"


def test_ordinary_words_stay_though_a_secret_has_them() -> None:
    require_arguments(WANTED, {"day": "1", "key": "true"})
    assert redact("unchanged=true") == "unchanged=true"


@pytest.mark.parametrize(
    ("timeout", "ttl", "waited"), [(None, 60, 360), (None, None, 600), (None, 0, 600), (5, 60, 5)]
)
def test_a_run_is_waited_for_as_long_as_it_may_take(
    timeout: float | None, ttl: int | None, waited: float
) -> None:
    service = Service(runs=[{"jobStatus": "Running"}])
    with pytest.raises(JobRunError, match=f"did not end within {waited} seconds") as caught:
        run(service, ttl=ttl, timeout=timeout)
    assert service.slept == waited
    assert "goes on" in caught.value.hint
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
    with pytest.raises(JobRunError, match="LUSID shows another run, another"):
        run(service)


def test_of_a_long_output_the_end_is_shown() -> None:
    service = Service(runs=[ENDED])
    service.console = "\n".join(map(str, range(3000)))
    run(service)
    lines = [event.line for event in service.events if isinstance(event, JobOutput)]
    assert (lines[0], lines[-1]) == ("2000", "2999")
    assert any("2000 lines before these" in text for text in service.texts(Note))


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
    left_out = [text for text in service.texts(Note) if "lines before these" in text]
    assert len(left_out) == (lines > 1000)


def test_a_run_of_a_local_scheduler_does_not_go_on() -> None:
    service = Service(runs=[{"jobStatus": "Running"}])
    with pytest.raises(JobRunError) as caught:
        run(service, is_local=True)
    assert "ends with the local Scheduler" in caught.value.hint
    failed = run(Service(runs=[{"jobStatus": "Failed"}]), is_local=True)
    assert failed.error
    assert f"`lusid-jobs logs --local {failed.run_id}`" in failed.error.hint


def definition(**arguments: dict[str, Any]) -> JobDefinition:
    document = {"jobId": {"scope": "me", "code": "my-job"}, "argumentDefinitions": arguments}
    return JobDefinition.read(json.dumps(document).encode())


WANTED = definition(
    day={"dataType": "Int", "required": True},
    name={"dataType": "String", "required": True, "defaultValue": ""},
    key={"dataType": "SecureString"},
)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"day": "1", "Day": "2"}, "no argument 'Day'"),
        ({}, "needs the argument 'day'"),
        ({"day": "x"}, "whole number"),
        ({"day": ""}, "whole number"),
        ({"day": "1", "a\x1b": "2"}, "no argument"),
    ],
)
def test_arguments_that_the_job_cannot_have_are_refused(
    arguments: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        require_arguments(WANTED, arguments)
    assert words in caught.value.message
    assert caught.value.message.isprintable()


def test_the_value_of_a_secret_argument_is_hidden_from_then_on() -> None:
    require_arguments(WANTED, {"day": "-7", "key": "s3cret-value"})
    assert "s3cret-value" not in redact("the job says s3cret-value")


def test_a_job_without_arguments_says_so() -> None:
    with pytest.raises(ConfigurationError) as caught:
        require_arguments(definition(), {"x": "1"})
    assert caught.value.cause == "It takes no arguments."
