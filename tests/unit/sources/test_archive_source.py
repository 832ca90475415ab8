"""Image archives of all layouts, whole ones and others: which image is in them, and what is wrong.

What is damaged or made to do harm is a `SourceError` that says so, and nothing is ever extracted.
"""

import bz2
import gzip
import json
import lzma
import os
import shlex
import sys
import tarfile
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.archives import files, parts, tars
from lusid_image_publish.errors import PlatformError, SourceError
from lusid_image_publish.sources.archive_source import ArchiveImage, ArchiveSource, opened_archive
from lusid_image_publish.sources.find_source import find_source
from tests.archives import (
    DOCKER,
    KEEPING_DIGESTS,
    LAYOUTS,
    OCI,
    Files,
    Image,
    Link,
    apko,
    buildx,
    containerd,
    crane,
    descriptor,
    docker20,
    docker28,
    docker_manifest,
    document,
    entry_of,
    folder_of,
    index_of,
    layout_of,
    manifest_of,
    podman,
    sha,
    tar_of,
    zipped,
    zstd,
)
from tests.systems import NEEDS_FIFOS, NEEDS_POSIX_FILES

AMD64, ARM64, V2 = (Image(platform=f"linux/{word}") for word in ("amd64", "arm64", "amd64/v2"))
OTHER = Image((b"another",))


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def read(
    content: bytes | Files, platform: str = "linux/amd64", image: str | None = None
) -> ArchiveImage:
    """Return the image of an archive, which is verified and closed again."""
    path = Path("image.tar")
    path.write_bytes(content if isinstance(content, bytes) else tar_of(content))
    with opened_archive(ArchiveSource(path, image), platform) as found:
        found.verify()
        return found


def refused(content: bytes | Files, words: str, kind: type[SourceError] = SourceError) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        read(content)
    assert type(caught.value) is kind
    assert caught.value.cause
    assert caught.value.hint
    assert caught.value.message.isprintable()
    there = sorted(str(path) for path in Path().rglob("*"))
    assert there == ["image.tar", "temporary"], "nothing is extracted, nothing is left"


def changed(files: Files, name: str, change: Callable[[Any], None]) -> Files:
    """Return `files` with a JSON document that is another."""
    content = files[name]
    assert isinstance(content, bytes)
    value = json.loads(content)
    change(value)
    return files | {name: document(value)}


def without(files: Files, name: str) -> Files:
    return {other: content for other, content in files.items() if other != name}


def layout_with(
    image: Image = AMD64, *, change: Callable[[Any], None] = lambda _: None, **options: Any
) -> Files:
    """Return a layout of one image, whose manifest is changed before its digest is taken."""
    manifest, blobs = manifest_of(image, **options)
    value = json.loads(manifest)
    change(value)
    content = document(value)
    return layout_of(index_of(entry_of(content, "job:1")), blobs, {_path(content): content})


def _path(content: bytes) -> str:
    return f"blobs/sha256/{sha(content)}"


FIRST, SECOND = AMD64.layers
SOMETHING = b"something else"

