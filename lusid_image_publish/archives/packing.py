"""An image in an archive as it is sent to a registry: layers, config and manifest.

An archive's own manifest of compressed layers is sent byte for byte, which keeps its digest.
Otherwise one is written for the unchanged config and the layers in the registry.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from lusid_image_publish.archives.archive_error import SizeLimit, too_large_error
from lusid_image_publish.archives.compression import GZIP, ZSTD
from lusid_image_publish.archives.parts import ImageManifest, Layer, PackedLayer, Parts, digest_of

_MANIFEST_TYPE: Final = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG_TYPE: Final = "application/vnd.docker.container.image.v1+json"
_LAYER_TYPES: Final = {
    GZIP: "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ZSTD: "application/vnd.docker.image.rootfs.diff.tar.zstd",
}
_ENGINE_TYPES: Final = {
    (manifest, config)
    for manifest in (_MANIFEST_TYPE, "application/vnd.oci.image.manifest.v1+json")
    for config in (_CONFIG_TYPE, "application/vnd.oci.image.config.v1+json")
}
"""The media types of manifest and config that engines accept; newer engines mix old and new."""


@dataclass(frozen=True)
class ConfigBlob:
    """The config of an image, as a blob to send."""

    content: bytes

    @property
    def digest(self) -> str:
        """The digest of the image's config."""
        return digest_of(self.content)

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self.content)

    def pieces(self, start: int) -> Iterator[bytes]:
        """Yield the bytes from `start` on."""
        yield self.content[start:]


@dataclass(frozen=True)
class Packing:
    """An image with these `parts` to send; at most `max_bytes` of its layers are read.

    `sent` are the layers that were sent, by their keys: a second push, after a failure or to
    another tag, does not send them again.
    """

    parts: Parts
    max_bytes: int
    sent: dict[tuple[str, str], PackedLayer] = field(default_factory=dict)

    @cached_property
    def layers(self) -> Mapping[tuple[str, str], Layer]:
        """The layers by their keys, each once."""
        return {layer.key: layer for layer in self.parts.layers}

    @property
    def config(self) -> ConfigBlob:
        """The config to send."""
        return ConfigBlob(self.parts.config)

    @property
    def own_manifest(self) -> ImageManifest | None:
        """The archive's own manifest, None if it cannot be sent unchanged."""
        manifest = self.parts.manifest
        if manifest is None or (manifest.media_type, manifest.config_type) not in _ENGINE_TYPES:
            return None
        return manifest if all(layer.is_described for layer in self.parts.layers) else None

    def size_limit(self) -> SizeLimit:
        """Return the limit for one read of all layers, including their decompressed bytes.

        Raises `ArchiveError` if they are too large already.
        """
        limit = SizeLimit(self.max_bytes, too_large_error("its layers are", self.max_bytes))
        limit.add(sum(layer.size for layer in self.parts.layers))
        return limit

    def manifest(self) -> ImageManifest:
        """Return the manifest to send, once its layers are sent."""
        layers = [self.sent[layer.key] for layer in self.parts.layers]
        return self.own_manifest or _manifest_of(self.config, layers)


def _manifest_of(config: ConfigBlob, layers: Sequence[PackedLayer]) -> ImageManifest:
    """Return the manifest of `config` and `layers`, the same each time (v2, schema 2)."""

    def descriptor(media_type: str, digest: str, size: int) -> dict[str, object]:
        return {"mediaType": media_type, "size": size, "digest": digest}

    document = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPE,
        "config": descriptor(_CONFIG_TYPE, config.digest, config.size),
        "layers": [
            descriptor(_LAYER_TYPES[layer.compression], layer.digest, layer.size)
            for layer in layers
        ],
    }
    content = json.dumps(document, separators=(",", ":")).encode()
    return ImageManifest(content, _MANIFEST_TYPE, _CONFIG_TYPE)
