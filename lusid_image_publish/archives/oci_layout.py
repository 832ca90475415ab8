"""The images of an OCI image layout: `index.json`, and the blobs below it (image-spec, 1.1).

buildx, skopeo, kaniko and others write it, and `docker save` since Docker 25.
"""

from typing import Any, Final

from lusid_image_publish.archives.archive_error import (
    MAX_CONFIG_BYTES,
    MAX_DOCUMENT_BYTES,
    ArchiveError,
)
from lusid_image_publish.archives.files import BlobContent, Files, require_document, require_file
from lusid_image_publish.archives.parts import (
    MAX_IMAGES,
    Candidate,
    Descriptor,
    ImageManifest,
    Layer,
    Parts,
    digest_of,
    platform_and_diff_ids,
    require_few_images,
)
from lusid_image_publish.platforms import platform_covers

INDEX_FILE: Final = "index.json"

_MAX_INDEX_LEVELS: Final = 4
_MAX_ENTRIES: Final = 5 * MAX_IMAGES  # of all indexes; an image may have several names
_ATTESTATION_ANNOTATION: Final = "vnd.docker.reference.type"
_NO_PLATFORM: Final = "unknown/unknown"
_NAME_ANNOTATIONS: Final = ("io.containerd.image.name", "org.opencontainers.image.ref.name")


def index_names_blobs(files: Files) -> bool:
    """Return whether any blob that `index.json` names exists.

    apko writes an index into a Docker archive, without the blobs.
    """
    _, index = require_document(files, INDEX_FILE, "layout")
    entries = map(Descriptor.of, index["manifests"] or ())
    return any(files.find(entry.path) for entry in entries)


def images_in_layout(files: Files, platform: str) -> list[Candidate]:
    """Return the images of the layout, read where they are for `platform`, without attestations.

    Raises `ArchiveError` for a damaged layout.
    """
    layout = _LayoutReader(files, platform)
    _, index = require_document(files, INDEX_FILE, "layout")
    layout.follow(index, (), frozenset(), 0)
    return list(layout.found.values())


class _LayoutReader:
    """Follows indexes and collects the images, by digest: two tags may lead to one image."""

    def __init__(self, files: Files, platform: str) -> None:
        self.found: dict[str, Candidate] = {}
        self._files = files
        self._platform = platform
        self._followed: set[str] = set()
        self._entries = 0

    def follow(
        self, index: Any, above: tuple[str, ...], digests: frozenset[str], depth: int
    ) -> None:
        """Collect the images of `index`; `above` and `digests` name what it was reached through."""
        if depth > _MAX_INDEX_LEVELS:
            raise ArchiveError("its indexes are nested too deeply")
        entries = index["manifests"] or ()
        self._entries += len(entries)
        if self._entries > _MAX_ENTRIES:
            raise ArchiveError(f"its indexes have more than {_MAX_ENTRIES} entries")
        for entry in map(Descriptor.of, entries):
            require_few_images(len(self.found))
            own = [
                str(entry.annotations[key]) for key in _NAME_ANNOTATIONS if key in entry.annotations
            ]
            names = tuple(own[:1]) or above
            known_by = digests | {entry.digest}
            if entry.platform == _NO_PLATFORM or _ATTESTATION_ANNOTATION in entry.annotations:
                continue
            if known := [image for image in self.found.values() if entry.digest in image.digests]:
                self.found |= {image.key: image.with_names(names, known_by) for image in known}
            elif entry.platform and not platform_covers(self._platform, entry.platform):
                self.found[entry.digest] = Candidate(
                    entry.digest, names, known_by, entry.platform, None
                )
            elif entry.digest not in self._followed:
                self._followed.add(entry.digest)
                self._read(entry, names, known_by, depth)

    def _read(
        self, entry: Descriptor, names: tuple[str, ...], digests: frozenset[str], depth: int
    ) -> None:
        require_few_images(len(self._followed))
        content, document = self._document(entry, "index")
        if "manifests" in document:
            self.follow(document, names, digests, depth + 1)
            return
        config_descriptor = Descriptor.of(document["config"])
        media_type = str(document.get("mediaType") or entry.media_type)
        config, configured = self._document(
            config_descriptor, "manifest", max_bytes=MAX_CONFIG_BYTES
        )
        if "rootfs" not in configured:
            return  # a signature, a chart, or another artifact
        layers = [Descriptor.of(layer) for layer in document["layers"] or ()]
        platform, diff_ids = platform_and_diff_ids(configured, len(layers))
        parts = Parts(
            config,
            tuple(
                Layer(self._content(layer, "manifest"), diff_id, layer)
                for layer, diff_id in zip(layers, diff_ids, strict=True)
            ),
            ImageManifest(content, media_type, config_descriptor.media_type),
        )
        self.found[entry.digest] = Candidate(
            entry.digest, names, digests | {config_descriptor.digest}, platform, parts
        )

    def _document(
        self, blob: Descriptor, named_by: str, *, max_bytes: int = MAX_DOCUMENT_BYTES
    ) -> tuple[bytes, Any]:
        self._content(blob, named_by)
        content, document = require_document(self._files, blob.path, named_by, max_bytes=max_bytes)
        if digest_of(content) != blob.digest:
            raise ArchiveError(f"{blob.path} has the digest {digest_of(content)}")
        return content, document

    def _content(self, blob: Descriptor, named_by: str) -> BlobContent:
        content = require_file(self._files, blob.path, named_by)
        if content.size != blob.size:
            raise ArchiveError(
                f"{blob.path} has {content.size} bytes, and its {named_by} says {blob.size}"
            )
        return content
