"""Images of the engine, as engines show them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from lusid_image_publish.errors import EngineError, SourceError
from lusid_image_publish.images.docker_daemon import inspect_image
from lusid_image_publish.images.local import LocalImage
from tests.fake_engine import IMAGE_ID, FakeEngine, running

AMD64, ARM64, INDEX = ("sha256:" + digit * 64 for digit in "abc")
Start = Callable[..., FakeEngine]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda **values: stack.enter_context(running(FakeEngine(**values), tmp_path))


def manifest(digest: str, architecture: str, **changes: Any) -> dict[str, Any]:
    """Return one of the manifests that Docker 28 says an index has."""
    platform = {"os": "linux", "architecture": architecture}
    found = {
        "ID": digest,
        "Descriptor": {"digest": digest},
        "Available": True,
        "Kind": "image",
        "ImageData": {"Platform": platform},
    }
    return found | changes


ATTESTATION = {"ID": INDEX, "Kind": "attestation", "Available": True, "ImageData": None}


def test_an_image_is_what_the_engine_says(start: Start) -> None:
    engine = start(attributes={"RepoDigests": [f"job@{AMD64}"], "Variant": "v8"})
    image = inspect_image(engine.client, "job:1.0", "linux/amd64")
    assert image == LocalImage(IMAGE_ID, "linux/amd64/v8", 5, frozenset({AMD64}))


def test_what_an_engine_leaves_out_is_not_missed(start: Start) -> None:
    engine = start(attributes={"Size": None, "RepoDigests": None, "Architecture": ""})
    image = inspect_image(engine.client, "job:1.0", "linux/amd64")
    assert image == LocalImage(IMAGE_ID, "linux", 0, frozenset())


def test_a_reference_that_is_no_text_is_told(start: Start) -> None:
    with pytest.raises(SourceError, match="is not a reference") as caught:
        inspect_image(start().client, "job-\udcff:1", "linux/amd64")
    assert caught.value.message.isprintable()


def test_a_missing_image_is_told(start: Start) -> None:
    with pytest.raises(SourceError, match="neither a path nor an image") as caught:
        inspect_image(start().client, "absent:1", "linux/amd64")
    assert "load: true" in caught.value.cause


@pytest.mark.parametrize("status", [400, 500])
def test_a_bad_reference_is_told(start: Start, status: int) -> None:
    engine = start(inspect_failure=(status, "invalid reference format"))
    with pytest.raises(SourceError, match="not a reference") as caught:
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


def test_an_engine_that_is_gone_is_told(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: str) -> None:
        raise requests.ConnectionError("the engine is gone")

    engine = start()
    monkeypatch.setattr(engine.client.api, "inspect_image", gone)
    with pytest.raises(EngineError, match="did not answer"):
        inspect_image(engine.client, "job:1.0", "linux/amd64")


def test_of_several_platforms_the_wanted_one_is_picked(start: Start) -> None:
    manifests = [manifest(AMD64, "amd64"), manifest(ARM64, "arm64"), ATTESTATION]
    engine = start(api="1.51", attributes={"Manifests": manifests, "RepoDigests": [f"x@{INDEX}"]})
    for platform, digest in (("linux/amd64", AMD64), ("linux/arm64", ARM64)):
        image = inspect_image(engine.client, "job:1.0", platform)
        assert (image.platform, image.digests) == (platform, frozenset({digest, INDEX}))


@pytest.mark.parametrize("changes", [{"Available": False}, {"Kind": "attestation"}])
def test_a_platform_that_is_not_there_is_not_picked(
    start: Start, changes: dict[str, object]
) -> None:
    manifests = [manifest(AMD64, "amd64"), manifest(ARM64, "arm64", **changes)]
    engine = start(api="1.51", attributes={"Manifests": manifests})
    assert inspect_image(engine.client, "job:1.0", "linux/arm64").platform == "linux/amd64"
