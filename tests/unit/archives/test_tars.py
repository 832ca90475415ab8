"""Tars of anybody: what is damaged or made to do harm ends as one kind of error."""

import bz2
import gzip
import io
import itertools
import lzma
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lusid_image_publish.archives import compression, tars
from lusid_image_publish.archives.archive_error import ArchiveError
from lusid_image_publish.archives.tars import (
    archive_errors,
    begins_as_tar,
    opened_tar,
    read_member,
    read_members,
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
    with archive_errors(), opened_tar(io.BytesIO(content)) as tar:
        return [member.name for member in read_members(tar)]


def extended(kind: bytes, content: bytes) -> bytes:
    """Return a header of this kind with its content, and the file that it is for."""
    filled = content + bytes(-len(content) % 512)
    return header(kind, len(content)) + filled + header(tarfile.REGTYPE, 0)


def record(name: str, value: str) -> bytes:
    """Return a record of a pax header."""
    rest = f" {name}={value}\n"
    size = next(n for n in itertools.count(len(rest)) if n == len(str(n)) + len(rest))
    return f"{size}{rest}".encode()


END = bytes(1024)
MANY_RECORDS = b"".join(record(f"k{number}", "") for number in range(1000))
SPARSE = b"".join(
    record(f"GNU.sparse.{name}", value)
    for name, value in (("major", "1"), ("minor", "0"), ("name", "a"), ("realsize", "9"))
)


def old_sparse(blocks: int) -> bytes:
    """Return the header of a sparse file of GNU's old format, which goes on for so many blocks."""
    info = bytearray(header(b"S", 0))
    info[482] = 1
    info[148:156] = b" " * 8
    info[148:156] = b"%06o\0 " % sum(info)
    return bytes(info) + (b"00000000001\0" * 42 + b"\1" + bytes(7)) * blocks


PAX = header(tarfile.XHDTYPE, 12) + b"12 path=abc\n".ljust(512, b"\0")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a tar file"),
        (b"FROM scratch\n" * 100, "not a tar file"),
        (bytes(10240), "no files"),
        (tar_of(a=b"x" * 5000)[:3000], "truncated"),
        (tar_of(a=b"x" * 512)[:1024], "its end is missing"),
        (gzip.compress(tar_of(a=b"x" * 90_000))[:-20], "ended before"),
        (header(tarfile.GNUTYPE_LONGNAME, 1 << 33) + bytes(10_240), "too large"),
        (header(tarfile.XHDTYPE, 1 << 70) + bytes(10_240), "too large"),
        (header(tarfile.REGTYPE, -512) * 20, "negative"),
        (PAX * 2000, "nested too deeply"),
        (extended(tarfile.XHDTYPE, record("a", "x" * 900_000)) + END, "too large"),
        (extended(tarfile.XHDTYPE, record("a", "x" * 200_000)) * 50 + END, "too large"),
        (extended(tarfile.GNUTYPE_LONGNAME, b"x" * 200_000) * 50 + END, "too large"),
        (extended(tarfile.GNUTYPE_LONGLINK, b"x" * 200_000) * 50 + END, "too large"),
        (extended(tarfile.XGLTYPE, record("a", "x" * 200_000)) * 50 + END, "too large"),
        (extended(tarfile.XHDTYPE, record("a", "1" * 90_000)) + END, "number in its headers"),
        (extended(tarfile.XGLTYPE, MANY_RECORDS) + END, "too many global headers"),
        (
            extended(tarfile.XHDTYPE, SPARSE)[:-512]
            + header(tarfile.REGTYPE, 1 << 20)
            + b"999999\n"
            + b"1\n" * (1 << 19),
            "too large",
        ),
        (old_sparse(5000) + END, "too large"),
    ],
)
def test_what_is_no_whole_tar_is_told(content: bytes, words: str) -> None:
    with pytest.raises(ArchiveError, match=words):
        names(content)


