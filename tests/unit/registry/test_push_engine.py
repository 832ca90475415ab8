"""What the engines' answers to a push mean, over a real docker-py client and a small engine."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import requests

from lusid_image_publish.credential import Credential
from lusid_image_publish.errors import PushDeniedError, PushError, PushInterruptedError
from lusid_image_publish.names import ImageReference
from lusid_image_publish.progress import Event, LayerProgress, Warned
from lusid_image_publish.redact import Secret
from lusid_image_publish.registry.push_engine import push_image
from lusid_image_publish.text import shorten_message
from lusid_image_publish.waiting import Deadline
from tests.fake_engine import IMAGE_ID, Answer, End, FakeEngine, running
from tests.unit.registry.engine_shapes import (
    AUX,
    DIGEST,
    ENGINES,
    FAILURES,
    LAYER,
    LINE,
    REFERS,
    layer,
)

TARGET = ImageReference("127.0.0.1:5056", "eng/job", "1.0")
PASSWORD = "t0ken-of-the-registry"

Start = Callable[..., FakeEngine]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Run an engine that is made of what is given."""
    with ExitStack() as stack:

        def started(answer: Answer | None = None, **values: Any) -> FakeEngine:
            engine = FakeEngine(answer or Answer((LINE,)), **values)
            return stack.enter_context(running(engine, tmp_path))

        yield started


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], FakeEngine]]:
    """Run one engine of each kind for many tests, which set its answers."""
    with ExitStack() as stack:

        @cache
        def engine(name: str) -> FakeEngine:
            shape = ENGINES[name]
            made = FakeEngine(api=shape.api, name=shape.name, is_containerd=shape.is_containerd)
            return stack.enter_context(running(made, tmp_path_factory.mktemp("engine")))

        yield engine


def push(
    engine: FakeEngine,
    listener: Callable[[Event], None] = lambda _: None,
    *,
    seconds: float = 5,
    idle: float = 5,
    refusal: Callable[[], PushError | None] = lambda: None,
    target: ImageReference = TARGET,
) -> str:
    return push_image(
        engine.client,
        IMAGE_ID,
        "linux/amd64",
        target,
        Credential("AWS", Secret(PASSWORD)),
        deadline=Deadline(seconds),
        idle=idle,
        refusal=refusal,
        listener=listener,
    )


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_s_digest_is_read(start: Start, name: str) -> None:
    shape = ENGINES[name]
    engine = start(
        shape.succeeding(), api=shape.api, name=shape.name, is_containerd=shape.is_containerd
    )
    assert push(engine) == DIGEST
    assert engine.tags == {"job:1.0": IMAGE_ID}, "the temporary tag is taken away"
    (asked,) = engine.pushes()
    assert asked.credential == {"username": "AWS", "password": PASSWORD}
    assert asked.path == "/images/127.0.0.1:5056/eng/job/push"
    assert asked.query["tag"] == "1.0"
    wants_platform = name == "Docker 28, containerd"
    assert ("platform" in asked.query) is wants_platform
    if wants_platform:
        assert json.loads(asked.query["platform"]) == {"os": "linux", "architecture": "amd64"}


@pytest.mark.parametrize(
    ("name", "case", "words", "kind"),
    FAILURES,
    ids=[f"{name}-{case}" for name, case, _, _ in FAILURES],
)
def test_every_engine_s_failure_is_reported(
    engines: Callable[[str], FakeEngine],
    name: str,
    case: str,
    words: str,
    kind: type[PushError],
) -> None:
    engine = engines(name)
    engine.answer = ENGINES[name].failing(words)
    with pytest.raises(PushError) as caught:
        push(engine)
    assert type(caught.value) is kind, case
    assert shorten_message(words) in caught.value.message
    assert caught.value.cause
    assert caught.value.hint
    assert engine.tags == {"job:1.0": IMAGE_ID}


