"""The error for an unusable archive, and limits on reading one."""

from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Final

from lusid_image_publish.text import plain

MAX_DOCUMENT_BYTES: Final = 4 << 20
"""The largest JSON document: the limit that registries have for a manifest."""

MAX_CONFIG_BYTES: Final = 32 << 20
"""The largest config of an image: a blob, for which engines and registries have no limit.

Docker loads, pushes and pulls 17 MiB, tried with each of its image stores.
"""

MAX_ARCHIVE_BYTES: Final = 64 << 30
"""The largest archive, decompressed, unless the user allows more."""


class ArchiveError(Exception):
    """The archive cannot be used; the text says why, as the end of a sentence.

    `cause` and `hint` are for an archive that is not damaged; both are empty if it may be.
    """

    def __init__(self, text: str, *, cause: str = "", hint: str = "") -> None:
        super().__init__(text)
        self.cause = cause
        self.hint = hint


class SizeLimit:
    """A limit of `max_bytes` for several reads in total, beyond which `error` is raised.

    It is thread-safe.
    """

    def __init__(self, max_bytes: int, error: ArchiveError) -> None:
        self._left = max_bytes
        self._error = error
        self._lock = Lock()

    def add(self, size: int) -> None:
        """Add `size` bytes. Raises `ArchiveError` beyond the limit."""
        with self._lock:
            self._left -= size
            if self._left < 0:
                raise self._error

    def count(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield `chunks` up to the limit. Raises `ArchiveError`."""
        for chunk in chunks:
            self.add(len(chunk))
            yield chunk


def too_large_error(what: str, max_bytes: int) -> ArchiveError:
    """Return the error for an archive larger than `max_bytes`; `what` begins the sentence."""
    return ArchiveError(
        f"{what} larger than {max_bytes / (1 << 30):.4g} GiB",
        cause="A small file can decompress to one that fills the disk, so there is a limit.",
        hint="If it is the right archive, allow more with --max-archive-size.",
    )


def printable(name: str) -> str:
    """Return a name in an archive, cleaned and shortened for a message."""
    return plain(name, longest=100)
