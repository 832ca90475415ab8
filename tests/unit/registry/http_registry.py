"""A registry in memory that images are pushed to: OCI distribution, as `registry:2` answers it."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

import httpx

from lusid_image_publish.errors import PushDeniedError, PushError, PushInterruptedError

HOST: Final = "foo.example"
BASIC: Final = httpx.BasicAuth("AWS", "the-registry-s-password")._auth_header

REFUSALS: Final[list[tuple[int, type[PushError]]]] = [
    (401, PushDeniedError),
    (403, PushDeniedError),
    (408, PushInterruptedError),
    (429, PushInterruptedError),
    (500, PushInterruptedError),
    (503, PushInterruptedError),
    (400, PushError),
    (405, PushError),
]
"""The answers that a registry may give to a push, and what each means."""

Answer = Callable[[httpx.Request], httpx.Response | None]


def errors(status: int, code: str, message: str = "of the tests") -> httpx.Response:
    """Return an error as registries write it."""
    return httpx.Response(status, json={"errors": [{"code": code, "message": message}]})


@dataclass
class HttpRegistry:
    """The registry; `asked` are the requests that came, each as METHOD and a path.

    `answers` may answer a request in its place, by METHOD and the kind of thing that is asked for
    (`blobs`, `uploads`, `upload`, `manifests`). `place` is where uploads go on. `good` are the
    values of Authorization that are accepted. Distribution 2 knows an upload only by the place that
    it said last, also when it is asked how much it has or cancels it.
    """

    blobs: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    place: str = "/v2/foo/job/blobs/uploads/{number}?_state={state}"
    good: set[str] = field(default_factory=lambda: {BASIC})
    challenge: str = 'Basic realm="tests"'
    asked: list[str] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)
    begun: int = 0
    is_distribution_2: bool = False
    lock: Lock = field(default_factory=Lock)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer; several threads may ask."""
        if request.method in {"PUT", "PATCH", "POST"}:
            request.read()
        with self.lock:
            return self._answer_or_refuse(request)

    def _answer_or_refuse(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.asked.append(f"{request.method} {request.url.path}")
        kind = _kind(request)
        scripted = self.answers.get(f"{request.method} {kind}")
        answer = scripted(request) if scripted else None
        if answer is not None:
            return answer
        ours = request.url.host == HOST
        if ours and request.headers.get("authorization") not in self.good:
            refusal = errors(401, "UNAUTHORIZED")
            refusal.headers["WWW-Authenticate"] = self.challenge
            return refusal
        return self._answer(request, kind)

    def sent(self) -> list[str]:
        """Return what changed something, in order."""
        return [asked for asked in self.asked if asked.split()[0] in {"POST", "PATCH", "PUT"}]

    def _answer(self, request: httpx.Request, kind: str) -> httpx.Response:
        match request.method, kind:
            case "HEAD" | "GET", "blobs":
                return self._show(request, self.blobs.get(request.url.path.rpartition("/")[2]))
            case "GET", "manifests":
                kind, content = self.tags.get(request.url.path.rpartition("/")[2], ("", None))
                return self._show(request, content, kind)
            case "POST", "uploads":
                number, self.begun = str(self.begun), self.begun + 1
                self.uploads[number] = b""
                return httpx.Response(202, headers={"Location": self._place(number)})
            case "GET" | "DELETE", "upload":
                return self._look(request)
            case "PATCH", "upload":
                return self._take(request)
            case "PUT", "upload":
                return self._keep(request)
            case "PUT", "manifests":
                return self._tag(request)
        return httpx.Response(404)

    def _place(self, number: str) -> str:
        state = f"{number}-{len(self.uploads[number])}%3D%3D"
        return self.place.format(number=number, state=state)

    def _show(
        self, request: httpx.Request, content: bytes | None, kind: str = ""
    ) -> httpx.Response:
        if content is None:
            return httpx.Response(404)
        headers = {"Content-Length": str(len(content)), "Content-Type": kind}
        body = content if request.method == "GET" else b""
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(body))

    def _look(self, request: httpx.Request) -> httpx.Response:
        """Say how much of an upload is there, or cancel it."""
        number = request.url.path.rpartition("/")[2]
        if number not in self.uploads:
            return errors(404, "BLOB_UPLOAD_UNKNOWN")
        if self.is_distribution_2 and not self._has_state(request, number):
            return errors(404, "BLOB_UPLOAD_INVALID")
        if request.method == "DELETE":
            del self.uploads[number]
            return httpx.Response(204)
        last = max(0, len(self.uploads[number]) - 1)
        headers = {"Location": self._place(number), "Range": f"0-{last}"}
        return httpx.Response(204, headers=headers)

    def _take(self, request: httpx.Request) -> httpx.Response:
        number = request.url.path.rpartition("/")[2]
        if number not in self.uploads:
            return errors(404, "BLOB_UPLOAD_UNKNOWN")
        if not self._has_state(request, number):
            return errors(404, "BLOB_UPLOAD_INVALID")
        if int(request.headers.get("content-length", len(request.content))) != len(request.content):
            return errors(400, "SIZE_INVALID")
        start = request.headers.get("content-range", "").partition("-")[0]
        if start and int(start) != len(self.uploads[number]):
            return errors(416, "RANGE_INVALID")
        self.uploads[number] += request.content
        return httpx.Response(202, headers={"Location": self._place(number)})

    def _has_state(self, request: httpx.Request, number: str) -> bool:
        state: str = request.url.params.get("_state", "")
        return state == f"{number}-{len(self.uploads[number])}=="

    def _keep(self, request: httpx.Request) -> httpx.Response:
        number = request.url.path.rpartition("/")[2]
        content = self.uploads.get(number, b"")
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if request.url.params.get("_state") != f"{number}-{len(content)}==":
            return errors(404, "BLOB_UPLOAD_INVALID")
        if request.url.params["digest"] != digest:
            return errors(400, "DIGEST_INVALID")
        self.blobs[digest] = content
        del self.uploads[number]
        return httpx.Response(201)

    def _tag(self, request: httpx.Request) -> httpx.Response:
        document = json.loads(request.content)
        named = [document["config"], *document["layers"]]
        if not {part["digest"] for part in named} <= set(self.blobs):
            return errors(400, "MANIFEST_BLOB_UNKNOWN")
        digest = f"sha256:{hashlib.sha256(request.content).hexdigest()}"
        tag = request.url.path.rpartition("/")[2]
        self.tags[tag] = (request.headers["content-type"], request.content)
        return httpx.Response(201, headers={"Docker-Content-Digest": digest})


def _kind(request: httpx.Request) -> str:
    parts = request.url.path.rstrip("/").split("/")
    if "uploads" in parts:
        return "uploads" if parts[-1] == "uploads" else "upload"
    return next((part for part in ("blobs", "manifests") if part in parts), parts[-1])
