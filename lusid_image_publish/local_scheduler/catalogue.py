"""The images in the registry, as wire documents of the Images API."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import httpx

from lusid_image_publish.local_scheduler.documents import (
    NEVER,
    UNABLE_TO_PROCESS_CODE,
    UNKNOWN_CODE,
    Problem,
    missing,
    wire_date,
)
from lusid_image_publish.local_scheduler.image_tar import ImageArchive, Manifest
from lusid_image_publish.local_scheduler.registry_container import Registry
from lusid_image_publish.local_scheduler.scans import Scans
from lusid_image_publish.local_scheduler.storage import StoredImage, TagLink

_INDEXES: Final = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
_ACCEPT: Final = ", ".join(
    (
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        *_INDEXES,
    )
)

_MAX_PATH_CHARACTERS: Final = 255
"""The longest repository, domain included, that a registry stores (distribution)."""

_MAX_COMPARED_TAGS: Final = 8
_CACHED_MANIFESTS: Final = 8192  # of 1 or 2 kB each; the manifest of a digest never changes


class Catalogue:
    """The images of one domain in `registry`, with their scans."""

    def __init__(self, registry: Registry, domain: str, scans: Scans) -> None:
        self._registry = registry
        self._domain = domain
        self._scans = scans
        self._links: dict[str, list[TagLink]] = {}
        self._manifests = lru_cache(maxsize=_CACHED_MANIFESTS)(self._read_manifests)

    def repositories(self) -> dict[str, list[StoredImage]]:
        """Return the images of each repository that has any, by name."""
        found = self._registry.tags_by_repository()
        return {name: _images_of(name, tags) for name, tags in found.items()}

    def images(self, repository: str) -> list[StoredImage]:
        """Return the images of one repository, none when it does not exist.

        Clients poll, and reading the registry's files takes ten times as long as checking over HTTP
        whether the tags have changed. A tag that is pushed again unchanged keeps its time.
        """
        links = self._links.get(repository, [])
        if not links or not self._are_current(repository, links):
            links = self._links[repository] = self._registry.tags(repository)
        return _images_of(repository, links)

    def _are_current(self, repository: str, links: list[TagLink]) -> bool:
        """Return whether the registry has exactly these tags; False for too many tags."""
        if len(links) > _MAX_COMPARED_TAGS:
            return False
        answer = self._registry.http.get(self._path(repository, "tags", "list"))
        return (
            answer.is_success
            and {link.tag for link in links} == {*(answer.json()["tags"] or ())}
            and all(self._digest(repository, link.tag) == link.digest for link in links)
        )

    def exists(self, repository: str, tag: str) -> bool:
        """Return whether the registry has the tag, with one request: clients poll for it."""
        if len(f"{self._domain}/{repository}") > _MAX_PATH_CHARACTERS:
            return False  # the registry would answer 500
        return bool(self._digest(repository, tag))

    def _digest(self, repository: str, tag: str) -> str:
        """Return the digest that the tag points to, empty if there is no such tag."""
        path = self._path(repository, "manifests", tag)
        answer = self._registry.http.head(path, headers={"Accept": _ACCEPT})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return ""
        return answer.raise_for_status().headers["docker-content-digest"]

    def find(self, repository: str, tag: str) -> StoredImage | None:
        """Return the image that a tag points to, with all its tags."""
        if not self.exists(repository, tag):
            return None
        return next((image for image in self.images(repository) if tag in image.tags), None)

    def get(self, repository: str, tag: str) -> StoredImage:
        """Return the image that a tag points to. Raises the 404 if there is none."""
        image = self.find(repository, tag)
        if image is None:
            raise missing(f"The image {repository}:{tag}")
        return image

    def delete(self, image: StoredImage) -> None:
        """Delete the manifest from the registry, and with it all tags that point to it."""
        answer = self._registry.http.delete(self._path(image.repository, "manifests", image.digest))
        if answer.status_code != httpx.codes.ACCEPTED:
            raise Problem(
                500, "UnknownError", UNKNOWN_CODE, "The registry did not delete the manifest."
            )

    def archive(self, image: StoredImage, name: str) -> ImageArchive:
        """Return the image as a tar. Raises the 500 if the registry has only its index."""
        manifests = self._manifests(image.repository, image.digest)
        if "config" not in manifests[-1].document:
            what = f"The registry does not have an image of the index {image.digest}."
            raise Problem(500, "UnknownError", UNABLE_TO_PROCESS_CODE, what)
        return ImageArchive.of(manifests, name)

    def stream_blob(self, repository: str, digest: str) -> Iterator[bytes]:
        """Yield the bytes of a blob."""
        with self._registry.http.stream("GET", self._path(repository, "blobs", digest)) as answer:
            answer.raise_for_status()
            yield from answer.iter_raw(1 << 20)

    def image_document(self, image: StoredImage) -> dict[str, Any]:
        """Return an `Image`, the answer of get_image."""
        report = self._scans.report_of(image)
        return self._shared_members(image) | ({} if report is None else {"scanReport": report})

    def summary_document(self, image: StoredImage) -> dict[str, Any]:
        """Return an `ImageSummary`, an item in the answer of list_images."""
        tag = max(image.tags, key=lambda name: image.tags[name])
        return self._shared_members(image) | {
            "scanStatus": self._scans.status_of(image),
            "scanSummary": self._scans.summary_of(image),
            "link": link("image", f"api/images/{image.repository}:{tag}", "Get this image"),
        }

    def repository_document(self, repository: str, images: list[StoredImage]) -> dict[str, Any]:
        """Return a `Repository`, an item in the answer of list_repositories."""
        href = f"api/images/repository/{repository}"
        versions = link("images", href, "Get all image versions")
        return {
            "name": repository,
            "creationTime": wire_date(min(image.pushed for image in images)),
            "lastUpdate": wire_date(max(max(image.tags.values()) for image in images)),
            "pullCount": 0,
            "imageCount": len(images),
            "images": versions,
            "links": [versions],
        }

    def is_scanned(self, image: StoredImage) -> bool:
        """Return whether the scan of an image has finished without a failure."""
        return self._scans.is_done(image)

    def ids(self, image: StoredImage) -> list[str]:
        """Return the possible image ids of an image in an engine: its config and manifest digests.

        Docker's classic store uses the first, containerd's store the others.
        """
        manifests = self._manifests(image.repository, image.digest)
        config = manifests[-1].document.get("config", {})
        return [config["digest"]] * bool(config) + [each.digest for each in manifests]

    def _shared_members(self, image: StoredImage) -> dict[str, Any]:
        manifest = self._manifests(image.repository, image.digest)[-1].document
        blobs = [manifest["config"], *manifest["layers"]] if "config" in manifest else []
        return {
            "name": image.repository,
            "pushTime": wire_date(image.pushed),
            "pullTime": NEVER,
            "digest": image.digest,
            "size": sum(blob["size"] for blob in blobs),
            "tags": [
                {
                    "name": tag,
                    "pullTime": NEVER,
                    "pushTime": wire_date(pushed),
                    "signed": False,
                    "immutable": False,
                }
                for tag, pushed in sorted(image.tags.items())
            ],
        }

    def _read_manifests(self, repository: str, digest: str) -> tuple[Manifest, ...]:
        """Return the manifest; for an index, also that for linux/amd64, else the first one in it.

        The latter is left out if the registry no longer has it.
        """
        answer = self._registry.http.get(
            self._path(repository, "manifests", digest), headers={"Accept": _ACCEPT}
        )
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise missing(f"The manifest {digest}")
        answer.raise_for_status()
        manifest = Manifest(digest, answer.headers["content-type"], answer.content)
        if manifest.media_type not in _INDEXES:
            return (manifest,)
        entries = sorted(manifest.document["manifests"], key=_is_other_platform)
        try:
            inner = self._read_manifests(repository, entries[0]["digest"]) if entries else ()
        except Problem:
            inner = ()
        return (manifest, *inner)

    def _path(self, repository: str, kind: str, reference: str) -> str:
        return f"/v2/{self._domain}/{repository}/{kind}/{reference}"


def _images_of(repository: str, tags: Iterable[TagLink]) -> list[StoredImage]:
    images: dict[str, StoredImage] = {}
    for link in tags:
        image = images.setdefault(link.digest, StoredImage(repository, link.digest))
        image.tags[link.tag] = link.pushed
    return list(images.values())


def _is_other_platform(entry: Mapping[str, Any]) -> bool:
    platform = entry.get("platform", {})
    return (platform.get("os"), platform.get("architecture")) != ("linux", "amd64")


def link(relation: str, href: str, description: str) -> dict[str, str]:
    """Return a `Link`; `href` is relative to the Scheduler's URL."""
    return {"relation": relation, "href": href, "description": description, "method": "GET"}