def test_a_tar_without_end_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tars, "_MAX_MEMBERS", 10)
    with pytest.raises(ArchiveError, match="more than 10 files"):
        names(header(tarfile.REGTYPE, 0) * 12 + bytes(1024))


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_tar_is_read_however_it_is_compressed(compress: Callable[[bytes], bytes]) -> None:
    content = compress(tar_of(a=b"1", b=b"2"))
    assert names(content) == ["a", "b"]
    assert begins_as_tar(content)


def test_usual_headers_are_read_for_many_files() -> None:
    usual = extended(tarfile.XHDTYPE, record("mtime", "1764384000.123456789")) * 500
    assert len(names(extended(tarfile.XGLTYPE, record("comment", "0" * 40)) + usual + END)) == 501


def test_what_headers_say_of_a_file_is_not_kept() -> None:
    content = extended(tarfile.XHDTYPE, record("path", "long") + MANY_RECORDS) + END
    with opened_tar(io.BytesIO(content)) as tar:
        [member] = read_members(tar)
    assert (member.name, member.pax_headers) == ("long", {})


def test_a_sparse_file_is_not_read() -> None:
    # Its header can announce any size.
    content = extended(tarfile.XHDTYPE, SPARSE)[:-512] + header(tarfile.REGTYPE, 512)
    content += b"1\n9\n0\n".ljust(512, b"\0") + END
    with opened_tar(io.BytesIO(content)) as tar:
        [member] = read_members(tar)
        with pytest.raises(ArchiveError, match="'a' is not a file"):
            next(read_member(tar, member))


class Counted(io.RawIOBase):
    """Compressed zeros without end, which are counted as they are decompressed."""

    read_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = bytes(len(buffer))
        self.read_bytes += len(buffer)
        return len(buffer)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_what_is_no_tar_is_not_decompressed(
    compress: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = Counted()
    monkeypatch.setattr(tars, "decompressed_file", lambda _: endless)
    with pytest.raises(ArchiveError, match="it is not a tar file"):
        names(compress(b"any"))
    assert 0 < endless.read_bytes <= tars.BEGINNING_BYTES


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_more_than_is_allowed_is_not_decompressed(
    compress: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    content = tar_of(a=bytes(3 << 20))
    with opened_tar(io.BytesIO(compress(content)), max_bytes=len(content)) as tar:
        assert [member.name for member in read_members(tar)] == ["a"]
    with (
        pytest.raises(ArchiveError, match=r"it is larger than 0\.001953 GiB") as caught,
        opened_tar(io.BytesIO(compress(content)), max_bytes=2 << 20),
    ):
        pass
    assert "--max-archive-size" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_what_is_compressed_twice_is_told() -> None:
    with pytest.raises(ArchiveError, match="it is compressed twice") as caught:
        names(gzip.compress(lzma.compress(tar_of(a=b"1"))))
    assert caught.value.hint == "Decompress it once."


def test_xz_is_read_in_little_memory() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 29}]
    with pytest.raises(ArchiveError, match="it takes more than 256 MiB of memory") as caught:
        names(lzma.compress(tar_of(a=b"1"), filters=filters))
    assert "xz -9" in caught.value.hint


def test_xz_streams_follow_each_other_with_padding() -> None:
    content = tar_of(a=b"1" * 5000)
    parts = lzma.compress(content[:3000]) + bytes(8) + lzma.compress(content[3000:]) + bytes(4)
    assert names(parts) == ["a"]
    for cut in (10, 100, len(parts) - 20):
        with pytest.raises(ArchiveError):
            names(parts[:cut])


def test_a_compression_that_python_cannot_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_ZSTD_MODULE", "compression_of_the_tests.zstd")
    with pytest.raises(ArchiveError, match="with zstd, which this Python cannot read"):
        names(b"\x28\xb5\x2f\xfd" + bytes(600))


@pytest.mark.parametrize("content", [b"", b"FROM scratch\n", b"FROM scratch\nRUN true\n" * 99])
def test_a_text_is_no_tar(content: bytes) -> None:
    assert not begins_as_tar(content)
