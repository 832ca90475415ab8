"""Tars that others wrote: read in constant memory, and nothing of them is extracted.

A name in a tar is a key here, never a path. What a header says of sizes is not believed: no more
than a document's worth is read at once, and damage of any kind is one `ArchiveError`.
"""

import importlib
import io
import json
import re
import sys
import tarfile
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain
from typing import IO, Any, Final, cast

from lusid_image_publish.errors import LusidPublishError
from lusid_image_publish.redact import plain

CHUNK_BYTES: Final = 1 << 20
"""Bytes that are read at once."""

MAX_DOCUMENT_BYTES: Final = 4 << 20
"""Bytes of JSON that are read: the limit that registries have for a manifest."""

MAX_CONFIG_BYTES: Final = 32 << 20
"""Bytes of an image's config that are read: a blob, for which engines and registries have no limit.

Docker loads, pushes and pulls 17 MiB, tried with each of its image stores.
"""

MAX_ARCHIVE_BYTES: Final = 64 << 30
"""Bytes that an archive may be decompressed to, unless more are allowed."""

BEGINNING_BYTES: Final = 1 << 20
"""Bytes at the beginning of a file that are enough to recognise it."""

_BLOCK: Final = tarfile.BLOCKSIZE
_MAX_MEMBERS: Final = 100_000
_MOST_HEADER_BYTES: Final = 512 << 10  # of one member
_MOST_HEADER_BYTES_IN_ALL: Final = 8 << 20  # besides one block for each member
_MOST_GLOBAL_HEADERS: Final = 20  # `tarfile` copies them for each member
_MOST_XZ_MEMORY: Final = 256 << 20  # bytes; `xz -9` needs 65 MiB
# Python before 3.11.10 and 3.12.6 takes quadratic time for them: CVE-2024-6232.
_LONG_NUMBER: Final = re.compile(rb"\d{100}")
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_ZSTD: Final = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
_XZ: Final = "lzma"
_COMPRESSIONS: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": _XZ,
    b"\x28\xb5\x2f\xfd": _ZSTD,
}
"""How a compressed file begins, and the module that reads it."""


class ArchiveError(Exception):
    """The archive cannot be used; the text says why, as the end of a sentence.

    `cause` and `hint` are for an archive that is not damaged; both are empty where it may be.
    """

    def __init__(self, text: str, *, cause: str = "", hint: str = "") -> None:
        super().__init__(text)
        self.cause = cause
        self.hint = hint


class SizeLimit:
    """A number of bytes, `most`, which all that is counted must not exceed: `error` is raised."""

    def __init__(self, most: int, error: ArchiveError) -> None:
        self._left = most
        self._error = error

    def counted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield `chunks`, as long as they are not more. Raises `ArchiveError`."""
        for chunk in chunks:
            self._left -= len(chunk)
            if self._left < 0:
                raise self._error
            yield chunk


@contextmanager
def archive_errors() -> Iterator[None]:
    """Take every error of the block for a damage of the archive that it reads.

    Raises `ArchiveError`: an archive has as many ways to be damaged as its readers have errors.
    """
    try:
        yield
    except (ArchiveError, LusidPublishError):
        raise
    except tarfile.ReadError as error:
        cut = "unexpected end" in str(error)
        raise ArchiveError("it is cut off" if cut else "it is no tar") from error
    except RecursionError as error:
        raise ArchiveError("something in it is nested too deeply") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ArchiveError("its JSON is not that of an image") from error
    except Exception as error:
        raise ArchiveError(plain(str(error)) or type(error).__name__) from error


def begins_as_tar(beginning: bytes) -> bool:
    """Return whether a file that begins so is a tar, or is compressed."""
    if _compression_of(beginning):
        return True
    try:
        tarfile.TarInfo.frombuf(beginning[:_BLOCK], tarfile.ENCODING, "surrogateescape")
    except tarfile.TarError:
        return False
    return True


def decompressed_file(file: IO[bytes]) -> IO[bytes]:
    """Return `file` from its beginning on, decompressed if it is compressed."""
    file.seek(0)
    module = _compression_of(file.read(_BLOCK))
    file.seek(0)
    if not module:
        return file
    if module == _XZ:
        return file_of_chunks(_decompressed_xz(read_chunks(file)))
    return cast("IO[bytes]", _reader(module).open(file))


def file_of_chunks(chunks: Iterable[bytes]) -> IO[bytes]:
    """Return the file that `chunks` make; it is read once, from its beginning to its end."""
    return cast("IO[bytes]", io.BufferedReader(_Chunks(chunks)))


def read_chunks(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the rest of `file`."""
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def decompress_zstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what zstd frames, one behind the other, have in them."""
    with _reader(_ZSTD).open(_Chunks(chunks)) as content:
        yield from read_chunks(content)


def _decompressed_xz(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what xz streams, one behind the other, have in them, in little memory.

    `lzma.open` takes as much memory as a stream asks for: up to 4 GiB.
    """
    xz = _reader(_XZ)
    stream = None
    for chunk in chunks:
        rest = chunk
        while rest or (stream and not stream.needs_input):
            if stream is None:
                rest = rest.lstrip(b"\0")  # padding between streams
                if not rest:
                    break
                stream = xz.LZMADecompressor(xz.FORMAT_XZ, memlimit=_MOST_XZ_MEMORY)
            try:
                yield stream.decompress(rest, CHUNK_BYTES)
            except xz.LZMAError as error:
                if "Memory" not in str(error):
                    raise
                raise ArchiveError(
                    f"it takes more than {_MOST_XZ_MEMORY >> 20} MiB of memory to decompress it",
                    cause="It was compressed with a larger dictionary than `xz -9` uses.",
                    hint="Decompress it first, or compress it with `xz -9` or less.",
                ) from error
            rest = b""
            if stream.eof:
                rest, stream = stream.unused_data, None
    if stream:
        raise ArchiveError("it is cut off: the compressed data ended before its end")