DAMAGED: dict[str, tuple[bytes | Files, str]] = {
    "no tar": (b"\x1f\x8b not compressed", "cannot be published"),
    "cut off": (tar_of(docker20(a=AMD64))[:3000], "."),
    "cut off, compressed": (gzip.compress(os.urandom(9000))[:-2000], "ended before"),
    "compressed, but no tar": (
        gzip.compress(b"No such image: x\n"),
        "not an image archive: decompressed, it is text that begins with 'No such image: x'",
    ),
    "nothing, compressed": (gzip.compress(b""), "decompressed, it is empty"),
    "another tar": ({"some": b"file"}, "it contains no image"),
    "nothing in it": ({"manifest.json": b"[]"}, "it contains no image"),
    "an index of nothing": (layout_of(index_of()), "it contains no image"),
    "attestations alone": (buildx(), "it contains no image"),
    "no JSON": ({"manifest.json": b"{"}, "manifest.json is not JSON"),
    "other JSON": ({"manifest.json": b"{}"}, "it contains no image"),
    "a list": ({"index.json": b"[]"}, "does not describe an image"),
    "a number": ({"manifest.json": b"5"}, "does not describe an image"),
    "numbers": ({"manifest.json": b"[5]"}, "does not describe an image"),
    "huge JSON": ({"manifest.json": b"[" + b" " * (5 << 20) + b"]"}, "too large"),
    "deep JSON": ({"index.json": b"[" * 100_000}, "nested too deeply"),
    "no config": (
        without(docker20(a=AMD64), f"{AMD64.id[7:]}.json"),
        "referenced by its manifest.json, is missing",
    ),
    "another config": (
        docker20(a=AMD64) | {f"{AMD64.id[7:]}.json": b"{}"},
        "has the digest",
    ),
    "another config of crane's": (crane(a=AMD64) | {AMD64.id: b"{}"}, "has the digest"),
    "a config without layers": (
        {"manifest.json": document([docker_manifest("c", [])]), "c": b"{}"},
        "does not describe an image",
    ),
    "a config that is a list": (
        {"manifest.json": document([docker_manifest("c", [])]), "c": b"[]"},
        "does not describe an image",
    ),
    "too few layers": (
        changed(docker20(a=AMD64), "manifest.json", lambda m: m[0]["Layers"].pop()),
        "it has 1 layers, but its config lists 2",
    ),
    "too few layers in a layout": (
        layout_with(change=lambda m: m["layers"].pop()),
        "it has 1 layers, but its config lists 2",
    ),
    "a layer that is missing": (
        without(podman(a=AMD64), f"{sha(FIRST)}.tar"),
        "referenced by its manifest.json, is missing",
    ),
    "a layer that is another": (
        podman(a=AMD64) | {f"{sha(FIRST)}.tar": SECOND},
        f"a layer has the digest sha256:{sha(SECOND)}, but its config says sha256:{sha(FIRST)}",
    ),
    "layers in another order": (
        changed(docker20(a=AMD64), "manifest.json", lambda m: m[0]["Layers"].reverse()),
        "but its config says",
    ),
    "a compressed layer that is another": (
        crane(a=AMD64) | {f"{sha(zipped(FIRST))}.tar.gz": zipped(SECOND)},
        f"a layer has the digest sha256:{sha(SECOND)}",
    ),
    "a compressed layer that is cut off": (
        crane(a=AMD64) | {f"{sha(zipped(FIRST))}.tar.gz": zipped(FIRST)[:-9]},
        "one of its layers is truncated",
    ),
    "a compressed layer with something behind": (
        crane(a=AMD64) | {f"{sha(zipped(FIRST))}.tar.gz": zipped(FIRST) + SOMETHING},
        "incorrect header",
    ),
    "a layer of a layout that is another": (
        containerd(a=AMD64) | {_path(zipped(FIRST)): zipped(FIRST)[:-1] + b"!"},
        "has the digest",
    ),
    "an uncompressed layer of a layout that is another": (
        docker28(a=AMD64) | {_path(FIRST): FIRST[:-1] + b"!"},
        "has the digest",
    ),
    "a layer that the config does not list": (
        layout_with(
            Image(config_extra={"rootfs": {"diff_ids": [f"sha256:{sha(SECOND)}"] * 2}}),
            pack=bytes,
            layer_type=f"{OCI}.layer.v1.tar",
        ),
        "but its config says",
    ),
    "a layer that only says that it is uncompressed": (
        layout_with(
            Image(config_extra={"rootfs": {"diff_ids": [f"sha256:{sha(SECOND)}"] * 2}}),
            layer_type=f"{OCI}.layer.v1.tar",
        ),
        "but its config says",
    ),
    "a layer of the wrong size": (
        layout_with(change=lambda m: m["layers"][0].update(size=5)),
        "bytes, but the manifest says 5",
    ),
    "a config of the wrong size": (
        layout_with(change=lambda m: m["config"].update(size=5)),
        "bytes, but the manifest says 5",
    ),
    "a size that is none": (
        layout_with(change=lambda m: m["layers"][0].update(size="5")),
        "or has no size",
    ),
    "a digest of another kind": (
        layout_with(change=lambda m: m["layers"][0].update(digest="sha512:" + "0" * 128)),
        "is not a SHA-256 digest",
    ),
    "a digest that is a path": (
        layout_with(change=lambda m: m["layers"][0].update(digest="sha256:../../index.json")),
        "is not a SHA-256 digest",
    ),
    "a diff id that is none": (
        docker20(a=Image(config_extra={"rootfs": {"diff_ids": ["../x", "y"]}})),
        "a layer digest that is not SHA-256",
    ),
    "a manifest that is missing": (
        layout_of(index_of(entry_of(b"{}", "job:1"))),
        "referenced by its index, is missing",
    ),
    "a manifest that is another": (
        layout_with() | layout_of(index_of(entry_of(b"[]", "job:1")), {_path(b"[]"): b"{}"}),
        "has the digest",
    ),
    "an index of another size": (
        layout_of(index_of(entry_of(b"{}") | {"size": 5}), {_path(b"{}"): b"{}"}),
        "has 2 bytes, but the index says 5",
    ),
    "a layer from elsewhere": (
        layout_with(change=lambda m: m["layers"][0].update(urls=["https://elsewhere.example"])),
        "must be downloaded from elsewhere",
    ),
    "a foreign layer": (
        layout_with(layer_type=f"{DOCKER}.image.rootfs.foreign.diff.tar.gzip"),
        "must be downloaded from elsewhere",
    ),
    "a layer not to be distributed": (
        layout_with(layer_type=f"{OCI}.layer.nondistributable.v1.tar+gzip"),
        "must be downloaded from elsewhere",
    ),
    "a foreign layer of Docker's": (
        changed(
            docker20(a=AMD64),
            "manifest.json",
            lambda m: m[0].update(LayerSources={"x": {"urls": ["https://elsewhere.example"]}}),
        ),
        "must be downloaded from elsewhere",
    ),
    "a layer that is damaged zstd": (
        podman(a=AMD64) | {f"{sha(FIRST)}.tar": b"\x28\xb5\x2f\xfd" + SOMETHING},
        "cannot be published",
    ),
    "a layer of zstd that is another": (
        podman(a=AMD64) | {f"{sha(FIRST)}.tar": zstd.compress(SECOND)},
        f"a layer has the digest sha256:{sha(SECOND)}, but its config says sha256:{sha(FIRST)}",
    ),
    "a path that leads out": (
        {"manifest.json": document([docker_manifest("../../etc/passwd", [])])},
        "is missing",
    ),
    "an absolute path": (
        {"manifest.json": document([docker_manifest("/etc/passwd", [])])},
        "is missing",
    ),
    "an absolute link": ({"manifest.json": Link("/etc/passwd")}, "out of the archive"),
    "a link that leads out": ({"manifest.json": Link("../x")}, "out of the archive"),
    "a hard link that leads out": (
        {"manifest.json": Link("a/../../x", hard=True)},
        "out of the archive",
    ),
    "a link to itself": ({"manifest.json": Link("manifest.json")}, "a circular link"),
    "links in a circle": (
        {"manifest.json": Link("index.json"), "index.json": Link("manifest.json")},
        "a circular link",
    ),
}


