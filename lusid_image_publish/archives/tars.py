"""Read tars from untrusted sources in constant memory, without extracting them.

A name in a tar is a key here, never a path. Sizes in headers are not trusted: no more than a
document's worth is read at once, and damage of any kind is one `ArchiveError`.
"""

import re
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain
from typing import IO, Final, cast

from lusid_image_publish.archives.archive_error import (
    MAX_ARCHIVE_BYTES,
    ArchiveError,
    SizeLimit,
    printable,
    too_large_error,
)
from lusid_image_publish.archives.compression import compression_of, decompressed_file, read_chunks
from lusid_image_publish.errors import LusidPublishError
from lusid_image_publish.text import plain

BEGINNING_BYTES: Final = 1 << 20
"""How many bytes of a file are enough to recognise it."""

_BLOCK_BYTES: Final = tarfile.BLOCKSIZE
_MAX_MEMBERS: Final = 100_000
_MAX_HEADER_BYTES: Final = 512 << 10  # of one member
_MAX_TOTAL_HEADER_BYTES: Final = 8 << 20  # beside one block for each member
_MAX_GLOBAL_HEADERS: Final = 20  # `tarfile` copies them for each member
# Python before 3.11.10 and 3.12.6 takes quadratic time for them: CVE-2024-6232.
_LONG_NUMBER: Final = re.compile(rb"\d{100}")


@contextmanager
def archive_errors() -> Iterator[None]:
    """Turn every error of the block into an `ArchiveError`.

    An archive can be damaged in as many ways as its readers have errors.
    """
    try:
        yield
    except (ArchiveError, LusidPublishError):
        raise
    except tarfile.ReadError as error:
        cut = "unexpected end" in str(error)
        raise ArchiveError("it is truncated" if cut else "it is not a tar file") from error
    except RecursionError as error:
        raise ArchiveError("something in it is nested too deeply") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ArchiveError("its JSON does not describe an image") from error
    except Exception as error:
        raise ArchiveError(plain(str(error)) or type(error).__name__) from error


def begins_as_tar(beginning: bytes) -> bool:
    """Return whether a file that begins like this is a tar, or is compressed."""
    if compression_of(beginning):
        return True
    try:
        tarfile.TarInfo.frombuf(beginning[:_BLOCK_BYTES], tarfile.ENCODING, "surrogateescape")
    except tarfile.TarError:
        return False
    return True


def require_tar(beginning: bytes) -> None:
    """Raise `ArchiveError` unless a decompressed file that begins like this is a tar."""
    if compression_of(beginning):
        raise ArchiveError(
            "it is compressed twice",
            cause="A step compressed an archive that was already compressed.",
            hint="Decompress it once.",
        )
    if not begins_as_tar(beginning):
        raise ArchiveError("it is not a tar file")


@contextmanager
def opened_tar(
    file: IO[bytes],
    *,
    max_bytes: int = MAX_ARCHIVE_BYTES,
    check: Callable[[bytes], None] = require_tar,
) -> Iterator[tarfile.TarFile]:
    """Yield the tar in `file`, read from the start.

    A compressed one is first decompressed into a temporary file of at most `max_bytes`; `check`
    raises for a beginning that is not a tar's, before more is decompressed.
    """
    with _uncompressed(file, max_bytes, check) as content:
        limited = _LimitedHeaders(content)
        with limited.counting_headers():  # `TarFile` reads the first header
            tar = tarfile.TarFile(fileobj=cast("IO[bytes]", limited))
        with tar:
            yield tar


@contextmanager
def _uncompressed(
    file: IO[bytes], max_bytes: int, check: Callable[[bytes], None]
) -> Iterator[IO[bytes]]:
    content = decompressed_file(file)
    if content is file:
        yield file
        return
    with closing(content):
        beginning = read_beginning(content)
        check(beginning)
        chunks = chain([beginning], read_chunks(content))
        with temporary_copy(chunks, "decompress it", max_bytes=max_bytes) as copy:
            yield copy


