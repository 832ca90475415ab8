"""Limit the time and size of an answer's body."""

import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Final, cast

import httpx

from lusid_image_publish.http.network import OutOfTimeError
from lusid_image_publish.waiting import Deadline, time_left

MAX_ERROR_BYTES: Final = 64 * 1024
"""The part of an error answer that is read: the rest adds no information."""

DEADLINE_BYTES: Final = 64 << 20
"""The part of a body after which its deadline restarts: a long one needs more time."""

ACCEPT_GZIP: Final = {"Accept-Encoding": "gzip"}
"""The header that requests the only compression that `limit_body` decodes."""

_STEP_BYTES: Final = 1 << 16  # decompressed at a time
_UNCOMPRESSED: Final = ("", "identity")
_GZIP_OR_DEFLATE: Final = ("gzip", "x-gzip", "deflate")


def limit_body(
    response: httpx.Response,
    *,
    max_bytes: int | None = MAX_ERROR_BYTES,
    deadline: Deadline | None = None,
) -> None:
    """End the unread body of `response` after `max_bytes`, decompressed.

    Each `DEADLINE_BYTES` of it restart `deadline`. Reading raises `httpx.DecodingError` for a body
    that is compressed twice, or with anything but gzip or deflate.
    """
    encoding = response.headers.get("content-encoding", "").strip().lower()
    response.headers.pop("content-encoding", None)  # or httpx would decompress without a bound
    response.stream = _LimitedBody(response.stream, encoding, max_bytes, deadline)


class _LimitedBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(
        self,
        stream: httpx.SyncByteStream | httpx.AsyncByteStream,
        encoding: str,
        max_bytes: int | None,
        deadline: Deadline | None,
    ) -> None:
        self._stream = stream
        self._encoding = encoding
        self._bytes_left = float("inf") if max_bytes is None else max_bytes
        self._deadline = deadline
        self._bytes_since_restart = 0
        is_compressed = encoding in _GZIP_OR_DEFLATE
        self._decompressor = zlib.decompressobj(wbits=47) if is_compressed else None  # 47: either

    def __iter__(self) -> Iterator[bytes]:
        for chunk in cast("httpx.SyncByteStream", self._stream):
            yield from self._limited(chunk)
            if self._bytes_left <= 0:
                return
        self._require_end()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in cast("httpx.AsyncByteStream", self._stream):
            for part in self._limited(chunk):
                yield part
            if self._bytes_left <= 0:
                return
        self._require_end()

    def close(self) -> None:
        cast("httpx.SyncByteStream", self._stream).close()

    async def aclose(self) -> None:
        await cast("httpx.AsyncByteStream", self._stream).aclose()

    def _limited(self, chunk: bytes) -> Iterator[bytes]:
        self._bytes_since_restart += len(chunk)
        if self._deadline and self._bytes_since_restart > DEADLINE_BYTES:
            self._bytes_since_restart = 0
            self._deadline.restart()
        if time_left() <= 0:  # the sockets of a caller's own transport ignore it
            raise httpx.ReadTimeout("the deadline has passed") from OutOfTimeError()
        for part in self._decompressed(chunk):
            if self._bytes_left <= 0:
                return
            self._bytes_left -= len(part)
            yield part

    def _decompressed(self, chunk: bytes) -> Iterator[bytes]:
        if self._decompressor is None:
            if self._encoding not in _UNCOMPRESSED:
                raise httpx.DecodingError("the body is compressed in a way that was not requested")
            yield chunk
            return
        try:
            while part := self._decompressor.decompress(chunk, _STEP_BYTES):
                yield part
                chunk = self._decompressor.unconsumed_tail
        except zlib.error as error:
            raise httpx.DecodingError(str(error)) from error

    def _require_end(self) -> None:
        if self._decompressor and self._bytes_since_restart and not self._decompressor.eof:
            raise httpx.DecodingError("the compressed body is cut off")
