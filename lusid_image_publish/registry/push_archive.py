"""Push an image in an archive to the registry over HTTP, without an engine.

Layers are read, verified, compressed and sent at the same time, several of them in parallel. Blobs
that the registry has are not sent (OCI distribution specification 1.1). The manifest comes last, so
that the tag always points to a whole image, the new or the former one. Layers of other repositories
are not mounted: LUSID's credential is for one repository.
"""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Self

import httpx

from lusid_image_publish.archives.compressor import Compressor
from lusid_image_publish.archives.layer_proof import prove_layer
from lusid_image_publish.archives.layer_stream import GzipStream, LayerStream, StoredStream
from lusid_image_publish.archives.packing import ConfigBlob, Packing
from lusid_image_publish.archives.parts import Layer, PackedLayer
from lusid_image_publish.errors import PushError, PushInterruptedError
from lusid_image_publish.parallel import Job, Report, StoppedError, run_together
from lusid_image_publish.progress import LayerDone, LayerProgress, Listener, ignore
from lusid_image_publish.registry.blob_upload import BlobSource, BlobUpload
from lusid_image_publish.registry.push_requests import PushRequests
from lusid_image_publish.registry.refusals import temporary_failure
from lusid_image_publish.text import plain
from lusid_image_publish.waiting import Deadline, within

logger = logging.getLogger(__name__)

_MAX_CONNECTIONS: Final = 4
"""Layers that are sent in parallel: each needs a few MiB of memory."""

_MAX_CANCEL_SECONDS: Final = 3.0  # for all uploads that are open at the end

_UNKNOWN_BLOB: Final = "BLOB_UNKNOWN"
"""The error code of registries, or a part of it, for a manifest with a missing blob."""

FindLayers = Callable[[], Mapping[str, PackedLayer]]
"""Returns layers that the registry may have, by diff id."""

Finish = Callable[[], PackedLayer | ConfigBlob]
"""Returns the blob, after its last byte was sent."""


def push_archive(
    packing: Packing,
    requests: PushRequests,
    find_layers: FindLayers,
    *,
    deadline: Deadline,
    listener: Listener = ignore,
) -> str:
    """Push the image of `packing`, and return its manifest digest, which the registry confirmed.

    `find_layers` is called once for layers that need not be sent, if there are any to compress.
    `deadline` ends the push. Uploads that are open at the end are always cancelled.

    Raises `ArchiveError` for a layer that does not match the config, before the tag is changed;
    `PushDeniedError` if the credential was refused, `PushInterruptedError` for a temporary failure,
    and `PushError` for any other failure.
    """
    with _OpenUploads() as uploads, Compressor() as compressor, within(deadline):
        push = _ArchivePush(packing, requests, uploads, compressor)
        return push.push(find_layers, listener)


class _OpenUploads:
    """The uploads that are neither kept nor cancelled; a context manager that cancels them."""

    def __init__(self) -> None:
        self._open: dict[BlobUpload, None] = {}
        self._is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        with within(Deadline(_MAX_CANCEL_SECONDS)):
            for upload in [*self._open]:
                upload.cancel()

    def begin(self, requests: PushRequests, source: BlobSource) -> BlobUpload:
        """Start an upload."""
        upload = BlobUpload(requests, source)
        self._open[upload] = None
        if self._is_over:  # in a thread that waited for this answer
            upload.cancel()
            raise StoppedError
        return upload

    def forget(self, upload: BlobUpload) -> None:
        """Leave `upload` as it is."""
        del self._open[upload]


