"""A registry in memory: what the application asks of the real one, without an engine."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import httpx

from lusid_image_publish.local_scheduler.htpasswd import Credential, Credentials
from lusid_image_publish.local_scheduler.registry_container import Registry
from lusid_image_publish.local_scheduler.storage import TagLink

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"


class MemoryRegistry(Registry):
    """`reads` counts how often the storage was read, `requests` what was asked over HTTP."""

    def __init__(self) -> None:
        self.port = 5000
        self.http = httpx.Client(
            base_url="http://127.0.0.1:5000", transport=httpx.MockTransport(self._answer)
        )
        self.reads = 0
        self.requests: list[str] = []
        self._credentials = Credentials()
        self._blobs: dict[str, bytes] = {}
        self._types: dict[str, str] = {}
        self._tags: dict[tuple[str, str], tuple[str, datetime]] = {}

    def put(self, path: str, tag: str, document: dict[str, Any], kind: str = MANIFEST) -> str:
        """Store a manifest under a tag, and return its digest."""
        digest = self._put_blob(json.dumps(document).encode())
        self._types[digest] = kind
        self._tags[path, tag] = (digest, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
        return digest

    def put_image(self, path: str, tag: str, content: str = "x") -> str:
        """Store an image of one layer, and return its digest."""
        config, layer = self._put_blob(b"{}"), self._put_blob(content.encode())
        return self.put(
            path,
            tag,
            {
                "config": {"digest": config, "size": 2},
                "layers": [{"digest": layer, "size": len(content)}],
            },
        )

    def issue(self, lifetime: float) -> Credential:
        return self._credentials.add(lifetime, prefix="foo")

    def withdraw_expired(self) -> None:
        self._credentials.drop_expired()

    def tags(self, repository: str) -> list[TagLink]:
        self.reads += 1
        return self._links().get(repository, [])

    def tags_by_repository(self) -> dict[str, list[TagLink]]:
        self.reads += 1
        return self._links()

    def _links(self) -> dict[str, list[TagLink]]:
        links: dict[str, list[TagLink]] = {}
        for (path, tag), (digest, pushed) in self._tags.items():
            domain, _, repository = path.partition("/")
            if domain == "foo":
                links.setdefault(repository, []).append(TagLink(tag, digest, pushed))
        return links

    def _put_blob(self, content: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self._blobs[digest] = content
        return digest

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = unquote(request.url.path).removeprefix("/v2/")
        self.requests.append(f"{request.method} {path}")
        repository, _, reference = path.rpartition("/")
        repository = repository.rpartition("/")[0]
        digest = self._tags.get((repository, reference), (reference,))[0]
        if digest not in self._blobs:
            return httpx.Response(404)
        if request.method == "DELETE":
            del self._blobs[digest]
            self._tags = {key: value for key, value in self._tags.items() if value[0] != digest}
            return httpx.Response(202)
        headers = {
            "docker-content-digest": digest,
            "content-type": self._types.get(digest, "application/octet-stream"),
        }
        return httpx.Response(200, stream=httpx.ByteStream(self._blobs[digest]), headers=headers)