@pytest.mark.parametrize(("content", "words"), DAMAGED.values(), ids=DAMAGED)
def test_what_cannot_be_published_is_reported(content: bytes | Files, words: str) -> None:
    refused(content, words)


def test_indexes_without_end_are_reported() -> None:
    inner, blobs = manifest_of(AMD64)
    for _ in range(6):
        blobs |= {_path(inner): inner}
        inner = index_of(entry_of(inner))
    refused(layout_of(inner, blobs), "nested too deeply")


@pytest.mark.parametrize("layout", ["docker 20", "docker 28"])
def test_very_many_images_are_not_read(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MAX_IMAGES", 1)
    refused(LAYOUTS[layout](one=AMD64, two=OTHER), "more than 1 images")


@pytest.mark.parametrize("platform", ["", "linux/arm64"])
def test_very_many_entries_of_an_index_are_not_read(platform: str) -> None:
    manifests = [manifest_of(Image(config_extra={"n": n}))[0] for n in range(1002)]
    refused(
        layout_of(index_of(*[entry_of(manifest, platform=platform) for manifest in manifests])),
        "more than 1000 images" if platform else "is missing",
    )
    entry = entry_of(manifests[0], "job:1", "unknown/unknown")
    refused(layout_of(index_of(*[entry] * 5001)), "more than 5000 entries")


def test_very_many_names_of_an_image_are_not_read() -> None:
    manifest, blobs = manifest_of(AMD64)
    entries = [entry_of(manifest, f"job:{number}") for number in range(1001)]
    refused(layout_of(index_of(*entries), blobs), "more than 1000 names")


def test_very_many_layers_are_not_read() -> None:
    layer = AMD64.layers[0]
    rootfs = {"diff_ids": [f"sha256:{sha(layer)}"] * 1001}
    many = Image((), config_extra={"rootfs": rootfs})
    manifest = docker_manifest("c", ["layer.tar"] * 1001, "job:1")
    files: Files = {"manifest.json": document([manifest]), "c": many.config, "layer.tar": layer}
    refused(files, "more than 1000 layers")


def test_all_documents_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_MAX_TOTAL_DOCUMENT_BYTES", 5000)
    assert read(docker20(a=AMD64)).id == AMD64.id
    padded = [Image((str(n).encode(),), config_extra={"x": "x" * 900}) for n in range(5)]
    refused(docker20(**{f"t{n}": image for n, image in enumerate(padded)}), "too large in total")


LIMITED = Image((bytes(2 << 20), bytes(1 << 20)))
MEBIBYTE = 1 << 20


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_more_of_layers_is_read_than_is_allowed(layout: str) -> None:
    path = Path("image.tar")
    path.write_bytes(tar_of(LAYOUTS[layout](a=LIMITED)))
    with opened_archive(ArchiveSource(path), "linux/amd64", most=4 * MEBIBYTE) as image:
        assert image.id == LIMITED.id
    if layout not in KEEPING_DIGESTS:  # of those, layers are not decompressed
        with (
            pytest.raises(SourceError, match=r"its layers are larger than 0\.001953 GiB") as caught,
            opened_archive(ArchiveSource(path), "linux/amd64", most=2 * MEBIBYTE) as image,
        ):
            image.verify()
        assert "--max-archive-size" in caught.value.hint


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_no_more_is_decompressed_than_is_allowed(
    compress: Callable[[bytes], bytes], temporary: Path
) -> None:
    path = Path("image.tar")
    path.write_bytes(compress(tar_of(docker20(a=LIMITED))))
    with (
        pytest.raises(SourceError, match=r"tar .*: it is larger than 0\.001953 GiB") as caught,
        opened_archive(ArchiveSource(path), "linux/amd64", most=2 * MEBIBYTE),
    ):
        pass
    assert "--max-archive-size" in caught.value.hint
    assert not list(temporary.iterdir())


def test_a_layer_of_nothing_but_ends_is_read_in_time() -> None:
    files = podman(a=AMD64)
    empty = gzip.compress(b"", mtime=0)
    refused(files | {f"{sha(FIRST)}.tar": empty * 200_000}, "a layer has the digest")


def test_an_index_that_is_named_often_is_followed_once() -> None:
    inner = index_of(entry_of(manifest_of(AMD64)[0]))
    middle = index_of(*[entry_of(inner, f"job:{n}") for n in range(500)])
    outer = index_of(*[entry_of(middle, f"job:{n}") for n in range(500)])
    files = layout_of(outer, manifest_of(AMD64)[1], {_path(inner): inner, _path(middle): middle})
    assert read(files).id == AMD64.id


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="there is no device that is full")
def test_a_full_disk_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: FULL.open("w+b"))
    for size in (10, 3 << 20):
        with pytest.raises(SourceError, match="not enough disk space to decompress") as caught:
            read(gzip.compress(tar_of(docker20(a=Image((os.urandom(size),))))))
        assert "No space left" in caught.value.cause


