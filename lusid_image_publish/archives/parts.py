"""The parts of an image, as the documents of an archive describe them."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from lusid_image_publish.archives.archive_error import ArchiveError, printable
from lusid_image_publish.archives.compression import GZIP, ZSTD, compression_of
from lusid_image_publish.archives.files import BlobContent
from lusid_image_publish.platforms import platform_of

DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")

COMPRESSED_LAYERS: Final = {
    "application/vnd.docker.image.rootfs.diff.tar.gzip": GZIP,
    "application/vnd.oci.image.layer.v1.tar+gzip": GZIP,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": ZSTD,
    "application/vnd.oci.image.layer.v1.tar+zstd": ZSTD,
}
"""The compression of layers, by media type."""

MAX_IMAGES: Final = 1000
"""An archive with more images is not read."""

_MAX_LAYERS: Final = 1000  # no engine runs an image with more than 500
_MAX_NAMES: Final = 1000
_FOREIGN_TYPE: Final = re.compile(r"\.foreign\.|\.nondistributable\.")


@dataclass(frozen=True)
class Descriptor:
    """The descriptor of a blob (image-spec, descriptor.md); `platform` may be empty."""

    media_type: str
    digest: str
    size: int
    platform: str = ""
    annotations: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Any) -> Self:
        """Parse `document`. Raises `ArchiveError` for a blob that is kept elsewhere."""
        media_type, digest = str(document.get("mediaType") or ""), str(document["digest"])
        if document.get("urls") or _FOREIGN_TYPE.search(media_type):
            raise ArchiveError(f"its blob {printable(digest)} must be downloaded from elsewhere")
        if not DIGEST.fullmatch(digest) or type(document["size"]) is not int:
            raise ArchiveError(f"{printable(digest)!r} is not a SHA-256 digest, or has no size")
        return cls(
            media_type,
            digest,
            document["size"],
            platform_of(document.get("platform") or {}),
            document.get("annotations") or {},
        )

    @property
    def path(self) -> str:
        """The blob's file in an OCI image layout."""
        return f"blobs/{self.digest.replace(':', '/')}"

    @property
    def layer_compression(self) -> str:
        """The compression of the media type, empty unless it is that of a compressed layer."""
        return COMPRESSED_LAYERS.get(self.media_type, "")


@dataclass(frozen=True)
class Layer:
    """A layer; `descriptor` is that of a manifest, None without one.

    `compression` is `GZIP`, `ZSTD`, or empty for none, as its first bytes say.
    """

    content: BlobContent
    diff_id: str
    descriptor: Descriptor | None = None
    compression: str = ""

    @property
    def size(self) -> int:
        """The number of bytes in the archive."""
        return self.content.size

    @property
    def is_described(self) -> bool:
        """Whether it is compressed as its descriptor says."""
        described = self.descriptor.layer_compression if self.descriptor else ""
        return bool(self.compression) and self.compression == described

    @property
    def key(self) -> tuple[str, str]:
        """The key of the layer: its diff id and its file."""
        return self.diff_id, self.content.name

    @property
    def as_it_is(self) -> "PackedLayer | None":
        """The layer as a registry has it, None if that is known only after reading it."""
        if not (self.descriptor and self.is_described):
            return None
        return PackedLayer(self.descriptor.digest, self.size, self.compression)

    @property
    def short_id(self) -> str:
        """The beginning of its digest, as engines show it; without a digest, of its diff id."""
        digest = self.descriptor.digest if self.descriptor else self.diff_id
        return digest.partition(":")[2][:12]


@dataclass(frozen=True)
class PackedLayer:
    """A compressed layer in a registry: the digest, size and compression of its blob."""

    digest: str
    size: int
    compression: str


@dataclass(frozen=True)
class ImageManifest:
    """A manifest: its bytes, and the media types of itself and its config."""

    content: bytes
    media_type: str
    config_type: str

    @property
    def digest(self) -> str:
        """The digest of the manifest."""
        return digest_of(self.content)


@dataclass(frozen=True)
class Parts:
    """The parts of an image; `manifest` is None if the archive has none."""

    config: bytes
    layers: tuple[Layer, ...]
    manifest: ImageManifest | None = None


@dataclass(frozen=True)
class Candidate:
    """An image in an archive.

    `key` is unique in the archive; `names` are those it was saved under, possibly only a tag.
    `digests` are those of its manifest, of the indexes that contain it, and of its config if that
    was read. `parts` is None for an image of another platform, which need not be complete.
    """

    key: str
    names: tuple[str, ...]
    digests: frozenset[str]
    platform: str
    parts: Parts | None

    def with_names(
        self, names: tuple[str, ...], digests: frozenset[str] = frozenset()
    ) -> "Candidate":
        """Return the image with more names and digests. Raises `ArchiveError` for too many."""
        merged = tuple(dict.fromkeys([*self.names, *names]))
        if len(merged) > _MAX_NAMES:
            raise ArchiveError(f"an image in it has more than {_MAX_NAMES} names")
        return replace(self, names=merged, digests=self.digests | digests)


def require_few_images(images: int) -> None:
    """Raise `ArchiveError` for more than `MAX_IMAGES`."""
    if images > MAX_IMAGES:
        raise ArchiveError(f"it has more than {MAX_IMAGES} images")


def platform_and_diff_ids(config: Any, layer_count: int) -> tuple[str, list[str]]:
    """Return the platform and the diff ids of a config. Raises `ArchiveError` for another count."""
    diff_ids = [str(diff_id) for diff_id in config["rootfs"].get("diff_ids") or ()]
    if len(diff_ids) > _MAX_LAYERS:
        raise ArchiveError(f"it has more than {_MAX_LAYERS} layers")
    if not all(map(DIGEST.fullmatch, diff_ids)):
        raise ArchiveError("its config has a layer digest that is not SHA-256")
    if layer_count != len(diff_ids):
        raise ArchiveError(f"it has {layer_count} layers, but its config lists {len(diff_ids)}")
    return platform_of(config), diff_ids


def examined_layer(layer: Layer) -> Layer:
    """Return `layer` with its compression. Raises `ArchiveError` if its documents disagree."""
    found = compression_of(next(layer.content.chunks(), b""))
    compression = found if found in COMPRESSED_LAYERS.values() else ""
    descriptor = layer.descriptor
    if descriptor and not compression and descriptor.digest != layer.diff_id:
        raise wrong_layer_error(descriptor.digest, layer)
    return replace(layer, compression=compression)


def wrong_layer_error(diff_id: str, layer: Layer) -> ArchiveError:
    """Return the error for a layer that does not match the config."""
    return ArchiveError(f"a layer has the digest {diff_id}, but its config says {layer.diff_id}")


def digest_of(content: bytes) -> str:
    """Return the digest of these bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
