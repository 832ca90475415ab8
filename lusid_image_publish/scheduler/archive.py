"""Is a downloaded tar whole, and which image is it? Read once, in constant memory.

The service does not document the layout, so what is known of image archives is checked where it is
there: that each blob of an OCI image layout has the digest that is its name, what `index.json`
leads to, and that `manifest.json`, which `docker save` writes, names members that exist.
"""

import hashlib
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Final, cast

from lusid_image_publish.redact import plain

_BLOCK: Final = tarfile.BLOCKSIZE
_CHUNK: Final = 1 << 20
_MOST_MEMBERS: Final = 100_000
_LARGEST_DOCUMENT: Final = 4 << 20  # bytes; the limit that registries have for a manifest
_DEEPEST: Final = 4
# A member whose name is the SHA-256 of its content: a blob, or the config of an older archive.
_ADDRESSED: Final = re.compile(r"(?:blobs/sha256/([0-9a-f]{64})|([0-9a-f]{64})\.json)")
_UNCOMPRESSED_LAYERS: Final = {
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff",
}


class ArchiveError(Exception):
    """The tar is damaged, or is none; the text says how."""


@dataclass(frozen=True)
class ArchiveContents:
    """What a tar says of the image in it.

    `manifests` are the digests of the manifests and indexes that it has, none where it has no OCI
    image layout. `repacked` says that an engine wrote them for uncompressed layers: their digests
    are other ones than in the registry that the image came from.
    """

    manifests: frozenset[str] = frozenset()
    repacked: bool = False


def read_archive(file: IO[bytes]) -> ArchiveContents:
    """Return what the tar in `file`, from its beginning on, says of its image.

    It may be compressed as `tarfile` knows it. Raises `ArchiveError` for what is not whole.
    """
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:*") as tar:
            members = {_name(member): member for member in _members(tar)}
            if not members:
                raise ArchiveError("it has no files")
            _require_end(tar)
            _check_docker_manifest(tar, members)
            return _Layout(tar, members).contents()
    except tarfile.ReadError as error:
        # Its own text lists what each kind of compression has to say.
        cut = "unexpected end" in str(error)
        raise ArchiveError("it is cut off" if cut else "it is no tar") from error
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArchiveError("its JSON is not that of an image") from error
    except ArchiveError:
        raise
    except Exception as error:  # a tar has as many ways to be damaged as its readers have errors
        raise ArchiveError(plain(str(error)) or type(error).__name__) from error


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for number, member in enumerate(tar):
        if number >= _MOST_MEMBERS:
            raise ArchiveError(f"it has more than {_MOST_MEMBERS} files")
        addressed = _ADDRESSED.fullmatch(_name(member))
        if addressed and member.isfile():
            digest = hashlib.sha256()
            content = _open(tar, member)
            while chunk := content.read(_CHUNK):
                digest.update(chunk)
            if digest.hexdigest() != (addressed[1] or addressed[2]):
                raise ArchiveError(f"{_name(member)} has the digest {digest.hexdigest()}")
        yield member


def _require_end(tar: tarfile.TarFile) -> None:
    """Raise unless the block of zeros is there that ends a tar: `tarfile` does without it."""
    file = cast("IO[bytes]", tar.fileobj)
    file.seek(tar.offset)
    if file.read(_BLOCK) != bytes(_BLOCK):
        raise ArchiveError("its end is missing")


def _check_docker_manifest(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> None:
    if "manifest.json" not in members:
        return
    for image in _document(tar, members["manifest.json"]):
        for name in (image["Config"], *(image["Layers"] or ())):
            if str(name) not in members:
                raise ArchiveError(
                    f"{str(name)[:100]!r}, which its manifest.json names, is missing"
                )


@dataclass
class _Layout:
    """The OCI image layout in a tar: `index.json`, and what it leads to."""

    tar: tarfile.TarFile
    members: dict[str, tarfile.TarInfo]
    digests: set[str] = field(default_factory=set)
    layer_types: set[str] = field(default_factory=set)

    def contents(self) -> ArchiveContents:
        if "index.json" in self.members:
            self._follow(_document(self.tar, self.members["index.json"]), 0)
        return ArchiveContents(
            frozenset(self.digests),
            repacked=bool(self.layer_types) and self.layer_types <= _UNCOMPRESSED_LAYERS,
        )

    def _follow(self, document: Any, depth: int) -> None:
        """Collect what an index names as far as the tar has it, and the types of the layers."""
        layers = document.get("layers") or ()
        for layer in layers:
            self.layer_types.add(str(layer["mediaType"]))
        for part in (*layers, *filter(None, [document.get("config")])):
            if _blob(part) not in self.members:
                raise ArchiveError(f"{_blob(part)[:100]!r}, which its manifest needs, is missing")
        for entry in document.get("manifests") or ():
            digest = str(entry["digest"])
            blob = self.members.get(_blob(entry))
            if blob and digest not in self.digests and depth < _DEEPEST:
                self.digests.add(digest)
                self._follow(_document(self.tar, blob), depth + 1)


def _blob(descriptor: Any) -> str:
    return f"blobs/{str(descriptor['digest']).replace(':', '/')}"


def _name(member: tarfile.TarInfo) -> str:
    return member.name.removeprefix("./")


def _open(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    if content is None:
        raise ArchiveError(f"{member.name} is not a file")
    return content


def _document(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    if member.size > _LARGEST_DOCUMENT:
        raise ArchiveError(f"{member.name} is too large for what it should be")
    try:
        return json.load(_open(tar, member))
    except ValueError as error:
        raise ArchiveError(f"{member.name} is not JSON") from error
