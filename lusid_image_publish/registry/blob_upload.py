"""One upload of a blob: start, send, continue after an interruption, complete or cancel.

A blob is sent in one PATCH, as Docker does: Amazon ECR, LUSID's registry in AWS, loses the data of
a second one (aws/containers-roadmap issue 2831). Only after an interruption the rest is sent in
another PATCH, from the offset that the registry reports (OCI distribution specification 1.1,
"Pushing a blob in chunks"). This is always safe: the registry compares the digest of the whole.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final, Protocol

import httpx

from lusid_image_publish.errors import LusidPublishError, PushError, PushInterruptedError
from lusid_image_publish.parallel import StoppedError
from lusid_image_publish.registry.push_requests import PushRequests
from lusid_image_publish.registry.refusals import temporary_failure
from lusid_image_publish.waiting import sleep

_MAX_CONTINUATIONS_COUNT: Final = 20  # of one upload
_PAUSES_SECONDS: Final = (0.2, 1.0, 2.0)  # before each question for the offset
_PIECE_BYTES: Final = 1 << 18  # between two reports of progress
_RANGE: Final = re.compile(r"(?:bytes=)?0-(\d{1,18})")
_LOST_STATUSES: Final = {httpx.codes.NOT_FOUND, httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE}
"""Statuses of a registry that lost an upload, or a part of it: it must begin again."""


class BlobSource(Protocol):
    """The bytes of a blob; `size` is None if it is known only at the end."""

    @property
    def size(self) -> int | None:
        """The number of bytes."""

    def pieces(self, start: int) -> Iterator[bytes]:
        """Yield the bytes from `start` on, up to which they were yielded before."""


class BlobUpload:
    """A started upload of the bytes of `source`.

    `is_lost` is True if the registry lost the upload or a part of it, so that it must start again.
    `sent` counts the bytes that were sent, including those sent twice.
    """

    def __init__(self, requests: PushRequests, source: BlobSource) -> None:
        self.is_lost = False
        self.sent = 0
        self._requests = requests
        self._source = source
        self._is_continued = False
        begun = requests.send("POST", f"{requests.path}/blobs/uploads/", "start an upload")
        self._place = requests.location(begun)

    def send(self, report: Callable[[], None]) -> None:
        """Send all bytes; `report` is called for each piece, and may raise to stop the upload.

        Raises a `PushError`.
        """
        start = 0
        for _ in range(_MAX_CONTINUATIONS_COUNT):
            body = _Body(self._source, start, self._count(report))
            try:
                self._send_rest(body)
                return body.require_whole(self._requests)
            except PushInterruptedError as error:
                body.require_running()
                if self.is_lost or error.is_silence:
                    raise
                reached = self._ask_offset()
                if body.is_whole and reached == body.end:  # the answer was lost, and no more
                    return None
                if reached is None or not start < reached <= body.end:
                    raise
                start, self._is_continued = reached, True
        raise self._requests.ended_error("the connection broke too often")

    def keep(self, digest: str) -> None:
        """Complete the upload as the blob with this `digest`. Raises a `PushError`."""
        query = b"&".join(filter(None, [self._place.query, f"digest={digest}".encode()]))
        self._ask("PUT", self._place.copy_with(query=query), "complete an upload")

    def cancel(self) -> None:
        """Cancel the upload. A registry that does not support this drops it after some time."""
        with suppress(LusidPublishError):
            self._requests.send("DELETE", self._place, "cancel an upload")

    def _count(self, report: Callable[[], None]) -> Callable[[int], None]:
        def count(sent: int) -> None:
            self.sent += sent
            report()

        return count

    def _send_rest(self, body: "_Body") -> None:
        headers = {"Content-Type": "application/octet-stream"}
        if (size := self._source.size) is not None:
            headers["Content-Length"] = str(size - body.start)
            if body.start:
                headers["Content-Range"] = f"{body.start}-{size - 1}"
        answer = self._ask("PATCH", self._place, "accept a layer", content=body, headers=headers)
        self._follow(answer)

    def _ask(
        self,
        method: str,
        place: httpx.URL,
        wish: str,
        *,
        content: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        try:
            return self._requests.send(method, place, wish, content=content, headers=headers)
        except PushError as error:
            # A registry may not take a rest, or may have put it somewhere else.
            is_refused = self._is_continued and type(error) is PushError
            if error.status in _LOST_STATUSES or is_refused:
                self.is_lost = True
                raise temporary_failure(error.message) from error
            raise

    def _ask_offset(self) -> int | None:
        """Return how many bytes the registry has, None where it does not say it."""
        for pause in _PAUSES_SECONDS:
            sleep(pause)
            try:
                answer = self._requests.send("GET", self._place, "report the state of an upload")
            except PushInterruptedError as error:
                if error.is_silence:
                    return None
                continue
            except PushError as error:
                # Distribution 2 knows an upload by the offset that it had before, and no more.
                self.is_lost = error.status in _LOST_STATUSES
                return None
            self._follow(answer)
            found = _RANGE.fullmatch(answer.headers.get("range", ""))
            # `0-0` is said of one byte, and of none.
            return int(found[1]) + 1 if found and int(found[1]) else None
        return None

    def _follow(self, answer: httpx.Response) -> None:
        if "location" in answer.headers:
            self._place = self._requests.location(answer)


class _Body:
    """The bytes from `start` on, once more when a token had to be renewed first.

    `is_whole` says that all were taken, up to `end`.
    """

    def __init__(self, source: BlobSource, start: int, count: Callable[[int], None]) -> None:
        self.start = start
        self.end = start
        self.is_whole = False
        self._stop: StoppedError | None = None
        self._source = source
        self._count = count

    def __iter__(self) -> Iterator[bytes]:
        self.end, self.is_whole = self.start, False
        for piece in self._source.pieces(self.start):
            for begin in range(0, len(piece), _PIECE_BYTES):
                part = piece[begin : begin + _PIECE_BYTES]
                try:
                    self._count(len(part))
                except StoppedError as stop:
                    # A request that ends can be cancelled; distribution 2 cancels no broken one.
                    self._stop = stop
                    return
                self.end += len(part)
                yield part
        self.is_whole = True

    def require_running(self) -> None:
        """Raise `StoppedError` if that ended it."""
        if self._stop:
            raise self._stop

    def require_whole(self, requests: PushRequests) -> None:
        """Raise what ended it before its end, if anything did."""
        self.require_running()
        if not self.is_whole:
            raise requests.ended_error("the registry answered before it had received a whole layer")
