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
    CHUNK,
    LARGEST_DOCUMENT,
    ArchiveError,
    SizeLimit,
    chunks_of,
    members_of,
    name_of,
    read_document,
    reading,
    shown,
)

_MOST_LINKS: Final = 8
_MOST_DOCUMENT_BYTES: Final = 256 << 20  # of all the JSON in an archive
_OF_LAYOUT: Final = re.compile(r"oci-layout|index\.json|blobs/sha256/[0-9a-f]{64}")


@dataclass(frozen=True)
class Content:
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

    def find(self, name: str) -> Content | None:
        """Return the file of this name, None when there is none. Raises `ArchiveError`."""


class TarFiles:
    """Those of a tar, which stays open. Raises `ArchiveError` for one that is not whole."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.documents = _limit_of_documents()
        self._members: dict[str, tarfile.TarInfo] = {}
        try:
            for member in members_of(tar):
                self._members[name_of(member)] = member
        except ArchiveError as error:
            # A root file system may well have more files than an image.
            raise other_archive(self.names) or error from None

    @property
    def names(self) -> Collection[str]:
        """The names of all members."""
        return self._members.keys()

    def find(self, name: str) -> Content | None:
        """Return the file of this name, wherever links lead to."""
        for _ in range(_MOST_LINKS):
            member = self._members.get(name)
            if member is None:
                return None
            if member.isreg() and not member.issparse():
                return Content(member.size, partial(chunks_of, self._tar, member))
            name = _target(member)
        raise ArchiveError(f"{shown(name)!r} is a link in a circle")


class FolderFiles:
    """Those of an OCI image layout in a folder."""

    def __init__(self, folder: Path) -> None:
        self.documents = _limit_of_documents()
        self._folder = folder

    @property
    def names(self) -> Collection[str]:
        """The names of the files and folders at its top."""
        return [path.name for path in self._folder.iterdir()]

    def find(self, name: str) -> Content | None:
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
        return Content(found.st_size, partial(_chunks_of_file, path, found.st_size))


def require(files: Files, name: str, named_by: str) -> Content:
    """Return a file that must be there, because `named_by` names it."""
    found = files.find(name)
    if found is None:
        raise ArchiveError(f"{shown(name)!r}, which its {named_by} names, is missing")
    return found


def require_document(
    files: Files, name: str, named_by: str, *, most: int = LARGEST_DOCUMENT
) -> tuple[bytes, Any]:
    """Return a file that must be there and be JSON, as bytes and as what they mean."""
    chunks = files.documents.counted(require(files, name, named_by).chunks())
    return read_document(name, chunks, most=most)


def other_archive(names: Collection[str]) -> ArchiveError | None:
    """Return the error for an archive with these files, if they are known to be of no image."""
    foreign = recognise_tar(names)
    if foreign is None:
        return None
    return ArchiveError(f"it is {foreign.what}", cause=foreign.cause, hint=foreign.hint)


def readable(content: Content) -> Iterator[bytes]:
    """Yield the chunks of `content`. Raises `ArchiveError` when they cannot be read any longer."""
    with reading():
        yield from content.chunks()


def _chunks_of_file(path: Path, size: int) -> Iterator[bytes]:
    """Yield the first `size` bytes: a link may lead to a file of the system that has no end."""
    with path.open("rb") as file:
        while chunk := file.read(min(size, CHUNK)):
            yield chunk
            size -= len(chunk)


def _limit_of_documents() -> SizeLimit:
    return SizeLimit(_MOST_DOCUMENT_BYTES, ArchiveError("its documents are too large in all"))


def _target(member: tarfile.TarInfo) -> str:
    """Return the name that a link leads to."""
    if not (member.issym() or member.islnk()):
        raise ArchiveError(f"{shown(name_of(member))!r} is not a file")
    # A symbolic link counts from where it is, a hard one from the root (POSIX, pax).
    start = posixpath.dirname(name_of(member)) if member.issym() else ""
    target = posixpath.normpath(posixpath.join(start, member.linkname))
    if target.startswith(("/", "../")):
        raise ArchiveError(f"{shown(name_of(member))!r} is a link that leads out of it")
    return target
