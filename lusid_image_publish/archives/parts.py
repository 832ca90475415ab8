"""The parts of an image, as the documents of an archive describe them."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from lusid_image_publish.archives.files import BlobContent
from lusid_image_publish.archives.tars import ArchiveError, printable
from lusid_image_publish.platforms import platform_of

DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")

GZIP: Final = "gzip"
ZSTD: Final = "zstd"
COMPRESSED_LAYERS: Final = {
    "application/vnd.docker.image.rootfs.diff.tar.gzip": GZIP,
    "application/vnd.oci.image.layer.v1.tar+gzip": GZIP,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": ZSTD,
    "application/vnd.oci.image.layer.v1.tar+zstd": ZSTD,
}
"""The media types of compressed layers, and how they are compressed."""

MAX_IMAGES: Final = 1000
"""More images than this are no archive that anybody would publish: they are not read."""

_MOST_LAYERS: Final = 1000  # no engine runs an image with more than 500
_MOST_NAMES: Final = 1000
_ELSEWHERE: Final = re.compile(r"\.foreign\.|\.nondistributable\.")


@dataclass(frozen=True)
class Descriptor:
    """What a document says of a blob (image-spec, descriptor.md).

    `platform` is empty where it does not say.
    """

    media_type: str
    digest: str
    size: int
    platform: str = ""
    annotations: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Any) -> Self:
        """Return what `document` says. Raises `ArchiveError` for what is not in the archive."""
        media_type, digest = str(document.get("mediaType") or ""), str(document["digest"])
        if document.get("urls") or _ELSEWHERE.search(media_type):
            raise ArchiveError(
                f"{printable(digest)} is a part of it that is to be fetched elsewhere"
            )
        if not DIGEST.fullmatch(digest) or type(document["size"]) is not int:
            raise ArchiveError(f"{printable(digest)!r} is no SHA-256 digest, or has no size")
        return cls(
            media_type,
            digest,
            document["size"],
            platform_of(document.get("platform") or {}),
            document.get("annotations") or {},
        )

    @property
    def path(self) -> str:
        """Where an OCI image layout keeps the blob."""
        return f"blobs/{self.digest.replace(':', '/')}"


@dataclass(frozen=True)
class Layer:
    """A layer; `told` is what a manifest says of it, None where there is none."""

    content: BlobContent
    diff_id: str
    told: Descriptor | None = None


@dataclass(frozen=True)
class ImageManifest:
    """A manifest: its bytes, and the media types of itself and of the config that it names."""

    content: bytes
    media_type: str
    config_type: str


@dataclass(frozen=True)
class Parts:
    """All that an image is made of; `manifest` is None where the archive has none."""

    config: bytes
    layers: tuple[Layer, ...]
    manifest: ImageManifest | None = None


@dataclass(frozen=True)
class Candidate:
    """An image in an archive.

    `key` tells it from others; `names` are those that it was saved under, each may be a tag alone.
    `digests` are those that it is known by: of its manifest, of the indexes that lead to it, and of
    its config where that was read. `parts` is None for one whose platform is not the wanted one,
    which need not be complete.
    """

    key: str
    names: tuple[str, ...]
    digests: frozenset[str]
    platform: str
    parts: Parts | None

    def known_as(
        self, names: tuple[str, ...], digests: frozenset[str] = frozenset()
    ) -> "Candidate":
        """Return the same image with more names and digests. Raises `ArchiveError` for many."""
        merged = tuple(dict.fromkeys([*self.names, *names]))
        if len(merged) > _MOST_NAMES:
            raise ArchiveError(f"an image in it has more than {_MOST_NAMES} names")
        return replace(self, names=merged, digests=self.digests | digests)


def require_few_images(images: int) -> None:
    """Raise `ArchiveError` for more images than are read."""
    if images > MAX_IMAGES:
        raise ArchiveError(f"it has more than {MAX_IMAGES} images")


def digest_of(content: bytes) -> str:
    """Return the digest of these bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def platform_and_diff_ids(config: Any) -> tuple[str, list[str]]:
    """Return what an image's config says of its platform and its layers."""
    diff_ids = [str(diff_id) for diff_id in config["rootfs"].get("diff_ids") or ()]
    if len(diff_ids) > _MOST_LAYERS:
        raise ArchiveError(f"it has more than {_MOST_LAYERS} layers")
    if not all(map(DIGEST.fullmatch, diff_ids)):
        raise ArchiveError("its config names a layer by something else than its SHA-256 digest")
    return platform_of(config), diff_ids


def require_layer_count(layers: int, diff_ids: list[str]) -> None:
    """Raise `ArchiveError` unless there are as many layers as the config says."""
    if layers != len(diff_ids):
        raise ArchiveError(f"it has {layers} layers, and its config says {len(diff_ids)}")
