"""The layers of an archive, checked: their bytes are those that the image's config means.

A registry compares a layer with its own digest alone. That it is the layer that the config names,
by the digest of its uncompressed bytes (`diff_id`), is for us to see.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lusid_image_publish.archives.files import BlobContent
from lusid_image_publish.archives.parts import COMPRESSED_LAYERS, GZIP, ZSTD, Layer
from lusid_image_publish.archives.tars import CHUNK_BYTES, ArchiveError, SizeLimit, decompress_zstd

GZIP_FORMAT: Final = 31
"""zlib's number for gzip, with its largest window."""

_PART: Final = 1 << 14  # bytes: after each small gzip file the rest of it is copied

_SIGNS: Final = {b"\x1f\x8b": GZIP, b"\x28\xb5\x2f\xfd": ZSTD}


@dataclass(frozen=True)
class Blob:
    """Bytes that have this digest; `compression` is `GZIP`, `ZSTD`, or empty for none."""

    digest: str
    content: BlobContent
    compression: str = ""

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self.content.size


def verify_layer(layer: Layer, limit: SizeLimit) -> Blob:
    """Return the bytes of `layer` as they are, if they are right. Raises `ArchiveError` if not.

    What is read of it, and what that is decompressed to, counts within `limit`.
    Uncompressed ones must have the `diff_id`; compressed ones the digest that a manifest says of a
    compressed layer, and where none does, the `diff_id` once they are decompressed.
    """
    content, told = layer.content, layer.told
    compression = _compression_of(content)
    digest = digest_of_chunks(limit.counted(content.chunks()))
    if told and digest != told.digest:
        raise ArchiveError(f"{told.path} has the digest {digest}")
    if told and compression and COMPRESSED_LAYERS.get(told.media_type) == compression:
        return Blob(digest, content, compression)
    diff_id = digest
    if compression:
        uncompressed = _DECOMPRESSED[compression](content.chunks())
        diff_id = digest_of_chunks(limit.counted(uncompressed))
    if diff_id != layer.diff_id:
        raise ArchiveError(f"a layer has the digest {diff_id}, and its config says {layer.diff_id}")
    return Blob(digest, content, compression)


def digest_of_chunks(chunks: Iterable[bytes]) -> str:
    """Return the digest of all `chunks`."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def _compression_of(content: BlobContent) -> str:
    beginning = next(content.chunks(), b"")
    return next((name for sign, name in _SIGNS.items() if beginning.startswith(sign)), "")


def _inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what gzip files, one behind the other, have in them: little of it at once."""
    inflate = zlib.decompressobj(GZIP_FORMAT)
    for chunk in chunks:
        for start in range(0, len(chunk), _PART):
            rest = chunk[start : start + _PART]
            while rest:
                if inflate.eof:
                    inflate = zlib.decompressobj(GZIP_FORMAT)
                yield inflate.decompress(rest, CHUNK_BYTES)
                rest = inflate.unused_data or inflate.unconsumed_tail
    if not inflate.eof:
        raise ArchiveError("a layer of it is cut off")


_DECOMPRESSED: Final[Mapping[str, Callable[[Iterator[bytes]], Iterator[bytes]]]] = {
    GZIP: _inflated,
    ZSTD: decompress_zstd,
}
