"""The body of an answer, within bounds of time and size."""

import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Final, cast

import httpx

from lusid_image_publish.http.network import OutOfTimeError
from lusid_image_publish.waiting import Deadline, time_left

LONGEST_ERROR: Final = 64 * 1024
"""Bytes that are read of an answer that is an error: more is no explanation."""

LARGEST_DOCUMENT: Final = 128 << 20
"""Bytes of the largest answer that is kept in memory: a scan with 50,000 findings."""

STRETCH: Final = 64 << 20
"""Bytes for which the total time-out holds: a long download needs longer than one that stalls."""

COMPRESSION: Final = {"Accept-Encoding": "gzip"}
"""The header that asks for nothing that `bound` does not decompress."""

_STEP: Final = 1 << 16  # bytes that are decompressed at a time
_IDENTITY: Final = ("", "identity")
_ZLIB: Final = ("gzip", "x-gzip", "deflate")


def bound(
    response: httpx.Response, *, most: int | None = LONGEST_ERROR, deadline: Deadline | None = None
) -> None:
    """End the body of `response`, not read yet, after `most` bytes, decompressed.

    Each `STRETCH` of it restarts `deadline`. Reading it raises `httpx.DecodingError` for a body
    that is not compressed with gzip though it is compressed, or twice.
    """
    encoding = response.headers.get("content-encoding", "").strip().lower()
    response.headers.pop("content-encoding", None)  # or httpx would decompress without a bound
    response.stream = _Bounded(response.stream, encoding, most, deadline)


class _Bounded(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(
        self,
        stream: httpx.SyncByteStream | httpx.AsyncByteStream,
        encoding: str,
        most: int | None,
        deadline: Deadline | None,
    ) -> None:
        self._stream = stream
        self._encoding = encoding
        self._left = float("inf") if most is None else most
        self._deadline = deadline
        self._stretch = 0
        self._unpack = zlib.decompressobj(wbits=47) if encoding in _ZLIB else None  # 47: either one

    def __iter__(self) -> Iterator[bytes]:
        for chunk in cast("httpx.SyncByteStream", self._stream):
            yield from self._taken(chunk)
            if self._left <= 0:
                return
        self._require_end()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in cast("httpx.AsyncByteStream", self._stream):
            for part in self._taken(chunk):
                yield part
            if self._left <= 0:
                return
        self._require_end()

    def close(self) -> None:
        cast("httpx.SyncByteStream", self._stream).close()

    async def aclose(self) -> None:
        await cast("httpx.AsyncByteStream", self._stream).aclose()

    def _taken(self, chunk: bytes) -> Iterator[bytes]:
        self._stretch += len(chunk)
        if self._deadline and self._stretch > STRETCH:
            self._stretch = 0
            self._deadline.restart()
        if time_left() <= 0:  # for a transport that was given, whose sockets do not know
            raise httpx.ReadTimeout("the time is over") from OutOfTimeError()
        for part in self._unpacked(chunk):
            if self._left <= 0:
                return
            self._left -= len(part)
            yield part

    def _unpacked(self, chunk: bytes) -> Iterator[bytes]:
        if self._unpack is None:
            if self._encoding not in _IDENTITY:
                raise httpx.DecodingError("the body is compressed in a way that was not asked for")
            yield chunk
            return
        try:
            while part := self._unpack.decompress(chunk, _STEP):
                yield part
                chunk = self._unpack.unconsumed_tail
        except zlib.error as error:
            raise httpx.DecodingError(str(error)) from error

    def _require_end(self) -> None:
        if self._unpack and self._stretch and not self._unpack.eof:
            raise httpx.DecodingError("the compressed body is cut off")