def test_no_folder_for_temporary_files_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "nowhere")
    with pytest.raises(SourceError, match="not enough disk space to decompress") as caught:
        read(gzip.compress(tar_of(docker20(a=AMD64))))
    assert "nowhere" in caught.value.cause


@pytest.mark.parametrize("full_at", ["write", "seek"])
def test_no_room_to_decompress_is_reported(full_at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def write(self, chunk: bytes) -> int:
            if full_at == "write":
                raise OSError(28, "No space left on device")
            return len(chunk)

        def seek(self, _: int) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())
    with pytest.raises(SourceError, match="not enough disk space to decompress") as caught:
        read(gzip.compress(tar_of(docker20(a=AMD64))))
    assert "No space left" in caught.value.cause
    assert "TMPDIR" in caught.value.hint


@given(st.data())
def test_an_archive_that_was_cut_or_changed_is_never_another_image(data: st.DataObject) -> None:
    layout = data.draw(st.sampled_from(sorted(LAYOUTS)))
    content = bytearray(tar_of(LAYOUTS[layout](one=AMD64)))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
        content[place] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(content)))
    with suppress(SourceError):
        found = read(bytes(content[: cut or None]))
        assert (found.id, found.platform) == (AMD64.id, "linux/amd64")


SEVERAL: dict[str, tuple[Files, str]] = {
    "docker 20": (docker20(one=AMD64, two=OTHER), "job:one; job:two"),
    "docker 28": (docker28(one=AMD64, two=OTHER), "docker.io/library/job:one; docker.io"),
    "podman": (podman(one=AMD64, two=OTHER), "localhost/job:one; localhost/job:two"),
    "without names": (
        layout_of(
            index_of(*[entry_of(manifest_of(image)[0]) for image in (AMD64, OTHER)]),
            *[manifest_of(image)[1] for image in (AMD64, OTHER)],
        ),
        f"sha256:{sha(manifest_of(AMD64)[0])}; sha256:{sha(manifest_of(OTHER)[0])}",
    ),
    "with odd names": (
        changed(
            docker20(one=AMD64, two=OTHER),
            "manifest.json",
            lambda m: m[0].update(RepoTags=["\x1b[31m\njob"]),
        ),
        rf"\ufffd\[31m job \({AMD64.id}\); job:two",
    ),
    "variants": (
        buildx(a=Image(platform="linux/amd64/v1"), b=V2),
        r"job:1 \(sha256:[0-9a-f]{64}\); docker.io/library/job:1 \(sha256:",
    ),
}


