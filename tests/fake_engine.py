"""A small engine on a socket that says what real engines were heard to say.

It has images and tags in memory and answers docker-py over HTTP; what a push is answered with is a
script. Nothing is ever built or sent anywhere: `inprocess.engine` has one that does.
"""

import base64
import json
import os
import re
import socketserver
import sys
import tempfile
import threading
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final, cast

from docker import DockerClient

IMAGE_ID: Final = "sha256:" + "1" * 64

_HAS_UNIX_SOCKETS: Final = hasattr(socketserver, "UnixStreamServer")
_SERVER: Any = getattr(socketserver, "UnixStreamServer", socketserver.TCPServer)
_LONGEST_PATH: Final = 100  # bytes

Event = Mapping[str, Any]


class End(Enum):
    """How a stream may end other than by its end."""

    CUT = "in the middle of an event"
    EARLY = "after a whole event, without saying that it was the last"
    SILENCE = "not before the client hangs up"
    FOR_EVER = "the last event comes again and again until the client hangs up"


@dataclass(frozen=True)
class Answer:
    """What a push is answered with: events if `status` is 200, else a body."""

    events: tuple[Event, ...] = ()
    status: int = 200
    body: str = ""
    newline: str = "\r\n"
    end: End | None = None


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    credential: Mapping[str, str]


@dataclass
class FakeEngine:
    """What the engine is and has.

    `answers` are given to pushes in turn, the last again and again; `answer` if there are none.
    `tags` maps references to ids, `attributes` are those of all images, and `saved` is the tar that
    saving any of them gives.
    """

    answer: Answer = field(default_factory=Answer)
    answers: list[Answer] = field(default_factory=list)
    api: str = "1.41"
    name: str = "Engine"
    is_containerd: bool = False
    tags: dict[str, str] = field(default_factory=lambda: {"job:1.0": IMAGE_ID})
    attributes: dict[str, Any] = field(default_factory=dict)
    inspect_failure: tuple[int, str] | None = None
    saved: bytes = b""
    asked: list[Asked] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)
    client: DockerClient = field(init=False)
    url: str = field(init=False)
    stop: threading.Event = field(default_factory=threading.Event)

    def next_answer(self) -> Answer:
        """Return what the next push is answered with."""
        if not self.answers:
            return self.answer
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def answer_push(self, _asked: Asked) -> Answer:
        """Return what a push is answered with."""
        return self.next_answer()

    def build(self, _asked: Asked, _context: bytes) -> Answer:
        """Return what a build is answered with."""
        return Answer(status=500, body='{"message": "nothing is built here"}')

    def save(self, _reference: str) -> bytes:
        """Return the tar that saving an image gives, nothing where it cannot be saved."""
        return self.saved

    def pushes(self) -> list[Asked]:
        """Return the pushes that were asked for."""
        return [asked for asked in self.asked if asked.path.endswith("/push")]

    def inspect(self, reference: str) -> dict[str, Any] | None:
        """Return what inspecting says, None for an image that is not there."""
        found = self.tags.get(reference, reference)
        if found not in {IMAGE_ID, *self.tags.values()}:
            return None
        names = [name for name, image in self.tags.items() if image == found]
        usual = {"Id": found, "RepoTags": names, "Os": "linux", "Architecture": "amd64", "Size": 5}
        return usual | self.attributes


@contextmanager
def running(engine: FakeEngine, folder: Path) -> Iterator[FakeEngine]:
    """Run `engine` on a socket in `folder`, on Windows on a port; `engine.client` is a client."""
    with ExitStack() as stack:
        address = _socket_in(folder, stack) if _HAS_UNIX_SOCKETS else ("127.0.0.1", 0)
        server = stack.enter_context(_Server(address, _Conversation))
        engine.url = (
            f"unix://{address}"
            if _HAS_UNIX_SOCKETS
            else f"tcp://127.0.0.1:{server.server_address[1]}"
        )
        server.engine = engine
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            engine.client = DockerClient(base_url=engine.url, version="auto", timeout=5)
            yield engine
        finally:
            with suppress(AttributeError):
                engine.client.close()
            engine.stop.set()
            server.shutdown()
            thread.join()


def _socket_in(folder: Path, stack: ExitStack) -> str:
    """Return the path of a socket: elsewhere where that is longer than macOS takes."""
    path = folder / "engine.sock"
    if len(os.fsencode(path)) > _LONGEST_PATH:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp")), path.name)
    return str(path)


