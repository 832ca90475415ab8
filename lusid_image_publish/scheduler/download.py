"""Download one image into a temporary file, verify it, and move it into place."""

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

_CHUNK_BYTES: Final = 1 << 20
_NO_LINKS: Final = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}  # the last on Windows
_MIN_PROGRESS_BYTES: Final = 1 << 20
"""A connection that brought at least this many resets the number of retries."""

Target = str | os.PathLike[str] | BinaryIO


@dataclass(frozen=True, kw_only=True)
class DownloadedImage:
    """A downloaded image.

    `path` is the file, None for a stream; `size` is in bytes. `digest` is the manifest digest,
    the same as LUSID's; None if it was not compared.
    """

    name: str
    path: Path | None
    size: int
    digest: str | None


class Download:
    """The sink of an exchange, and a context manager that removes the temporary file.

    Entering raises `ConfigurationError` for an unusable target.
    """

    blocks = True

    def __init__(
        self, name: str, target: Target, *, overwrite: bool, verify: bool, listener: Listener
    ) -> None:
        self._name = name
        self._path = None if hasattr(target, "write") else _path_of(Path(os.fspath(target)))
        self._stream: BinaryIO | None = target if self._path is None else None  # type: ignore[assignment]  # a path or a stream
        self._temporary: Path | None = None
        self._file: IO[bytes]
        self._overwrite = overwrite
        self._verify = verify
        self._listener = listener
        self._size = self._max_size = 0
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
            folder = self._path.parent if self._path else Path(tempfile.gettempdir())
            if not folder.exists():
                raise ConfigurationError(
                    f"The directory {folder} does not exist.",
                    hint="Create it, or name a file in another directory.",
                ) from error
            raise ConfigurationError(
                f"The directory {folder} is not writable.",
                cause=str(error),
                hint="Name a file in another directory, or set TMPDIR for a download to stdout.",
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # a failed write was reported already
            self._file.close()
        if self._temporary:
            self._temporary.unlink(missing_ok=True)

    def headers(self) -> dict[str, str]:
        """Request the rest if the first part can be resumed, else the whole file."""
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if self._size and self._validator:
            headers |= {"Range": f"bytes={self._size}-", "If-Range": self._validator}
        return headers

    def accepts(self, response: httpx.Response) -> bool:
        """Return whether the answer is the image; a whole file replaces the first part.

        Raises `httpx.RemoteProtocolError`, after which the whole file is requested, if the server
        does not have the requested part: the first part was complete, or of another image.
        """
        self._max_size = max(self._max_size, self._size)
        if response.status_code == httpx.codes.PARTIAL_CONTENT:
            self._require_continuation(response)
        elif response.status_code == httpx.codes.OK:
            self._start_again(response)
        elif response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and self._size:
            self._size, self._validator = 0, ""
            raise httpx.RemoteProtocolError(
                "the server does not have that part", request=response.request
            )
        else:
            return False
        return True

    def write(self, chunk: bytes) -> None:
        """Write a part. Raises `DownloadError` if the disk refuses it."""
        try:
            self._file.write(chunk)
        except OSError as error:
            raise _write_error(error) from error
        self._size += len(chunk)
        self._listener(DownloadProgress(self._size, self._length))

    def has_progressed(self) -> bool:
        """Return whether this request brought `_MIN_PROGRESS_BYTES` more than earlier ones."""
        return bool(self._validator) and self._size - self._max_size >= _MIN_PROGRESS_BYTES

    def check(self) -> bool:
        """Check the tar; return whether to compare it with LUSID's digest.

        Raises `DownloadError` for a tar that is incomplete or has no manifest. Without `verify`,
        only its length is checked.
        """
        try:
            self._file.flush()
        except OSError as error:
            raise _write_error(error) from error
        if self._length is not None and self._size != self._length:
            raise self._mismatch_error(f"{self._size} bytes arrived, {self._length} were announced")
        if not self._verify:
            return False
        try:
            self._contents = read_archive(self._file)
        except ArchiveError as error:
            raise self._mismatch_error(str(error)) from error
        if not self._contents.manifests:
            raise self._undecided_error("the tar has no manifest with a digest")
        return True

    def require_digest(self, digest: str | None) -> None:
        """Raise `DownloadError` unless the tar has the manifest of LUSID's `digest`."""
        if digest in self._contents.manifests:
            self._digest = digest
        elif not digest:
            raise self._undecided_error("LUSID lists no digest")
        elif self._contents.repacked:
            raise self._undecided_error(
                "an engine repacked the tar, so its digests are not the registry's"
            )
        else:
            raise self._mismatch_error(
                f"its manifest is {', '.join(sorted(self._contents.manifests))}, "
                f"LUSID lists {plain(digest, longest=100)}"
            )

    def save(self) -> DownloadedImage:
        """Move the file to its path, or its bytes to the stream. Raises `DownloadError`."""
        try:
            if self._stream:
                self._file.seek(0)
                _copy(self._file, self._stream)
            elif self._path and self._temporary:
                os.fsync(self._file.fileno())
                self._file.close()  # Windows does not move an open file
                _move(self._temporary, self._path, overwrite=self._overwrite)
        except FileExistsError:
            raise _exists_error(self._path) from None
        except OSError as error:
            if self._stream and reader_left(error):
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error
            raise _write_error(error) from error
        return DownloadedImage(
            name=self._name, path=self._path, size=self._size, digest=self._digest
        )

    def _start_again(self, response: httpx.Response) -> None:
        headers = response.headers
        try:
            self._file.seek(0)
            self._file.truncate()
        except OSError as error:
            raise _write_error(error) from error
        self._size = 0
        # The length of a compressed body is not that of the tar.
        unencoded = headers.get("content-encoding", "identity") == "identity"
        length = headers.get("content-length", "")
        self._length = int(length) if unencoded and length.isascii() and length.isdigit() else None
        # Without a strong validator two halves of different images could be put together
        # (RFC 9110, sections 8.8.1 and 13.1.5).
        tag = headers.get("etag", "")
        resumable = unencoded and headers.get("accept-ranges", "").lower() == "bytes"
        self._validator = tag if resumable and tag.startswith('"') else ""

    def _require_continuation(self, response: httpx.Response) -> None:
        given = response.headers.get("content-range", "")
        same = response.headers.get("etag", self._validator) == self._validator
        if not (self._validator and same and given.startswith(f"bytes {self._size}-")):
            raise UnexpectedAnswerError(
                "LUSID sent a different part of the image than requested.",
                cause=f"The rest after {self._size} bytes was requested; the answer has the "
                f"Content-Range {given[:100]!r}.",
                hint="Run again.",
                operation="download_image",
                status=response.status_code,
            )

    def _undecided_error(self, why: str) -> DownloadError:
        return DownloadError(
            f"It cannot be determined whether the download is the image {self._name}: {why}.",
            cause="This deployment of LUSID sends images in a form that cannot be compared, or "
            "does not know the digest yet.",
            hint="Nothing was kept. Pull the image by its digest instead, or keep the download "
            "unverified with --no-verify (verify=False).",
        )

    def _mismatch_error(self, how: str) -> DownloadError:
        return DownloadError(
            f"The download is not the complete image {self._name}: {how}.",
            cause="The transfer was cut off, a proxy changed it, or the tag was published again "
            "during the download.",
            hint="Nothing was kept. Run again; if the error persists, --no-verify (verify=False) "
            "keeps the download unverified.",
        )


def _path_of(path: Path) -> Path:
    """Return the path that links lead to: a link is not replaced."""
    try:
        return path.expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigurationError(
            f"{path} is not a usable path.", cause=str(error), hint="Name another file."
        ) from error


def _require_free(path: Path, *, overwrite: bool) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{str(path)[:300]} is not a usable path.", cause=str(error), hint="Name another file."
        ) from error
    if not stat.S_ISREG(mode):
        raise ConfigurationError(
            f"{path} is not a file.",
            cause="It is a directory or a device.",
            hint="Name a file, or use - for stdout.",
        )
    if not overwrite:
        raise _exists_error(path)