@pytest.mark.parametrize(("files", "words"), SEVERAL.values(), ids=SEVERAL)
def test_several_images_are_named_with_the_cure(files: Files, words: str) -> None:
    refused(files, f"has 2 images for linux/amd64: .*{words}")
    with pytest.raises(SourceError) as caught:
        read(files)
    assert "docker save" not in caught.value.hint, "it would write over the archive"
    chosen = shlex.split(caught.value.hint.rpartition("--image ")[2].removesuffix("."))
    assert read(files, image=chosen[0]).id in {AMD64.id, Image(platform="linux/amd64/v1").id}


def test_very_many_images_are_not_all_named() -> None:
    images = {f"t{n}": Image((str(n).encode(),)) for n in range(30)}
    with pytest.raises(SourceError, match="has 30 images") as caught:
        read(docker20(**images))
    assert "job:t9; and 20 more." in caught.value.message


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_image_for_another_platform_is_refused(layout: str) -> None:
    refused(LAYOUTS[layout](a=ARM64), "is for linux/arm64, not for linux/amd64", PlatformError)


def test_platforms_are_named_where_none_is_the_wanted_one() -> None:
    files = buildx(a=ARM64, b=Image(platform="linux/s390x"))
    refused(files, "is for linux/arm64, linux/s390x, not for linux/amd64", PlatformError)
    signature = layout_with(Image(platform=""), config_type="application/vnd.example+json")
    refused(signature, "does not name its platform", PlatformError)


def test_what_is_no_image_is_passed_over() -> None:
    chart = document({"config": descriptor("x", b"{}"), "layers": [descriptor("y", b"chart")]})
    manifest, blobs = manifest_of(AMD64)
    others: Files = {_path(content): content for content in (chart, b"{}", b"chart")}
    files = layout_of(index_of(entry_of(chart, "chart:1"), entry_of(manifest)), blobs, others)
    assert read(files).id == AMD64.id


def test_the_config_is_believed_and_not_the_index() -> None:
    manifest, blobs = manifest_of(ARM64)
    files = layout_of(index_of(entry_of(manifest, platform="linux/amd64")), blobs)
    refused(files, "is for linux/arm64", PlatformError)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_image_is_found_in_each_layout(layout: str) -> None:
    files = LAYOUTS[layout](one=AMD64)
    image = read(files)
    assert (image.id, image.platform) == (AMD64.id, "linux/amd64")
    assert image.config_digest == AMD64.id
    assert read(tar_of({f"./{name}": content for name, content in files.items()})).id == AMD64.id


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_archive_leaves_nothing_behind(
    compress: Callable[[bytes], bytes], temporary: Path
) -> None:
    Path("image.tar.x").write_bytes(compress(tar_of(podman(a=AMD64))))
    with opened_archive(ArchiveSource(Path("image.tar.x")), "linux/amd64") as image:
        assert image.id == AMD64.id
        assert [*temporary.iterdir()] == [], "not even a killed process leaves anything"


@pytest.mark.parametrize("layout", ["docker 28", "containerd store", "buildx"])
def test_an_image_is_found_in_a_folder(layout: str, tmp_path: Path) -> None:
    folder = folder_of(LAYOUTS[layout](one=AMD64), tmp_path / "layout")
    with opened_archive(ArchiveSource(folder), "linux/amd64") as image:
        assert image.id == AMD64.id


def test_a_folder_is_not_left(tmp_path: Path) -> None:
    folder = folder_of(docker28(one=AMD64), tmp_path / "layout")
    source = ArchiveSource(folder)
    (folder / _path(FIRST)).unlink()
    with (
        pytest.raises(SourceError, match="referenced by its manifest, is missing"),
        opened_archive(source, "linux/amd64"),
    ):
        pass
    (folder / "index.json").write_bytes(index_of())
    with (
        pytest.raises(SourceError, match="it contains no image"),
        opened_archive(source, "linux/amd64"),
    ):
        pass


def test_a_directory_in_a_tar_is_no_document() -> None:
    info = tarfile.TarInfo("manifest.json")
    info.type = tarfile.DIRTYPE
    refused(info.tobuf() + bytes(1024), "is not a file")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layer_that_expands_very_much_is_read_in_parts(layout: str) -> None:
    zeros = Image((bytes(5_000_000),))
    assert read(LAYOUTS[layout](a=zeros)).id == zeros.id


@NEEDS_FIFOS
def test_a_folder_s_blobs_may_be_links_and_nothing_else(tmp_path: Path) -> None:
    folder = folder_of(containerd(one=AMD64), tmp_path / "layout")
    layer = folder / _path(zipped(FIRST))
    layer.rename(tmp_path / "elsewhere")
    layer.symlink_to(tmp_path / "elsewhere")
    source = ArchiveSource(folder)
    with opened_archive(source, "linux/amd64") as image:
        assert image.id == AMD64.id
    layer.unlink()
    os.mkfifo(layer)
    with pytest.raises(SourceError, match="is not a file"), opened_archive(source, "linux/amd64"):
        pass


