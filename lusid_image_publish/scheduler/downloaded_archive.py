"""Check that a downloaded tar is complete, and which image it is, in constant memory.

The service does not document the layout, so this checks the parts that a tar has: that each blob of
an OCI image layout matches the digest in its name, and that everything that `index.json` and
`manifest.json` (of `docker save`) name exists.
"""

import hashlib
import re
import tarfile
from dataclasses import dataclass, field
from typing import IO, Any, Final

from lusid_image_publish.archives.archive_error import ArchiveError, printable
from lusid_image_publish.archives.files import TarFiles, require_document, require_file
from lusid_image_publish.archives.tars import archive_errors, member_name, opened_tar, read_member

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
    `repacked` is true if an engine wrote them for uncompressed layers, so that their digests differ
    from the registry's.
    """

    manifests: frozenset[str] = frozenset()
    repacked: bool = False


def read_archive(file: IO[bytes]) -> ArchiveContents:
    """Return the contents of the tar in `file`, which may be compressed.

    Raises `ArchiveError` for an incomplete one.
    """
    with archive_errors(), opened_tar(file) as tar:
        files = TarFiles(tar)
        _require_digests(tar, files)
        if "manifest.json" in files.names:
            _, images = require_document(files, "manifest.json", "archive")
            for image in images:
                for name in (image["Config"], *(image["Layers"] or ())):
                    require_file(files, str(name), "manifest.json")
        return _Layout(files).contents()


def _require_digests(tar: tarfile.TarFile, files: TarFiles) -> None:
    """Raise `ArchiveError` for a file whose name is the digest of another content.

    Of several files with the same name, each is checked: a program may unpack any of them.
    """
    read: set[str] = set()
    for member in tar.getmembers():
        name = member_name(member)
        addressed = _CONTENT_ADDRESSED.fullmatch(name)
        if addressed and (member.isreg() or name not in read):
            read.add(name)
            if member.isreg():
                chunks = read_member(tar, member)
            else:
                chunks = require_file(files, name, "link").chunks()
            digest = hashlib.sha256()
            for chunk in chunks:
                digest.update(chunk)
            if digest.hexdigest() != (addressed[1] or addressed[2]):
                raise ArchiveError(f"{name} has the digest {digest.hexdigest()}")


@dataclass
class _Layout:
    """The OCI image layout in a tar, followed from `index.json` on."""

    files: TarFiles
    digests: set[str] = field(default_factory=set)
    layer_types: set[str] = field(default_factory=set)

    def contents(self) -> ArchiveContents:
        if "index.json" in self.files.names:
            self._follow("index.json", 0)
        return ArchiveContents(
            frozenset(self.digests),
            repacked=bool(self.layer_types) and self.layer_types <= _UNCOMPRESSED_LAYERS,
        )

    def _follow(self, name: str, depth: int) -> None:
        """Collect the manifests of an index that the tar has, and the types of the layers."""
        _, document = require_document(self.files, name, "index")
        layers = document.get("layers") or ()
        for layer in layers:
            self.layer_types.add(str(layer["mediaType"]))
        for part in (*layers, *filter(None, [document.get("config")])):
            if _blob(part) not in self.files.names:
                raise ArchiveError(
                    f"{printable(_blob(part))!r}, which its manifest needs, is missing"
                )
        for entry in document.get("manifests") or ():
            digest = str(entry["digest"])
            is_new = digest not in self.digests and depth < _MAX_INDEX_LEVELS
            if is_new and _blob(entry) in self.files.names:
                self.digests.add(digest)
                self._follow(_blob(entry), depth + 1)


def _blob(descriptor: Any) -> str:
    return f"blobs/{str(descriptor['digest']).replace(':', '/')}"
