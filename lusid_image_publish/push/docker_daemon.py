"""Tag and push through the local engine, and believe nothing but a digest.

docker-py does not raise when a push fails (docker-py issues 1772, 3161, 3277): HTTP 200 says that
the push began. Engines differ in what they send: the digest comes in an `aux` event, in the last
status line or in both; a failure comes as `errorDetail` in the stream, or as an HTTP 500 that
docker-py turns into a bare `KeyError`. A stream that ends with neither is a failure.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import docker.errors
from docker import DockerClient

from lusid_image_publish.engine import ENGINE_FAILURES, closing_streams, words_of
from lusid_image_publish.errors import PushError
from lusid_image_publish.images.docker_daemon import LocalImage
from lusid_image_publish.names import ImageReference
from lusid_image_publish.progress import LayerProgress, Listener, Warned, ignore
from lusid_image_publish.redact import Secret

logger = logging.getLogger(__name__)

_DIGEST_LINE: Final = re.compile(r"digest: (sha256:[0-9a-f]{64}) size: \d+")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_DENIED: Final = re.compile(
    r"unauthorized|authentication required|no basic auth|authorization failed|(?:^|: )denied"
    r"|access.{0,30}denied|\b40[13]\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class PushedImage:
    """An image in a registry: where it is, and the manifest digest that the registry confirmed."""

    reference: ImageReference
    digest: str


def push_image(
    client: DockerClient,
    image: LocalImage,
    target: ImageReference,
    *,
    username: str,
    password: Secret,
    listener: Listener = ignore,
) -> PushedImage:
    """Tag `image` as `target`, push it and take the tag away again.

    The credential travels in the push request alone; Docker's own configuration is not consulted
    for it. Raises `PushError` when the engine or the registry refuses, or when the engine reports
    no digest.
    """
    credential = {"username": username, "password": password.reveal()}
    with _temporary_tag(client, image, target, listener):
        digest = _push(client, target, credential, listener)
    return PushedImage(target, digest)


@contextmanager
def _temporary_tag(
    client: DockerClient, image: LocalImage, target: ImageReference, listener: Listener
) -> Iterator[None]:
    """Let the engine know `image` as `target` for as long as the block lasts."""
    try:
        before = _id_of(client, str(target))
        client.api.tag(image.id, target.repository, target.tag)
    except ENGINE_FAILURES as error:
        raise PushError(
            f"The engine cannot tag the image as {target}.", cause=words_of(error)
        ) from error
    try:
        yield
    finally:
        try:
            _restore(client, image, target, before, listener)
        except ENGINE_FAILURES as error:
            listener(Warned(f"The local tag {target} could not be removed: {words_of(error)}"))


def _restore(
    client: DockerClient,
    image: LocalImage,
    target: ImageReference,
    before: str | None,
    listener: Listener,
) -> None:
    if before is not None:
        client.api.tag(before, target.repository, target.tag)
        return
    tags = client.images.get(image.id).attrs.get("RepoTags") or []
    if len(tags) > 1:
        client.api.remove_image(str(target), noprune=True)
    else:
        # Without its only tag the engine would delete the image itself.
        listener(Warned(f"The image has no other name, so the engine keeps it as {target}."))


def _id_of(client: DockerClient, reference: str) -> str | None:
    try:
        return client.images.get(reference).id
    except docker.errors.ImageNotFound:
        return None


def _push(
    client: DockerClient, target: ImageReference, credential: dict[str, str], listener: Listener
) -> str:
    digest = ""
    with closing_streams(client):
        for event in _events(client, target, credential):
            failure = (event.get("errorDetail") or {}).get("message") or event.get("error")
            if failure:
                raise _refused(target, failure)
            digest = _digest_in(event) or digest
            if event.get("id"):
                listener(_progress(event))
            elif event.get("status"):
                logger.debug("engine: %s", event["status"].strip())
    if not digest:
        raise PushError(
            f"The push to {target} is unproven: the engine reported neither a digest nor an error.",
            cause="The connection to the engine ended early, or the engine was stopped.",
            hint="Check that the engine runs (`docker version`), and run again.",
        )
    return digest


def _events(
    client: DockerClient, target: ImageReference, credential: dict[str, str]
) -> Iterator[dict[str, Any]]:
    try:
        yield from client.api.push(
            target.repository, tag=target.tag, auth_config=credential, stream=True, decode=True
        )
    except ENGINE_FAILURES as error:
        raise _refused(target, words_of(error)) from error
    except KeyError as error:
        # Podman 5 answers 500 without the "message" that docker-py looks for.
        response = getattr(error.__context__, "response", None)
        raise _refused(target, response.text if response is not None else repr(error)) from error


def _digest_in(event: dict[str, Any]) -> str:
    aux = event.get("aux") or {}
    digest = aux.get("Digest") if isinstance(aux, dict) else None
    if isinstance(digest, str) and _DIGEST.fullmatch(digest):
        return digest
    match = _DIGEST_LINE.search(event.get("status") or "")
    return match[1] if match else ""


def _progress(event: dict[str, Any]) -> LayerProgress:
    detail = event.get("progressDetail") or {}
    return LayerProgress(
        layer=event["id"],
        status=event.get("status") or "",
        current=detail.get("current"),
        total=detail.get("total"),
    )


def _refused(target: ImageReference, words: str) -> PushError:
    words = " ".join(words.split())
    if _DENIED.search(words):
        cause = "The registry did not accept the credential: it has expired, or may not push there."
        hint = "Run again: each run asks LUSID for a new credential."
    elif "server gave HTTP response to HTTPS client" in words:
        cause = "The engine expects HTTPS of this registry, which speaks HTTP."
        hint = f"Add {target.host} to the engine's `insecure-registries`."
    else:
        cause = "The registry, or the network between it and the engine, which does the pushing."
        hint = (
            "Run again; if it lasts, check that the engine reaches the registry (a proxy is set in "
            "the engine's configuration, not in this shell)."
        )
    return PushError(f"The push to {target} failed: {words}", cause=cause, hint=hint)
