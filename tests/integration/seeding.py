"""Many tiny images in a registry, pushed over HTTP: an engine would take minutes."""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self

import httpx

from lusid_image_publish.local_scheduler.server import LocalScheduler
from tests.plain_http import HTTP, plain_client

_BLOB: Final = b"{}"  # as a config and as a layer
_DIGEST: Final = f"sha256:{hashlib.sha256(_BLOB).hexdigest()}"
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_DESCRIPTOR: Final = {"size": len(_BLOB), "digest": _DIGEST}
_THREADS: Final = 8


class Seeder:
    """Pushes to the registry of a Scheduler whose domain is `domain`; a context manager."""

    def __init__(self, scheduler: LocalScheduler, domain: str) -> None:
        self._domain = domain
        answer = HTTP.post(
            f"{scheduler.url}/api/images",
            json={"imageName": "seed:0"},
            headers={"Authorization": f"Bearer {scheduler.access_token.reveal()}"},
        )
        _, _, _, user, _, password, _ = (
            answer.raise_for_status().json()["dockerLoginCommand"].split()
        )
        self.http = plain_client(
            base_url=f"http://{scheduler.registry_host}", auth=(user, password)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def push(self, repositories: Iterable[str], tags: Iterable[str]) -> None:
        """Push an image of its own under each tag of each repository."""
        first, *others = repositories
        tags = [*tags]
        self._push(first, tags, "")
        with ThreadPoolExecutor(_THREADS) as threads:
            for done in [threads.submit(self._push, name, tags, first) for name in others]:
                done.result()

    def begin_upload(self, repository: str, content: bytes) -> None:
        """Send a part of a blob, and never the rest."""
        self.http.patch(self._begin(repository), content=content).raise_for_status()

    def _begin(self, repository: str, **parameters: str) -> str:
        path = f"/v2/{self._domain}/{repository}/blobs/uploads/"
        answer = self.http.post(path, params=parameters).raise_for_status()
        return "" if answer.status_code == httpx.codes.CREATED else answer.headers["location"]

    def _push(self, repository: str, tags: list[str], has_blob: str) -> None:
        mount = {"mount": _DIGEST, "from": f"{self._domain}/{has_blob}"} if has_blob else {}
        if upload := self._begin(repository, **mount):
            url = httpx.URL(upload).copy_merge_params({"digest": _DIGEST})
            self.http.put(url, content=_BLOB).raise_for_status()
        for tag in tags:
            manifest = {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **_DESCRIPTOR},
                "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **_DESCRIPTOR}],
                "annotations": {"name": f"{repository}:{tag}"},
            }
            path = f"/v2/{self._domain}/{repository}/manifests/{tag}"
            headers = {"Content-Type": _MANIFEST}
            self.http.put(path, json=manifest, headers=headers).raise_for_status()
