"""A registry in memory: OCI distribution over HTTP as `registry:2` answers it, with passwords.

It is a local Scheduler's registry too, so that what was pushed is what LUSID lists.
"""

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote

import httpx

from lusid_image_publish.local_scheduler.htpasswd import RegistryUser
from lusid_image_publish.local_scheduler.registry_container import Registry
from lusid_image_publish.local_scheduler.storage import TagLink
from tests.archives import OCI, V2S2

INDEX: Final = f"{OCI}.index.v1+json"
_UNAUTHORIZED: Final = {"WWW-Authenticate": 'Basic realm="tests"'}


@dataclass(frozen=True)
class Stored:
    """A manifest, and when a tag was given to it."""

    digest: str
    pushed: datetime


class MemoryRegistry(Registry):
    """The registry at `host`, by default on this machine; call it with a request.

    `blobs` and `manifests` are by digest (a manifest with its type), `tags_of` by repository and
    tag. `reads` counts how often a Scheduler read the tags, and `requests` are what it asked over
    HTTP. `domain` is the part of repositories' names that is the Scheduler's. `now` gives UTC.
    """

    def __init__(
        self,
        *,
        host: str = "",
        domain: str = "foo",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.port = 5000
        self._host = host
        self._domain = domain
        self._now = now
        self._passwords: dict[str, tuple[str, datetime]] = {}
        self._lock = threading.Lock()
        self.http = httpx.Client(
            base_url="http://127.0.0.1:5000", transport=httpx.MockTransport(self._answer_scheduler)
        )
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.tags_of: dict[str, dict[str, Stored]] = {}
        self.uploads: dict[str, bytes] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.reads = 0
        self.requests: list[str] = []

    @property
    def host(self) -> str:
        return self._host or super().host

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer somebody who needs a password."""
        with self._lock:
            request.read()
            if not self._accepts(request.headers.get("authorization", "")):
                refusal = _error(401, "UNAUTHORIZED")
                refusal.headers.update(_UNAUTHORIZED)
                return refusal
            return self._answer(request)

    def digest(self, repository: str, tag: str) -> str:
        """Return the digest under a tag of the domain, empty where there is none."""
        found = self.tags_of.get(f"{self._domain}/{repository}", {}).get(tag)
        return found.digest if found else ""

    def manifest(self, repository: str, tag: str) -> Any:
        """Return the document under a tag of the domain."""
        return json.loads(self.manifests[self.digest(repository, tag)][1])

    def put(self, path: str, tag: str, document: object, kind: str = V2S2) -> str:
        """Store a manifest under a tag, and return its digest."""
        return self._keep_manifest(path, tag, kind, json.dumps(document).encode())

    def put_image(self, path: str, tag: str, content: str = "x") -> str:
        """Store an image of one layer under a tag, and return its digest."""
        config, layer = b"{}", content.encode()
        self.blobs |= {_digest(blob): blob for blob in (config, layer)}
        named = [{"digest": _digest(blob), "size": len(blob)} for blob in (config, layer)]
        return self.put(path, tag, {"config": named[0], "layers": named[1:]})

    def issue(self, lifetime: float) -> RegistryUser:
        expires = self._now() + timedelta(seconds=lifetime)
        made = RegistryUser(
            f"{self._domain}-{secrets.token_hex(4)}", secrets.token_urlsafe(32), expires
        )
        self._passwords[made.username] = (made.password, expires)
        return made

    def withdraw_expired(self) -> None:
        """Do nothing: what has expired is not accepted."""

    def withdraw_all(self) -> None:
        """Accept no password any more that was issued until now."""
        self._passwords.clear()

    def tags(self, repository: str) -> list[TagLink]:
        return self.tags_by_repository().get(repository, [])

    def tags_by_repository(self) -> dict[str, list[TagLink]]:
        self.reads += 1
        with self._lock:
            return {
                path.partition("/")[2]: [
                    TagLink(tag, found.digest, found.pushed) for tag, found in tags.items()
                ]
                for path, tags in self.tags_of.items()
                if tags and path.startswith(f"{self._domain}/")
            }

    def read_files(self, folder: str, name: str = "") -> dict[str, bytes]:
        files = self.files.get(folder, {})
        return {each: content for each, content in files.items() if name in {"", each}}

    def write_file(self, folder: str, name: str, content: bytes) -> None:
        self.files.setdefault(folder, {})[name] = content

    def _accepts(self, authorization: str) -> bool:
        kind, _, value = authorization.partition(" ")
        if kind.lower() != "basic":
            return False
        user, _, password = base64.b64decode(value).decode().partition(":")
        known, expires = self._passwords.get(user, ("", self._now()))
        return known == password and expires > self._now()

    def _answer_scheduler(self, request: httpx.Request) -> httpx.Response:
        path = unquote(request.url.path).removeprefix("/v2/")
        self.requests.append(f"{request.method} {path}")
        return self._answer(request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v2/")
        if not path:
            return httpx.Response(200, json={})
        repository, _, upload = path.partition("/blobs/uploads/")
        if upload or path.endswith("/blobs/uploads/"):
            return self._upload(request, repository, upload)
        if "/blobs/" in path:
            return self._blob(request, path.rpartition("/")[2])
        if path.endswith("/tags/list"):
            tags = [*self.tags_of.get(path.removesuffix("/tags/list"), ())]
            return httpx.Response(200, json={"tags": tags}) if tags else _error(404, "NAME_UNKNOWN")
        repository, _, reference = path.partition("/manifests/")
        match request.method:
            case "PUT":
                return self._put_manifest(request, repository, reference)
            case "DELETE":
                return self._delete_manifest(repository, reference)
            case _:
                return self._get_manifest(request, repository, reference)

    def _blob(self, request: httpx.Request, digest: str) -> httpx.Response:
        if digest not in self.blobs:
            return _error(404, "BLOB_UNKNOWN")
        return _content(request, self.blobs[digest], digest, "application/octet-stream")

    def _upload(self, request: httpx.Request, repository: str, upload: str) -> httpx.Response:
        if request.method == "POST":
            upload = secrets.token_hex(8)
            self.uploads[upload] = b""
        elif upload not in self.uploads:
            return _error(404, "BLOB_UPLOAD_UNKNOWN")
        if request.method == "DELETE":
            del self.uploads[upload]
            return httpx.Response(204)
        self.uploads[upload] += request.content
        if request.method == "PUT":
            content = self.uploads.pop(upload)
            if _digest(content) != request.url.params["digest"]:
                return _error(400, "DIGEST_INVALID")
            self.blobs[_digest(content)] = content
            return httpx.Response(201, headers={"Docker-Content-Digest": _digest(content)})
        location = f"/v2/{repository}/blobs/uploads/{upload}?_state={len(self.uploads[upload])}"
        return httpx.Response(202, headers={"Location": location})

    def _put_manifest(
        self, request: httpx.Request, repository: str, reference: str
    ) -> httpx.Response:
        document = json.loads(request.content)
        named = [document["config"], *document["layers"]] if "config" in document else []
        if not {part["digest"] for part in named} <= set(self.blobs):
            return _error(400, "MANIFEST_BLOB_UNKNOWN")
        kind = request.headers["content-type"]
        digest = self._keep_manifest(repository, reference, kind, request.content)
        return httpx.Response(201, headers={"Docker-Content-Digest": digest})

    def _keep_manifest(self, repository: str, reference: str, kind: str, content: bytes) -> str:
        digest = _digest(content)
        self.manifests[digest] = (kind, content)
        tags = self.tags_of.setdefault(repository, {})
        if ":" not in reference:
            tags[reference] = Stored(digest, self._now())
        return digest

    def _get_manifest(
        self, request: httpx.Request, repository: str, reference: str
    ) -> httpx.Response:
        tags = self.tags_of.get(repository)
        if tags is None:
            return _error(404, "NAME_UNKNOWN")
        found = tags.get(reference)
        digest = found.digest if found else reference
        if digest not in self.manifests:
            return _error(404, "MANIFEST_UNKNOWN")
        kind, content = self.manifests[digest]
        return _content(request, content, digest, kind)

    def _delete_manifest(self, repository: str, digest: str) -> httpx.Response:
        tags = self.tags_of.get(repository, {})
        if self.manifests.pop(digest, None) is None:
            return _error(404, "MANIFEST_UNKNOWN")
        for tag in [tag for tag, found in tags.items() if found.digest == digest]:
            del tags[tag]
        return httpx.Response(202)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _error(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"errors": [{"code": code, "message": "of the tests"}]})


def _content(request: httpx.Request, content: bytes, digest: str, kind: str) -> httpx.Response:
    headers = {
        "Content-Type": kind,
        "Docker-Content-Digest": digest,
        "Content-Length": str(len(content)),
    }
    body = b"" if request.method == "HEAD" else content
    return httpx.Response(200, headers=headers, stream=httpx.ByteStream(body))