class _ArchivePush:
    """One push of what `packing` has; layers are looked for, proven and sent in several threads."""

    def __init__(
        self,
        packing: Packing,
        requests: PushRequests,
        uploads: _OpenUploads,
        compressor: Compressor,
    ) -> None:
        self._packing = packing
        self._requests = requests
        self._uploads = uploads
        self._compressor = compressor
        self._known: Mapping[str, PackedLayer] = {}
        self._trusts_registry = True
        self._relies_on_registry = False

    def push(self, find_layers: FindLayers, listener: Listener) -> str:
        """Send what the registry lacks, and then the manifest; return its digest."""
        unsent = self._packing.layers.keys() - self._packing.sent.keys()
        if not all(self._packing.layers[key].is_described for key in unsent):
            self._known = find_layers()
        try:
            return self._push(listener)
        except PushError as error:
            if not self._relies_on_registry or _UNKNOWN_BLOB not in error.message:
                raise
        # The registry said that it has what it does not have, or has it no more.
        self._trusts_registry = False
        return self._push(listener)

    def _push(self, listener: Listener) -> str:
        self._limit = self._packing.size_limit()
        # The largest first, so that no large layer is left alone at the end.
        layers = sorted(self._packing.layers.values(), key=lambda layer: -layer.size)
        jobs: list[Job[None]] = [partial(self._layer, layer) for layer in layers]
        run_together(
            [*jobs, self._config],
            listener,
            threads=_MAX_CONNECTIONS,
            passing=PushInterruptedError,
        )
        return self._manifest()

    def _layer(self, layer: Layer, report: Report) -> None:
        """Have `layer` in the registry."""
        found = self._found(layer, report) if self._trusts_registry else None
        if found:
            self._packing.sent[layer.key] = found
        else:
            self._send(layer, report)

    def _found(self, layer: Layer, report: Report) -> PackedLayer | None:
        """Return `layer` as the registry has it, None if it does not."""
        sent, known = self._packing.sent.get(layer.key), self._known.get(layer.diff_id)
        same = layer.as_it_is
        if sent and self._has_blob(sent):
            report(LayerProgress(layer.short_id, "Layer already exists"))
            return sent
        if same and self._has_blob(same):
            return self._proven(layer, same, "Layer already exists", report)
        if known and not same and self._may_have_blob(known):
            return self._proven(layer, known, "Reused", report)
        return None

    def _proven(self, layer: Layer, found: PackedLayer, status: str, report: Report) -> PackedLayer:
        """Return `found`, which the registry has, after the proof of `layer`."""
        for done in prove_layer(layer, self._limit):
            self._requests.require_time()
            report(LayerProgress(layer.short_id, "Checking", done, layer.size))
        report(LayerDone(layer.short_id, status, layer.size, sent=0, reused=found.size))
        return found

    def _send(self, layer: Layer, report: Report) -> None:
        stream: LayerStream = (
            StoredStream(layer, self._limit)
            if layer.compression
            else GzipStream(layer, self._limit, self._compressor)
        )

        def show() -> None:
            self._requests.require_time()
            report(LayerProgress(layer.short_id, "Pushing", stream.bytes_read, layer.size))

        def finish() -> PackedLayer:
            packed = self._packing.sent[layer.key] = stream.finish()
            return packed

        sent = self._upload(stream, finish, show)
        report(LayerDone(layer.short_id, "Pushed", layer.size, sent=sent, reused=0))

    def _config(self, report: Report) -> None:
        """Have the config in the registry."""
        config = self._packing.config
        if self._trusts_registry and self._has_blob(config):
            report(LayerDone("", "Layer already exists", config.size, sent=0, reused=config.size))
            return
        sent = self._upload(config, lambda: config, self._requests.require_time)
        report(LayerDone("", "Pushed", config.size, sent=sent, reused=0))

    def _upload(self, source: BlobSource, finish: Finish, report: Callable[[], None]) -> int:
        """Let the registry keep `source`, and return the number of bytes that were sent.

        `finish` is called when all of them are. An upload that the registry lost is begun again
        once.
        """
        lost = self._uploads.begin(self._requests, source)
        try:
            return self._complete(lost, finish, report)
        except PushInterruptedError:
            if not lost.is_lost:
                raise
        upload = self._uploads.begin(self._requests, source)
        return lost.sent + self._complete(upload, finish, report)

    def _complete(self, upload: BlobUpload, finish: Finish, report: Callable[[], None]) -> int:
        upload.send(report)
        blob = finish()
        try:
            upload.keep(blob.digest)
        except PushInterruptedError:  # perhaps its answer was lost, and no more
            if upload.is_lost or not self._may_have_blob(blob):
                raise
        self._uploads.forget(upload)
        return upload.sent

    def _may_have_blob(self, blob: PackedLayer | ConfigBlob) -> bool:
        """Return whether the registry says that it has `blob`; also False where it refuses."""
        try:
            return self._has_blob(blob)
        except PushError as error:
            self._requests.require_time()
            logger.debug(
                "the registry does not say whether it has %s: %s", blob.digest, error.message
            )
            return False

    def _has_blob(self, blob: PackedLayer | ConfigBlob) -> bool:
        # A registry that redirects to the blob has it, too.
        also = {httpx.codes.NOT_FOUND, httpx.codes.FOUND, httpx.codes.TEMPORARY_REDIRECT}
        answer = self._requests.send(
            "HEAD",
            f"{self._requests.path}/blobs/{blob.digest}",
            "say whether it has a layer",
            also=also,
        )
        size = answer.headers.get("content-length", "") if answer.is_success else ""
        has_it = answer.status_code != httpx.codes.NOT_FOUND and size in {"", str(blob.size)}
        self._relies_on_registry |= has_it
        return has_it

    def _manifest(self) -> str:
        """Let the tag point to the image, and return the digest that the registry gives it."""
        manifest, target = self._packing.manifest(), self._requests.target
        answer = self._requests.send(
            "PUT",
            f"{self._requests.path}/manifests/{target.tag}",
            "accept the manifest",
            content=manifest.content,
            headers={"Content-Type": manifest.media_type},
        )
        reported, digest = answer.headers.get("docker-content-digest", ""), manifest.digest
        if not reported:
            raise temporary_failure(
                f"The push to {target} cannot be verified: the registry did not return a digest."
            )
        if reported != digest:
            raise PushError(
                f"The registry reports the digest {plain(reported, longest=100)} for {target}, but "
                f"{digest} was pushed.",
                cause="The registry, or a proxy in front of it, changed the manifest.",
                hint="Run again. If it fails again, ask the domain's administrator about the "
                "registry.",
            )
        return digest
