"""Tars that others wrote: read in constant memory, and nothing of them is extracted.

A name in a tar is a key here, never a path. What a header says of sizes is not believed: no more
than a document's worth is read at once, and damage of any kind is one `ArchiveError`.
"""

import importlib
import io
import json
import sys
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Final, cast

from lusid_image_publish.errors import LusidPublishError
from lusid_image_publish.redact import plain

CHUNK: Final = 1 << 20
"""Bytes that are read at once."""

LARGEST_DOCUMENT: Final = 4 << 20
"""Bytes of JSON that are read: the limit that registries have for a manifest."""

LARGEST_CONFIG: Final = 32 << 20
"""Bytes of an image's config that are read: a blob, for which engines and registries have no limit.

Docker loads, pushes and pulls 17 MiB, tried with each of its image stores.
"""

_BLOCK: Final = tarfile.BLOCKSIZE
_MOST_MEMBERS: Final = 100_000
_ZSTD: Final = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
_COMPRESSIONS: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "lzma",
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


@contextmanager
def reading() -> Iterator[None]:
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
    """Return whether a file that begins so is a tar, or compressed."""
    if _compression_of(beginning):
        return True
    try:
        tarfile.TarInfo.frombuf(beginning[:_BLOCK], tarfile.ENCODING, "surrogateescape")
    except tarfile.TarError:
        return False
    return True


def is_compressed(file: IO[bytes]) -> bool:
    """Return whether `file` is compressed."""
    file.seek(0)
    return bool(_compression_of(file.read(_BLOCK)))


def decompressed(file: IO[bytes]) -> IO[bytes]:
    """Return `file` from its beginning on, decompressed if it is compressed."""
    file.seek(0)
    module = _compression_of(file.read(_BLOCK))
    file.seek(0)
    if not module:
        return file
    return cast("IO[bytes]", _reader(module).open(file))


def decompressed_zstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what zstd frames, one behind the other, have in them."""
    with _reader(_ZSTD).open(_Chunks(chunks)) as content:
        while chunk := content.read(CHUNK):
            yield chunk


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


@contextmanager
def opened_tar(file: IO[bytes]) -> Iterator[tarfile.TarFile]:
    """Yield the tar in `file`, which may be compressed, from its beginning on."""
    content = decompressed(file)
    try:
        with tarfile.TarFile(fileobj=cast("IO[bytes]", _Wary(content))) as tar:
            yield tar
    finally:
        if content is not file:
            content.close()


def members_of(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield all members, whole ones only. Raises `ArchiveError` for too many and for no end."""
    number = 0
    for number, member in enumerate(tar, 1):
        if number > _MOST_MEMBERS:
            raise ArchiveError(f"it has more than {_MOST_MEMBERS} files")
        if member.size < 0:
            raise ArchiveError("a file in it has a negative size")
        yield member
    if not number:
        raise ArchiveError("it has no files")
    _require_end(tar)


def name_of(member: tarfile.TarInfo) -> str:
    """Return the name that others know a member by."""
    return member.name.removeprefix("./")


def chunks_of(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    """Yield the content of a member that is a file."""
    content = tar.extractfile(member)
    if content is None:
        raise ArchiveError(f"{shown(member.name)!r} is not a file")
    while chunk := content.read(CHUNK):
        yield chunk


def read_document(
    name: str, chunks: Iterable[bytes], *, most: int = LARGEST_DOCUMENT
) -> tuple[bytes, Any]:
    """Return what `chunks` have, the JSON document `name`, as bytes and as what they mean.

    Raises `ArchiveError` for more than `most` bytes.
    """
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > most:
            raise ArchiveError(f"{shown(name)} is too large for what it should be")
    try:
        return bytes(content), json.loads(content)
    except ValueError as error:
        raise ArchiveError(f"{shown(name)} is not JSON") from error


def shown(name: str) -> str:
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
        self._chunks = iter(chunks)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or next(self._chunks, b"")
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


class _Wary:
    """A file of which `tarfile` reads no more at once than a document's worth.

    A header that announces gigabytes of a name or of attributes would be taken into memory.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        if size > LARGEST_DOCUMENT:
            raise ArchiveError("a header in it is too large")
        return self._file.read(size)
