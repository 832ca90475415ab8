"""The files of an image archive, a tar or a folder, by name.

A name in an archive is a key, never opened as a path. In a tar it may be a link, which Podman and
older engines write for a layer that occurs twice; in a folder only the names of an OCI image layout
are found.
"""

import json
import posixpath
import re
import stat
import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import IO, Any, Final, cast

from lusid_image_publish.archives.archive_error import (
    MAX_DOCUMENT_BYTES,
    ArchiveError,
    SizeLimit,
    printable,
)
from lusid_image_publish.archives.compression import CHUNK_BYTES
from lusid_image_publish.archives.foreign import recognise_tar
from lusid_image_publish.archives.tars import archive_errors, member_name, read_members

_MAX_LINKS: Final = 8
_MAX_TOTAL_DOCUMENT_BYTES: Final = 256 << 20  # all the JSON of an archive
_JSON_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_LAYOUT_FILE: Final = re.compile(r"oci-layout|index\.json|blobs/sha256/[0-9a-f]{64}")


@dataclass(frozen=True)
class BlobContent:
    """The `size` bytes of the file `name`; `read` yields chunks from an offset on."""

    name: str
    size: int
    read: Callable[[int], Iterator[bytes]]

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes from `start` on. Raises `ArchiveError` for a damaged archive."""
        left = self.size - start
        with archive_errors():
            for chunk in self.read(start):
                left -= len(chunk)
                yield chunk
            if left > 0:
                raise ArchiveError("it is truncated")


class TarFiles:
    """The files of an open tar; `document_limit` counts its JSON documents.

    Raises `ArchiveError` for an incomplete tar.
    """

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._lock = Lock()
        self.document_limit = _new_document_limit()
        self._members: dict[str, tarfile.TarInfo] = {}
        try:
            for member in read_members(tar):
                self._members[member_name(member)] = member
        except ArchiveError as error:
            # A root file system may have more files than an image.
            raise foreign_archive_error(self.names) or error from None

    @property
    def names(self) -> Collection[str]:
        """The names of all members."""
        return self._members.keys()

    def find(self, name: str) -> BlobContent | None:
        """Return the file of this name, through links, None without one."""
        for _ in range(_MAX_LINKS):
            member = self._members.get(name)
            if member is None:
                return None
            if member.isreg() and not member.issparse():
                return BlobContent(name, member.size, partial(self._read, member))
            name = _link_target(member)
        raise ArchiveError(f"{printable(name)!r} is a circular link")

    def _read(self, member: tarfile.TarInfo, start: int) -> Iterator[bytes]:
        file = cast("IO[bytes]", self._tar.fileobj)
        offset, end = member.offset_data + start, member.offset_data + member.size
        while offset < end:
            with self._lock:  # several layers are read at a time; not every system has os.pread
                file.seek(offset)
                chunk = file.read(min(CHUNK_BYTES, end - offset))
            if not chunk:
                return
            offset += len(chunk)
            yield chunk


class FolderFiles:
    """The files of an OCI image layout in a folder, like those of a tar."""

    def __init__(self, folder: Path) -> None:
        self.document_limit = _new_document_limit()
        self._folder = folder

    @property
    def names(self) -> Collection[str]:
        """The names of the files and folders at its top."""
        return [path.name for path in self._folder.iterdir()]

    def find(self, name: str) -> BlobContent | None:
        """Return the file of this name, None without one or if no layout has such a file."""
        if not _LAYOUT_FILE.fullmatch(name):
            return None
        path = self._folder / name
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(found.st_mode):
            raise ArchiveError(f"{name!r} is not a file")
        return BlobContent(name, found.st_size, partial(_read_file, path, found.st_size))


Files = TarFiles | FolderFiles


def require_file(files: Files, name: str, named_by: str) -> BlobContent:
    """Return a file that `named_by` refers to. Raises `ArchiveError` if it is missing."""
    found = files.find(name)
    if found is None:
        raise ArchiveError(f"{printable(name)!r}, referenced by its {named_by}, is missing")
    return found


def require_document(
    files: Files, name: str, named_by: str, *, max_bytes: int = MAX_DOCUMENT_BYTES
) -> tuple[bytes, Any]:
    """Return a JSON file that `named_by` refers to, as bytes and parsed."""
    chunks = files.document_limit.count(require_file(files, name, named_by).chunks())
    return read_document(name, chunks, max_bytes=max_bytes)


def read_document(
    name: str, chunks: Iterable[bytes], *, max_bytes: int = MAX_DOCUMENT_BYTES
) -> tuple[bytes, Any]:
    """Return the JSON document `name`, as bytes and parsed.

    Raises `ArchiveError` for more than `max_bytes`, and for more than `MAX_DOCUMENT_BYTES` outside
    strings: each such byte may take tens in memory.
    """
    too_large = ArchiveError(f"{printable(name)} is too large")
    content = bytearray().join(SizeLimit(max_bytes, too_large).count(chunks))
    is_large = len(content) > MAX_DOCUMENT_BYTES
    if is_large and len(_JSON_STRING.sub(b"", content)) > MAX_DOCUMENT_BYTES:
        raise too_large
    try:
        return bytes(content), json.loads(content)
    except ValueError as error:
        raise ArchiveError(f"{printable(name)} is not JSON") from error


def foreign_archive_error(names: Collection[str]) -> ArchiveError | None:
    """Return the error for an archive whose file names are those of something else, or None."""
    foreign = recognise_tar(names)
    if foreign is None:
        return None
    return ArchiveError(f"it is {foreign.what}", cause=foreign.cause, hint=foreign.hint)


def _read_file(path: Path, size: int, start: int) -> Iterator[bytes]:
    """Yield the first `size` bytes from `start` on: a link may lead to a device without end."""
    with path.open("rb") as file:
        file.seek(start)
        while chunk := file.read(min(size - start, CHUNK_BYTES)):
            yield chunk
            start += len(chunk)


def _new_document_limit() -> SizeLimit:
    return SizeLimit(
        _MAX_TOTAL_DOCUMENT_BYTES, ArchiveError("its JSON documents are too large in total")
    )


def _link_target(member: tarfile.TarInfo) -> str:
    """Return the name that a link points to."""
    if not (member.issym() or member.islnk()):
        raise ArchiveError(f"{printable(member_name(member))!r} is not a file")
    # A symbolic link is relative to its folder, a hard one to the root (POSIX, pax).
    start = posixpath.dirname(member_name(member)) if member.issym() else ""
    target = posixpath.normpath(posixpath.join(start, member.linkname))
    if target.startswith(("/", "../")):
        raise ArchiveError(f"{printable(member_name(member))!r} is a link out of the archive")
    return target