def _reader(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:  # Python can be built without any of them
        form = module.rpartition(".")[2]
        raise ArchiveError(
            f"it is compressed with {form}, which this Python cannot read",
            cause=f"Python was built or installed without its module {module}.",
            hint=f"Decompress it first, or use a Python with {module}.",
        ) from error


def read_beginning(content: IO[bytes]) -> bytes:
    """Read a block of `content`, and up to `BEGINNING_BYTES` if that does not begin a tar.

    So you know what it is before you read more of it.
    """
    beginning = _read_full(content, _BLOCK)
    if begins_as_tar(beginning):
        return beginning
    return beginning + _read_full(content, BEGINNING_BYTES - _BLOCK)


def _read_full(content: IO[bytes], size: int) -> bytes:
    """Return the next `size` bytes, fewer at the end: a pipe returns what it has."""
    parts = bytearray()
    while len(parts) < size and (part := content.read(size - len(parts))):
        parts += part
    return bytes(parts)


@contextmanager
def temporary_copy(chunks: Iterable[bytes], purpose: str, *, most: int) -> Iterator[IO[bytes]]:
    """Yield a temporary file with `chunks`: it has no name, and is gone at the end of the block.

    Raises `ArchiveError` for more than `most` bytes, and for a full disk.
    """
    with _room_to(purpose):
        temporary = tempfile.TemporaryFile(prefix="lusid-image-")  # noqa: SIM115  # see below
    try:
        for chunk in SizeLimit(most, too_large_error("it is", most)).counted(chunks):
            with _room_to(purpose):
                temporary.write(chunk)
        with _room_to(purpose):
            temporary.seek(0)  # it also writes what is left
        yield temporary
    finally:
        with suppress(OSError), temporary:  # to close it tries again to write what did not fit
            pass


@contextmanager
def _room_to(purpose: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArchiveError(
            f"there is no room to {purpose}",
            cause=str(error),
            hint="Make room, set TMPDIR to a folder that has some, or give the archive as an "
            "uncompressed file.",
        ) from error


def too_large_error(what: str, most: int) -> ArchiveError:
    """Return the error for an archive of which `what` is larger than `most` bytes."""
    return ArchiveError(
        f"{what} larger than {most / (1 << 30):.4g} GiB",
        cause="A small file can decompress to one that fills the disk, so there is a limit.",
        hint="If it is the right archive, allow more with --max-archive-size.",
    )


def require_tar(beginning: bytes) -> None:
    """Raise `ArchiveError` unless what begins so, decompressed, is a tar."""
    if _compression_of(beginning):
        raise ArchiveError(
            "it is compressed twice",
            cause="A step compressed an archive that was compressed already.",
            hint="Decompress it once.",
        )
    if not begins_as_tar(beginning):
        raise ArchiveError("it is no tar")


@contextmanager
def opened_tar(
    file: IO[bytes],
    *,
    most: int = MAX_ARCHIVE_BYTES,
    check: Callable[[bytes], None] = require_tar,
) -> Iterator[tarfile.TarFile]:
    """Yield the tar in `file` from its beginning on.

    If it is compressed, it is first decompressed into a temporary file of at most `most` bytes;
    `check` raises for a beginning that is not a tar's, before more is decompressed.
    """
    with _unpacked(file, most, check) as content:
        wary = _Wary(content)
        with wary.reading_a_header():  # it reads the first one at once
            tar = tarfile.TarFile(fileobj=cast("IO[bytes]", wary))
        with tar:
            yield tar


@contextmanager
def _unpacked(file: IO[bytes], most: int, check: Callable[[bytes], None]) -> Iterator[IO[bytes]]:
    content = decompressed_file(file)
    if content is file:
        yield file
        return
    with closing(content):
        beginning = read_beginning(content)
        check(beginning)
        chunks = chain([beginning], read_chunks(content))
        with temporary_copy(chunks, "decompress it", most=most) as copy:
            yield copy


def read_members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield all members, whole ones only. Raises `ArchiveError` for too many and for no end."""
    file = cast("_Wary", tar.fileobj)
    number = 0
    while True:
        with file.reading_a_header():
            member = tar.next()
        if member is None:
            break
        number += 1
        if number > _MAX_MEMBERS:
            raise ArchiveError(f"it has more than {_MAX_MEMBERS} files")
        if member.size < 0:
            raise ArchiveError("a file in it has a negative size")
        if len(tar.pax_headers) > _MOST_GLOBAL_HEADERS:
            raise ArchiveError("it has too many headers for all of its files")
        member.pax_headers = {}  # all that is needed of them is in its attributes
        yield member
    if not number:
        raise ArchiveError("it has no files")
    _require_end(tar)


def member_name(member: tarfile.TarInfo) -> str:
    """Return the name that others know a member by."""
    return member.name.removeprefix("./")


def read_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    """Yield the content of a member that is a file."""
    content = None if member.issparse() else tar.extractfile(member)
    if content is None:
        raise ArchiveError(f"{printable(member.name)!r} is not a file")
    yield from read_chunks(content)


def read_document(
    name: str, chunks: Iterable[bytes], *, most: int = MAX_DOCUMENT_BYTES
) -> tuple[bytes, Any]:
    """Return what `chunks` have, the JSON document `name`, as bytes and as what they mean.

    Raises `ArchiveError` for more than `most` bytes, and for more than `MAX_DOCUMENT_BYTES` of them
    beside its texts: each such byte may take tens in memory.
    """
    error = ArchiveError(f"{printable(name)} is too large for what it should be")
    content = bytearray().join(SizeLimit(most, error).counted(chunks))
    if len(content) > MAX_DOCUMENT_BYTES and len(_STRING.sub(b"", content)) > MAX_DOCUMENT_BYTES:
        raise error
    try:
        return bytes(content), json.loads(content)
    except ValueError as error:
        raise ArchiveError(f"{printable(name)} is not JSON") from error


def printable(name: str) -> str:
    """Return a name in an archive as it may be shown."""
    return plain(name, longest=100)


def _require_end(tar: tarfile.TarFile) -> None:
    """Raise unless the block of zeros is there that ends a tar: `tarfile` does without it."""
    file = cast("IO[bytes]", tar.fileobj)
    file.seek(tar.offset)
    if file.read(_BLOCK) != bytes(_BLOCK):
        raise ArchiveError("its end is missing")


def _compression_of(beginning: bytes) -> str:
    return next((name for sign, name in _COMPRESSIONS.items() if beginning.startswith(sign)), "")


class _Chunks(io.RawIOBase):
    """The file that chunks make."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._source = chunks
        self._chunks = filter(None, chunks)
        self._rest = b""

    def close(self) -> None:
        if isinstance(self._source, Generator):  # it may have a file open
            self._source.close()
        super().close()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or next(self._chunks, b"")
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


class _Wary:
    """A file of which `tarfile` reads no more of headers than those of an image need.

    It takes all of them into memory: names and attributes of any length, which may follow each
    other without end.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._is_header = False
        self._of_this = 0
        self._of_all = 0
        self.seek = file.seek
        self.tell = file.tell

    @contextmanager
    def reading_a_header(self) -> Iterator[None]:
        """Count what is read in the block: the headers of one member."""
        self._is_header, self._of_this = True, -_BLOCK - 1  # and one byte of what is before
        try:
            yield
        finally:
            self._is_header = False

    def read(self, size: int) -> bytes:
        if not self._is_header:
            return self._file.read(size)
        self._of_this += size
        if self._of_this > 0:
            self._of_all += min(size, self._of_this)
        if self._of_this > _MOST_HEADER_BYTES or self._of_all > _MOST_HEADER_BYTES_IN_ALL:
            raise ArchiveError("the headers in it are too large")
        content = self._file.read(size)
        if _LONG_NUMBER.search(content):
            raise ArchiveError("a number in its headers is too large")
        return content
