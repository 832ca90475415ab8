"""The download of one image: bytes come into a temporary file, and are moved when checked."""

import errno
import os
import secrets
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Final, Self

import httpx

from lusid_image_publish.archives.archive_error import ArchiveError
from lusid_image_publish.errors import (
    ConfigurationError,
    DownloadError,
    LusidPublishError,
    UnexpectedAnswerError,
)
from lusid_image_publish.progress import DownloadProgress, Listener
from lusid_image_publish.scheduler.downloaded_archive import ArchiveContents, read_archive
from lusid_image_publish.system import reader_left
from lusid_image_publish.text import plain

_CHUNK: Final = 1 << 20
_NO_LINKS: Final = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}  # the last on Windows
_WORTH_ANOTHER: Final = 1 << 20
"""Bytes that a connection must have brought for the retries to be counted anew."""

Target = str | os.PathLike[str] | BinaryIO


@dataclass(frozen=True, kw_only=True)
class DownloadedImage:
    """An image that was downloaded.

    `path` is the file, None for a stream; `size` is in bytes. `digest` is the manifest's, equal to
    LUSID's, None where it was not to be compared.
    """

    name: str
    path: Path | None
    size: int
    digest: str | None


class Download:
    """A context manager; on leaving it, what is temporary is gone.

    It is the sink of an exchange. Entering raises `ConfigurationError` for a target that cannot be.
    """

    blocks = True

    def __init__(
        self, name: str, target: Target, *, overwrite: bool, verify: bool, listener: Listener
    ) -> None:
        self._name = name
        self._path = None if hasattr(target, "write") else _resolved(Path(os.fspath(target)))
        self._stream: BinaryIO | None = target if self._path is None else None  # type: ignore[assignment]  # a path or a stream
        self._temporary: Path | None = None
        self._file: IO[bytes]
        self._overwrite = overwrite
        self._verify = verify
        self._listener = listener
        self._size = self._furthest = 0
        self._length: int | None = None
        self._validator = ""
        self._digest: str | None = None
        self._contents = ArchiveContents()

    def __enter__(self) -> Self:
        if self._path:
            _require_free(self._path, overwrite=self._overwrite)
        try:
            if self._path:
                self._temporary = self._path.parent / f".lusid-image-{secrets.token_hex(8)}.part"
                self._file = self._temporary.open("x+b")
            else:
                self._file = tempfile.TemporaryFile(prefix="lusid-image-")
        except OSError as error:
            raise ConfigurationError(
                f"Nothing can be written beside {self._path or tempfile.gettempdir()}.",
                cause=str(error),
                hint="Name another file, or set TMPDIR for a download to stdout.",
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # what could not be written was told already
            self._file.close()
        if self._temporary:
            self._temporary.unlink(missing_ok=True)

    def headers(self) -> dict[str, str]:
        """Ask for the rest where there is a part that can be gone on with, else for the whole."""
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if self._size and self._validator:
            headers |= {"Range": f"bytes={self._size}-", "If-Range": self._validator}
        return headers

    def accepts(self, response: httpx.Response) -> bool:
        """Return whether the image comes; a whole one begins anew.

        Raises `httpx.RemoteProtocolError`, after which the whole is asked for, when there is
        nothing where the part ended: what had come was all, or is of another image.
        """
        self._furthest = max(self._furthest, self._size)
        if response.status_code == httpx.codes.PARTIAL_CONTENT:
            self._require_next(response)
        elif response.status_code == httpx.codes.OK:
            self._begin(response)
        elif response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and self._size:
            self._size, self._validator = 0, ""
            raise httpx.RemoteProtocolError("the server has no such part", request=response.request)
        else:
            return False
        return True

    def write(self, chunk: bytes) -> None:
        """Keep a part. Raises `DownloadError` when it cannot be kept."""
        try:
            self._file.write(chunk)
        except OSError as error:
            raise _not_kept(error) from error
        self._size += len(chunk)
        self._listener(DownloadProgress(self._size, self._length))

    def has_progressed(self) -> bool:
        """Return whether this request came notably further than all those before it."""
        return bool(self._validator) and self._size - self._furthest >= _WORTH_ANOTHER

    def check(self) -> bool:
        """Return whether the tar, which is whole, is to be compared with LUSID's digest.

        Raises `DownloadError` when it is not whole, and when it has no manifest to compare. What is
        in it is not looked at where that is not wanted.
        """
        try:
            self._file.flush()
        except OSError as error:
            raise _not_kept(error) from error
        if self._length is not None and self._size != self._length:
            raise self._broken(f"{self._size} bytes came, {self._length} were announced")
        if not self._verify:
            return False
        try:
            self._contents = read_archive(self._file)
        except ArchiveError as error:
            raise self._broken(str(error)) from error
        if not self._contents.manifests:
            raise self._unknown("the tar has no manifest with a digest")
        return True

    def compare(self, digest: str | None) -> None:
        """Raise `DownloadError` unless the tar has the manifest of LUSID's `digest`."""
        if digest in self._contents.manifests:
            self._digest = digest
        elif not digest:
            raise self._unknown("LUSID gives no digest")
        elif self._contents.repacked:
            raise self._unknown(
                "the tar has the digests of an engine that packed it again, and not the registry's"
            )
        else:
            raise self._broken(
                f"its manifest is {', '.join(sorted(self._contents.manifests))}, "
                f"LUSID lists {plain(digest, longest=100)}"
            )

    def keep(self) -> DownloadedImage:
        """Put the file, or its bytes, where they shall be. Raises `DownloadError`."""
        try:
            if self._stream:
                self._file.seek(0)
                _copy(self._file, self._stream)
            elif self._path and self._temporary:
                os.fsync(self._file.fileno())
                self._file.close()  # Windows moves no file that is open
                _move(self._temporary, self._path, overwrite=self._overwrite)
        except FileExistsError:
            raise _exists(self._path) from None
        except OSError as error:
            if self._stream and reader_left(error):
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error
            raise _not_kept(error) from error
        return DownloadedImage(
            name=self._name, path=self._path, size=self._size, digest=self._digest
        )

    def _begin(self, response: httpx.Response) -> None:
        headers = response.headers
        try:
            self._file.seek(0)
            self._file.truncate()
        except OSError as error:
            raise _not_kept(error) from error
        self._size = 0
        # The length is that of the encoded body, which is not what is kept.
        unencoded = headers.get("content-encoding", "identity") == "identity"
        length = headers.get("content-length", "")
        self._length = int(length) if unencoded and length.isascii() and length.isdigit() else None
        # Without a strong validator two halves of different images could be put together
        # (RFC 9110, sections 8.8.1 and 13.1.5).
        tag = headers.get("etag", "")
        resumable = unencoded and headers.get("accept-ranges", "").lower() == "bytes"
        self._validator = tag if resumable and tag.startswith('"') else ""

    def _require_next(self, response: httpx.Response) -> None:
        given = response.headers.get("content-range", "")
        same = response.headers.get("etag", self._validator) == self._validator
        if not (self._validator and same and given.startswith(f"bytes {self._size}-")):
            raise UnexpectedAnswerError(
                "LUSID sent another part of the image than the one that was asked for.",
                cause=f"{self._size} bytes are here, and the answer has {given[:100]!r}.",
                hint="Run again.",
                operation="download_image",
                status=response.status_code,
            )

    def _unknown(self, why: str) -> DownloadError:
        return DownloadError(
            f"Whether LUSID sent the image {self._name} cannot be told: {why}.",
            cause="This deployment of LUSID sends its images in a form that cannot be compared, or "
            "does not know the digest yet.",
            hint="Nothing was kept. Pull the image by its digest instead, or use --no-verify "
            "(verify=False) to keep what LUSID sends.",
        )

    def _broken(self, how: str) -> DownloadError:
        return DownloadError(
            f"What LUSID sent for {self._name} is not that image, or not all of it: {how}.",
            cause="The transfer was cut, something in between changed it, or the tag was published "
            "anew meanwhile.",
            hint="Run again; nothing was kept. If it is the same each time, --no-verify "
            "(verify=False) keeps what LUSID sends.",
        )


def _resolved(path: Path) -> Path:
    """Return where `path` leads: a link is followed, and not replaced."""
    try:
        return path.expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigurationError(
            f"{path} cannot be a file.", cause=str(error), hint="Name another one."
        ) from error


def _require_free(path: Path, *, overwrite: bool) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{str(path)[:300]} cannot be a file.", cause=str(error), hint="Name another one."
        ) from error
    if not stat.S_ISREG(mode):
        raise ConfigurationError(
            f"{path} is not a file.",
            cause="It is a directory or a device.",
            hint="Name a file, or - for stdout.",
        )
    if not overwrite:
        raise _exists(path)


