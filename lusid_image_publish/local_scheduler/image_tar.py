"""An image as a tar for `docker load`, streamed: only manifests are held in memory.

It is an OCI image layout (image-spec 1.1) with the `manifest.json` of `docker save` beside it, as
engines write it since version 25. Manifests and layers are those of the registry, so the tar's
manifest has the digest that LUSID lists. The manifest has all sizes, so the length is known in
advance.
"""

import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

_BLOCK_BYTES: Final = tarfile.BLOCKSIZE
_END_OF_TAR: Final = bytes(2 * _BLOCK_BYTES)

ReadBlob = Callable[[str], Iterator[bytes]]


@dataclass(frozen=True)
class Manifest:
    """A manifest or an index, as the registry has it."""

    digest: str
    media_type: str
    content: bytes

    @property
    def document(self) -> Any:
        """The JSON document."""
        return json.loads(self.content)


@dataclass(frozen=True)
class ImageArchive:
    """The tar of one image.

    `files` are (name, content), created here; `blobs` (name, size, digest) are the registry's.
    """

    files: tuple[tuple[str, bytes], ...]
    blobs: tuple[tuple[str, int, str], ...]

    @classmethod
    def of(cls, manifests: Sequence[Manifest], name: str) -> "ImageArchive":
        """Return the archive of an image, which is loaded as `name`.

        The tag points to the first of `manifests`; the last one names config and layers.
        """
        first, image = manifests[0], manifests[-1].document
        descriptors = [image["config"], *image["layers"]]
        paths = [_path(entry["digest"]) for entry in descriptors]
        docker = {"Config": paths[0], "RepoTags": [name], "Layers": paths[1:]}
        index = {
            "mediaType": first.media_type,
            "digest": first.digest,
            "size": len(first.content),
            "annotations": {
                "org.opencontainers.image.ref.name": name.rpartition(":")[2],
                # containerd's store takes the whole name from here, others from manifest.json.
                "io.containerd.image.name": f"docker.io/library/{name}",
            },
        }
        files = {
            "manifest.json": _json([docker]),
            "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
            "index.json": _json({"schemaVersion": 2, "manifests": [index]}),
        } | {_path(manifest.digest): manifest.content for manifest in manifests}
        blobs = {
            path: (path, entry["size"], entry["digest"])
            for path, entry in zip(paths, descriptors, strict=True)
        }
        return cls(tuple(files.items()), tuple(blobs.values()))

    @property
    def length(self) -> int:
        """The size of the tar in bytes."""
        sizes = [len(text) for _, text in self.files] + [size for _, size, _ in self.blobs]
        return sum(_BLOCK_BYTES + size + len(_padding(size)) for size in sizes) + len(_END_OF_TAR)

    def stream(self, read_blob: ReadBlob) -> Iterator[bytes]:
        """Yield the bytes; `read_blob` returns those of a blob by its digest."""
        for name, text in self.files:
            yield _header(name, len(text)) + text + _padding(len(text))
        for name, size, digest in self.blobs:
            yield _header(name, size)
            yield from read_blob(digest)
            yield _padding(size)
        yield _END_OF_TAR


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK_BYTES)
