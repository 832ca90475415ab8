"""The images of an OCI image layout: `index.json`, and what it leads to (image-spec, 1.1).

buildx, skopeo, kaniko and others write it, and `docker save` since Docker 25.
"""

from typing import Any, Final

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
    require_layer_count,
)
from lusid_image_publish.archives.tars import (
    MAX_CONFIG_BYTES,
    MAX_DOCUMENT_BYTES,
    ArchiveError,
)
from lusid_image_publish.platforms import platform_covers

INDEX_FILE: Final = "index.json"

_DEEPEST: Final = 4
_MOST_ENTRIES: Final = 5 * MAX_IMAGES  # of all indexes: an image may have several names
_ATTESTATION: Final = "vnd.docker.reference.type"
_NOWHERE: Final = "unknown/unknown"
_NAMES: Final = ("io.containerd.image.name", "org.opencontainers.image.ref.name")


def index_names_blobs(files: Files) -> bool:
    """Return whether `index.json` leads to anything that is there.

    apko writes an index beside a Docker archive, and none of the blobs that it names.
    """
    _, index = require_document(files, INDEX_FILE, "layout")
    entries = map(Descriptor.of, index["manifests"] or ())
    return any(files.find(entry.path) for entry in entries)


def images_in_layout(files: Files, wanted: str) -> list[Candidate]:
    """Return the images of the layout in `files`; only those for the platform `wanted` are read.

    Attestations are left out. Raises `ArchiveError` for what is damaged.
    """
    layout = _Layout(files, wanted)
    _, index = require_document(files, INDEX_FILE, "layout")
    layout.follow(index, (), frozenset(), 0)
    return list(layout.found.values())


class _Layout:
    """What was found of a layout so far, by digest: two tags may lead to one image."""

    def __init__(self, files: Files, wanted: str) -> None:
        self.found: dict[str, Candidate] = {}
        self._files = files
        self._wanted = wanted
        self._followed: set[str] = set()
        self._entries = 0

    def follow(
        self, index: Any, above: tuple[str, ...], digests: frozenset[str], depth: int
    ) -> None:
        """Find what `index` leads to; `above` and `digests` are those of what led to it."""
        if depth > _DEEPEST:
            raise ArchiveError("its indexes are nested too deeply")
        entries = index["manifests"] or ()
        self._entries += len(entries)
        if self._entries > _MOST_ENTRIES:
            raise ArchiveError(f"its indexes have more than {_MOST_ENTRIES} entries")
        for entry in map(Descriptor.of, entries):
            require_few_images(len(self.found))
            own = [str(entry.annotations[key]) for key in _NAMES if key in entry.annotations]
            names = tuple(own[:1]) or above
            known_by = digests | {entry.digest}
            if entry.platform == _NOWHERE or _ATTESTATION in entry.annotations:
                continue
            if known := [image for image in self.found.values() if entry.digest in image.digests]:
                self.found |= {image.key: image.known_as(names, known_by) for image in known}
            elif entry.platform and not platform_covers(self._wanted, entry.platform):
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
        told = Descriptor.of(document["config"])
        media_type = str(document.get("mediaType") or entry.media_type)
        config, configured = self._document(told, "manifest", most=MAX_CONFIG_BYTES)
        if "rootfs" not in configured:
            return  # a signature, a chart, or something else that is no image
        platform, diff_ids = platform_and_diff_ids(configured)
        layers = [Descriptor.of(layer) for layer in document["layers"] or ()]
        require_layer_count(len(layers), diff_ids)
        parts = Parts(
            config,
            tuple(
                Layer(self._content(layer, "manifest"), diff_id, layer)
                for layer, diff_id in zip(layers, diff_ids, strict=True)
            ),
            ImageManifest(content, media_type, told.media_type),
        )
        self.found[entry.digest] = Candidate(
            entry.digest, names, digests | {told.digest}, platform, parts
        )

    def _document(
        self, blob: Descriptor, named_by: str, *, most: int = MAX_DOCUMENT_BYTES
    ) -> tuple[bytes, Any]:
        self._content(blob, named_by)
        content, document = require_document(self._files, blob.path, named_by, most=most)
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
