"""Servers that misbehave for real, and clients that meet them.

A `Host` answers well-formed HTTP, whatever it says, under uvicorn; `raw_service` sends bytes as
they are, which is for what no HTTP server would do. `connected` makes either client.
"""

import asyncio
import socket
import socketserver
import struct
import time
import traceback
import urllib.parse
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from inspect import isawaitable
from threading import Thread
from typing import Any, Literal, TypeVar, Unpack, cast

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from lusid_image_publish.config import SettingValues
from lusid_image_publish.errors import LusidPublishError, ServiceError
from lusid_image_publish.http.retries import ServiceRetry
from lusid_image_publish.scheduler.async_client import AsyncImagesClient
from lusid_image_publish.scheduler.client import ImagesClient
from tests.integration.scripted_service import serve

T = TypeVar("T")
Kind = Literal["sync", "async"]

EACH_CLIENT = pytest.mark.parametrize("kind", ["sync", "async"])
TOKEN = "tests.access-token.0123456789"
PASSWORD = "tests' pass&word 0123456789"
CLIENT_SECRET = "tests-client/secret-0123456789"
SECRETS = (TOKEN, PASSWORD, CLIENT_SECRET)

DIGEST = "sha256:" + "a" * 64
IMAGE = {"name": "job", "digest": DIGEST}
INSTRUCTIONS = {
    f"{step}DockerImageCommand": "docker"
    for step in ("buildVersioned", "tagVersioned", "pushVersioned")
} | {"dockerLoginCommand": "docker"}


@dataclass(frozen=True)
class Asked:
    """A request as it came; the names of `headers` are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def bearer(self) -> str:
        """The token that it was sent with."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def form(self) -> dict[str, str]:
        """The body as a form."""
        return dict(urllib.parse.parse_qsl(self.body.decode()))

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the URL."""
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))


Answer = Callable[[Asked], Response | Awaitable[Response]]


@dataclass
class Service:
    """An Images API that gives what `answer` returns; `asked` keeps what came."""

    answer: Answer
    url: str
    asked: list[Asked] = field(default_factory=list)


class Host:
    """A server with any number of services, each below a path of its own.

    One server is run for many tests, because uvicorn takes its time to end.
    """

    def __init__(self) -> None:
        self.url = ""
        self._services: dict[str, Service] = {}

    @contextmanager
    def service(self, answer: Answer) -> Iterator[Service]:
        """Answer what is asked of one Images API with what `answer` returns."""
        name = uuid.uuid4().hex
        service = self._services[name] = Service(answer, f"{self.url}/{name}/scheduler2")
        try:
            yield service
        finally:
            del self._services[name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        _, name, path = scope["raw_path"].decode().split("/", 2)
        if scope["query_string"]:
            path += "?" + scope["query_string"].decode()
        asked = Asked(request.method, f"/{path}", dict(request.headers), await request.body())
        service = self._services[name]
        service.asked.append(asked)
        answer = service.answer(asked)
        response = await answer if isawaitable(answer) else answer
        await response(scope, receive, send)


@contextmanager
def hosting() -> Iterator[Host]:
    """Run a server for well-formed answers."""
    host = Host()
    with serve(host, lifespan="off") as host.url:
        yield host


class Fault(Enum):
    """What a raw answer may have between its bytes."""

    SILENCE = "nothing comes until the client hangs up"
    RESET = "the connection ends with a reset"


Script = Callable[[Asked], Iterable[bytes | Fault]]


class RawService(socketserver.ThreadingTCPServer):
    """Sends the bytes that `script` yields, then ends the connection; `asked` keeps what came."""

    allow_reuse_address = True

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[Asked] = []
        super().__init__(("127.0.0.1", 0), _Conversation)

    @property
    def url(self) -> str:
        """The Scheduler's URL."""
        return f"http://127.0.0.1:{self.server_address[1]}/scheduler2"


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = cast("RawService", self.server)
        if not (asked := self._read()):
            return
        server.asked.append(asked)
        try:
            for part in server.script(asked):
                if isinstance(part, bytes):
                    self.wfile.write(part)
                elif part is Fault.SILENCE:
                    self.connection.settimeout(5)
                    self.connection.recv(1)
                else:
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.connection.close()
                    return
        except (ConnectionError, TimeoutError):
            return  # the client hung up

    def _read(self) -> Asked | None:
        words = self.rfile.readline().decode().split()
        if not words:
            return None
        lines = iter(lambda: self.rfile.readline().decode().strip(), "")
        headers = {
            name.lower(): value.strip() for name, _, value in (s.partition(":") for s in lines)
        }
        body = self.rfile.read(int(headers.get("content-length", 0)))
        return Asked(words[0], words[1], headers, body)


