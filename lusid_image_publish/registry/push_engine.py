"""Tag and push through the local engine, and trust only a reported digest.

docker-py does not raise when a push fails (docker-py issues 1772, 3161, 3277): HTTP 200 says that
the push began. Engines differ in what they send: the digest comes in an `aux` event, in the last
status line or in both; a failure comes as `errorDetail` in the stream, or as an HTTP 500 without
the "message" that docker-py looks for. A stream that ends with neither digest nor error proves
nothing. The request is made with docker-py's client and not with its `push`, which cannot name a
platform (docker-py issue 3324).
"""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import docker.errors
import requests
from docker import DockerClient
from docker.utils.json_stream import json_stream

from lusid_image_publish.credential import Credential
from lusid_image_publish.engine import (
    ENGINE_FAILURES,
    engine_address,
    engine_message,
    has_containerd_store,
    is_podman,
    offers_api,
    platform_parameter,
)
from lusid_image_publish.errors import PushError
from lusid_image_publish.hosts import is_loopback
from lusid_image_publish.interrupts import DeferredSignals
from lusid_image_publish.names import ImageReference
from lusid_image_publish.progress import LayerProgress, Listener, Warned, ignore
from lusid_image_publish.registry.failures import interrupted_error, push_error, unexplained_error
from lusid_image_publish.text import plain
from lusid_image_publish.waiting import Deadline, Watchdog

logger = logging.getLogger(__name__)

_DIGEST_LINE: Final = re.compile(r"digest: (sha256:[0-9a-f]{64}) size: \d+")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_PLATFORM_IN_PUSH: Final = "1.46"
_CONNECT_SECONDS: Final = 20.0  # seconds
_RETRYING_STATUS: Final = "Retrying in "

Event = dict[str, Any]


def push_image(
    client: DockerClient,
    image_id: str,
    platform: str,
    target: ImageReference,
    credential: Credential,
    *,
    deadline: Deadline,
    idle: float,
    refusal: Callable[[], PushError | None] = lambda: None,
    listener: Listener = ignore,
) -> str:
    """Tag the image as `target`, push it, remove the tag again, and return the digest.

    The digest is the manifest digest that the engine reports, empty if it reports neither a digest
    nor an error. The credential is sent only in the push request; Docker's own configuration is not
    used for it. `deadline` ends the push, and so do `idle` seconds without progress once the engine
    has begun to report progress. `refusal` is called once when the engine retries a layer, which a
    classic store does for 50 seconds for any refusal: an error that it returns ends the push. In
    any case, closing the connection stops the engine.

    Raises `PushDeniedError` if the credential was refused, `PushInterruptedError` for a temporary
    failure, and `PushError` for any other failure.
    """
    with _temporary_tag(client, image_id, target, listener):
        request = partial(_request, client, platform, target, credential, deadline)
        return _push(client, request, target, deadline, idle, refusal, listener)


@contextmanager
def _temporary_tag(
    client: DockerClient, image_id: str, target: ImageReference, listener: Listener
) -> Iterator[None]:
    """Let the engine know `image` as `target` for as long as the block lasts."""
    with DeferredSignals() as signals:
        try:
            before = _id_of(client, str(target))
        except ENGINE_FAILURES as error:
            raise _engine_error(target, error) from error
        try:
            _tag(client, image_id, target)
            with signals.allowed():
                yield
        finally:
            try:
                _restore(client, image_id, target, before, listener)
            except ENGINE_FAILURES as error:
                listener(
                    Warned(
                        f"The local tag {target} could not be removed: {engine_message(error)}. "
                        f"When the engine responds again, run: docker rmi {target}"
                    )
                )


def _tag(client: DockerClient, image_id: str, target: ImageReference) -> None:
    try:
        client.api.tag(image_id, target.repository, target.tag)
    except ENGINE_FAILURES as error:
        raise _engine_error(target, error) from error


def _restore(
    client: DockerClient,
    image_id: str,
    target: ImageReference,
    before: str | None,
    listener: Listener,
) -> None:
    if before is not None:
        client.api.tag(before, target.repository, target.tag)
        return
    tags = client.images.get(image_id).attrs.get("RepoTags") or []
    if str(target) not in tags:
        return
    if len(tags) > 1:
        client.api.remove_image(str(target), noprune=True)
    else:
        # Without its only tag the engine would delete the image itself.
        listener(Warned(f"The image has no other tag, so the engine keeps it as {target}."))


def _id_of(client: DockerClient, reference: str) -> str | None:
    try:
        return client.images.get(reference).id
    except docker.errors.ImageNotFound:
        return None


