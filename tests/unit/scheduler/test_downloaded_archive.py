"""Whether a tar is whole, and which image is in it."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.archives.archive_error import ArchiveError
from lusid_image_publish.local_scheduler.image_tar import ImageArchive, Manifest
from lusid_image_publish.scheduler.downloaded_archive import ArchiveContents, read_archive

GZIPPED = "application/vnd.oci.image.layer.v1.tar+gzip"
PLAIN = "application/vnd.oci.image.layer.v1.tar"


def tar_of(files: Mapping[str, bytes | str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def layout(layer_type: str = GZIPPED) -> tuple[dict[str, bytes | str], str]:
    """Return the files of an OCI image layout, and the digest of its manifest."""
    config, layer = b'{"os": "linux"}', b"a layer"
    document = {
        "config": {"digest": f"sha256:{sha(config)}", "size": len(config)},
        "layers": [{"digest": f"sha256:{sha(layer)}", "size": len(layer), "mediaType": layer_type}],
    }
    manifest = json.dumps(document).encode()
    digest = f"sha256:{sha(manifest)}"
    files: dict[str, bytes | str] = {
        f"blobs/sha256/{sha(blob)}": blob for blob in (config, layer, manifest)
    }
    return files | {"index.json": json.dumps({"manifests": [{"digest": digest}]})}, digest


def read(content: bytes) -> ArchiveContents:
    return read_archive(io.BytesIO(content))


def test_an_image_layout_says_which_image_it_is() -> None:
    files, digest = layout()
    assert read(tar_of(files)) == ArchiveContents(frozenset({digest}))
    prefixed = {f"./{name}": content for name, content in files.items()}
    assert read(tar_of(prefixed)).manifests == {digest}


def test_an_index_in_a_layout_is_followed() -> None:
    files, digest = layout()
    index = json.dumps(
        {"manifests": [{"digest": digest}, {"digest": "sha256:" + "0" * 64}]}
    ).encode()
    outer = f"sha256:{sha(index)}"
    files |= {
        f"blobs/sha256/{sha(index)}": index,
        "index.json": json.dumps({"manifests": [{"digest": outer}]}),
    }
    assert read(tar_of(files)).manifests == {digest, outer}


def test_what_an_engine_repacked_is_recognised() -> None:
    files, digest = layout(PLAIN)
    assert read(tar_of(files)) == ArchiveContents(frozenset({digest}), repacked=True)


@pytest.mark.parametrize("files", [{"some": b"file"}, {"manifest.json": "[]"}])
def test_a_tar_of_another_kind_is_whole_and_says_nothing(files: dict[str, bytes | str]) -> None:
    assert read(tar_of(files)) == ArchiveContents()


def test_a_compressed_tar_is_read() -> None:
    files, digest = layout()
    assert read(gzip.compress(tar_of(files))).manifests == {digest}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a tar file"),
        (b"<html>sign in</html>" * 100, ""),
        (bytes(10240), "no files"),
        (gzip.compress(tar_of({"a": b"x" * 90_000}), mtime=0)[:-20], ""),
        (tar_of({"a": b"x" * 5000})[:3000], "truncated"),
        (tar_of({"a": b"x" * 512})[:1024], "its end is missing"),
        (tar_of({"index.json": "{"}), "index.json is not JSON"),
        (tar_of({"index.json": "[1]"}), "does not describe an image"),
        (tar_of({"index.json": '{"manifests": [{}]}'}), "does not describe an image"),
        (tar_of({"index.json": "[" * 100_000}), ""),
        (tar_of({"manifest.json": '[{"Config": "c.json", "Layers": []}]'}), "'c.json'"),
        (tar_of({"manifest.json": "{}" + " " * (5 << 20)}), "too large"),
        (tar_of({f"{'0' * 64}.json": b"{}"}), "has the digest"),
    ],
)
def test_what_is_not_whole_is_reported(content: bytes, words: str) -> None:
    with pytest.raises(ArchiveError, match=words or None) as caught:
        read(content)
    assert str(caught.value)


def test_a_blob_that_was_changed_is_found() -> None:
    files, _ = layout()
    name = next(iter(files))
    with pytest.raises(ArchiveError, match="has the digest"):
        read(tar_of(files | {name: b"changed"}))


def test_each_of_two_files_with_one_name_is_read() -> None:
    files, digest = layout()
    name = next(iter(files))
    same, changed = (
        tar_of({name: content})[: 2 * tarfile.BLOCKSIZE] for content in (files[name], b"changed")
    )
    assert read(same + tar_of(files)).manifests == {digest}
    with pytest.raises(ArchiveError, match="has the digest"):
        read(changed + tar_of(files))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize(("content", "is_changed"), [(None, False), (b"changed", True)])
def test_what_a_link_leads_to_has_the_digest_of_its_name(
    kind: bytes, content: bytes | None, *, is_changed: bool
) -> None:
    files, digest = layout()
    name = next(iter(files))
    link = tarfile.TarInfo(name)
    link.type, link.linkname = kind, "../../other" if kind == tarfile.SYMTYPE else "other"
    original = files.pop(name)
    archive = link.tobuf() + tar_of(files | {"other": content or original})
    if not is_changed:
        assert read(archive).manifests == {digest}
        return
    with pytest.raises(ArchiveError, match="has the digest"):
        read(archive)


@pytest.mark.parametrize("missing", [0, 1])
def test_a_blob_that_is_missing_is_noticed(missing: int) -> None:
    files, _ = layout()
    del files[list(files)[missing]]
    with pytest.raises(ArchiveError, match=r"blobs/sha256/\w+', which .* needs, is missing"):
        read(tar_of(files))


@given(st.data())
def test_a_tar_that_was_cut_or_changed_is_never_another_image(data: st.DataObject) -> None:
    files, digest = layout()
    content = bytearray(tar_of(files))
    cut = data.draw(st.integers(0, len(content)))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
        content[place] ^= data.draw(st.integers(1, 255))
    try:
        found = read(bytes(content[:cut]))
    except ArchiveError:
        return
    assert found.manifests <= {digest}


def test_the_local_scheduler_s_tar_has_the_registry_s_digest() -> None:
    config, layer = b"{}", b"layer"
    entries = [
        {"digest": f"sha256:{sha(blob)}", "size": len(blob), "mediaType": GZIPPED}
        for blob in (config, layer)
    ]
    manifest = json.dumps({"config": entries[0], "layers": entries[1:]}).encode()
    digest = f"sha256:{sha(manifest)}"
    archive = ImageArchive.of([Manifest(digest, "application/json", manifest)], "job:1.0")
    blobs = {f"sha256:{sha(blob)}": blob for blob in (config, layer)}
    content = b"".join(archive.stream(lambda name: iter([blobs[name]])))
    assert read(content) == ArchiveContents(frozenset({digest}))


@pytest.mark.parametrize("size", [2**40, 2**70])
def test_a_header_of_an_absurd_size_is_a_damage(size: int) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type = tarfile.GNUTYPE_LONGNAME
    info.size = size
    with pytest.raises(ArchiveError):
        read(info.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))


def test_an_image_without_layers_may_be_written_as_null() -> None:
    files = {"manifest.json": '[{"Config": "a.json", "Layers": null}]', "a.json": "{}"}
    assert read(tar_of(files)) == ArchiveContents()
