"""What a registry is sent of an image: the same each time, and never something else."""

import gzip
import json
import random
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lusid_image_publish.archives.archive_error import ArchiveError
from lusid_image_publish.archives.packing import Packed
from lusid_image_publish.progress import Event, LayerProgress, ignore
from lusid_image_publish.sources.archive_source import ArchiveImage, ArchiveSource, opened_archive
from tests.archives import (
    DOCKER,
    KEEPING_DIGESTS,
    LAYOUTS,
    OCI,
    V2S2,
    Files,
    Image,
    containerd,
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
    zipped,
)

IMAGE = Image((b"first" * 500_000, b"second"))
Change = Callable[[dict[str, Any]], None]


@contextmanager
def opened(files: Files) -> Iterator[ArchiveImage]:
    path = Path("image.tar")
    path.write_bytes(tar_of(files))
    with opened_archive(ArchiveSource(path), "linux/amd64") as image:
        yield image


def sent(packed: Packed) -> dict[str, bytes]:
    """Return the blobs by their digests, as they are read."""
    return {blob.digest: b"".join(blob.content.chunks()) for _, blob in packed.blobs}


def require_consistent(packed: Packed, image: Image) -> None:
    """Check that the manifest names exactly what is sent, and that it is `image`."""
    manifest, blobs = json.loads(packed.manifest.content), sent(packed)
    assert {f"sha256:{sha(content)}" for content in blobs.values()} == set(blobs)
    named = [manifest["config"], *manifest["layers"]]
    assert {entry["digest"]: entry["size"] for entry in named} == {
        digest: len(content) for digest, content in blobs.items()
    }
    assert blobs[manifest["config"]["digest"]] == image.config
    layers = [gzip.decompress(blobs[layer["digest"]]) for layer in manifest["layers"]]
    assert layers == image.layers
    assert packed.digest == f"sha256:{sha(packed.manifest.content)}"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_that_the_manifest_names_is_sent(layout: str) -> None:
    with opened(LAYOUTS[layout](a=IMAGE)) as image:
        packed = image.packing.pack(ignore)
        require_consistent(packed, IMAGE)
        assert packed.manifest.media_type == json.loads(packed.manifest.content)["mediaType"]
        assert (packed.digest in image.digests) is (layout in KEEPING_DIGESTS)


@pytest.mark.parametrize("layout", ["docker 20", "docker 28", "podman"])
def test_an_image_is_packed_in_the_same_way_each_time(layout: str) -> None:
    digests = set()
    for _ in range(2):
        with opened(LAYOUTS[layout](a=IMAGE)) as image:
            digests.add(image.packing.pack(ignore).digest)
    with opened(docker20(other=IMAGE)) as image:
        digests.add(image.packing.pack(ignore).digest)
    assert len(digests) == 1, "and whichever engine saved it"


def test_nothing_of_the_time_or_the_file_is_in_a_packed_layer() -> None:
    with opened(docker20(a=IMAGE)) as image:
        layer = next(iter(sent(image.packing.pack(ignore)).values()))
    assert layer[:8] == b"\x1f\x8b\x08\x00" + bytes(4), "no name, and the time 0 (RFC 1952)"


def test_a_large_layer_is_packed_in_order() -> None:
    large = Image((random.Random(0).randbytes(8 << 20),))  # noqa: S311
    with opened(docker20(a=large)) as image:
        require_consistent(image.packing.pack(ignore), large)


def test_a_layer_can_be_read_by_several_at_once() -> None:
    noise = random.Random(0).randbytes(3 << 20)  # noqa: S311  # it makes several chunks
    with opened(docker20(a=Image((noise,)))) as image:
        (_, blob), _ = image.packing.pack(ignore).blobs
        first, second = blob.content.chunks(), blob.content.chunks()
        begun = next(first)
        assert next(second) == begun
        with ThreadPoolExecutor(4) as pool:
            contents = list(pool.map(lambda _: b"".join(blob.content.chunks()), range(4)))
        assert set(contents) == {b"".join([begun, *first])}
        assert noise in gzip.decompress(contents[0]), "whole, though several read it"


def test_an_empty_layer_is_gzip_too() -> None:
    empty = Image((), config_extra={"rootfs": {"diff_ids": [f"sha256:{sha(b'')}"]}})
    entry = {"Config": "c", "RepoTags": None, "Layers": ["a"]}
    with opened({"manifest.json": document([entry]), "c": empty.config, "a": b""}) as image:
        layer = next(iter(sent(image.packing.pack(ignore)).values()))
    assert gzip.decompress(layer) == b""