@NEEDS_POSIX_FILES
@pytest.mark.parametrize("name", ["index.json", "blob"])
@pytest.mark.parametrize("target", ["/dev/zero", "/dev/tty", "/proc/self/environ"])
def test_a_folder_s_links_may_lead_to_what_has_no_end(
    name: str, target: str, tmp_path: Path
) -> None:
    folder = folder_of(containerd(one=AMD64), tmp_path / "layout")
    path = folder / (_path(zipped(FIRST)) if name == "blob" else name)
    path.unlink()
    path.symlink_to(target)
    with (
        pytest.raises(SourceError, match=r"is not a file|is not JSON|has 0 bytes|is missing"),
        opened_archive(ArchiveSource(folder), "linux/amd64"),
    ):
        pass


def test_one_image_of_two_names_is_one() -> None:
    assert read(docker28(one=AMD64, two=AMD64)).id == AMD64.id
    named = changed(docker20(a=AMD64), "manifest.json", lambda m: m[0]["RepoTags"].append("b:1"))
    assert read(named).id == AMD64.id
    twice = changed(docker20(a=AMD64), "manifest.json", lambda m: m.append(m[0]))
    assert read(twice).id == AMD64.id


@pytest.mark.parametrize("layout", LAYOUTS)
def test_of_several_platforms_the_wanted_one_is_taken(layout: str) -> None:
    files = LAYOUTS[layout](one=AMD64, two=ARM64)
    assert read(files).id == AMD64.id
    assert read(files, "linux/arm64").id == ARM64.id


def test_beside_its_variants_the_platform_itself_is_meant() -> None:
    assert read(buildx(a=V2, b=AMD64)).id == AMD64.id
    assert read(buildx(a=V2, b=AMD64), "linux/amd64/v2").id == V2.id
    assert read(buildx(a=V2)).platform == "linux/amd64/v2"


def test_another_platform_need_not_be_there() -> None:
    manifest, blobs = manifest_of(AMD64)
    absent = entry_of(manifest_of(ARM64)[0], platform="linux/arm64")
    files = layout_of(index_of(absent, entry_of(manifest, platform="linux/amd64")), blobs)
    assert read(files).id == AMD64.id


def test_an_image_without_layers_is_one() -> None:
    empty = Image(())
    assert read(docker20(a=empty)).id == empty.id
    nulls = changed(docker20(a=empty), "manifest.json", lambda m: m[0].update(Layers=None))
    assert read(nulls).size == 0
    assert read(containerd(a=empty)).id == empty.id


def test_a_layer_that_occurs_twice_may_be_a_link() -> None:
    same = tar_of({"file": b"same"})
    diff_id = f"sha256:{sha(same)}"
    twice = Image((), config_extra={"rootfs": {"diff_ids": [diff_id] * 2}})
    for link in (Link("../a/layer.tar"), Link("a/layer.tar", hard=True)):
        manifest = docker_manifest("c", ["a/layer.tar", "b/layer.tar"], "job:1")
        files: Files = {"manifest.json": document([manifest]), "c": twice.config}
        files |= {"a/layer.tar": same, "b/layer.tar": link}
        assert read(files).id == twice.id


# What --image chooses.

TWO = {
    layout: LAYOUTS[layout](one=AMD64, two=OTHER)
    for layout in LAYOUTS
    if layout != "buildx"  # all that it writes has one name
}


@pytest.mark.parametrize("layout", TWO)
def test_one_of_several_images_is_chosen_by_a_name_or_a_digest(layout: str) -> None:
    for name in ("job:two", "two", OTHER.id, OTHER.id[7:19]):
        assert read(TWO[layout], image=name).id == OTHER.id


def test_a_name_is_chosen_as_it_was_saved_or_by_its_end() -> None:
    def named(*names: str) -> Files:
        files = docker20(one=AMD64, two=OTHER)
        return changed(files, "manifest.json", lambda m: m[1].update(RepoTags=[*names]))

    for name in ("team/job:1", "job:1", "registry.example/team/job:1", "1"):
        assert read(named("registry.example/team/job:1"), image=name).id == OTHER.id
    assert read(named("docker.io/library/job:latest"), image="job").id == OTHER.id
    assert read(named("job:latest"), image="job").id == OTHER.id
    with pytest.raises(SourceError, match="has no image ob:1: it has job:one; team/job:1"):
        read(named("team/job:1"), image="ob:1")
    exact = changed(named("one"), "manifest.json", lambda m: m[0].update(RepoTags=["job:one"]))
    assert read(exact, image="one").id == OTHER.id, "the whole name counts before its end"