class _Server(socketserver.ThreadingMixIn, _SERVER):  # type: ignore[misc]  # one of two
    daemon_threads = True
    engine: FakeEngine

    def handle_error(self, *arguments: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # the client hung up
            super().handle_error(*arguments)


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = not _HAS_UNIX_SOCKETS  # or each answer waits for an ACK

    def do_GET(self) -> None:
        path, asked, _ = self._asked()
        engine = self._engine
        if path == "/_ping":
            self._send(200, "OK")
        elif path == "/version":
            component = {"Name": engine.name, "Version": "1"}
            self._json(200, {"ApiVersion": engine.api, "Components": [component]})
        elif path == "/info":
            driver = ["driver-type", "io.containerd.snapshotter.v1"]
            self._json(200, {"DriverStatus": [driver] if engine.is_containerd else None})
        elif path == "/images/json":
            self._json(
                200, [{"Id": held, "RepoTags": [name]} for name, held in engine.tags.items()]
            )
        elif path.endswith("/get"):
            saved = engine.save(path.removeprefix("/images/").removesuffix("/get"))
            self._send_bytes(200 if saved else 500, saved, "application/x-tar")
        elif engine.inspect_failure:
            status, message = engine.inspect_failure
            self._json(status, {"message": message})
        else:
            reference = path.removeprefix("/images/").removesuffix("/json")
            found = engine.inspect(reference)
            if found and not asked.query.get("manifests"):
                found.pop("Manifests", None)
            self._json(200, found) if found else self._missing(reference)

    def do_POST(self) -> None:
        path, asked, body = self._asked()
        engine = self._engine
        if path.endswith("/tag"):
            engine.tags[f"{asked.query['repo']}:{asked.query['tag']}"] = path.split("/")[2]
            self._send(201, "")
        elif path == "/build":
            self._report(engine.build(asked, body))
        else:
            self._report(engine.answer_push(asked))

    def _report(self, answer: Answer) -> None:
        if answer.status == 200:
            self._stream(answer)
        else:
            self._send(answer.status, answer.body, "application/json")

    def do_DELETE(self) -> None:
        path, *_ = self._asked()
        reference = path.removeprefix("/images/")
        if reference in self._engine.tags:
            del self._engine.tags[reference]
            self._json(200, [{"Untagged": reference}])
        else:
            self._missing(reference)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    @property
    def _engine(self) -> FakeEngine:
        return cast("_Server", self.server).engine

    def _asked(self) -> tuple[str, Asked, bytes]:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urllib.parse.urlsplit(self.path)
        path = re.sub(r"^/v[0-9.]+", "", urllib.parse.unquote(parts.path))
        header = self.headers.get("X-Registry-Auth", "e30=")
        credential = json.loads(base64.urlsafe_b64decode(header))
        query = dict(urllib.parse.parse_qsl(parts.query))
        asked = Asked(self.command, path, query, credential)
        self._engine.asked.append(asked)
        return path, asked, body

    def _missing(self, reference: str) -> None:
        self._json(404, {"message": f"No such image: {reference}"})

    def _json(self, status: int, content: object) -> None:
        self._send(status, json.dumps(content), "application/json")

    def _send(self, status: int, body: str, kind: str = "text/plain") -> None:
        self._send_bytes(status, body.encode(), kind)

    def _send_bytes(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, answer: Answer) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        lines = [json.dumps(event) + answer.newline for event in answer.events]
        if answer.end is End.CUT:
            lines[-1] = lines[-1][: len(lines[-1]) // 2]
        self._chunks(lines)
        match answer.end:
            case None:
                self.wfile.write(b"0\r\n\r\n")
            case End.CUT | End.EARLY:
                self.close_connection = True
            case _:
                self._wait(lines[-1:] if answer.end is End.FOR_EVER else [])

    def _chunks(self, lines: Iterable[str]) -> None:
        for line in lines:
            content = line.encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(content), content))

    def _wait(self, lines: list[str]) -> None:
        """Go on until the client has hung up."""
        self.close_connection = True
        self.connection.settimeout(0.02)
        while not self._engine.stop.is_set():
            try:
                self._chunks(lines)
                if not self.connection.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        self._engine.hung_up.set()
