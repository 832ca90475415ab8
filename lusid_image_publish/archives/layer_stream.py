"""A layer on its way to a registry: read once, verified, and compressed unless it is already.

The bytes can be read again from any offset, for an upload that continues after an interruption:
they are read and compressed again, but not verified twice. The digest is that of the bytes of the
first read, and the registry compares it with the bytes that it received.
"""

import hashlib
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterator
from itertools import chain

from lusid_image_publish.archives.archive_error import SizeLimit
from lusid_image_publish.archives.compression import CHUNK_BYTES, GZIP
from lusid_image_publish.archives.compressor import Compressor
from lusid_image_publish.archives.layer_proof import LayerProof
from lusid_image_publish.archives.parts import Layer, PackedLayer


class LayerStream(ABC):
    """The bytes of `layer` for a registry."""

    def __init__(self, layer: Layer, limit: SizeLimit) -> None:
        self.layer = layer
        self._proof = LayerProof(layer, limit)
        self._proven = 0

    @property
    def size(self) -> int | None:
        """The number of bytes to send, None if it is known only at the end."""
        return None

    @property
    def bytes_read(self) -> int:
        """The number of bytes of the layer that were read so far."""
        return self._proven

    @abstractmethod
    def pieces(self, start: int) -> Iterator[bytes]:
        """Yield the bytes from the offset `start` on, up to which they were yielded before.

        Raises `ArchiveError` if the archive cannot be read.
        """

    @abstractmethod
    def finish(self) -> PackedLayer:
        """Return the layer as it was sent, after the last byte.

        Raises `ArchiveError` if it does not match the config.
        """

    def _prove(self, chunk: bytes, start: int) -> None:
        """Feed what is new of `chunk`, which begins at the offset `start`, to the proof."""
        fresh = chunk[self._proven - start :] if start < self._proven else chunk
        self._proof.feed(fresh)
        self._proven += len(fresh)


class StoredStream(LayerStream):
    """A compressed layer, which is sent unchanged."""

    @property
    def size(self) -> int:
        """The number of bytes in the archive."""
        return self.layer.size

    def pieces(self, start: int) -> Iterator[bytes]:
        """Yield the bytes of the archive."""
        for chunk in self.layer.content.chunks(start):
            self._prove(chunk, start)
            start += len(chunk)
            yield chunk

    def finish(self) -> PackedLayer:
        """Return the layer as it is."""
        return PackedLayer(self._proof.finish(), self.layer.size, self.layer.compression)


class GzipStream(LayerStream):
    """An uncompressed layer, of which each chunk is sent as its own gzip member."""

    def __init__(self, layer: Layer, limit: SizeLimit, compressor: Compressor) -> None:
        super().__init__(layer, limit)
        self._compressor = compressor
        self._digest = hashlib.sha256()
        self._ends: list[int] = []  # of the members so far

    def pieces(self, start: int) -> Iterator[bytes]:
        """Yield the members, from the one that has the byte at `start` on."""
        number = bisect_right(self._ends, start)
        if number and number * CHUNK_BYTES >= self.layer.size:
            return
        skipped = start - (self._ends[number - 1] if number else 0)
        for member in self._compressor.members(self._chunks(number * CHUNK_BYTES)):
            if number == len(self._ends):
                self._digest.update(member)
                self._ends.append((self._ends[-1] if self._ends else 0) + len(member))
            number += 1
            yield member[skipped:] if skipped else member
            skipped = 0

    def finish(self) -> PackedLayer:
        """Return the layer as it was compressed."""
        self._proof.finish()
        return PackedLayer(f"sha256:{self._digest.hexdigest()}", self._ends[-1], GZIP)

    def _chunks(self, start: int) -> Iterator[bytes]:
        """Yield the layer's chunks from `start` on, at least one, and prove them."""
        chunks = self.layer.content.chunks(start)
        first = next(chunks, b"")
        for chunk in chain([first], chunks):
            self._prove(chunk, start)
            start += len(chunk)
            yield chunk
