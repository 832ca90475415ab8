"""A network in process: servers by their hosts, and what happens to requests on their way."""

import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace

import anyio.to_thread
import httpx
import pytest
from anyio.from_thread import BlockingPortal

from lusid_image_publish.http import transport
from lusid_image_publish.http.connection_failures import UnknownHostError
from lusid_image_publish.http.network import OutOfTimeError
from lusid_image_publish.waiting import time_left
from tests.faults import STATUSES, Answered, Asked, Chooser, Fault, changed
from tests.inprocess.clock import FakeClock

_ON_THE_WAY = 0.001  # seconds that each request takes
_REFUSING = 1.0  # seconds for which a fault that happens once refuses connections

Handler = Callable[[httpx.Request], httpx.Response]
Script = Callable[[Asked], Answered | None]


def json_answer(document: object, status: int = 200, **headers: str) -> Answered:
    """Return an answer with a document."""
    kind = {"Content-Type": "application/json"}
    return Answered(status, kind | headers, json.dumps(document).encode())


def problem(status: int, *, code: int = -1, **members: object) -> Answered:
    """Return an error as the service writes it."""
    document = {"name": "Problem", "code": code, "title": "Refused", "status": status, **members}
    return json_answer(document, status, **{"lusid-meta-requestId": "0HN:42"})


def scripted(method: str, pattern: str, *answers: Answered | None) -> Script:
    """Return what answers such requests: with each of `answers`, the last again and again.

    None lets the server answer.
    """
    left = list(answers)

    def answer(asked: Asked) -> Answered | None:
        if asked.method != method or not re.search(pattern, asked.path):
            return None
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