def read_members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield all members. Raises `ArchiveError` for a tar that is truncated or has too many."""
    file = cast("_LimitedHeaders", tar.fileobj)
    number = 0
    while True:
        with file.counting_headers():
            member = tar.next()
        if member is None:
            break
        number += 1
        if number > _MAX_MEMBERS:
            raise ArchiveError(f"it has more than {_MAX_MEMBERS} files")
        if member.size < 0:
            raise ArchiveError("a file in it has a negative size")
        if len(tar.pax_headers) > _MAX_GLOBAL_HEADERS:
            raise ArchiveError("it has too many global headers")
        member.pax_headers = {}  # its attributes have what is needed of them
        yield member
    if not number:
        raise ArchiveError("it has no files")
    file.seek(tar.offset)
    if file.read(_BLOCK_BYTES) != bytes(_BLOCK_BYTES):  # `tarfile` does not ask for this end
        raise ArchiveError("its end is missing")


def member_name(member: tarfile.TarInfo) -> str:
    """Return the name that documents use for a member."""
    return member.name.removeprefix("./")


def read_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    """Yield the content of a member. Raises `ArchiveError` unless it is a file."""
    content = None if member.issparse() else tar.extractfile(member)
    if content is None:
        raise ArchiveError(f"{printable(member.name)!r} is not a file")
    yield from read_chunks(content)


def read_beginning(content: IO[bytes]) -> bytes:
    """Read a block of `content`, or up to `BEGINNING_BYTES` if that does not begin a tar.

    It is enough to recognise the content before reading more of it.
    """
    beginning = _read_full(content, _BLOCK_BYTES)
    if begins_as_tar(beginning):
        return beginning
    return beginning + _read_full(content, BEGINNING_BYTES - _BLOCK_BYTES)


def _read_full(content: IO[bytes], size: int) -> bytes:
    """Return the next `size` bytes, fewer at the end; one read of a pipe may return less."""
    parts = bytearray()
    while len(parts) < size and (part := content.read(size - len(parts))):
        parts += part
    return bytes(parts)


@contextmanager
def temporary_copy(chunks: Iterable[bytes], purpose: str, *, max_bytes: int) -> Iterator[IO[bytes]]:
    """Yield a temporary file with `chunks`, which has no name and is deleted after the block.

    Raises `ArchiveError` for more than `max_bytes`, and for a full disk.
    """
    with _full_disk_errors(purpose):
        temporary = tempfile.TemporaryFile(prefix="lusid-image-")  # noqa: SIM115  # see below
    try:
        for chunk in SizeLimit(max_bytes, too_large_error("it is", max_bytes)).count(chunks):
            with _full_disk_errors(purpose):
                temporary.write(chunk)
        with _full_disk_errors(purpose):
            temporary.seek(0)  # it also writes what is left
        yield temporary
    finally:
        with suppress(OSError), temporary:  # `close` retries the write that did not fit
            pass


@contextmanager
def _full_disk_errors(purpose: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArchiveError(
            f"there is not enough disk space to {purpose}",
            cause=str(error),
            hint="Free some disk space, set TMPDIR to a folder with enough space, or give the "
            "archive as an uncompressed file.",
        ) from error


class _LimitedHeaders:
    """A file with a limit on what `tarfile` reads of headers.

    It keeps all of them in memory: names and attributes of any length, one after the other.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._is_header = False
        self._member_bytes = 0
        self._total_bytes = 0
        self.seek = file.seek
        self.tell = file.tell

    @contextmanager
    def counting_headers(self) -> Iterator[None]:
        """Count what the block reads as the headers of one member."""
        self._is_header = True
        self._member_bytes = -_BLOCK_BYTES - 1  # with the last byte of the member before
        try:
            yield
        finally:
            self._is_header = False

    def read(self, size: int) -> bytes:
        if not self._is_header:
            return self._file.read(size)
        self._member_bytes += size
        if self._member_bytes > 0:
            self._total_bytes += min(size, self._member_bytes)
        if self._member_bytes > _MAX_HEADER_BYTES or self._total_bytes > _MAX_TOTAL_HEADER_BYTES:
            raise ArchiveError("its headers are too large")
        content = self._file.read(size)
        if _LONG_NUMBER.search(content):
            raise ArchiveError("a number in its headers is too large")
        return content