@pytest.mark.parametrize(
    "events",
    [
        (LINE, {"aux": {"manifestPushedInsteadOfIndex": True}}),
        (LINE, {"aux": {"contentMissing": True}}),
        (LINE, {"aux": None}),
        ({"aux": AUX},),
        (layer("Pushing", current=1024), LINE),
        ({**layer("Pushing"), "progressDetail": None}, LINE),
        ({**layer("Pushing"), "progressDetail": ["strange"]}, LINE),
        ("a string", 5, None, LINE),
    ],
)
def test_strange_events_hide_no_digest(start: Start, events: tuple[Any, ...]) -> None:
    assert push(start(Answer(events))) == DIGEST


@pytest.mark.parametrize(
    "events",
    [(), (REFERS, layer("Pushed")), ({"status": "1.0: digest: sha256:abc size: 1"},)],
)
def test_a_stream_without_a_digest_proves_nothing(start: Start, events: tuple[Any, ...]) -> None:
    assert push(start(Answer(events))) == ""


@pytest.mark.parametrize(
    "event",
    [{"errorDetail": {"message": ""}, "error": ""}, {"errorDetail": {"code": 5}}, {"error": ""}],
)
def test_an_error_without_words_is_an_error_too(start: Start, event: dict[str, Any]) -> None:
    with pytest.raises(PushError, match="without details"):
        push(start(Answer((LINE, event))))


def test_a_tag_whose_answer_is_lost_is_taken_away(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start()
    tag = engine.client.api.tag

    def lost(*arguments: Any) -> None:
        tag(*arguments)
        raise requests.ConnectionError("the answer is lost")

    monkeypatch.setattr(engine.client.api, "tag", lost)
    with pytest.raises(PushInterruptedError, match="the answer is lost"):
        push(engine)
    assert engine.tags == {"job:1.0": IMAGE_ID}


def test_an_error_after_a_digest_is_an_error(start: Start) -> None:
    with pytest.raises(PushInterruptedError, match="EOF"):
        push(start(Answer((LINE, {"errorDetail": {"message": "EOF"}}))))


@pytest.mark.parametrize("end", [End.CUT, End.EARLY])
def test_a_stream_that_breaks_off_may_be_tried_again(start: Start, end: End) -> None:
    engine = start(Answer((REFERS, layer("Pushing", current=5)), end=end))
    with pytest.raises(PushInterruptedError, match="was interrupted") as caught:
        push(engine)
    assert "docker version" in caught.value.hint
    assert engine.tags == {"job:1.0": IMAGE_ID}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=404, body='{"message": "failed to find image x: image not known"}'),
        Answer(status=400, body="<html>no JSON</html>"),
        Answer(status=418, body="[]"),
    ],
)
def test_an_engine_that_does_not_begin_is_told(start: Start, answer: Answer) -> None:
    with pytest.raises(PushError, match=r"not known|answered 4"):
        push(start(answer))


def test_silence_is_ended_once_there_was_progress(start: Start) -> None:
    engine = start(Answer((REFERS, layer("Pushing", current=5)), end=End.SILENCE))
    with pytest.raises(PushInterruptedError, match=r"no progress for 0\.1 seconds"):
        push(engine, idle=0.1)
    assert engine.hung_up.wait(5), "the engine notices"
    assert engine.tags == {"job:1.0": IMAGE_ID}


def test_an_engine_that_never_reports_progress_has_until_the_deadline(start: Start) -> None:
    engine = start(Answer((REFERS,), end=End.SILENCE))
    with pytest.raises(PushInterruptedError, match="did not finish in time"):
        push(engine, seconds=0.4, idle=0.1)
    assert engine.hung_up.wait(5)


def test_an_engine_that_never_ends_has_until_the_deadline(start: Start) -> None:
    engine = start(Answer((layer("Retrying in 5 seconds"),), end=End.FOR_EVER))
    with pytest.raises(PushInterruptedError, match="did not finish in time"):
        push(engine, seconds=1.2, idle=1)


def test_an_engine_that_tries_what_is_refused_for_good_is_stopped(start: Start) -> None:
    retrying = (layer("Retrying in 5 seconds"), layer("Retrying in 4 seconds"))
    engine = start(Answer(retrying, end=End.SILENCE))
    refusals = [PushDeniedError("the registry's words")]
    with pytest.raises(PushDeniedError, match="the registry's words"):
        push(engine, refusal=refusals.pop)
    assert engine.hung_up.wait(5)
    assert engine.tags == {"job:1.0": IMAGE_ID}


