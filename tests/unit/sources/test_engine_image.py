"""Images of a containerd store: which one of an index is meant, and what its config is."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lusid_image_publish.errors import EngineError, SourceError
from lusid_image_publish.sources.engine_source import inspect_image
from lusid_image_publish.sources.image import LocalImage
from tests.archives import (
    Files,
    Image,
    containerd,
    entry_of,
    index_of,
    layout_of,
    manifest_of,
    sha,
    tar_of,
)
from tests.fake_engine import FakeEngine, running

AMD64 = Image((b"one", b"two"), "linux/amd64")
ARM64 = Image((b"one", b"two"), "linux/arm64")
MANIFEST, BLOBS = manifest_of(AMD64)
FOREIGN, FOREIGN_BLOBS = manifest_of(ARM64)
INDEX = index_of(
    entry_of(FOREIGN, platform="linux/arm64"), entry_of(MANIFEST, platform="linux/amd64")
)

Look = Callable[..., LocalImage]


def digest(content: bytes) -> str:
    return f"sha256:{sha(content)}"


def told(manifest: bytes, architecture: str, *, is_here: bool = True) -> dict[str, Any]:
    """Return one of the manifests that Docker 28 says an image has."""
    return {
        "ID": digest(manifest),
        "Descriptor": {"digest": digest(manifest)},
        "Available": is_here,
        "Kind": "image",
        "ImageData": {"Platform": {"os": "linux", "architecture": architecture}},
    }


ATTESTATION = {"ID": digest(b"x"), "Kind": "attestation", "Available": True, "ImageData": None}


@pytest.fixture
def look(tmp_path: Path) -> Iterator[Look]:
    """Look at an image of an engine with `manifests` and `saved`, which has the id of `of`."""
    with ExitStack() as stack:

        def looked(
            of: bytes,
            manifests: list[Mapping[str, Any]],
            saved: Files | None = None,
            *,
            api: str = "1.51",
            platform: str = "linux/amd64",
        ) -> LocalImage:
            engine = FakeEngine(
                api=api,
                is_containerd=True,
                tags={"job:1.0": digest(of)},
                attributes={"Manifests": manifests, "RepoDigests": [f"job@{digest(of)}"]},
                saved=tar_of(saved) if saved else b"",
            )
            stack.enter_context(running(engine, tmp_path))
            return inspect_image(engine.client, "job:1.0", platform)

        yield looked


def test_an_image_is_known_by_its_manifest_and_its_config_is_read(look: Look) -> None:
    image = look(MANIFEST, [told(MANIFEST, "amd64")], containerd(one=AMD64) | BLOBS)
    assert (image.id, image.digests) == (digest(MANIFEST), frozenset({digest(MANIFEST)}))
    assert not image.may_be_index
    assert image.config_digest == AMD64.id


def test_of_an_index_the_manifest_of_the_platform_counts(look: Look) -> None:
    manifests = [told(FOREIGN, "arm64"), told(MANIFEST, "amd64"), ATTESTATION]
    image = look(INDEX, manifests, layout_of(INDEX, BLOBS, FOREIGN_BLOBS))
    assert (image.id, image.platform) == (digest(INDEX), "linux/amd64")
    assert image.digests == {digest(MANIFEST)}
    assert image.config_digest == AMD64.id


def test_the_platform_itself_counts_before_its_variants(look: Look) -> None:
    variant = told(FOREIGN, "amd64")
    variant["ImageData"]["Platform"]["variant"] = "v3"
    image = look(INDEX, [variant, told(MANIFEST, "amd64")])
    assert (image.platform, image.digests) == ("linux/amd64", frozenset({digest(MANIFEST)}))


def test_an_index_for_other_platforms_names_them(look: Look) -> None:
    manifests = [told(FOREIGN, "arm64"), told(MANIFEST, "arm"), ATTESTATION]
    assert look(INDEX, manifests).platform == "linux/arm64, linux/arm"


def test_an_image_that_the_index_names_and_the_engine_lacks_is_told(look: Look) -> None:
    manifests = [told(FOREIGN, "arm64"), told(MANIFEST, "amd64", is_here=False)]
    with pytest.raises(SourceError, match="its image for linux/amd64 is not in the engine") as said:
        look(INDEX, manifests)
    assert "only for linux/arm64" in said.value.cause
    assert "docker pull --platform linux/amd64 job:1.0" in said.value.hint


@pytest.mark.parametrize(
    "strange",
    [b'{"config": null}', b'{"config": 5}', b'{"manifests": null}', b'{"manifests": ["a"]}'],
)
def test_a_strange_manifest_is_no_bug(look: Look, strange: bytes) -> None:
    image = look(strange, [told(strange, "amd64")], {f"blobs/sha256/{sha(strange)}": strange})
    with pytest.raises(EngineError, match="does not return the config"):
        _ = image.config_digest


def test_of_two_images_for_one_platform_the_first_counts(look: Look) -> None:
    image = look(INDEX, [told(MANIFEST, "amd64"), told(FOREIGN, "amd64")])
    assert image.digests == {digest(MANIFEST)}


@pytest.mark.parametrize(
    ("of", "saved"),
    [(MANIFEST, dict(BLOBS)), (INDEX, layout_of(b"{}", {f"blobs/sha256/{sha(INDEX)}": INDEX}))],
)
def test_an_engine_that_does_not_tell_an_index_from_an_image(
    look: Look, of: bytes, saved: Files
) -> None:
    image = look(of, [], saved | BLOBS | FOREIGN_BLOBS, api="1.45")
    assert image.may_be_index
    assert image.config_digest == AMD64.id


@pytest.mark.parametrize(
    "saved", [None, {"index.json": b"{}"}, {"blobs/sha256/x": b'["no object"]' + b"[" * 9000}]
)
def test_a_config_that_the_engine_does_not_give_is_told(look: Look, saved: Files | None) -> None:
    image = look(MANIFEST, [told(MANIFEST, "amd64")], saved)
    with pytest.raises(EngineError, match="does not return the config") as caught:
        _ = image.config_digest
    assert caught.value.cause
    assert "docker save" in caught.value.hint


def test_what_is_saved_is_believed_by_its_digest_alone(look: Look) -> None:
    """A file under the manifest's name that is another one is not it."""
    saved: Files = {f"blobs/sha256/{sha(MANIFEST)}": FOREIGN}
    image = look(MANIFEST, [told(MANIFEST, "amd64")], saved)
    with pytest.raises(EngineError, match="does not return the config"):
        _ = image.config_digest
