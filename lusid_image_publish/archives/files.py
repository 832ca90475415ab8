"""The files of an image archive, a tar or a folder, by name: read where they are.

A name that an archive gives is only ever looked up. In a tar it leads to a member, by way of the
links that Podman and older engines write for layers that occur twice; in a folder nothing but the
names of an OCI image layout leads anywhere.
"""

import posixpath
import re
import stat
import tarfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from lusid_image_publish.archives.foreign import recognise_tar
from lusid_image_publish.archives.tars import (
    CHUNK_BYTES,
    MAX_DOCUMENT_BYTES,
    ArchiveError,
    SizeLimit,
    archive_errors,
    member_name,
    printable,
    read_document,
    read_member,
    read_members,
)

_MOST_LINKS: Final = 8
_MAX_TOTAL_DOCUMENT_BYTES: Final = 256 << 20  # of all the JSON in an archive
_OF_LAYOUT: Final = re.compile(r"oci-layout|index\.json|blobs/sha256/[0-9a-f]{64}")


@dataclass(frozen=True)
class BlobContent:
    """Bytes that can be read again and again; `size` says how many."""

    size: int
    chunks: Callable[[], Iterator[bytes]]


class Files(Protocol):
    """The files of an archive; `names` are those of the files that there are.

    `documents` counts what is read of its JSON documents.
    """

    documents: SizeLimit

    @property
    def names(self) -> Collection[str]:
        """What there is, from the top."""

    def find(self, name: str) -> BlobContent | None:
        """Return the file of this name, None when there is none. Raises `ArchiveError`."""


class TarFiles:
    """Those of a tar, which stays open. Raises `ArchiveError` for one that is not whole."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.documents = _limit_of_documents()
        self._members: dict[str, tarfile.TarInfo] = {}
        try:
            for member in read_members(tar):
                self._members[member_name(member)] = member
        except ArchiveError as error:
            # A root file system may well have more files than an image.
            raise foreign_archive_error(self.names) or error from None

    @property
    def names(self) -> Collection[str]:
        """The names of all members."""
        return self._members.keys()

    def find(self, name: str) -> BlobContent | None:
        """Return the file of this name, wherever links lead to."""
        for _ in range(_MOST_LINKS):
            member = self._members.get(name)
            if member is None:
                return None
            if member.isreg() and not member.issparse():
                return BlobContent(member.size, partial(read_member, self._tar, member))
            name = _target(member)
        raise ArchiveError(f"{printable(name)!r} is a link in a circle")


class FolderFiles:
    """Those of an OCI image layout in a folder."""

    def __init__(self, folder: Path) -> None:
        self.documents = _limit_of_documents()
        self._folder = folder

    @property
    def names(self) -> Collection[str]:
        """The names of the files and folders at its top."""
        return [path.name for path in self._folder.iterdir()]

    def find(self, name: str) -> BlobContent | None:
        """Return the file of this name, if it is one that a layout has."""
        if not _OF_LAYOUT.fullmatch(name):
            return None
        path = self._folder / name
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(found.st_mode):
            raise ArchiveError(f"{name!r} is not a file")
        return BlobContent(found.st_size, partial(_chunks_of_file, path, found.st_size))


def require_file(files: Files, name: str, named_by: str) -> BlobContent:
    """Return a file that must be there, because `named_by` names it."""
    found = files.find(name)
    if found is None:
        raise ArchiveError(f"{printable(name)!r}, which its {named_by} names, is missing")
    return found


def require_document(
    files: Files, name: str, named_by: str, *, most: int = MAX_DOCUMENT_BYTES
) -> tuple[bytes, Any]:
    """Return a file that must be there and be JSON, as bytes and as what they mean."""
    chunks = files.documents.counted(require_file(files, name, named_by).chunks())
    return read_document(name, chunks, most=most)


def foreign_archive_error(names: Collection[str]) -> ArchiveError | None:
    """Return the error for an archive with these files, if they are known to be of no image."""
    foreign = recognise_tar(names)
    if foreign is None:
        return None
    return ArchiveError(f"it is {foreign.what}", cause=foreign.cause, hint=foreign.hint)


def read_content(content: BlobContent) -> Iterator[bytes]:
    """Yield the chunks of `content`. Raises `ArchiveError` when they cannot be read any longer."""
    with archive_errors():
        yield from content.chunks()


def _chunks_of_file(path: Path, size: int) -> Iterator[bytes]:
    """Yield the first `size` bytes: a link may lead to a file of the system that has no end."""
    with path.open("rb") as file:
        while chunk := file.read(min(size, CHUNK_BYTES)):
            yield chunk
            size -= len(chunk)


def _limit_of_documents() -> SizeLimit:
    return SizeLimit(_MAX_TOTAL_DOCUMENT_BYTES, ArchiveError("its documents are too large in all"))


def _target(member: tarfile.TarInfo) -> str:
    """Return the name that a link leads to."""
    if not (member.issym() or member.islnk()):
        raise ArchiveError(f"{printable(member_name(member))!r} is not a file")
    # A symbolic link counts from where it is, a hard one from the root (POSIX, pax).
    start = posixpath.dirname(member_name(member)) if member.issym() else ""
    target = posixpath.normpath(posixpath.join(start, member.linkname))
    if target.startswith(("/", "../")):
        raise ArchiveError(f"{printable(member_name(member))!r} is a link that leads out of it")
    return target