def test_all_names_of_an_image_choose_it() -> None:
    twice = changed(
        docker20(a=AMD64, b=OTHER),
        "manifest.json",
        lambda m: m.append({**m[0], "RepoTags": ["again:1"]}),
    )
    for name in ("job:a", "again:1"):
        assert read(twice, image=name).id == AMD64.id
    inner = index_of(entry_of(manifest_of(AMD64)[0], platform="linux/amd64"))
    other, blobs = manifest_of(OTHER)
    entries = [entry_of(inner, "job:a"), entry_of(inner, "again:1"), entry_of(other, "job:b")]
    files = layout_of(index_of(*entries), blobs, manifest_of(AMD64)[1], {_path(inner): inner})
    for name in ("job:a", "again:1", f"sha256:{sha(inner)}"):
        assert read(files, image=name).id == AMD64.id


def test_a_chosen_image_for_another_platform_is_refused() -> None:
    files = docker20(one=AMD64, two=ARM64)
    with pytest.raises(PlatformError, match="is for linux/arm64"):
        read(files, image="job:two")


def test_what_is_chosen_must_be_there_also_where_there_is_one_image() -> None:
    with pytest.raises(SourceError, match=r"has no image other:1: it has job:a\.") as caught:
        read(docker20(a=AMD64), image="other:1")
    assert "--image" in caught.value.hint


# What is complete is seen by what is there.


def test_an_index_that_leads_nowhere_is_no_layout_beside_a_docker_archive() -> None:
    assert read(apko(a=AMD64)).id == AMD64.id
    refused(without(apko(a=AMD64), "manifest.json"), "referenced by its index, is missing")


def test_a_layout_needs_no_file_that_says_so(tmp_path: Path) -> None:
    files = without(buildx(a=AMD64), "oci-layout")  # docker/buildx 1672
    assert read(files).id == AMD64.id
    source = find_source(str(folder_of(files, tmp_path / "layout")))
    assert isinstance(source, ArchiveSource)
    with opened_archive(source, "linux/amd64") as image:
        assert image.id == AMD64.id


def test_a_layout_without_its_index_says_so(tmp_path: Path) -> None:
    files = without(buildx(a=AMD64), "index.json")
    refused(files, r"it is an OCI image layout without index\.json")
    source = find_source(str(folder_of(files, tmp_path / "layout")))
    assert isinstance(source, ArchiveSource)
    with (
        pytest.raises(SourceError, match=r"layout without index\.json"),
        opened_archive(source, "linux/amd64"),
    ):
        pass


# What a pipe brings.


def through_a_pipe(content: bytes) -> ArchiveImage:
    os.mkfifo("pipe")
    writer = threading.Thread(target=Path("pipe").write_bytes, args=[content])
    writer.start()
    try:
        source = find_source("pipe")
        assert isinstance(source, ArchiveSource)
        with opened_archive(source, "linux/amd64") as image:
            image.verify()
            return image
    finally:
        writer.join()
        Path("pipe").unlink()


@NEEDS_FIFOS
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstd.compress])
def test_an_archive_comes_through_a_pipe(layout: str, compress: Callable[[bytes], bytes]) -> None:
    assert through_a_pipe(compress(tar_of(LAYOUTS[layout](a=AMD64)))).id == AMD64.id


