"""Decompress files and layers with little memory."""

import importlib
import io
import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator
from typing import IO, Any, Final, cast

from lusid_image_publish.archives.archive_error import ArchiveError

CHUNK_BYTES: Final = 1 << 20
"""The size of one read."""

GZIP: Final = "gzip"
ZSTD: Final = "zstd"
GZIP_WBITS: Final = 31
"""zlib's number for gzip, with its largest window."""

_XZ: Final = "lzma"
_SIGNS: Final = {b"\x1f\x8b": GZIP, b"BZh": "bz2", b"\xfd7zXZ\0": _XZ, b"\x28\xb5\x2f\xfd": ZSTD}
"""The first bytes of compressed files."""
_ZSTD_MODULE: Final = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
_SIGN_BYTES: Final = 6
_MAX_XZ_MEMORY_BYTES: Final = 256 << 20  # `xz -9` needs 65 MiB
_GZIP_PART_BYTES: Final = 1 << 14  # after each small gzip file the rest of a part is copied


def compression_of(beginning: bytes) -> str:
    """Return the compression of a file with this beginning, empty if there is none."""
    return next((form for sign, form in _SIGNS.items() if beginning.startswith(sign)), "")


def decompressed_file(file: IO[bytes]) -> IO[bytes]:
    """Return `file` from its start, decompressed if it is compressed."""
    file.seek(0)
    form = compression_of(file.read(_SIGN_BYTES))
    file.seek(0)
    if not form:
        return file
    if form == _XZ:
        return file_of_chunks(_decompress_xz(read_chunks(file)))
    return cast("IO[bytes]", _import_codec(form).open(file))


def layer_decoder(compression: str) -> "LayerDecoder":
    """Return the decoder of a layer that is compressed with `GZIP` or `ZSTD`."""
    return _GzipDecoder() if compression == GZIP else _ZstdDecoder()


def file_of_chunks(chunks: Iterable[bytes]) -> IO[bytes]:
    """Return `chunks` as a file that is read once, from start to end."""
    return cast("IO[bytes]", io.BufferedReader(_ChunkReader(chunks)))


def read_chunks(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the rest of `file`."""
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


class LayerDecoder(ABC):
    """Decompresses a layer in small parts."""

    @abstractmethod
    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the decompressed bytes of the next `chunk`."""

    @abstractmethod
    def require_end(self) -> None:
        """Raise `ArchiveError` unless the compressed data is complete."""


class _GzipDecoder(LayerDecoder):
    """Concatenated gzip members."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(GZIP_WBITS)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        for start in range(0, len(chunk), _GZIP_PART_BYTES):
            rest = chunk[start : start + _GZIP_PART_BYTES]
            while rest:
                if self._inflate.eof:
                    self._inflate = zlib.decompressobj(GZIP_WBITS)
                yield self._inflate.decompress(rest, CHUNK_BYTES)
                rest = self._inflate.unused_data or self._inflate.unconsumed_tail

    def require_end(self) -> None:
        if not self._inflate.eof:
            raise _cut_off_error()


class _ZstdDecoder(LayerDecoder):
    """Concatenated zstd frames."""

    def __init__(self) -> None:
        self._codec = _import_codec(ZSTD)
        self._frame = self._codec.ZstdDecompressor()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        rest = chunk
        while rest or not (self._frame.needs_input or self._frame.eof):
            if self._frame.eof:
                self._frame = self._codec.ZstdDecompressor()
            yield self._frame.decompress(rest, CHUNK_BYTES)
            rest = self._frame.unused_data if self._frame.eof else b""

    def require_end(self) -> None:
        if not self._frame.eof:
            raise _cut_off_error()


def _cut_off_error() -> ArchiveError:
    return ArchiveError("one of its layers is truncated")


def _decompress_xz(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress concatenated xz streams within `_MAX_XZ_MEMORY_BYTES`.

    `lzma.open` uses as much memory as a stream asks for: up to 4 GiB.
    """
    xz = _import_codec(_XZ)
    stream = None
    for chunk in chunks:
        rest = chunk
        while rest or (stream and not stream.needs_input):
            if stream is None:
                rest = rest.lstrip(b"\0")  # padding between streams
                if not rest:
                    break
                stream = xz.LZMADecompressor(xz.FORMAT_XZ, memlimit=_MAX_XZ_MEMORY_BYTES)
            try:
                yield stream.decompress(rest, CHUNK_BYTES)
            except xz.LZMAError as error:
                if "Memory" not in str(error):
                    raise
                raise ArchiveError(
                    f"decompressing it takes more than {_MAX_XZ_MEMORY_BYTES >> 20} MiB of memory",
                    cause="It was compressed with a larger dictionary than `xz -9` uses.",
                    hint="Decompress it first, or compress it with `xz -9` or less.",
                ) from error
            rest = b""
            if stream.eof:
                rest, stream = stream.unused_data, None
    if stream:
        raise ArchiveError("it is truncated: the compressed data is incomplete")


def _import_codec(form: str) -> Any:
    module = _ZSTD_MODULE if form == ZSTD else form
    try:
        # Python can be built without any of them.
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ArchiveError(
            f"it is compressed with {form}, which this Python cannot read",
            cause=f"Python was built or installed without the module {module}.",
            hint=f"Decompress it first, or use a Python with {module}.",
        ) from error


class _ChunkReader(io.RawIOBase):
    """Chunks as a file."""

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
