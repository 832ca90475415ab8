"""An image as the tar that `docker load` takes, streamed: nothing but headers is held in memory.

The layout is that of `docker save` before the OCI layout (image-spec v1.2 of moby): a
`manifest.json` that names the config and the layers. Layers stay compressed as the registry has
them; engines unpack them when they load. All sizes are known beforehand from the manifest, so the
length of the whole is too.
"""

import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_BLOCK: Final = tarfile.BLOCKSIZE
_END: Final = bytes(2 * _BLOCK)

ReadBlob = Callable[[str], Iterator[bytes]]


@dataclass(frozen=True)
class ImageArchive:
    """The tar of one image: `members` are (name, size in bytes, digest of the blob)."""

    manifest_json: bytes
    members: tuple[tuple[str, int, str], ...]

    @classmethod
    def of(cls, manifest: Mapping[str, Any], name: str) -> "ImageArchive":
        """Return the archive of the image that `manifest` describes, to be loaded as `name`."""
        config = manifest["config"]
        config_name = f"{_hex(config)}.json"
        members = {config["digest"]: (config_name, config["size"], config["digest"])}
        for layer in manifest["layers"]:
            entry = (f"{_hex(layer)}/layer.tar", layer["size"], layer["digest"])
            members[layer["digest"]] = entry
        index = {
            "Config": config_name,
            "RepoTags": [name],
            "Layers": [f"{_hex(layer)}/layer.tar" for layer in manifest["layers"]],
        }
        return cls(json.dumps([index]).encode(), tuple(members.values()))

    @property
    def length(self) -> int:
        """The size of the whole in bytes."""
        sizes = [len(self.manifest_json), *(size for _, size, _ in self.members)]
        return sum(_BLOCK + size + len(_padding(size)) for size in sizes) + len(_END)

    def stream(self, read_blob: ReadBlob) -> Iterator[bytes]:
        """Yield the bytes; `read_blob` gives those of a blob by its digest."""
        yield _header("manifest.json", len(self.manifest_json))
        yield self.manifest_json + _padding(len(self.manifest_json))
        for name, size, digest in self.members:
            yield _header(name, size)
            yield from read_blob(digest)
            yield _padding(size)
        yield _END


def _hex(descriptor: Mapping[str, Any]) -> str:
    return str(descriptor["digest"]).removeprefix("sha256:")


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)