def _exists_error(path: Path | None) -> LusidPublishError:
    return ConfigurationError(
        f"{path} already exists.",
        hint="Name another file with -o, or overwrite it with --force (overwrite=True).",
    )


def _move(temporary: Path, path: Path, *, overwrite: bool) -> None:
    """Rename the file, and sync that. Raises `FileExistsError` unless `overwrite`."""
    if overwrite:
        temporary.replace(path)
    else:
        try:
            os.link(temporary, path)  # fails, unlike a rename, if the path exists
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            temporary.rename(path)  # a file system without links
    with suppress(OSError):  # the file is there; not every folder can be opened or synced
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _copy(file: IO[bytes], stream: BinaryIO) -> None:
    """Write all of `file` to `stream`, which may be a raw one that accepts a part at a time."""
    while chunk := file.read(_CHUNK_BYTES):
        rest = memoryview(chunk)
        while rest:
            written = stream.write(rest)
            if not written:  # None: it would block
                raise BlockingIOError(errno.EAGAIN, "the stream accepts no more data at the moment")
            rest = rest[written:]
    stream.flush()


def _write_error(error: OSError) -> DownloadError:
    return DownloadError(
        "The image cannot be written.",
        cause=str(error),
        hint="Free some disk space, or name a file elsewhere. A download to stdout is first stored "
        "in TMPDIR.",
    )
