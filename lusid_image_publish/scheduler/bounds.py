"""The body of an answer, within bounds of time and size."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, cast

import httpx

from lusid_image_publish.errors import TransportError
from lusid_image_publish.scheduler.operations import Operation
from lusid_image_publish.waiting import Deadline

LONGEST_ERROR: Final = 64 * 1024
"""Bytes that are read of an answer that is an error: more is no explanation."""

LARGEST_DOCUMENT: Final = 256 << 20
"""Bytes of the largest answer that is kept in memory; a scan with 50,000 findings needs half."""

STRETCH: Final = 64 << 20
"""Bytes for which the total time-out holds: a long download needs longer than one that stalls."""

TOTAL_KEY: Final = "total_timeout"
"""The extension of a request that has its total time-out in seconds, 0 for none."""

OPERATION_KEY: Final = "operation"
"""The extension of a request that has its `Operation`."""


def bound(
    response: httpx.Response,
    asked: httpx.Request,
    *,
    operation: Operation[Any] | None = None,
    most: int | None = LONGEST_ERROR,
) -> None:
    """Let the body of `response`, not read yet, end after `most` bytes.

    Reading it raises `TransportError` when `STRETCH` bytes of it, or what there is, take longer
    than the total time-out of `asked`: a server that sends a byte a minute is given up too. It
    names the `operation`, else the one of `asked`.
    """
    seconds = asked.extensions.get(TOTAL_KEY) or float("inf")
    named = operation or asked.extensions[OPERATION_KEY]
    response.stream = _Bounded(response.stream, named, seconds, most)


class _Bounded(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(
        self,
        stream: httpx.SyncByteStream | httpx.AsyncByteStream,
        operation: Operation[Any],
        seconds: float,
        most: int | None,
    ) -> None:
        self._stream = stream
        self._operation = operation
        self._seconds = seconds
        self._most = most
        self._deadline = Deadline(seconds)
        self._stretch = self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in cast("httpx.SyncByteStream", self._stream):
            yield chunk
            if self._is_enough(chunk):
                return

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in cast("httpx.AsyncByteStream", self._stream):
            yield chunk
            if self._is_enough(chunk):
                return

    def close(self) -> None:
        cast("httpx.SyncByteStream", self._stream).close()

    async def aclose(self) -> None:
        await cast("httpx.AsyncByteStream", self._stream).aclose()

    def _is_enough(self, chunk: bytes) -> bool:
        self._size += len(chunk)
        self._stretch += len(chunk)
        if self._stretch > STRETCH:
            self._stretch, self._deadline = 0, Deadline(self._seconds)
        if self._deadline.passed():
            raise TransportError(
                f"The answer to {self._operation} did not end in time.",
                cause="The network is very slow, or something in between holds the answer back.",
                hint="Try again; FBN_TOTAL_TIMEOUT_MS sets the limit.",
                operation=self._operation.name,
            )
        return self._most is not None and self._size >= self._most
