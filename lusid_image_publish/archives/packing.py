"""An image as a registry accepts it: compressed layers, and a manifest of them.

An archive's own manifest of compressed layers is sent byte for byte, which keeps its digest. Other
layers are compressed here, in the same way each time: publish an image again with the same version
of zlib, and it has the same digest. Each chunk of a layer is its own gzip member, which readers of
gzip join (RFC 1952), so that all processors can work.
"""

import hashlib
import json
import os
import tempfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain
from threading import Lock
from typing import IO, Final, Self

from lusid_image_publish.archives.archive_error import ArchiveError
from lusid_image_publish.archives.compression import CHUNK_BYTES, GZIP, GZIP_WBITS, ZSTD
from lusid_image_publish.archives.files import BlobContent, read_content
from lusid_image_publish.archives.parts import Blob, ImageManifest, Parts, digest_of
from lusid_image_publish.progress import LayerProgress

_GZIP_LEVEL: Final = 5  # programs and libraries: twice as fast as zlib's 6, and 2 % larger
_WORKERS: Final = min(os.cpu_count() or 1, 8)
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

Progress = Callable[[LayerProgress], None]


@dataclass(frozen=True)
class Packed:
    """An image to send: each of `blobs`, and then the `manifest`, which names them.

    Each blob has a label to show, the beginning of its digest in the archive; empty for the config.
    """

    manifest: ImageManifest
    blobs: tuple[tuple[str, Blob], ...]

    @property
    def digest(self) -> str:
        """The digest of the manifest."""
        return digest_of(self.manifest.content)


class Packing:
    """Packs an image once, at the first `pack`; a context manager that deletes it at its end.

    `layers` are those of the archive, and `manifest` is the archive's if it can be sent unchanged.
    """

    def __init__(
        self, config: bytes, layers: tuple[Blob, ...], manifest: ImageManifest | None = None
    ) -> None:
        self._config = config
        self._layers = layers
        self._manifest = manifest
        self._packed: Packed | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def pack(self, listener: Progress) -> Packed:
        """Return the packed image; `listener` hears the progress, and may raise to end it.

        Raises `ArchiveError` when the archive has changed, and `OSError` when the disk is full.
        """
        if self._packed is None:
            packed = {layer.digest: layer for layer in self._layers if layer.compression}
            for layer in self._layers:
                if layer.digest not in packed:
                    packed[layer.digest] = self._compressed(layer, listener)
            layers = [(_short_id(layer.digest), packed[layer.digest]) for layer in self._layers]
            config = Blob(
                digest_of(self._config),
                BlobContent(len(self._config), lambda: iter([self._config])),
            )
            manifest = self._manifest or _new_manifest(config, [blob for _, blob in layers])
            self._packed = Packed(manifest, (*layers, ("", config)))
        return self._packed

    def _compressed(self, layer: Blob, listener: Progress) -> Blob:
        """Return `layer` compressed. Raises `ArchiveError` when it has changed."""
        with ExitStack() as stack:
            file = stack.enter_context(tempfile.TemporaryFile(prefix="lusid-image-"))
            inner, outer = hashlib.sha256(), hashlib.sha256()
            done = 0
            for chunk, member in _gzip_members(read_content(layer.content)):
                inner.update(chunk)
                outer.update(member)
                file.write(member)
                done += len(chunk)
                listener(LayerProgress(_short_id(layer.digest), "Preparing", done, layer.size))
            if layer.digest != f"sha256:{inner.hexdigest()}":
                raise ArchiveError("it was changed while it was being published")
            file.flush()
            content = BlobContent(file.tell(), partial(_read_shared, file, Lock()))
            self._stack.push(stack.pop_all())
        return Blob(f"sha256:{outer.hexdigest()}", content, GZIP)


def sendable_manifest(parts: Parts, layers: Sequence[Blob]) -> ImageManifest | None:
    """Return the archive's own manifest, None where it cannot be sent unchanged."""
    manifest = parts.manifest
    if manifest is None or (manifest.media_type, manifest.config_type) not in _ENGINE_TYPES:
        return None
    for layer, blob in zip(parts.layers, layers, strict=True):
        compression = layer.descriptor.layer_compression if layer.descriptor else ""
        if not blob.compression or compression != blob.compression:
            return None
    return manifest


def _new_manifest(config: Blob, layers: Sequence[Blob]) -> ImageManifest:
    """Return the manifest of these blobs, the same each time (image manifest v2, schema 2)."""

    def descriptor(media_type: str, blob: Blob) -> dict[str, object]:
        return {"mediaType": media_type, "size": blob.size, "digest": blob.digest}

    document = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPE,
        "config": descriptor(_CONFIG_TYPE, config),
        "layers": [descriptor(_LAYER_TYPES[layer.compression], layer) for layer in layers],
    }
    return ImageManifest(
        json.dumps(document, separators=(",", ":")).encode(), _MANIFEST_TYPE, _CONFIG_TYPE
    )


def _gzip_members(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield each chunk, at least one, and its gzip member; some are compressed ahead."""
    ahead: deque[tuple[bytes, Future[bytes]]] = deque()
    with ThreadPoolExecutor(_WORKERS) as pool:
        for chunk in chain([next(chunks, b"")], chunks):
            ahead.append((chunk, pool.submit(zlib.compress, chunk, _GZIP_LEVEL, GZIP_WBITS)))
            if len(ahead) > 2 * _WORKERS:
                first, member = ahead.popleft()
                yield first, member.result()
        for last, member in ahead:
            yield last, member.result()


def _read_shared(file: IO[bytes], lock: Lock) -> Iterator[bytes]:
    """Yield all of `file`, which others may read at the same time with the same `lock`."""
    offset = 0
    while True:
        with lock:  # os.pread needs none, but not every system has it
            file.seek(offset)
            chunk = file.read(CHUNK_BYTES)
        if not chunk:
            return
        offset += len(chunk)
        yield chunk


def _short_id(digest: str) -> str:
    """Return a digest as engines show it."""
    return digest.partition(":")[2][:12]