@contextmanager
def raw_service(script: Script) -> Iterator[RawService]:
    """Run a server that answers each request with the bytes that `script` yields."""
    with RawService(script) as server:
        thread = Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def nobody() -> Iterator[str]:
    """Give the URL of a port where nobody listens, and where nobody else can begin to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/scheduler2"


def in_turn(*answers: T) -> Callable[[Asked], T]:
    """Return a function that gives each of `answers` once, and the last one from then on."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def http(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """Return an answer on the wire; `length` is announced where it is not the true one."""
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {len(body) if length is None else length}",
        "Content-Type: application/json",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(*parts: bytes, headers: Iterable[str] = ()) -> bytes:
    """Return an answer in chunks that has no end."""
    head = "\r\n".join(["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *headers, "", ""])
    return head.encode() + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


def trickle(first: bytes, drop: bytes = b" ") -> Iterator[bytes]:
    """Yield `drop` every 50 ms: for two seconds, so that a client that accepts it all ends, too."""
    yield first
    for _ in range(40):
        time.sleep(0.05)
        yield drop


@contextmanager
def dribbling(first: bytes, drop: bytes) -> Iterator[int]:
    """Yield the port of a server that sends the output of `trickle` to each client."""

    class Conversation(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):  # the client hung up
                for part in trickle(first, drop):
                    self.request.sendall(part)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation) as server:
        thread = Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class _Bridge:
    """`AsyncImagesClient` with the face of `ImagesClient`: a call is a task of one event loop."""

    def __init__(self, images: AsyncImagesClient, portal: BlockingPortal) -> None:
        self._images = images
        self._portal = portal

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._images, name)

        async def collected(*args: Any, **values: Any) -> list[Any]:
            return [item async for item in method(*args, **values)]

        function = collected if name.startswith("iter_") else method
        return lambda *args, **values: self._portal.call(partial(function, *args, **values))


@contextmanager
def connected(kind: Kind, url: str, **values: Unpack[SettingValues]) -> Iterator[ImagesClient]:
    """Make a client, with `TOKEN` if no other credentials are given.

    Pauses between retries take no time where the server does not ask for one.
    """
    if not {"access_token_file", "token_url"} & set(values):
        values["access_token"] = TOKEN
    values["scheduler_url"] = url
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ServiceRetry, "backoff_strategy", lambda _: 0.0)
        if kind == "sync":
            with ImagesClient.from_values(**values) as images:
                yield images
        else:
            asynchronous = AsyncImagesClient.from_values(**values)
            with (
                start_blocking_portal() as portal,
                portal.wrap_async_context_manager(asynchronous),
            ):
                yield cast("ImagesClient", _Bridge(asynchronous, portal))


def assert_reported(error: ServiceError, operation: str, *, status: int | None = None) -> None:
    """Require that `error` reports everything that it should, and nothing that must stay hidden."""
    assert (error.operation, error.status) == (operation, status)
    assert error.cause
    assert error.hint
    assert_neutral(error)


def assert_neutral(error: LusidPublishError) -> None:
    """Require that what is shown of `error` is short, without secrets and terminal controls."""
    texts = [str(error), *(text for _, text in error.diagnostics())]
    if isinstance(error, ServiceError):
        texts += [error.title, error.detail, error.request_id]
    assert error.message
    assert all(text.isprintable() for text in texts)
    assert all(len(text) < 5000 for text in texts)
    shown = " ".join(texts) + "".join(traceback.format_exception(error))
    assert not [secret for secret in SECRETS if secret in shown]


SIGN_IN = "sign_in"
"""The operation that errors of the token endpoint name."""


def grant(token_url: str) -> SettingValues:
    """Return the settings of a password grant."""
    return {
        "token_url": token_url,
        "username": "tester@example.com",
        "password": PASSWORD,
        "client_id": "tests-client",
        "client_secret": CLIENT_SECRET,
    }


def issued(text: str, *, lifetime: int = 3600, **members: object) -> Response:
    """Return a token endpoint's answer."""
    return JSONResponse({"access_token": text, "expires_in": lifetime, **members})


@dataclass
class SignIn:
    """A token endpoint and an Images API for which the token that was made last is the good one.

    `scripted` are the endpoint's first answers; the 401s for an old token come when `holding` of
    them have been asked for.
    """

    scripted: list[Response] = field(default_factory=list)
    good: str = ""
    holding: int = 1
    pause: float = 0.1  # seconds, in which the others come meanwhile
    forms: list[dict[str, str]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    barrier: asyncio.Barrier | None = None

    async def __call__(self, asked: Asked) -> Response:
        if asked.path.endswith("/token"):
            self.forms.append(asked.form)
            await anyio.sleep(self.pause)
            if self.scripted:
                return self.scripted.pop(0)
            self.good = f"tests.token-{len(self.forms)}.0123456789"
            return issued(self.good, refresh_token="tests.refresh-token.0123456789")
        self.asked.append(asked)
        if asked.bearer == self.good:
            return JSONResponse(IMAGE)
        self.barrier = self.barrier or asyncio.Barrier(self.holding)
        await asyncio.wait_for(self.barrier.wait(), 5)
        return Response(status_code=401)
