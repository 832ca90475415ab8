"""The image of a job is set, and nothing else of it changes."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.errors import (
    JobUpdateError,
    NotFoundError,
    UnexpectedAnswerError,
    UnsafeJobError,
)
from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import Warned
from lusid_image_publish.scheduler.raw_json import members_of
from tests.raw_documents import BLANKS, STRINGS, VALUES, object_of, objects
from tests.unit.jobs.service import Service, is_to, object_text

NEW = ImageName("my-job", "1.0.0")
SECURE = '{"x": {"dataType": "SecureString", "defaultValue": %s}}'

_ARGUMENTS = st.builds(
    object_of,
    st.fixed_dictionaries(
        {"dataType": st.just('"String"'), "order": st.integers(0, 9).map(str)},
        optional={
            "description": STRINGS,
            "defaultValue": STRINGS | st.just("null"),
            "somethingNew": VALUES,
        },
    ),
    st.lists(BLANKS, min_size=3, max_size=3),
)
_TEXTS = STRINGS | st.just("null")
DEFINITIONS = st.fixed_dictionaries(
    {"name": STRINGS, "description": STRINGS, "argumentDefinitions": objects(_ARGUMENTS)},
    optional={
        **dict.fromkeys(("author", "minCpu", "maxCpu", "minMemory", "maxMemory"), _TEXTS),
        "commandLineArgumentSeparator": _TEXTS,
        "ttl": st.integers(0, 18000).map(str),
        "requiredResources": st.sampled_from(['{"lusidApis": [ "a\\u002fb" ]}', "null", "{}"]),
        "dateCreated": st.just('"2026-01-02T03:04:05.1234567+00:00"'),
        "dockerImage": st.sampled_from(['"r.example:5000/a/old:1"', "null", '"odd"']),
    },
)


@given(DEFINITIONS)
def test_all_but_the_image_is_the_same_afterwards_to_the_byte(members: dict[str, str]) -> None:
    service = Service()
    before = service.add(image="", **members)
    with service.target() as target:
        result = target.set_image(NEW)
    (after,) = service.jobs
    kept = {name: value for name, value in before.items() if value != "null"}
    assert after | {"dockerImage": ""} == kept | {"dockerImage": ""}
    assert json.loads(after["dockerImage"]) == str(NEW)
    (sent,) = map(members_of, service.puts())
    assert (json.loads(sent["imageName"]), json.loads(sent["imageTag"])) == ("my-job", "1.0.0")
    assert set(sent) & {"jobId", "dateCreated", "dockerImage"} == set()
    assert (result.outcome, result.image, result.differences) == ("updated", str(NEW), ())


@pytest.mark.parametrize(
    "image",
    [
        "my-job:1.0.0",
        "r.example:5000/foo/my-job:1.0.0",
        "foo/my-job:1.0.0",
        "foo/my-job:1.0.0@sha256:" + "a" * 64,
    ],
)
def test_a_job_that_has_the_image_is_left_alone(image: str) -> None:
    service = Service()
    # What could be damaged does not matter when nothing is sent.
    service.add(image, somethingNew="1")
    with service.target() as target:
        target.look_up(NEW)
        result = target.set_image(NEW)
    assert (result.outcome, result.former) == ("unchanged", str(NEW))
    assert service.puts() == []


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"name": "null"}, ["no name"]),
        ({"description": "null", "argumentDefinitions": "null"}, ["description", "Definitions"]),
        ({"retries": "3", "a\\u001b[31m": "1"}, ["retries", "would remove"]),
        ({"argumentDefinitions": SECURE % '"s3cret"'}, ["default of x", "secret"]),
        ({"argumentDefinitions": SECURE % '"*****"'}, ["default of x"]),
    ],
    ids=["null", "two nulls", "unknown members", "a secret", "a mask"],
)
def test_a_job_that_could_be_damaged_is_left_alone(
    members: dict[str, str], words: list[str]
) -> None:
    service = Service()
    service.add(**members)
    with service.target(force_option="--force-job") as target:
        for refused in (target.look_up, target.set_image):
            with pytest.raises(UnsafeJobError) as caught:
                refused(NEW)
            shown = " ".join(text for _, text in caught.value.diagnostics())
            assert [word for word in words if word not in shown] == []
            assert shown.isprintable()
            assert "s3cret" not in shown
    assert service.puts() == []


@pytest.mark.parametrize(
    "arguments",
    [SECURE % '"config://me/key"', SECURE % "null", '{"x": {"dataType": "String", "order": 1}}'],
)
def test_a_reference_is_no_secret(arguments: str) -> None:
    service = Service()
    service.add(argumentDefinitions=arguments, other="null")
    with service.target() as target:
        assert target.set_image(NEW).outcome == "updated"
    assert members_of(service.puts()[0])["argumentDefinitions"] == arguments


def test_force_accepts_what_could_be_lost_but_not_what_is_missing() -> None:
    service = Service()
    service.add(retries="3", argumentDefinitions=SECURE % '"s3cret"')
    with service.target(force=True) as target:
        assert target.set_image(NEW).differences == ("retries",)
        assert "retries" in service.texts(Warned)[0]
        service.jobs[0] |= {"name": "null", "dockerImage": '"old:1"'}
        with pytest.raises(UnsafeJobError, match="has no name"):
            target.set_image(NEW)


def test_a_job_is_found_among_others_and_must_be_the_only_one() -> None:
    service = Service()
    service.add(jobId='{"scope":"me","code":"My-job"}')
    with service.target() as target:
        with pytest.raises(NotFoundError, match="no job me/my-job"):
            target.look_up(NEW)
        service.add()
        assert target.look_up(NEW).job_id.code == "my-job"
        service.add("other:2")
        with pytest.raises(UnexpectedAnswerError, match="2 jobs named me/my-job"):
            target.set_image(NEW)
    assert service.puts() == []


def test_what_changed_since_the_job_was_looked_at_stays_and_is_reported() -> None:
    service = Service()
    service.add()
    with service.target() as target:
        seen = target.look_up(NEW)
        service.jobs[0]["ttl"] = "60"
        service.jobs[0]["argumentDefinitions"] = '{"x": {"dataType": "Int"}}'
        assert target.set_image(NEW, seen=seen).differences == ()
    (warning,) = service.texts(Warned)
    assert "argumentDefinitions, argumentDefinitions.x.dataType, ttl" in warning
    assert "The changes are kept" in warning
    assert service.jobs[0]["ttl"] == "60"


def test_what_somebody_changes_during_the_update_is_reported() -> None:
    service = Service()
    service.add(author='"me"')

    def race(request: httpx.Request) -> None:
        if request.method == "PUT":
            service.jobs[0]["author"] = '"somebody else"'

    service.after = race
    with service.target() as target:
        result = target.set_image(NEW)
    assert (result.outcome, result.differences) == ("updated", ("author",))
    assert "author" in service.texts(Warned)[0]
    assert "somebody else" not in str(service.events)


def test_another_image_after_the_update_is_an_error() -> None:
    service = Service()
    service.add()

    def race(request: httpx.Request) -> None:
        if request.method == "PUT":
            service.jobs[0]["dockerImage"] = '"theirs:2"'

    service.after = race
    with service.target() as target, pytest.raises(JobUpdateError, match="lists it with theirs:2"):
        target.set_image(NEW)
    assert len(service.puts()) == 1


def test_an_update_that_is_shown_late_is_waited_for() -> None:
    service = Service()
    service.add()
    old = [service.jobs[0]["dockerImage"]] * 3

    def hide(request: httpx.Request) -> httpx.Response | None:
        if request.method != "GET" or not service.puts() or not old:
            return None
        shown = service.jobs[0] | {"dockerImage": old.pop()}
        text = ",".join(f'"{name}":{value}' for name, value in shown.items())
        return httpx.Response(200, text='{"values":[{' + text + "}]}")

    service.instead = hide
    with service.target() as target:
        assert target.set_image(NEW).outcome == "updated"
    assert service.slept == 3


@pytest.mark.parametrize("does_arrive", [True, False])
@pytest.mark.parametrize(
    "answer",
    [httpx.ReadError("broken"), httpx.Response(500), httpx.Response(200, json={"what": 1})],
    ids=["lost", "500", "foreign"],
)
def test_an_update_without_a_good_answer_is_looked_for(
    *, answer: httpx.Response | Exception, does_arrive: bool
) -> None:
    service = Service()
    service.add()

    def fail(request: httpx.Request) -> httpx.Response | Exception | None:
        if request.method != "PUT":
            return None
        if does_arrive:
            service._update(request.content.decode())
        return answer

    service.instead = fail
    with service.target() as target:
        if does_arrive:
            assert target.set_image(NEW).outcome == "updated"
        else:
            with pytest.raises(JobUpdateError, match="was not updated: ") as caught:
                target.set_image(NEW)
            assert not caught.value.is_unknown
    assert len(service.puts()) == (1 if does_arrive else 4)


def test_an_update_is_sent_again_from_the_job_as_it_is_then() -> None:
    service = Service()
    service.add(ttl="1")
    failures = [httpx.Response(429, headers={"Retry-After": "7"}), httpx.Response(503)]

    def fail(request: httpx.Request) -> httpx.Response | None:
        if request.method != "PUT" or not failures:
            return None
        service.jobs[0]["ttl"] = f"77{len(failures)}"
        return failures.pop(0)

    service.instead = fail
    with service.target() as target:
        assert target.set_image(NEW).differences == ()
    assert service.jobs[0]["ttl"] == "771"
    assert [members_of(body)["ttl"] for body in service.puts()] == ["1", "772", "771"]
    assert [("ttl" in text) for text in service.texts(Warned)] == [True, True]
    assert service.slept == 7 + 2


@pytest.mark.parametrize("status", [403, 500])
@pytest.mark.parametrize("put", [200, 502])
def test_an_update_that_cannot_be_looked_at_may_have_been_made(put: int, status: int) -> None:
    service = Service()
    service.add()

    def fail(request: httpx.Request) -> httpx.Response | None:
        if request.method == "PUT":
            return httpx.Response(put) if put != 200 else None
        return httpx.Response(status) if service.puts() else None

    service.instead = fail
    with service.target() as target, pytest.raises(JobUpdateError, match="is not known") as caught:
        target.set_image(NEW)
    assert caught.value.is_unknown
    assert len(service.puts()) == 1


def test_updates_that_are_made_without_an_answer_are_looked_for_at_the_end() -> None:
    """A gateway gives up each time, and the list shows the job as it was for some seconds."""
    service = Service()
    service.add()
    before = dict(service.jobs[0])

    def instead(request: httpx.Request) -> httpx.Response | None:
        if request.method == "PUT":
            service.jobs[0]["dockerImage"] = '"my-job:1.0.0"'
            return httpx.Response(504)
        if request.method == "GET" and service.puts() and service.slept < 8:
            return httpx.Response(200, text=f'{{"values":[{object_text(before)}]}}')
        return None

    service.instead = instead
    with service.target() as target:
        assert target.set_image(NEW).image == str(NEW)


def test_updates_without_an_answer_that_cannot_be_looked_for_are_unknown() -> None:
    service = Service()
    service.add()

    def instead(request: httpx.Request) -> httpx.Response | None:
        if request.method == "PUT":
            return httpx.Response(504)
        return httpx.Response(503) if len(service.puts()) == 4 and service.slept > 8 else None

    service.instead = instead
    with service.target() as target, pytest.raises(JobUpdateError, match="is not known") as caught:
        target.set_image(NEW)
    assert caught.value.is_unknown
    assert target.has_sent


def test_a_job_that_becomes_unsafe_after_an_update_was_sent_is_a_failed_update() -> None:
    service = Service()
    service.add()

    def instead(request: httpx.Request) -> httpx.Response | None:
        if request.method != "PUT":
            return None
        service.jobs[0]["description"] = "null"
        return httpx.Response(502)

    service.instead = instead
    with service.target() as target, pytest.raises(JobUpdateError, match="no description"):
        target.set_image(NEW)


def test_a_refusal_is_no_update_and_says_why() -> None:
    service = Service()
    service.add()
    for refusal, words in (
        (httpx.Response(403), "Scheduler's Jobs API"),
        (problem(400, 756), "scan"),
        (problem(400, 731), "not in LUSID"),
        (httpx.Response(302, headers={"Location": "https://x"}), "Redirects are"),
        (httpx.Response(409), "Scheduler URL"),
    ):
        service.instead = lambda request, refusal=refusal: (  # type: ignore[misc]
            refusal if is_to(request, "PUT", "") else None
        )
        with service.target() as target, pytest.raises(JobUpdateError) as caught:
            target.set_image(NEW)
        assert words in f"{caught.value.cause} {caught.value.hint}"
        assert not caught.value.is_unknown
    assert json.loads(service.jobs[0]["dockerImage"]) == "old:1"
    assert len(service.puts()) == 5


def problem(status: int, code: int) -> httpx.Response:
    document: dict[str, Any] = {"name": "Problem", "code": code, "title": "No", "status": status}
    return httpx.Response(status, json=document)