def test_an_engine_that_tries_again_may_go_on_where_the_registry_would_accept(start: Start) -> None:
    asked: list[None] = []
    engine = start(Answer((layer("Retrying in 5 seconds"),) * 3 + (LINE,)))
    assert push(engine, refusal=lambda: asked.append(None)) == DIGEST
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("name", "host", "tls_verify"),
    [
        ("Podman Engine", "127.0.0.1:5056", "false"),
        ("Podman Engine", "registry.example", None),
        ("Engine", "127.0.0.1:5056", None),
    ],
)
def test_podman_takes_registries_of_this_machine_without_tls_as_docker_does(
    start: Start, name: str, host: str, tls_verify: str | None
) -> None:
    engine = start(name=name)
    push(engine, target=ImageReference(host, "eng/job", "1.0"))
    (asked,) = engine.pushes()
    assert asked.query.get("tlsVerify") == tls_verify


def test_progress_is_passed_on(start: Start) -> None:
    seen: list[Event] = []
    push(start(ENGINES["Docker 20.10"].succeeding()), seen.append)
    assert seen[2:] == [
        LayerProgress(LAYER, "Pushing", 33792, 300018),
        LayerProgress(LAYER, "Pushing", 303104, 300018),
        LayerProgress(LAYER, "Pushed"),
    ]


def test_what_docker_is_configured_with_is_not_sent(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = {"auths": {TARGET.host: {"auth": "QVdTOnN0YWxl"}}, "credsStore": "absent"}
    (tmp_path / "config.json").write_text(json.dumps(stale))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    engine = start()
    assert push(engine) == DIGEST
    assert engine.pushes()[0].credential == {"username": "AWS", "password": PASSWORD}


def test_a_tag_of_the_person_s_own_is_put_back(start: Start) -> None:
    tags = {"job:1.0": IMAGE_ID, str(TARGET): "sha256:" + "2" * 64}
    engine = start(tags=dict(tags))
    push(engine)
    assert engine.tags == tags


def test_an_image_without_another_name_keeps_the_tag_rather_than_being_deleted(
    start: Start,
) -> None:
    seen: list[Event] = []
    engine = start(tags={})
    push(engine, seen.append)
    assert engine.tags == {str(TARGET): IMAGE_ID}
    assert [event for event in seen if isinstance(event, Warned)]


def test_an_interruption_hangs_up_and_takes_the_tag_away(start: Start) -> None:
    def interrupt(_: Event) -> None:
        raise KeyboardInterrupt

    engine = start(Answer((layer("Pushing", current=5),), end=End.SILENCE))
    with pytest.raises(KeyboardInterrupt):
        push(engine, interrupt)
    assert engine.hung_up.wait(5)
    assert engine.tags == {"job:1.0": IMAGE_ID}


@pytest.fixture
def terminating() -> Iterator[AbstractContextManager[None] | None]:
    """Let SIGTERM raise KeyboardInterrupt."""

    def raise_it(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, raise_it)
    yield None
    signal.signal(signal.SIGTERM, former)


def test_a_signal_in_the_middle_of_cleaning_up_waits_for_its_end(
    start: Start, terminating: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del terminating
    engine = start()
    remove = engine.client.api.remove_image

    def interrupted(*arguments: Any, **values: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return remove(*arguments, **values)

    monkeypatch.setattr(engine.client.api, "remove_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        push(engine)
    assert engine.tags == {"job:1.0": IMAGE_ID}


def test_a_tag_that_cannot_be_removed_is_reported(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise requests.ConnectionError("the engine is gone")

    engine = start()
    monkeypatch.setattr(engine.client.api, "remove_image", gone)
    seen: list[Event] = []
    assert push(engine, seen.append) == DIGEST
    (warning,) = (event for event in seen if isinstance(event, Warned))
    assert f"docker rmi {TARGET}" in warning.text
