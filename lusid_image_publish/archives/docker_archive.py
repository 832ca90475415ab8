"""The images of a Docker archive: `manifest.json`, and the files that it names.

`docker save` writes it (since Docker 25 together with an OCI image layout), `podman save`, and
builders without an engine. Layers may be compressed, and may be links to each other.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from lusid_image_publish.archives.archive_error import MAX_CONFIG_BYTES, ArchiveError, printable
from lusid_image_publish.archives.files import Files, require_document, require_file
from lusid_image_publish.archives.parts import (
    Candidate,
    Layer,
    Parts,
    digest_of,
    platform_and_diff_ids,
    require_few_images,
)

MANIFEST_FILE: Final = "manifest.json"

# A name that has the digest of the content: `<digest>.json`, `sha256:<digest>`, `blobs/sha256/...`.
_ADDRESSED: Final = re.compile(r"(?:.*[/:])?([0-9a-f]{64})(?:\.json)?")


def images_in_docker_archive(files: Files) -> list[Candidate]:
    """Return the images that `manifest.json` names. Raises `ArchiveError` if it is damaged."""
    _, entries = require_document(files, MANIFEST_FILE, "archive")
    if isinstance(entries, dict):  # an image manifest: this is not a Docker archive
        return []
    by_config: dict[str, Candidate] = {}
    for image in _images(files, entries):
        known = by_config.get(image.key)
        by_config[image.key] = known.with_names(image.names) if known else image
    return list(by_config.values())


def _images(files: Files, entries: Any) -> Iterator[Candidate]:
    require_few_images(len(entries))
    for entry in entries:
        name = str(entry["Config"])
        config, configured = require_document(
            files, name, MANIFEST_FILE, max_bytes=MAX_CONFIG_BYTES
        )
        addressed, digest = _ADDRESSED.fullmatch(name), digest_of(config)
        if addressed and digest != f"sha256:{addressed[1]}":
            raise ArchiveError(f"{printable(name)} has the digest {digest}")
        if any(source.get("urls") for source in (entry.get("LayerSources") or {}).values()):
            raise ArchiveError("it has a layer that is to be fetched elsewhere")
        layers = entry.get("Layers") or ()
        platform, diff_ids = platform_and_diff_ids(configured, len(layers))
        parts = Parts(
            config,
            tuple(
                Layer(require_file(files, str(layer), MANIFEST_FILE), diff_id)
                for layer, diff_id in zip(layers, diff_ids, strict=True)
            ),
        )
        names = tuple(map(str, entry.get("RepoTags") or ()))
        yield Candidate(digest, names, frozenset({digest}), platform, parts)
