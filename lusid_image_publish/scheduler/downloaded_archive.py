"""Check that a downloaded tar is complete, and which image it is; once, in constant memory.

The service does not document the layout, so this checks the parts that a tar has: that each blob of
an OCI image layout has its digest as its name, that all that `index.json` names exists, and that
the members that `manifest.json` (of `docker save`) names exist.
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

_MAX_INDEX_LEVELS: Final = 4
# A member whose name is the SHA-256 of its content: a blob, or the config of an older archive.
_CONTENT_ADDRESSED: Final = re.compile(r"(?:blobs/sha256/([0-9a-f]{64})|([0-9a-f]{64})\.json)")
_UNCOMPRESSED_LAYERS: Final = {
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff",
}


@dataclass(frozen=True)
class ArchiveContents:
    """The image in a tar.

    `manifests` are the digests of its manifests and indexes, none without an OCI image layout.
    `repacked` says that an engine wrote them for uncompressed layers, so that their digests differ
    from the registry's.
    """

    manifests: frozenset[str] = frozenset()
    repacked: bool = False


def read_archive(file: IO[bytes]) -> ArchiveContents:
    """Return the contents of the tar in `file`, which may be compressed.

    Raises `ArchiveError` for an incomplete one.
    """
    with archive_errors(), opened_tar(file) as tar:
        members = {member_name(member): member for member in _verified_members(tar)}
        _check_docker_manifest(tar, members)
        return _Layout(tar, members).contents()


def _verified_members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in read_members(tar):
        addressed = _CONTENT_ADDRESSED.fullmatch(member_name(member))
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
    """The OCI image layout in a tar, followed from `index.json` on."""

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
        """Collect the manifests of an index that the tar has, and the types of the layers."""
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
            if blob and digest not in self.digests and depth < _MAX_INDEX_LEVELS:
                self.digests.add(digest)
                self._follow(_document(self.tar, blob), depth + 1)


def _blob(descriptor: Any) -> str:
    return f"blobs/{str(descriptor['digest']).replace(':', '/')}"


def _document(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    return read_document(member_name(member), read_member(tar, member))[1]
