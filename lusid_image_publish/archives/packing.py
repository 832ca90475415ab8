"""An image as a registry takes it: compressed layers, and a manifest for them.

Where an archive has a manifest of compressed layers, its very bytes are sent, and with them goes
the digest. Engines write other archives with the layers uncompressed: those are compressed here, in
the same way each time, so that the same image has the same digest when it is published again by the
same version of zlib. Each chunk of a layer is a gzip member of its own, which all readers of gzip
take as one (RFC 1952), and so all processors have something to do.
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

from lusid_image_publish.archives.blobs import GZIP_FORMAT, Blob
from lusid_image_publish.archives.files import BlobContent, read_content
from lusid_image_publish.archives.parts import (
    COMPRESSED_LAYERS,
    GZIP,
    ZSTD,
    ImageManifest,
    Parts,
    digest_of,
)
from lusid_image_publish.archives.tars import CHUNK_BYTES, ArchiveError
from lusid_image_publish.progress import LayerProgress

_LEVEL: Final = 5  # on programs and libraries twice as fast as zlib's 6, and 2 % larger
_WORKERS: Final = min(os.cpu_count() or 1, 8)
_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
_LAYERS: Final = {
    GZIP: "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ZSTD: "application/vnd.docker.image.rootfs.diff.tar.zstd",
}
_OWN_TYPES: Final = {
    (manifest, config)
    for manifest in (_MANIFEST, "application/vnd.oci.image.manifest.v1+json")
    for config in (_CONFIG, "application/vnd.oci.image.config.v1+json")
}
"""The media types of a manifest and its config that engines take; newer ones mix old and new."""

Progress = Callable[[LayerProgress], None]


@dataclass(frozen=True)
class Packed:
    """What a registry is sent: each of `blobs`, and then the `manifest`, which names them.

    With each blob goes what a person may know it by, the beginning of its digest in the archive;
    empty for the config.
    """

    manifest: ImageManifest
    blobs: tuple[tuple[str, Blob], ...]

    @property
    def digest(self) -> str:
        """The digest of the manifest."""
        return digest_of(self.manifest.content)


class Packing:
    """Packs an image when that is first asked for; a context manager, at whose end it is gone.

    `layers` are those of the archive, and `manifest` is the archive's if it can be sent as it is.
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

    def __call__(self, listener: Progress) -> Packed:
        """Return the packed image; `listener` hears how far it is.

        Raises `ArchiveError` when the archive has changed, `OSError` when there is no room, and
        what `listener` raises to end it.
        """
        if self._packed is None:
            packed = {layer.digest: layer for layer in self._layers if layer.compression}
            for layer in self._layers:
                if layer.digest not in packed:
                    packed[layer.digest] = self._compressed(layer, listener)
            layers = [(_short(layer.digest), packed[layer.digest]) for layer in self._layers]
            config = Blob(
                digest_of(self._config),
                BlobContent(len(self._config), lambda: iter([self._config])),
            )
            manifest = self._manifest or _manifest(config, [blob for _, blob in layers])
            self._packed = Packed(manifest, (*layers, ("", config)))
        return self._packed

    def _compressed(self, layer: Blob, listener: Progress) -> Blob:
        """Return `layer` compressed, if it is what it was when it was checked."""
        with ExitStack() as stack:
            file = stack.enter_context(tempfile.TemporaryFile(prefix="lusid-image-"))
            inner, outer = hashlib.sha256(), hashlib.sha256()
            done = 0
            for chunk, member in _members(read_content(layer.content)):
                inner.update(chunk)
                outer.update(member)
                file.write(member)
                done += len(chunk)
                listener(LayerProgress(_short(layer.digest), "Preparing", done, layer.size))
            if layer.digest != f"sha256:{inner.hexdigest()}":
                raise ArchiveError("it was changed while it was being published")
            file.flush()
            content = BlobContent(file.tell(), partial(_chunks_of, file, Lock()))
            self._stack.push(stack.pop_all())
        return Blob(f"sha256:{outer.hexdigest()}", content, GZIP)


def sendable_manifest(parts: Parts, layers: Sequence[Blob]) -> ImageManifest | None:
    """Return the archive's own manifest if a registry can be sent it as it is."""
    manifest = parts.manifest
    if manifest is None or (manifest.media_type, manifest.config_type) not in _OWN_TYPES:
        return None
    for layer, blob in zip(parts.layers, layers, strict=True):
        told = layer.told.media_type if layer.told else ""
        if not blob.compression or COMPRESSED_LAYERS.get(told) != blob.compression:
            return None
    return manifest


def _manifest(config: Blob, layers: Sequence[Blob]) -> ImageManifest:
    """Return a manifest, always the same one for the same blobs (image manifest v2, schema 2)."""

    def descriptor(media_type: str, blob: Blob) -> dict[str, object]:
        return {"mediaType": media_type, "size": blob.size, "digest": blob.digest}

    document = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": descriptor(_CONFIG, config),
        "layers": [descriptor(_LAYERS[layer.compression], layer) for layer in layers],
    }
    return ImageManifest(json.dumps(document, separators=(",", ":")).encode(), _MANIFEST, _CONFIG)


def _members(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield each chunk, one at least, and the gzip member that it makes: some work ahead."""
    ahead: deque[tuple[bytes, Future[bytes]]] = deque()
    with ThreadPoolExecutor(_WORKERS) as pool:
        for chunk in chain([next(chunks, b"")], chunks):
            ahead.append((chunk, pool.submit(zlib.compress, chunk, _LEVEL, GZIP_FORMAT)))
            if len(ahead) > 2 * _WORKERS:
                first, member = ahead.popleft()
                yield first, member.result()
        for last, member in ahead:
            yield last, member.result()


def _chunks_of(file: IO[bytes], lock: Lock) -> Iterator[bytes]:
    """Yield all of `file`, whoever else reads it meanwhile with the same `lock`."""
    offset = 0
    while True:
        with lock:  # os.pread needs none, but not every system has it
            file.seek(offset)
            chunk = file.read(CHUNK_BYTES)
        if not chunk:
            return
        offset += len(chunk)
        yield chunk


def _short(digest: str) -> str:
    """Return what engines show of a digest."""
    return digest.partition(":")[2][:12]