@NEEDS_FIFOS
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The data from the pipe is not an image archive: it is empty"),
        (b"Error: no such image: x\n", "it is text that begins with 'Error: no such image: x'"),
        (b"FROM scratch\n", "it is the text of a Dockerfile"),
    ],
)
def test_what_comes_through_a_pipe_and_is_no_archive_is_named(content: bytes, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        through_a_pipe(content)


@NEEDS_FIFOS
def test_a_pipe_that_nothing_writes_into_is_refused() -> None:
    os.mkfifo("pipe")
    source = find_source("pipe")
    assert isinstance(source, ArchiveSource)
    with (
        pytest.raises(SourceError, match=r"The data from the pipe is .*: it is empty") as caught,
        opened_archive(source, "linux/amd64"),
    ):
        pass
    assert "No command writes to it" in caught.value.cause
    assert "docker save NAME:TAG > PIPE &" in caught.value.hint


@NEEDS_FIFOS
def test_a_writer_may_take_its_time() -> None:
    os.mkfifo("pipe")
    is_open = threading.Event()

    def write() -> None:
        with Path("pipe").open("wb") as pipe:
            is_open.wait()
            pipe.write(tar_of(docker20(a=AMD64)))

    writer = threading.Thread(target=write)
    writer.start()
    later = threading.Timer(1, is_open.set)  # longer than a pipe without a writer is waited for
    later.start()
    with opened_archive(ArchiveSource(Path("pipe")), "linux/amd64") as image:
        assert image.id == AMD64.id
    writer.join()
    later.join()


@NEEDS_FIFOS
def test_a_pipe_without_end_is_refused(temporary: Path) -> None:
    def write(first: bytes) -> None:
        with suppress(BrokenPipeError), Path("pipe").open("wb") as pipe:
            pipe.write(first)
            while True:
                pipe.write(bytes(MEBIBYTE))

    begun = tarfile.TarInfo("layer.tar")
    begun.size = 1 << 40
    os.mkfifo("pipe")
    for first, words in ((b"", r"it is empty \(only zeros"), (begun.tobuf(), "it is larger")):
        writer = threading.Thread(target=write, args=[first])
        writer.start()
        with (
            pytest.raises(SourceError, match=words),
            opened_archive(ArchiveSource(Path("pipe")), "linux/amd64", most=3 * MEBIBYTE),
        ):
            pass
        writer.join()
    assert not list(temporary.iterdir())


# zstd is read with a library before Python 3.14.


def test_a_layer_of_a_docker_archive_may_be_zstd() -> None:
    files = podman(a=AMD64) | {f"{sha(FIRST)}.tar": zstd.compress(FIRST)}
    image = read(files)
    assert image.id == AMD64.id
    assert image.has_zstd_layers


def test_what_this_python_cannot_read_is_not_called_damaged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SourceError, match="compressed with zstd, which this Python") as caught:
        read(zstd.compress(tar_of(docker20(a=AMD64))))
    assert "damaged" not in caught.value.cause
    assert "Decompress it first" in caught.value.hint


# What the config leaves out or spells in another way.


def configured(**changes: str | None) -> Files:
    """Return a Docker archive whose config has other members; None takes one out."""
    config = {**json.loads(AMD64.config), **changes}
    content = document({name: value for name, value in config.items() if value is not None})
    entry = docker_manifest("config.json", ["a/layer.tar", "b/layer.tar"], "job:1")
    layers: Files = {"a/layer.tar": FIRST, "b/layer.tar": SECOND}
    return {"manifest.json": document([entry]), "config.json": content, **layers}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architecture": None}, "its config has no architecture"),
        ({"os": None}, "its config has no os"),
        ({"os": "", "architecture": ""}, "its config has no os and no architecture"),
    ],
)
def test_what_a_config_leaves_out_is_named(changes: dict[str, str | None], words: str) -> None:
    refused(configured(**changes), words, PlatformError)
    with pytest.raises(PlatformError) as caught:
        read(configured(**changes))
    assert "another kind of machine" not in caught.value.cause


def test_a_config_may_be_larger_than_a_manifest() -> None:
    large = Image(config_extra={"history": [{"comment": "x" * (5 << 20)}]})
    for layout in ("docker 20", "docker 28", "buildx"):
        assert read(LAYOUTS[layout](a=large)).id == large.id
    endless = Image(config_extra={"history": [{"comment": "x" * (33 << 20)}]})
    refused(docker20(a=endless), "is too large")


# What is whole, and something else.


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (dict.fromkeys(("bin/sh", "etc/passwd", "usr/x"), b""), "it is a root file system"),
        ({".dockerenv": b"", "app": b"x"}, "it is a root file system, as `docker export`"),
        (
            {
                "version": b"Directory Transport Version: 1.1",
                "manifest.json": b"{}",
                sha(FIRST): FIRST,
            },
            "it is skopeo output in its `dir:` format",
        ),
        ({"image.tar": b"x", "notes.txt": b""}, "that contains another one, image.tar"),
        (
            {f"out/{name}": content for name, content in docker28(a=AMD64).items()},
            "an archive of the folder out, which contains the image",
        ),
        ({"config.json": b"{}", "rootfs/bin/sh": b""}, "an OCI runtime bundle"),
        ({"a": b"", "b": b"", "c": b"", "d": b""}, r"contains no image, only a, b, c and more"),
    ],
)
def test_a_tar_of_something_else_is_named(files: Files, words: str) -> None:
    refused(files, words)


def test_a_root_file_system_is_named_that_has_more_files_than_an_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tars, "_MAX_MEMBERS", 5)
    refused(
        {f"{folder}/x": b"" for folder in ("bin", "dev", "etc", "lib", "usr", "var")},
        "root file system",
    )
    refused({str(number): b"" for number in range(6)}, "more than 5 files")


def test_a_tar_that_a_shell_took_for_text_is_named() -> None:
    content = tar_of(docker20(a=Image((os.urandom(5000),))))
    recoded = content.decode(errors="replace").encode()
    with pytest.raises(SourceError, match="cannot be published") as caught:
        read(recoded)
    assert "PowerShell" in caught.value.cause
    assert "docker save -o" in caught.value.hint
