"""Find layers that a repository already has, by their content.

No state is kept on this machine: earlier images of the repository are read. The config of an image
has the diff ids of its layers (the digests of their uncompressed content), and its manifest has
their blobs in the registry, both in the same order (OCI image specification).
"""

import json
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final

from lusid_image_publish.archives.compression import GZIP
from lusid_image_publish.archives.parts import COMPRESSED_LAYERS, DIGEST, PackedLayer
from lusid_image_publish.errors import PushError
from lusid_image_publish.registry.session import RegistryManifest, RegistrySession
from lusid_image_publish.waiting import Deadline, within

logger = logging.getLogger(__name__)

_MAX_SEARCH_SECONDS: Final = 10.0
_MAX_CONFIG_BYTES: Final = 4 << 20  # a larger one takes longer than the layers of most images


def known_layers(
    session: RegistrySession, find_tags: Callable[[], Iterable[str]], wanted: Collection[str]
) -> Mapping[str, PackedLayer]:
    """Return those layers of `wanted`, which are diff ids, that images under some tags have.

    The first image that has a layer is used. A tag that cannot be read, has no image for one
    platform or is invalid gives none, and so does every tag once the time for the search is over.
    """
    found: dict[str, PackedLayer] = {}
    with within(Deadline(_MAX_SEARCH_SECONDS)):
        for tag in find_tags():
            try:
                manifest = session.read_manifest(tag)
                layers = dict(_layers_of(manifest, session)) if manifest else {}
            except (PushError, ValueError, TypeError, KeyError, RecursionError) as error:
                logger.debug("no layers of the tag %s are used again: %s", tag, error)
                continue
            found = {diff_id: layers[diff_id] for diff_id in layers if diff_id in wanted} | found
            if found.keys() >= {*wanted}:
                break
    return found


def _layers_of(
    manifest: RegistryManifest, session: RegistrySession
) -> Iterator[tuple[str, PackedLayer]]:
    """Yield the diff id of each layer that is compressed with gzip, which all engines read."""
    if manifest.is_index:
        return
    config = json.loads(session.read_blob(manifest.config_digest, max_bytes=_MAX_CONFIG_BYTES))
    diff_ids = config["rootfs"]["diff_ids"]
    if len(diff_ids) != len(manifest.layers):
        return
    for diff_id, layer in zip(map(str, diff_ids), manifest.layers, strict=True):
        is_gzip = COMPRESSED_LAYERS.get(layer.media_type) == GZIP
        if is_gzip and layer.size > 0 and DIGEST.fullmatch(layer.digest):
            yield diff_id, PackedLayer(layer.digest, layer.size, GZIP)
