"""Is a downloaded tar whole, and which image is it? Read once, in constant memory.

The service does not document the layout, so what is known of image archives is checked where it is
there: that each blob of an OCI image layout has the digest that is its name, what `index.json`
leads to, and that `manifest.json`, which `docker save` writes, names members that exist.
"""

import hashlib
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Final

from lusid_image_publish.archives.archive_error import ArchiveError, printable
from lusid_image_publish.archives.files import read_document
from lusid_image_publish.archives.tars import (
    archive_errors,
    member_name,
    opened_tar,
    read_member,
    read_members,
)

_DEEPEST: Final = 4
# A member whose name is the SHA-256 of its content: a blob, or the config of an older archive.
_ADDRESSED: Final = re.compile(r"(?:blobs/sha256/([0-9a-f]{64})|([0-9a-f]{64})\.json)")
_UNCOMPRESSED_LAYERS: Final = {
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff",
}


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

    It may be compressed. Raises `ArchiveError` for what is not whole.
    """
    with archive_errors(), opened_tar(file) as tar:
        members = {member_name(member): member for member in _checked(tar)}
        _check_docker_manifest(tar, members)
        return _Layout(tar, members).contents()


def _checked(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in read_members(tar):
        addressed = _ADDRESSED.fullmatch(member_name(member))
        if addressed and member.isfile():
            digest = hashlib.sha256()
            for chunk in read_member(tar, member):
                digest.update(chunk)
            if digest.hexdigest() != (addressed[1] or addressed[2]):
                raise ArchiveError(f"{member_name(member)} has the digest {digest.hexdigest()}")
        yield member


def _check_docker_manifest(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> None:
    if "manifest.json" not in members:
        return
    for image in _document(tar, members["manifest.json"]):
        for name in (image["Config"], *(image["Layers"] or ())):
            if str(name) not in members:
                missing = printable(str(name))
                raise ArchiveError(f"{missing!r}, which its manifest.json names, is missing")


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
                raise ArchiveError(
                    f"{printable(_blob(part))!r}, which its manifest needs, is missing"
                )
        for entry in document.get("manifests") or ():
            digest = str(entry["digest"])
            blob = self.members.get(_blob(entry))
            if blob and digest not in self.digests and depth < _DEEPEST:
                self.digests.add(digest)
                self._follow(_document(self.tar, blob), depth + 1)


def _blob(descriptor: Any) -> str:
    return f"blobs/{str(descriptor['digest']).replace(':', '/')}"


def _document(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    return read_document(member_name(member), read_member(tar, member))[1]
