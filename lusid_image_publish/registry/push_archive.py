"""The push of an image in an archive: to the registry over HTTP, without an engine.

What the registry has is not sent (OCI distribution specification 1.1). The manifest comes last, so
that at each moment the tag points to a whole image, or to what it pointed to before.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from typing import Final

import httpx

from lusid_image_publish.archives.archive_error import ArchiveError
from lusid_image_publish.archives.files import BlobContent, read_content
from lusid_image_publish.archives.packing import Packed, Packing
from lusid_image_publish.archives.parts import Blob
from lusid_image_publish.errors import PushError
from lusid_image_publish.http.network import deadline_caused
from lusid_image_publish.names import ImageReference
from lusid_image_publish.progress import LayerProgress, Listener, ignore
from lusid_image_publish.registry.places import registry_url, safe_location
from lusid_image_publish.registry.refusals import (
    no_answer_error,
    read_body,
    refusal_error,
    temporary_failure,
)
from lusid_image_publish.registry.session import RegistrySession
from lusid_image_publish.text import plain
from lusid_image_publish.waiting import Deadline, time_left, within

_PROGRESS_BYTES: Final = 1 << 16  # bytes between two reports of progress
_OUT_OF_TIME: Final = "its time was over"
_MAX_ANSWER_BYTES: Final = 64 * 1024  # bytes; nobody reads what comes with a success
_LOST_UPLOAD_STATUSES: Final = {httpx.codes.NOT_FOUND, httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE}
"""Statuses of a registry that lost an upload, or a part of it: it must begin again."""


def push_archive(
    packing: Packing,
    archive: str,
    session: RegistrySession,
    target: ImageReference,
    *,
    deadline: Deadline,
    idle: float,
    listener: Listener = ignore,
) -> str:
    """Send what `packing` packs to `target`, and return the digest, which the registry confirmed.

    `archive` names it for an error. `session` is one with the repository of `target`; the
    credential goes to the registry, and to the token endpoint that it names. `deadline` ends the
    push, and so do `idle` seconds in which nothing is sent and nothing comes.

    Raises `PushDeniedError` when the credential was refused, `PushInterruptedError` for a temporary
    failure, `PushError` for the rest.
    """
    with within(deadline):
        timeout = httpx.Timeout(idle, connect=session.connect_seconds)
        push = _ArchivePush(session, target, listener, timeout)
        packed = push.packed(packing, archive)
        for layer, blob in packed.blobs:
            push.blob(layer, blob)
        return push.manifest(packed)


class _ArchivePush:
    """One push to `target`, step by step."""

    def __init__(
        self,
        session: RegistrySession,
        target: ImageReference,
        listener: Listener,
        timeout: httpx.Timeout,
    ) -> None:
        self._client = session.client
        self._target = target
        self._listener = listener
        self._timeout = timeout
        self._allow_http = session.allow_http

    def packed(self, packing: Packing, archive: str) -> Packed:
        """Return what is to be sent."""
        try:
            return packing.pack(self._report)
        except ArchiveError as error:
            raise self._unreadable_error(error) from error
        except OSError as error:
            raise PushError(
                f"There is no room to compress the layers of {archive}.",
                cause=str(error),
                hint="Make room, or set TMPDIR to where there is some.",
            ) from error

    def blob(self, layer: str, blob: Blob) -> None:
        """Have `blob` in the registry; `layer` is what a person knows it by, empty for none."""
        if self._has_blob(blob):
            self._report(LayerProgress(layer, "Layer already exists"))
            return
        begun = self._request("POST", f"{self._path}/blobs/uploads/", "begin an upload")
        place = self._upload_location(begun)
        sent = self._request(
            "PATCH",
            place,
            "take a layer",
            content=_BlobBody(
                blob.content,
                lambda done: self._report(LayerProgress(layer, "Pushing", done, blob.size)),
            ),
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Length": str(blob.size),
            },
            lost=_LOST_UPLOAD_STATUSES,
        )
        place = self._upload_location(sent) if "location" in sent.headers else place
        query = b"&".join(filter(None, [place.query, f"digest={blob.digest}".encode()]))
        self._request(
            "PUT", place.copy_with(query=query), "keep a layer", lost=_LOST_UPLOAD_STATUSES
        )
        self._report(LayerProgress(layer, "Pushed"))

    def manifest(self, packed: Packed) -> str:
        """Let the tag point to the image, and return the digest that the registry gives it."""
        answer = self._request(
            "PUT",
            f"{self._path}/manifests/{self._target.tag}",
            "take the manifest",
            content=packed.manifest.content,
            headers={"Content-Type": packed.manifest.media_type},
        )
        reported = answer.headers.get("docker-content-digest", "")
        if not reported:
            raise temporary_failure(
                f"The push to {self._target} is unproven: the registry does not say the digest."
            )
        if reported != packed.digest:
            raise PushError(
                f"The registry gives {self._target} the digest {plain(reported, longest=100)}, and "
                f"what was pushed has {packed.digest}.",
                cause="The registry, or a proxy before it, changed the manifest.",
                hint="Run again. If it lasts, ask the domain's administrator about the registry.",
            )
        return packed.digest

    @property
    def _path(self) -> str:
        return f"/v2/{self._target.path}"

    def _has_blob(self, blob: Blob) -> bool:
        # A registry that redirects to the blob has it, too.
        also = {httpx.codes.NOT_FOUND, httpx.codes.FOUND, httpx.codes.TEMPORARY_REDIRECT}
        answer = self._request(
            "HEAD", f"{self._path}/blobs/{blob.digest}", "say what it has", also=also
        )
        return answer.status_code != httpx.codes.NOT_FOUND

    def _upload_location(self, answer: httpx.Response) -> httpx.URL:
        """Return where the registry wants an upload to go on, if that is safe to follow."""
        return safe_location(
            answer.headers.get("location", ""),
            answer.request.url,
            message=f"The push to {self._target} failed: the registry wants a layer to be sent to",
            allow_http=self._allow_http,
            home=httpx.URL(registry_url(self._target.host)),
        )

    def _request(
        self,
        method: str,
        url: str | httpx.URL,
        wish: str,
        *,
        content: Iterable[bytes] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        also: Container[int] = (),
        lost: Container[int] = (),
    ) -> httpx.Response:
        """Return an answer that is a success or one of `also`.

        One of `lost` is a temporary failure.
        `wish` says what is asked for, for the error that any other answer is.
        """
        request = self._client.build_request(
            method,
            url,
            content=content,
            headers=headers,
            timeout=self._timeout,
        )
        try:
            with closing(self._client.send(request, stream=True)) as response:
                if response.is_success or response.status_code in also:
                    with suppress(ValueError):  # it does not end: the connection is not used again
                        read_body(response, max_bytes=_MAX_ANSWER_BYTES)
                    return response
                error = refusal_error(
                    response, f"The push to {self._target} failed: the registry does not {wish}"
                )
                raise temporary_failure(error.message) if response.status_code in lost else error
        except ArchiveError as error:
            raise self._unreadable_error(error) from error
        except (httpx.ReadTimeout, httpx.WriteTimeout) as error:
            raise self._ended_error(f"it was silent for {self._timeout.read:g} seconds") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if deadline_caused(error):
                raise self._ended_error(_OUT_OF_TIME) from error
            raise no_answer_error(error, f"The push to {self._target} broke off") from error

    def _report(self, event: LayerProgress) -> None:
        """Pass `event` on. Raises when the time is over."""
        if time_left() <= 0:
            raise self._ended_error(_OUT_OF_TIME)
        if event.layer:
            self._listener(event)

    def _ended_error(self, why: str) -> PushError:
        return temporary_failure(f"The push to {self._target} was ended, because {why}.")

    def _unreadable_error(self, error: ArchiveError) -> PushError:
        return PushError(
            f"The push to {self._target} failed: {error}.",
            cause="The archive was changed, or its disk fails.",
            hint="Write the archive anew, and run again when that is done.",
        )


class _BlobBody:
    """The bytes of a blob, from the beginning again when a token had to be renewed first."""

    def __init__(self, content: BlobContent, reported: Callable[[int], None]) -> None:
        self._content = content
        self._report = reported

    def __iter__(self) -> Iterator[bytes]:
        done = 0
        for chunk in read_content(self._content):
            for start in range(0, len(chunk), _PROGRESS_BYTES):
                self._report(done)
                piece = chunk[start : start + _PROGRESS_BYTES]
                yield piece
                done += len(piece)
        self._report(done)
