"""A proxy that stands before a real server and does what networks and servers do on a bad day.

Requests are forwarded as they come, and kept. One step of the conversation can be chosen, at which
a fault happens: once, or each time.
"""

import http.client
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from typing import Final, Protocol, TypeVar

from tests.faults import STATUSES, Answered, Asked, Chooser, Fault, changed

_REFUSING: Final = 1.0  # seconds for which a fault that passes refuses connections
_STALLING: Final = 5.0  # seconds after which a client that goes on waiting is let go
_PATIENCE: Final = 60.0  # seconds for requests without a fault
_TLS_GREETING: Final = b"\x16"
_HOP_BY_HOP: Final = {"connection", "content-length", "transfer-encoding", "keep-alive"}


def listening_socket() -> socket.socket:
    """Return a listening socket on a free port, bound to it by name so that it stays its own."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except OSError:  # somebody was quicker
            listening.close()
            continue
        listening.listen(64)
        return listening


@dataclass
class Proxy:
    """The proxy; `upstream` is host and port of the server, looked up again for each request.

    A request that names its server itself is forwarded to that one. `fault` happens `at` the chosen
    requests, once or `always`; `happened` counts. `rewrites` are replaced in answers, `headers` in
    what is forwarded. `before` is called with each request before it is forwarded, `after` before
    it is answered. `instead` may answer before the body has come, and then hangs up.
    """

    upstream: Callable[[], str]
    fault: Fault | None = None
    at: Chooser = lambda _asked, _before: False
    always: bool = False
    rewrites: dict[bytes, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    instead: Callable[[Asked], Answered | None] = lambda _: None
    before: Callable[[Asked], None] = lambda _: None
    after: Callable[[Asked], None] = lambda _: None
    asked: list[Asked] = field(default_factory=list)
    answered: list[tuple[Asked, Answered]] = field(default_factory=list)
    happened: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    listening: socket.socket = field(default_factory=listening_socket)
    is_over: bool = False

    @property
    def host(self) -> str:
        """Host and port."""
        address, port = self.listening.getsockname()[:2]
        return f"{address}:{port}"

    def fault_for(self, asked: Asked) -> Fault | None:
        """Keep the request and return what is to happen to it."""
        with self.lock:
            chosen = (
                self.fault and self.at(asked, self.asked) and (self.always or not self.happened)
            )
            self.asked.append(asked)
            if not chosen:
                return None
            self.happened += 1
            return self.fault

    def refuse(self) -> None:
        """Refuse connections from now on: for a while, or for ever."""
        # Linux keeps the port of a socket that was shut down, and lets it listen again.
        self.listening.shutdown(socket.SHUT_RDWR)
        if not self.always:
            threading.Timer(_REFUSING, self._listen_again).start()

    def serve(self) -> None:
        """Accept connections until it is over."""
        while not self.is_over:
            try:
                connection, address = self.listening.accept()
            except OSError:  # refusing
                time.sleep(0.01)
                continue
            threading.Thread(
                target=_Conversation, args=(connection, address, self), daemon=True
            ).start()

    def _listen_again(self) -> None:
        if not self.is_over:
            self.listening.listen(64)


class Forwarder(Protocol):
    """What accepts connections from `listening` until `is_over`."""

    listening: socket.socket
    is_over: bool

    def serve(self) -> None:
        """Accept connections until it is over."""


F = TypeVar("F", bound=Forwarder)


@contextmanager
def running(proxy: F) -> Iterator[F]:
    """Run `proxy` for as long as the block lasts."""
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.is_over = True
        with suppress(OSError):
            proxy.listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        proxy.listening.close()


class _Conversation(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _PATIENCE

    def __init__(self, connection: socket.socket, address: object, proxy: Proxy) -> None:
        self.proxy = proxy
        self.request: socket.socket
        with suppress(OSError, ValueError):  # the client went away, or was sent away
            super().__init__(connection, address, None)  # type: ignore[arg-type]  # no server
        with suppress(OSError):
            connection.close()

    def setup(self) -> None:
        self.connection = self.request
        self.connection.settimeout(self.timeout)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rfile = self.connection.makefile("rb", -1)
        self.wfile = _Writer(self.connection)  # type: ignore[assignment]  # what is used of a file

    def handle(self) -> None:
        # Docker's containerd store turns to HTTP only where a TLS greeting is answered in HTTP.
        has_tls = isinstance(self.connection, ssl.SSLSocket)
        if not has_tls and self.connection.recv(1, socket.MSG_PEEK) == _TLS_GREETING:
            self.wfile.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        else:
            super().handle()

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        asked = Asked(
            self.command,
            self.path,
            {name.lower(): value for name, value in self.headers.items()},
            b"",
        )
        fault = self.proxy.fault_for(asked)
        answer = self.proxy.instead(asked)
        if answer:
            self._send(answer)
            self.close_connection = True
        elif fault is Fault.REFUSED:
            self.proxy.refuse()
            self._reset()
        elif fault is Fault.RESET and self._has_body():
            self.rfile.read(1)
            self._reset()
        elif fault is Fault.STALL:
            self._stall()
        elif fault is Fault.ENDLESS:
            self._send_headers_for_ever()
        elif fault in STATUSES:
            self._send(STATUSES[fault](replace(asked, body=self._body())))
        else:
            answered = self._forward(asked, self._body())
            if fault is Fault.LOST:
                self._reset()
            self._send(changed(answered, fault), broken=fault is Fault.RESET)

    def _has_body(self) -> bool:
        length = self.headers.get("Content-Length", "0")
        return "Transfer-Encoding" in self.headers or length != "0"

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _forward(self, asked: Asked, body: bytes) -> Answered:
        """Ask the server, again when it is in the instant of replacing its password file."""
        asked = Asked(asked.method, asked.path, asked.headers, body)
        self.proxy.before(asked)
        for _ in range(10):
            answered = self._forward_once(asked)
            if answered.status != http.client.BAD_REQUEST or b"imageName" in answered.body:
                break
            time.sleep(0.02)
        self.proxy.answered.append((asked, answered))
        self.proxy.after(asked)
        return answered

    def _forward_once(self, asked: Asked) -> Answered:
        named = re.fullmatch(r"http://([^/]*)(/.*)", asked.path)
        server, path = named.groups() if named else (self.proxy.upstream(), asked.path)
        connection = http.client.HTTPConnection(server, timeout=_PATIENCE)
        try:
            headers = {n: v for n, v in asked.headers.items() if n not in _HOP_BY_HOP}
            headers |= self.proxy.headers
            connection.request(asked.method, path, body=asked.body, headers=headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        for old, new in self.proxy.rewrites.items():
            content = content.replace(old, new)
        kept = {n: v for n, v in response.getheaders() if n.lower() not in _HOP_BY_HOP}
        for old, new in self.proxy.rewrites.items():
            kept = {n: v.replace(old.decode(), new.decode()) for n, v in kept.items()}
        if asked.method == "HEAD":
            kept["Content-Length"] = response.getheader("Content-Length", "0")
        return Answered(response.status, kept, content)

    def _send(self, answered: Answered, *, broken: bool = False) -> None:
        headers = {"Content-Length": str(len(answered.body))} | dict(answered.headers)
        lines = [f"HTTP/1.1 {answered.status} {http.client.responses.get(answered.status, '')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        body = b"" if self.command == "HEAD" else answered.body
        wire = "\r\n".join([*lines, "", ""]).encode() + body
        if broken:
            self.wfile.write(wire[: len(wire) - max(len(body) // 2, 3)])
            time.sleep(0.05)
            self._reset()
        else:
            self.wfile.write(wire)

    def _stall(self) -> None:
        deadline = time.monotonic() + _STALLING
        self.connection.settimeout(0.1)
        while time.monotonic() < deadline:
            try:
                if not self.connection.recv(65536):
                    break
            except TimeoutError:
                continue
        self._reset()

    def _send_headers_for_ever(self) -> None:
        """Send interim answers, each a sign of life, until the client goes away."""
        self._body()
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n")
            time.sleep(0.05)
        self._reset()

    def _reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.rfile.close()
        self.connection.close()
        raise ConnectionResetError


class _Writer:
    """The writing side of a connection, unbuffered."""

    closed = False

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, content: bytes) -> None:
        self._connection.sendall(content)

    def flush(self) -> None:
        """Do nothing: nothing is held back."""

    def close(self) -> None:
        """Do nothing: the connection is closed elsewhere."""