@dataclass
class Server:
    """What answers at one host: `handler`, with the fault that happens on the way to it and back.

    `fault` happens `at` the chosen requests, once or `always`; `happened` counts. `instead` may
    answer in its place. `before` is called with each request that `handler` is to answer, `after`
    when it has answered. `asked` and `answered` keep what was said.
    """

    handler: Handler
    clock: FakeClock
    fault: Fault | None = None
    at: Chooser = lambda _asked, _before: False
    always: bool = False
    instead: Script = lambda _: None
    before: Callable[[Asked], object] = lambda _: None
    after: Callable[[Asked], object] = lambda _: None
    asked: list[Asked] = field(default_factory=list)
    answered: list[tuple[Asked, Answered]] = field(default_factory=list)
    happened: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _refuses_until: float = 0.0

    def count(self, method: str, path: str) -> int:
        """Return how many requests of `method` came whose path has `path` in it."""
        return sum(asked.method == method and path in asked.path for asked in self.asked)

    def changes(self) -> list[str]:
        """Return the requests that may have changed something."""
        return [str(asked) for asked in self.asked if asked.method not in {"GET", "HEAD"}]

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer, or raise what httpx would."""
        _require_time(request)
        self.clock.advance(_ON_THE_WAY)
        if self.clock.monotonic() < self._refuses_until:
            raise httpx.ConnectError("[Errno 111] Connection refused")
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(request.method, request.url.raw_path.decode(), headers, b"")
        fault = self._fault_for(asked)
        match fault:
            case Fault.REFUSED:
                refusing = float("inf") if self.always else _REFUSING
                self._refuses_until = self.clock.monotonic() + refusing
                raise httpx.ReadError("[Errno 104] Connection reset by peer")
            case Fault.RESET if headers.get("content-length", "0") != "0":
                next(iter(_stream(request)))
                raise httpx.WriteError("[Errno 104] Connection reset by peer")
            case Fault.STALL:
                next(iter(_stream(request)), b"")
                raise self._timed_out(request, request.extensions["timeout"]["read"])
            case Fault.ENDLESS:
                request.read()
                raise self._timed_out(request, None)
        asked = replace(asked, body=request.read())
        answered = self._answered(request, asked, fault)
        if fault is Fault.LOST or (fault is Fault.RESET and not answered.body):
            raise httpx.ReadError("[Errno 104] Connection reset by peer")
        return _response(answered, is_broken=fault is Fault.RESET)

    def _fault_for(self, asked: Asked) -> Fault | None:
        with self._lock:
            chosen = (
                self.fault and self.at(asked, self.asked) and (self.always or not self.happened)
            )
            self.asked.append(asked)
            self.happened += bool(chosen)
            return self.fault if chosen else None

    def _answered(self, request: httpx.Request, asked: Asked, fault: Fault | None) -> Answered:
        if scripted := self.instead(asked):
            return scripted
        if fault in STATUSES:
            return STATUSES[fault](asked)
        self.before(asked)
        response = self.handler(request)
        body = b"".join(response.iter_raw()) if not response.is_closed else response.content
        headers = dict(response.headers)
        if asked.method != "HEAD":
            headers.pop("content-length", None)  # a fault may change it
        answered = Answered(response.status_code, headers, body)
        self.answered.append((asked, answered))
        self.after(asked)
        return changed(answered, fault)

    def _timed_out(self, request: httpx.Request, timeout: float | None) -> httpx.TimeoutException:
        """Let the time pass that a client waits for a byte, and return what it raises then."""
        left = time_left()
        bound = left if timeout is None else min(timeout, left)
        assert bound != float("inf"), f"{request.method} {request.url} waits without a bound"
        self.clock.advance(bound)
        if timeout is not None and timeout <= left:
            return httpx.ReadTimeout("timed out")
        return _out_of_time()


def _require_time(request: httpx.Request) -> None:
    """Raise what the sockets of a request raise once its deadline has passed."""
    assert set(request.extensions["timeout"]) == {"connect", "read", "write", "pool"}
    if time_left() <= 0:
        raise _out_of_time()


def _out_of_time() -> httpx.TimeoutException:
    error = httpx.TimeoutException("the time is over")
    error.__cause__ = OutOfTimeError("the time is over")
    return error


def _stream(request: httpx.Request) -> httpx.SyncByteStream:
    assert isinstance(request.stream, httpx.SyncByteStream)
    return request.stream


def _response(answered: Answered, *, is_broken: bool) -> httpx.Response:
    body, headers = answered.body, httpx.Headers(dict(answered.headers))
    headers.setdefault("Content-Length", str(len(body)))
    stream: httpx.ByteStream | _Broken = httpx.ByteStream(body)
    if is_broken:
        reset = httpx.ReadError("[Errno 104] Connection reset by peer")
        stream = _Broken(body[: len(body) // 2], reset)
    elif body and int(headers["Content-Length"]) > len(body):
        cut = httpx.RemoteProtocolError("peer closed connection without sending complete body")
        stream = _Broken(body, cut)
    return httpx.Response(answered.status, headers=headers, stream=stream)


class _Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Part of a body, and then an error."""

    def __init__(self, part: bytes, error: httpx.TransportError) -> None:
        self._part = part
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        yield self._part
        raise self._error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


class Network(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """The transport to all `servers`, which are known by host and port as they are in URLs."""

    def __init__(self) -> None:
        self.servers: dict[str, Server] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        server = self.servers.get(request.url.netloc.decode())
        if server is None:
            raise httpx.ConnectError("unknown") from UnknownHostError(request.url.host)
        return server.answer(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await anyio.to_thread.run_sync(self.handle_request, request)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Be below the retries of all clients of the package."""
        patch.setattr(transport, "BoundedTransport", lambda **_: self)
        patch.setattr(transport, "AsyncBoundedTransport", lambda **_: self)


@dataclass(frozen=True)
class Application:
    """The handler that asks an ASGI application."""

    app: Callable[..., object]
    portal: BlockingPortal

    def __call__(self, request: httpx.Request) -> httpx.Response:
        return self.portal.call(self._ask, request)

    async def _ask(self, request: httpx.Request) -> httpx.Response:
        asked = httpx.Request(
            request.method, request.url, headers=request.headers, content=request.content
        )
        transport = httpx.ASGITransport(app=self.app)  # type: ignore[arg-type]  # any application
        response = await transport.handle_async_request(asked)
        await response.aread()
        return response