def test_an_image_is_packed_once() -> None:
    events: list[Event] = []
    with opened(docker20(a=IMAGE)) as image:
        first = image.packing.pack(events.append)
        told = len(events)
        assert image.packing.pack(events.append) is first
    assert len(events) == told
    name, size = sha(IMAGE.layers[0])[:12], len(IMAGE.layers[0])
    of_first = [event for event in events if isinstance(event, LayerProgress)][:-1]
    assert {(e.layer, e.status, e.total) for e in of_first} == {(name, "Preparing", size)}
    assert [event.current for event in of_first] == [1 << 20, 2 << 20, size]


def test_a_layer_that_occurs_twice_is_packed_once() -> None:
    same = tar_of({"file": b"same"})
    twice = Image((), config_extra={"rootfs": {"diff_ids": [f"sha256:{sha(same)}"] * 2}})
    entry = {"Config": "c", "RepoTags": None, "Layers": ["a", "a"]}
    files: Files = {"manifest.json": document([entry]), "c": twice.config, "a": same}
    events: list[Event] = []
    with opened(files) as image:
        packed = image.packing.pack(events.append)
        assert len(json.loads(packed.manifest.content)["layers"]) == 2
        assert len(sent(packed)) == 2
    assert len(events) == 1


def test_what_is_packed_is_gone_at_the_end(tmp_path: Path) -> None:
    with opened(docker20(a=IMAGE)) as image:
        packed = image.packing.pack(ignore)
    with pytest.raises(ValueError, match="closed"):
        sent(packed)
    assert [*tmp_path.iterdir()] == [tmp_path / "image.tar"]


def test_an_archive_that_changes_meanwhile_is_told() -> None:
    with opened(docker20(a=IMAGE)) as image:
        path = Path("image.tar")
        content = path.read_bytes()
        path.write_bytes(content.replace(b"firstfirst", b"firstworst"))
        with pytest.raises(ArchiveError, match="was changed"):
            image.packing.pack(ignore)
        path.write_bytes(content)
        require_consistent(image.packing.pack(ignore), IMAGE)


def test_no_room_is_told_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(docker20(a=IMAGE)) as image:
        monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
        with pytest.raises(OSError, match="nonexistent"):
            image.packing.pack(ignore)


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
        packed = image.packing.pack(ignore)
    assert packed.manifest.media_type == V2S2
    manifest = json.loads(packed.manifest.content)
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
        packed = image.packing.pack(ignore)
        assert packed.manifest.content == manifest
        assert packed.manifest.media_type == manifest_type
        assert list(sent(packed).values())[:2] == [zipped(layer) for layer in IMAGE.layers]


def test_a_manifest_s_type_may_stand_in_the_index_alone() -> None:
    manifest, blobs = manifest_of(IMAGE, media_type="")
    with opened(layout_of(index_of(entry_of(manifest)), blobs)) as image:
        assert image.packing.pack(ignore).manifest.media_type == f"{OCI}.manifest.v1+json"


def test_zstd_is_sent_as_it_is() -> None:
    zstd = b"\x28\xb5\x2f\xfd as if"
    kind = f"{OCI}.layer.v1.tar+zstd"
    manifest, blobs = manifest_of(IMAGE, pack=lambda _: zstd, layer_type=kind)
    with opened(layout_of(index_of(entry_of(manifest)), blobs)) as image:
        packed = image.packing.pack(ignore)
        assert packed.manifest.content == manifest
        assert zstd in sent(packed).values()


def test_beside_an_uncompressed_layer_zstd_stays_zstd() -> None:
    packs = iter([b"\x28\xb5\x2f\xfd as if", IMAGE.layers[1]])
    kind = f"{OCI}.layer.v1.tar+zstd"
    manifest, blobs = manifest_of(IMAGE, pack=lambda _: next(packs), layer_type=kind)
    with opened(layout_of(index_of(entry_of(manifest)), blobs)) as image:
        layers = json.loads(image.packing.pack(ignore).manifest.content)["layers"]
    assert [layer["mediaType"].rpartition(".")[2] for layer in layers] == ["zstd", "gzip"]


def test_an_image_without_layers_is_its_config() -> None:
    with opened(docker20(a=Image(()))) as image:
        require_consistent(image.packing.pack(ignore), Image(()))
    with opened(containerd(a=Image(()))) as image:
        assert image.packing.pack(ignore).digest in image.digests
