"""Which manifest a registry is sent: the archive's own, or one that is written."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lusid_image_publish.archives.compressor import Compressor
from lusid_image_publish.archives.layer_stream import GzipStream, StoredStream
from lusid_image_publish.archives.parts import ImageManifest
from lusid_image_publish.sources.archive_source import ArchiveImage, ArchiveSource, opened_archive
from tests.archives import (
    DOCKER,
    KEEPING_DIGESTS,
    LAYOUTS,
    OCI,
    V2S2,
    Files,
    Image,
    crane,
    docker20,
    docker28,
    document,
    entry_of,
    index_of,
    layout_of,
    manifest_of,
    sha,
    tar_of,
)

IMAGE = Image((b"first" * 500_000, b"second"))
Change = Callable[[dict[str, Any]], None]


@contextmanager
def opened(files: Files) -> Iterator[ArchiveImage]:
    path = Path("image.tar")
    path.write_bytes(tar_of(files))
    with opened_archive(ArchiveSource(path), "linux/amd64") as image:
        yield image


def packed(image: ArchiveImage) -> ImageManifest:
    """Return the manifest of `image`, as if all its layers had been sent."""
    limit = image.packing.size_limit()
    with Compressor() as compressor:
        for key, layer in image.packing.layers.items():
            stored = StoredStream(layer, limit) if layer.compression else None
            stream = stored or GzipStream(layer, limit, compressor)
            for _ in stream.pieces(0):
                pass
            image.packing.sent[key] = stream.finish()
    return image.packing.manifest()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_digest_is_known_where_the_manifest_is_the_archive_s(layout: str) -> None:
    with opened(LAYOUTS[layout](a=IMAGE)) as image:
        manifest = packed(image)
        named = json.loads(manifest.content)
        assert named["config"]["digest"] == IMAGE.id
        assert len(named["layers"]) == len(IMAGE.layers)
        assert manifest.media_type == named["mediaType"]
        assert manifest.digest == f"sha256:{sha(manifest.content)}"
        assert (manifest.digest in image.digests) is (layout in KEEPING_DIGESTS)


@pytest.mark.parametrize("layout", ["docker 20", "docker 28", "podman"])
def test_an_image_has_the_same_manifest_each_time(layout: str) -> None:
    digests = set()
    for _ in range(2):
        with opened(LAYOUTS[layout](a=IMAGE)) as image:
            digests.add(packed(image).digest)
    with opened(docker20(other=IMAGE)) as image:
        digests.add(packed(image).digest)
    assert len(digests) == 1, "and whichever engine saved it"


def test_a_layer_that_occurs_twice_is_named_twice() -> None:
    same = tar_of({"file": b"same"})
    twice = Image((), config_extra={"rootfs": {"diff_ids": [f"sha256:{sha(same)}"] * 2}})
    entry = {"Config": "c", "RepoTags": None, "Layers": ["a", "a"]}
    files: Files = {"manifest.json": document([entry]), "c": twice.config, "a": same}
    with opened(files) as image:
        assert len(image.packing.layers) == 1
        assert len(json.loads(packed(image).content)["layers"]) == 2


OTHERWISE: dict[str, Files] = {
    "uncompressed": docker28(a=IMAGE),
    "uncompressed, and said to be compressed": layout_of(
        index_of(entry_of(manifest_of(IMAGE, pack=bytes)[0])), manifest_of(IMAGE, pack=bytes)[1]
    ),
    "of a type that nobody knows": layout_of(
        index_of(entry_of(manifest_of(IMAGE, layer_type="application/x-layer")[0])),
        manifest_of(IMAGE, layer_type="application/x-layer")[1],
    ),
    "with a strange config": layout_of(
        index_of(entry_of(manifest_of(IMAGE, config_type="application/x-config")[0])),
        manifest_of(IMAGE, config_type="application/x-config")[1],
    ),
    "a manifest of a strange type": layout_of(
        index_of(entry_of(manifest_of(IMAGE, media_type="application/x-manifest")[0])),
        manifest_of(IMAGE, media_type="application/x-manifest")[1],
    ),
    "without a manifest": crane(a=IMAGE),
}


@pytest.mark.parametrize("files", OTHERWISE.values(), ids=OTHERWISE)
def test_a_manifest_is_written_where_the_archive_s_cannot_be_sent(files: Files) -> None:
    with opened(files) as image:
        assert image.digests == frozenset()
        sent = packed(image)
    assert sent.media_type == V2S2
    manifest = json.loads(sent.content)
    assert {layer["mediaType"] for layer in manifest["layers"]} == {
        f"{DOCKER}.image.rootfs.diff.tar.gzip"
    }
    assert manifest["config"]["digest"] == IMAGE.id


@pytest.mark.parametrize(
    ("manifest_type", "layer_type"),
    [
        (f"{OCI}.manifest.v1+json", f"{OCI}.layer.v1.tar+gzip"),
        (f"{OCI}.manifest.v1+json", f"{DOCKER}.image.rootfs.diff.tar.gzip"),
        (V2S2, f"{DOCKER}.image.rootfs.diff.tar.gzip"),
    ],
)
def test_a_manifest_of_compressed_layers_is_sent_as_it_is(
    manifest_type: str, layer_type: str
) -> None:
    manifest, blobs = manifest_of(IMAGE, media_type=manifest_type, layer_type=layer_type, more=1)
    with opened(layout_of(index_of(entry_of(manifest)), blobs)) as image:
        sent = packed(image)
        assert sent.content == manifest
        assert sent.media_type == manifest_type


def test_a_manifest_s_type_may_stand_in_the_index_alone() -> None:
    manifest, blobs = manifest_of(IMAGE, media_type="")
    with opened(layout_of(index_of(entry_of(manifest)), blobs)) as image:
        assert packed(image).media_type == f"{OCI}.manifest.v1+json"


def test_zstd_is_sent_as_it_is() -> None:
    kind = f"{OCI}.layer.v1.tar+zstd"
    manifest, blobs = manifest_of(IMAGE, pack=lambda _: b"\x28\xb5\x2f\xfd as if", layer_type=kind)
    with opened(layout_of(index_of(entry_of(manifest)), blobs)) as image:
        assert packed(image).content == manifest


def test_beside_an_uncompressed_layer_zstd_stays_zstd() -> None:
    packs = iter([b"\x28\xb5\x2f\xfd as if", IMAGE.layers[1]])
    kind = f"{OCI}.layer.v1.tar+zstd"
    manifest, blobs = manifest_of(IMAGE, pack=lambda _: next(packs), layer_type=kind)
    with opened(layout_of(index_of(entry_of(manifest)), blobs)) as image:
        layers = json.loads(packed(image).content)["layers"]
    assert [layer["mediaType"].rpartition(".")[2] for layer in layers] == ["zstd", "gzip"]


def test_an_image_without_layers_is_its_config() -> None:
    with opened(docker20(a=Image(()))) as image:
        assert json.loads(packed(image).content)["layers"] == []