def _exists(path: Path | None) -> LusidPublishError:
    return ConfigurationError(
        f"{path} exists, and is not written over.",
        hint="Name another file with -o, or use --force (overwrite=True).",
    )


def _move(temporary: Path, path: Path, *, overwrite: bool) -> None:
    """Give the file its name, and make that last. Raises `FileExistsError` unless `overwrite`."""
    if overwrite:
        temporary.replace(path)
    else:
        try:
            os.link(temporary, path)  # fails, unlike a rename, when somebody was faster
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            temporary.rename(path)  # a file system without links
    with suppress(OSError):  # it is there; not every folder can be read, or made last
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _copy(file: IO[bytes], stream: BinaryIO) -> None:
    """Write all of `file` to `stream`, which may be a raw one that takes a part at a time."""
    while chunk := file.read(_CHUNK):
        rest = memoryview(chunk)
        while rest:
            written = stream.write(rest)
            if not written:  # None: it would block
                raise BlockingIOError(errno.EAGAIN, "the stream takes no more for now")
            rest = rest[written:]
    stream.flush()


def _not_kept(error: OSError) -> DownloadError:
    return DownloadError(
        "The image cannot be written.",
        cause=str(error),
        hint="Make room, or name a file elsewhere; TMPDIR says where a download to stdout is kept.",
    )
