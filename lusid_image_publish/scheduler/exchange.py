"""One call without its I/O, for both clients: the request, the sink of its body, the retries."""

from typing import Any, Final, Generic

import httpx

from lusid_image_publish.config import Settings
from lusid_image_publish.errors import TransportError, UnexpectedAnswerError
from lusid_image_publish.http.bounds import (
    ACCEPT_GZIP,
    MAX_ERROR_BYTES,
    limit_body,
)
from lusid_image_publish.http.network import deadline_caused
from lusid_image_publish.http.retries import (
    RETRY_KEY,
    ServiceRetry,
    retry_policy,
    timeout_of,
)
from lusid_image_publish.scheduler.download import Download
from lusid_image_publish.scheduler.no_answer import transport_error
from lusid_image_publish.scheduler.operations import Answer, Call
from lusid_image_publish.scheduler.responses import Received, error_of, read_answer
from lusid_image_publish.waiting import Deadline

MAX_DOCUMENT_BYTES: Final = 128 << 20
"""The largest answer that is kept in memory: a scan with 50,000 findings."""

_JSON: Final = "application/json"


class Document:
    """A document in memory."""

    blocks = False

    def __init__(self, call: Call[Any]) -> None:
        self._call = call
        self._content = bytearray()
        self._response: httpx.Response | None = None

    def headers(self) -> dict[str, str]:
        """Request the whole document, compressed if possible."""
        return ACCEPT_GZIP

    def accepts(self, response: httpx.Response) -> bool:
        """Start from the beginning; return whether the answer is a success."""
        self._content.clear()
        self._response = response
        return response.status_code in self._call.operation.done

    def write(self, chunk: bytes) -> None:
        """Add to the document. Raises `UnexpectedAnswerError` above `MAX_DOCUMENT_BYTES`."""
        self._content += chunk
        if self._response and len(self._content) > MAX_DOCUMENT_BYTES:
            raise UnexpectedAnswerError(
                f"LUSID's answer to {self._call.operation.name} is too long.",
                cause=f"It has more than {MAX_DOCUMENT_BYTES >> 20} MiB, so the Scheduler URL "
                "probably points to another service.",
                hint="Check the Scheduler URL, which usually ends in /scheduler2.",
                operation=self._call.operation.name,
                status=self._response.status_code,
                request_id=self.received().request_id,
            )

    def has_progressed(self) -> bool:
        """Return False: each request starts from the beginning."""
        return False

    def received(self) -> Received:
        """Return the answer."""
        if self._response is None:  # pragma: no cover - called after the exchange only
            raise AssertionError
        return Received(self._response.status_code, self._response.headers, self._content)


Sink = Document | Download
"""Receives the body of an answer; `blocks` is true if `write` waits for a disk."""


class Exchange(Generic[Answer]):
    """One call, until its answer has arrived or all attempts have failed.

    The body goes to `sink`, by default to memory for `answer()`. `own_retries` is true if the
    client's transport is this package's, which retries; `own_timeouts`, if the timeouts are those
    of `settings` and not the client's. `deadline` includes the retries.
    """

    def __init__(
        self,
        call: Call[Answer],
        settings: Settings,
        *,
        sink: Sink | None,
        own_retries: bool,
        own_timeouts: bool,
    ) -> None:
        self._call = call
        self._document = Document(call)
        self._sink = sink or self._document
        self._settings = settings
        self._retry = self._fresh_retry() if own_retries else None
        self._own_timeouts = own_timeouts
        total = settings.total_timeout_ms / 1000 if own_timeouts else 0
        self.deadline = Deadline(total or float("inf"))
        self._error: Document | None = None

    def request(self) -> dict[str, Any]:
        """Return the arguments for httpx's `build_request`."""
        extensions: dict[str, Any] = {}
        if self._own_timeouts:
            extensions["timeout"] = timeout_of(self._settings).as_dict()
        if self._retry:
            extensions[RETRY_KEY] = self._retry
        body = self._call.body.encode()
        return {
            "method": self._call.operation.method,
            "url": self._call.url,
            "content": body or None,
            "headers": self._sink.headers() | ({"Content-Type": _JSON} if body else {}),
            "extensions": extensions,
        }

    def sink_for(self, response: httpx.Response) -> Sink:
        """Return the sink for `response`: the call's own, or memory for an error."""
        is_wanted = self._sink.accepts(response)
        limit_body(
            response, max_bytes=None if is_wanted else MAX_ERROR_BYTES, deadline=self.deadline
        )
        if is_wanted:
            self._error = None
            return self._sink
        self._error = Document(self._call)
        self._error.accepts(response)
        return self._error

    def answer(self) -> Answer:
        """Return the model of the answer. Raises `UnexpectedAnswerError` for another document."""
        return read_answer(self._call, self._document.received())

    @property
    def answer_bytes(self) -> int:
        """The size of the answer."""
        return len(self._document.received().content)

    def finish(self) -> None:
        """Raise the error for the answer, unless its body went to the sink."""
        if self._error:
            raise error_of(self._call, self._error.received())

    def retry_after(self, response: httpx.Response, error: httpx.RequestError) -> ServiceRetry:
        """Return the pause before the next request, after the body of `response` was cut off.

        Raises `TransportError` if no retry is left, the error that the answer reports if it is an
        error, and `UnexpectedAnswerError` for a body that cannot be decompressed.
        """
        if deadline_caused(error):
            raise self.no_answer_error(error, response.request) from error
        self.finish()
        if isinstance(error, httpx.DecodingError):
            raise UnexpectedAnswerError(
                f"LUSID's answer to {self._call.operation.name} cannot be decompressed.",
                cause="A proxy changed it, or its Content-Encoding is wrong.",
                hint="Try again; if the error persists, give FINBOURNE support the request id.",
                operation=self._call.operation.name,
                status=response.status_code,
                request_id=Received(response.status_code, response.headers, b"").request_id,
            ) from error
        retry = response.extensions.get(RETRY_KEY)
        if isinstance(retry, ServiceRetry) and self._sink.has_progressed():
            retry = self._fresh_retry()
        if (
            not isinstance(retry, ServiceRetry)
            or retry.is_exhausted()
            or not retry.is_retryable_exception(error)
        ):
            raise self.no_answer_error(error, response.request) from error
        self._retry = retry.increment()
        return self._retry

    def no_answer_error(self, error: httpx.RequestError, request: httpx.Request) -> TransportError:
        """Return the error for `error` in place of an answer to `request`."""
        return transport_error(self._call.operation.name, error, request.url)

    def _fresh_retry(self) -> ServiceRetry:
        return retry_policy(self._settings, retry_safe=self._call.operation.retry_safe)