def _push(
    client: DockerClient,
    request: Callable[..., requests.Response],
    target: ImageReference,
    deadline: Deadline,
    idle: float,
    refusal: Callable[[], PushError | None],
    listener: Listener,
) -> str:
    try:
        podman = is_podman(client)
        response = request(podman=podman)
    except requests.exceptions.ReadTimeout as error:  # Podman answers when all is over
        raise _ended_error(target, "it did not finish in time") from error
    except ENGINE_FAILURES as error:
        raise _engine_error(target, error) from error
    digest, has_asked = "", False
    # Closing a socket does not wake the thread that reads from it; shutting it down does.
    with response, Watchdog(response.raw.shutdown, deadline, idle=idle) as watchdog:
        if not response.ok:
            raise push_error(target, _refusal(response), podman=podman)
        for event in _events(response, watchdog, target):
            if words := _failure_in(event):
                raise push_error(target, words, podman=podman)
            digest = _digest_in(event) or digest
            if event.get("id"):
                watchdog.touch()
                progress = _progress(event)
                listener(progress)
                if progress.status.startswith(_RETRYING_STATUS) and not has_asked:
                    has_asked = True
                    if refused := refusal():
                        raise refused
                    watchdog.touch()
            elif event.get("status"):
                logger.debug("engine: %s", plain(str(event["status"])))
    return digest


def _request(
    client: DockerClient,
    platform: str,
    target: ImageReference,
    credential: Credential,
    deadline: Deadline,
    *,
    podman: bool,
) -> requests.Response:
    params = {"tag": target.tag}
    if offers_api(client, _PLATFORM_IN_PUSH) and has_containerd_store(client.info()):
        params["platform"] = platform_parameter(platform)
    if podman and is_loopback(target.host):
        params["tlsVerify"] = "false"  # Docker does so by itself for registries on its own machine
    return client.api.post(
        f"{client.api.base_url}/v{client.api.api_version}/images/{target.repository}/push",
        params=params,
        headers={"X-Registry-Auth": credential.engine_header},
        stream=True,
        timeout=(_CONNECT_SECONDS, max(deadline.remaining(), 1)),
    )


def _events(
    response: requests.Response, watchdog: Watchdog, target: ImageReference
) -> Iterator[Event]:
    """Yield what the engine reports. Raises `PushInterruptedError` when that ends in its middle."""
    words = ""
    try:
        for event in json_stream(response.iter_content(chunk_size=None)):
            if isinstance(event, dict):
                yield event
    except (*ENGINE_FAILURES, ValueError) as error:  # the latter where it is not JSON
        words = engine_message(error)
        logger.debug("the engine's stream ended", exc_info=True)
    if words and watchdog.reason:
        raise _ended_error(target, watchdog.reason)
    if words:
        raise _engine_gone_error(target, words)


def _refusal(response: requests.Response) -> str:
    """Return why the engine did not begin: Podman 5 has no "message" in its answer."""
    try:
        document = response.json()
    except (requests.RequestException, ValueError):
        document = None
    if isinstance(document, dict):
        words = _failure_in(document) or document.get("message") or document.get("cause")
        if words:
            return str(words)
    return f"the engine answered {response.status_code} {response.reason}"


def _failure_in(event: Event) -> str:
    """Return the words of a failure, empty when the event is none."""
    detail, flat = event.get("errorDetail"), event.get("error")
    if detail is None and flat is None:
        return ""
    words = detail.get("message") if isinstance(detail, dict) else None
    return str(words or flat or "the engine reported an error without details")


def _digest_in(event: Event) -> str:
    aux = event.get("aux")
    digest = aux.get("Digest") if isinstance(aux, dict) else None
    if isinstance(digest, str) and _DIGEST.fullmatch(digest):
        return digest
    match = _DIGEST_LINE.search(str(event.get("status") or ""))
    return match[1] if match else ""


def _progress(event: Event) -> LayerProgress:
    detail = event.get("progressDetail")
    detail = detail if isinstance(detail, dict) else {}
    return LayerProgress(
        layer=plain(str(event["id"])),
        status=plain(str(event.get("status") or "")),
        current=detail.get("current"),
        total=detail.get("total"),
    )


def _ended_error(target: ImageReference, why: str) -> PushError:
    """Return the error for a push that was stopped here, and `why`."""
    return unexplained_error(
        f"The push to {target} was stopped: {why}.",
        cause="A temporary failure of the registry, or of the network between it and the engine.",
    )


def _engine_error(target: ImageReference, error: Exception) -> PushError:
    """Return the error for an engine that refuses, is silent or is not there."""
    if isinstance(error, docker.errors.APIError):
        return push_error(target, engine_message(error))
    return _engine_gone_error(target, engine_message(error))


def _engine_gone_error(target: ImageReference, words: str) -> PushError:
    error = interrupted_error(f"The push to {target} was interrupted: {plain(words)}")
    address = engine_address()
    error.cause = (
        f"The engine at {address} stopped or was restarted, or the connection to it broke."
    )
    error.hint = "Check that the engine is running (`docker version`), and run again."
    return error
