"""Tars of anybody: what is damaged or made to do harm ends as one kind of error."""

import bz2
import gzip
import io
import itertools
import lzma
import tarfile
from collections.abc import Callable

import pytest

from lusid_image_publish import tars
from lusid_image_publish.tars import (
    ArchiveError,
    begins_as_tar,
    is_compressed,
    members_of,
    opened_tar,
    read_document,
    reading,
)


def tar_of(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def header(kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo("x")
    info.type = kind
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def names(content: bytes) -> list[str]:
    with reading(), opened_tar(io.BytesIO(content)) as tar:
        return [member.name for member in members_of(tar)]


PAX = header(tarfile.XHDTYPE, 12) + b"12 path=abc\n".ljust(512, b"\0")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no tar"),
        (b"FROM scratch\n" * 100, "no tar"),
        (bytes(10240), "no files"),
        (tar_of(a=b"x" * 5000)[:3000], "cut off"),
        (tar_of(a=b"x" * 512)[:1024], "its end is missing"),
        (gzip.compress(tar_of(a=b"x" * 90_000))[:-20], "ended before"),
        (header(tarfile.GNUTYPE_LONGNAME, 1 << 33) + bytes(10_240), "too large"),
        (header(tarfile.XHDTYPE, 1 << 70) + bytes(10_240), "too large"),
        (header(tarfile.REGTYPE, -512) * 20, "negative"),
        (PAX * 2000, "nested too deeply"),
    ],
)
def test_what_is_no_whole_tar_is_told(content: bytes, words: str) -> None:
    with pytest.raises(ArchiveError, match=words):
        names(content)


def test_a_tar_without_end_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tars, "_MOST_MEMBERS", 10)
    with pytest.raises(ArchiveError, match="more than 10 files"):
        names(header(tarfile.REGTYPE, 0) * 12 + bytes(1024))


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_tar_is_read_however_it_is_compressed(compress: Callable[[bytes], bytes]) -> None:
    content = compress(tar_of(a=b"1", b=b"2"))
    assert names(content) == ["a", "b"]
    assert begins_as_tar(content)
    assert is_compressed(io.BytesIO(content)) is (compress is not bytes)


def test_a_compression_that_python_cannot_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tars._COMPRESSIONS, b"\x28\xb5\x2f\xfd", "compression_of_the_tests.zstd")
    with pytest.raises(ArchiveError, match="with zstd, which this Python cannot read"):
        names(b"\x28\xb5\x2f\xfd" + bytes(600))


@pytest.mark.parametrize("content", [b"", b"FROM scratch\n", b"FROM scratch\nRUN true\n" * 99])
def test_a_text_is_no_tar(content: bytes) -> None:
    assert not begins_as_tar(content)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe{", b"1" * 5000, b"", b"nul"])
def test_what_is_no_json_is_told(content: bytes) -> None:
    with pytest.raises(ArchiveError, match=r"a\.json is not JSON"):
        read_document("a.json", [content])


def test_json_without_end_is_not_read() -> None:
    with pytest.raises(ArchiveError, match="too large"):
        read_document("a.json", itertools.repeat(b" " * 1000))
