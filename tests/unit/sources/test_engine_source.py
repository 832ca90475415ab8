"""Images of the engine, as engines show them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from lusid_image_publish.errors import EngineError, SourceError
from lusid_image_publish.sources.engine_source import inspect_image
from tests.fake_engine import IMAGE_ID, FakeEngine, running
from tests.images import engine_image

DIGEST = "sha256:" + "a" * 64
Start = Callable[..., FakeEngine]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda **values: stack.enter_context(running(FakeEngine(**values), tmp_path))


def test_an_image_is_what_the_engine_says(start: Start) -> None:
    engine = start(attributes={"RepoDigests": [f"job@{DIGEST}"], "Variant": "v8"})
    image = inspect_image(engine.client, "job:1.0", "linux/amd64")
    digests = frozenset({DIGEST})
    assert image == engine_image(IMAGE_ID, "linux/amd64/v8", 5, digests, may_be_index=True)


def test_what_an_engine_leaves_out_is_not_missed(start: Start) -> None:
    engine = start(attributes={"Size": None, "RepoDigests": None, "Architecture": ""})
    image = inspect_image(engine.client, "job:1.0", "linux/amd64")
    assert image == engine_image(IMAGE_ID, "linux/", 0, frozenset())


@pytest.mark.parametrize(
    ("root", "layers"),
    [
        ({"Type": "layers", "Layers": ["sha256:1", "sha256:2"]}, 2),
        ({"Type": "layers"}, 0),
        ({"Type": "layers", "Layers": None}, 0),
        ({"Type": ""}, None),
        ({}, None),
        (None, None),
    ],
)
def test_layers_are_counted_where_the_engine_lists_them(
    start: Start, root: object, layers: int | None
) -> None:
    engine = start(attributes={"RootFS": root})
    assert inspect_image(engine.client, "job:1.0", "linux/amd64").layers == layers


def test_a_reference_that_is_no_text_is_told(start: Start) -> None:
    with pytest.raises(SourceError, match="is not a valid image reference") as caught:
        inspect_image(start().client, "job-\udcff:1", "linux/amd64")
    assert caught.value.message.isprintable()


def test_a_missing_image_is_told(start: Start) -> None:
    with pytest.raises(SourceError, match="neither a path nor an image") as caught:
        inspect_image(start().client, "absent:1", "linux/amd64")
    assert "load: true" in caught.value.cause


@pytest.mark.parametrize("status", [400, 500])
def test_a_bad_reference_is_told(start: Start, status: int) -> None:
    engine = start(inspect_failure=(status, "invalid reference format"))
    with pytest.raises(SourceError, match="is not a valid image reference") as caught:
        inspect_image(engine.client, "Job", "linux/amd64")
    assert caught.value.cause == "invalid reference format"


def test_an_answer_without_a_message_is_no_bug(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_message(_: str) -> None:
        raise KeyError("message")

    engine = start()
    monkeypatch.setattr(engine.client.api, "inspect_image", without_message)
    with pytest.raises(EngineError, match="did not answer"):
        inspect_image(engine.client, "job:1.0", "linux/amd64")


def test_an_engine_that_is_gone_is_reported(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: str) -> None:
        raise requests.ConnectionError("the engine is gone")

    engine = start()
    monkeypatch.setattr(engine.client.api, "inspect_image", gone)
    with pytest.raises(EngineError, match="did not answer"):
        inspect_image(engine.client, "job:1.0", "linux/amd64")
