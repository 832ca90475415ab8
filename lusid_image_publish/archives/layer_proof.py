"""Verify that a layer is the one in the config of its image."""

import hashlib
from collections.abc import Iterator

from lusid_image_publish.archives.archive_error import ArchiveError, SizeLimit
from lusid_image_publish.archives.compression import layer_decoder
from lusid_image_publish.archives.parts import Layer, wrong_layer_error
from lusid_image_publish.archives.tars import archive_errors


class LayerProof:
    """The verification of one layer, whose bytes are fed to it in order.

    A registry compares a blob with its own digest alone. So the bytes of an uncompressed layer must
    have the config's diff id; those of a compressed one the digest of a descriptor for compressed
    layers, and without such a descriptor the diff id once decompressed. `limit` counts what is
    decompressed.
    """

    def __init__(self, layer: Layer, limit: SizeLimit) -> None:
        self._layer = layer
        self._limit = limit
        self._digest = hashlib.sha256()
        needs_decoder = layer.compression and not layer.is_described
        self._decoder = layer_decoder(layer.compression) if needs_decoder else None
        self._diff_id = hashlib.sha256()

    def feed(self, chunk: bytes) -> None:
        """Take the next `chunk`. Raises `ArchiveError` if it cannot be decompressed."""
        self._digest.update(chunk)
        if self._decoder:
            with archive_errors():
                for part in self._decoder.feed(chunk):
                    self._limit.add(len(part))
                    self._diff_id.update(part)

    def finish(self) -> str:
        """Return the digest of the bytes. Raises `ArchiveError` if they are not the layer."""
        digest, descriptor = f"sha256:{self._digest.hexdigest()}", self._layer.descriptor
        if descriptor and digest != descriptor.digest:
            raise ArchiveError(f"the content of {descriptor.path} has the digest {digest}")
        if self._layer.is_described:
            return digest
        diff_id = digest
        if self._decoder:
            self._decoder.require_end()
            diff_id = f"sha256:{self._diff_id.hexdigest()}"
        if diff_id != self._layer.diff_id:
            raise wrong_layer_error(diff_id, self._layer)
        return digest


def prove_layer(layer: Layer, limit: SizeLimit) -> Iterator[int]:
    """Read `layer`, and yield the number of bytes so far.

    Raises `ArchiveError` if it does not match its config.
    """
    proof, done = LayerProof(layer, limit), 0
    for chunk in layer.content.chunks():
        proof.feed(chunk)
        done += len(chunk)
        yield done
    proof.finish()
