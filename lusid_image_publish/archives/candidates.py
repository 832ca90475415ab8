"""The images in an archive: those of an OCI image layout, else those that `manifest.json` names.

buildx, skopeo, kaniko and others write a layout: `index.json`, and the blobs below it (image-spec,
1.1). `docker save` (since Docker 25 together with a layout), `podman save` and builders without an
engine write `manifest.json`, and the files that it names; layers may be compressed there, and may
be links to each other.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any, Final

from lusid_image_publish.archives.archive_error import (
    MAX_CONFIG_BYTES,
    MAX_DOCUMENT_BYTES,
    ArchiveError,
    printable,
)
from lusid_image_publish.archives.files import (
    BlobContent,
    Files,
    foreign_archive_error,
    require_document,
    require_file,
)
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
from lusid_image_publish.text import plain

_MANIFEST_FILE: Final = "manifest.json"
_INDEX_FILE: Final = "index.json"
_MAX_SHOWN_FILES: Final = 3
_MAX_NAME_CHARACTERS: Final = 60

# A name that has the digest of the content: `<digest>.json`, `sha256:<digest>`, `blobs/sha256/...`.
_ADDRESSED: Final = re.compile(r"(?:.*[/:])?([0-9a-f]{64})(?:\.json)?")

_MAX_INDEX_LEVELS: Final = 4
_MAX_ENTRIES: Final = 5 * MAX_IMAGES  # of all indexes; an image may have several names
_ATTESTATION_ANNOTATION: Final = "vnd.docker.reference.type"
_NO_PLATFORM: Final = "unknown/unknown"
_NAME_ANNOTATIONS: Final = ("io.containerd.image.name", "org.opencontainers.image.ref.name")


def images_in_archive(files: Files, platform: str) -> list[Candidate]:
    """Return the images, without attestations; in a layout only those for `platform` are read.

    Raises `ArchiveError` for a damaged archive, and for one without an image.
    """
    has_manifest = files.find(_MANIFEST_FILE) is not None
    found: list[Candidate] = []
    if files.find(_INDEX_FILE) and (not has_manifest or _index_names_blobs(files)):
        layout = _LayoutReader(files, platform)
        _, index = require_document(files, _INDEX_FILE, "layout")
        layout.follow(index, (), frozenset(), 0)
        found = list(layout.found.values())
    if not found and has_manifest:
        found = _images_in_docker_archive(files)
    if not found:
        raise foreign_archive_error(files.names) or _no_image(files.names)
    return found


def _no_image(names: Collection[str]) -> ArchiveError:
    if "oci-layout" in names and _INDEX_FILE not in names:
        return ArchiveError(f"it is an OCI image layout without {_INDEX_FILE}")
    files = [plain(name, longest=_MAX_NAME_CHARACTERS) for name in names if name != "."]
    more = " and more" if len(files) > _MAX_SHOWN_FILES else ""
    has = f", only {', '.join(files[:_MAX_SHOWN_FILES])}{more}" if files else ""
    return ArchiveError(f"it contains no image{has}")


def _images_in_docker_archive(files: Files) -> list[Candidate]:
    _, entries = require_document(files, _MANIFEST_FILE, "archive")
    if isinstance(entries, dict):  # an image manifest: this is not a Docker archive
        return []
    by_config: dict[str, Candidate] = {}
    for image in _images_of_entries(files, entries):
        known = by_config.get(image.key)
        by_config[image.key] = known.with_names(image.names) if known else image
    return list(by_config.values())


def _images_of_entries(files: Files, entries: Any) -> Iterator[Candidate]:
    require_few_images(len(entries))
    for entry in entries:
        name = str(entry["Config"])
        config, configured = require_document(
            files, name, _MANIFEST_FILE, max_bytes=MAX_CONFIG_BYTES
        )
        addressed, digest = _ADDRESSED.fullmatch(name), digest_of(config)
        if addressed and digest != f"sha256:{addressed[1]}":
            raise ArchiveError(f"the content of {printable(name)} has the digest {digest}")
        if any(source.get("urls") for source in (entry.get("LayerSources") or {}).values()):
            raise ArchiveError("it has a layer that must be downloaded from elsewhere")
        layers = entry.get("Layers") or ()
        platform, diff_ids = platform_and_diff_ids(configured, len(layers))
        parts = Parts(
            config,
            tuple(
                Layer(require_file(files, str(layer), _MANIFEST_FILE), diff_id)
                for layer, diff_id in zip(layers, diff_ids, strict=True)
            ),
        )
        names = tuple(map(str, entry.get("RepoTags") or ()))
        yield Candidate(digest, names, frozenset({digest}), platform, parts)


def _index_names_blobs(files: Files) -> bool:
    """Return whether any blob that `index.json` names exists.

    apko writes an index into a Docker archive, without the blobs.
    """
    _, index = require_document(files, _INDEX_FILE, "layout")
    entries = map(Descriptor.of, index["manifests"] or ())
    return any(files.find(entry.path) for entry in entries)


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
            raise ArchiveError(f"the content of {blob.path} has the digest {digest_of(content)}")
        return content, document

    def _content(self, blob: Descriptor, named_by: str) -> BlobContent:
        content = require_file(self._files, blob.path, named_by)
        if content.size != blob.size:
            raise ArchiveError(
                f"{blob.path} has {content.size} bytes, but the {named_by} says {blob.size}"
            )
        return content
