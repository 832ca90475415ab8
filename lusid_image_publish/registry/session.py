"""Read a tag from a registry over its HTTP API (OCI distribution specification).

Nothing is pushed here. The engine may reach registries that this process cannot reach (another
network, its own proxy), so an answer is evidence, but a missing answer is not.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import httpx

from lusid_image_publish.config import ConfigurationOptions, Settings
from lusid_image_publish.credential import Credential
from lusid_image_publish.errors import PushDeniedError, PushError, PushInterruptedError
from lusid_image_publish.http.bounds import ACCEPT_GZIP
from lusid_image_publish.http.retries import timeout_of
from lusid_image_publish.http.transport import (
    USER_AGENT,
    TransportByOrigin,
    transport_to,
)
from lusid_image_publish.registry.places import is_same_origin, registry_url, safe_location
from lusid_image_publish.registry.refusals import read_body, refusal_error
from lusid_image_publish.registry.token_auth import RegistryAuth
from lusid_image_publish.text import plain
from lusid_image_publish.waiting import Deadline, within

logger = logging.getLogger(__name__)

INDEX_TYPES: Final = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
MANIFEST_TYPES: Final = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    *INDEX_TYPES,
)
"""All types: a registry answers 404 for a manifest of a type that is not accepted."""

_MAX_REDIRECTS: Final = 2
_MAX_MANIFEST_BYTES: Final = 4 * 2**20  # registries refuse larger ones
_BINARY: Final = {"Content-Type": "application/octet-stream"}
_LOOK_OPTIONS: Final = ConfigurationOptions(connect_timeout_ms=5_000, read_timeout_ms=10_000)
_LOOK_SECONDS: Final = 60.0  # for one look, the token included


def build_registry_client(settings: Settings, host: str, auth: httpx.Auth) -> httpx.Client:
    """Return a client of the registry at `host`, a name with an optional port.

    Redirects are not followed. If a registry names another host, `auth` sends no credential there.
    """
    return httpx.Client(
        base_url=registry_url(host),
        auth=auth,
        headers={"User-Agent": USER_AGENT, **ACCEPT_GZIP},
        timeout=timeout_of(settings),
        transport=TransportByOrigin(lambda url: transport_to(url, settings)),
        event_hooks={"response": [_log_path]},
        follow_redirects=False,
    )


def _log_path(response: httpx.Response) -> None:
    """Log a request without its query: where an upload goes may be signed in it."""
    request = response.request
    url = request.url.copy_with(query=None)
    logger.debug("%s %s -> %d", request.method, url, response.status_code)


Connect = Callable[[Settings, str, httpx.Auth], httpx.Client]


@dataclass(frozen=True)
class RegistryLayer:
    """A layer in a manifest: the digest and size of its blob, and its media type."""

    digest: str
    size: int
    media_type: str


@dataclass(frozen=True)
class RegistryManifest:
    """A manifest in a registry.

    `digest` is the manifest digest, `config_digest` the config digest, empty for an index.
    """

    digest: str
    media_type: str
    config_digest: str
    layers: tuple[RegistryLayer, ...] = ()

    @property
    def has_zstd_layers(self) -> bool:
        """Whether a layer is compressed with zstd."""
        return any(layer.media_type.endswith("zstd") for layer in self.layers)

    @property
    def is_index(self) -> bool:
        """Whether it is an index, a list of manifests of platforms or attestations."""
        return self.media_type in INDEX_TYPES or not self.config_digest


class RegistrySession:
    """HTTP with one repository of a registry, over one client, with one credential.

    `host` may have a port, `path` is the repository's. The client is created when first needed.
    """

    def __init__(
        self,
        host: str,
        path: str,
        credential: Credential,
        settings: Settings,
        *,
        connect: Connect = build_registry_client,
    ) -> None:
        self.host = host
        self.path = path
        self.allow_http = settings.allow_http
        self.connect_seconds = timeout_of(settings).connect
        # A look needs a token to pull, and no more.
        self._pull_auth, self._push_auth = (
            RegistryAuth(
                host, credential, f"repository:{path}:{actions}", allow_http=settings.allow_http
            )
            for actions in ("pull", "pull,push")
        )
        self._settings = settings
        self._connect = connect
        self._look_timeout = timeout_of(settings.with_options(_LOOK_OPTIONS))

    @cached_property
    def client(self) -> httpx.Client:
        """The client, which sends the credential only to this registry."""
        return self._connect(self._settings, self.host, self._push_auth)

    def close(self) -> None:
        """Close the connections, if there are any."""
        if "client" in self.__dict__:
            self.client.close()

    def read_manifest(self, tag: str) -> RegistryManifest | None:
        """Return the manifest that `tag` points to, None if the registry has no such tag.

        Raises `PushDeniedError` if the registry refuses the credential, `PushInterruptedError` for
        a 429 or 5xx, and `PushError` if it cannot be reached or its answer is not a manifest.
        """
        request: dict[str, Any] = {
            "url": f"/v2/{self.path}/manifests/{tag}",
            "headers": {"Accept": ", ".join(MANIFEST_TYPES)},
            "auth": self._pull_auth,
            "timeout": self._look_timeout,
        }
        reference = f"{self.host}/{self.path}:{tag}"
        try:
            with (
                within(Deadline(_LOOK_SECONDS)),
                self.client.stream("GET", **request) as response,
            ):
                if response.status_code == httpx.codes.NOT_FOUND:
                    return None
                if not response.is_success:
                    raise refusal_error(response, f"The registry did not return {reference}")
                return _manifest_in(response)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
            raise PushError(
                f"The registry did not return the manifest of {reference}: "
                f"{plain(str(error)) or type(error).__name__}",
                cause="This machine cannot reach the registry over HTTP; the engine may reach it.",
            ) from error

    def read_blob(self, digest: str, *, max_bytes: int) -> bytes:
        """Return a blob, and follow redirects to it.

        Raises a `PushError` if the registry does not return it, or returns something else.
        """
        url: str | httpx.URL = f"/v2/{self.path}/blobs/{digest}"
        name = f"{self.host}/{self.path}@{digest}"
        try:
            for _ in range(_MAX_REDIRECTS + 1):
                with self.client.stream(
                    "GET", url, auth=self._pull_auth, timeout=self._look_timeout
                ) as response:
                    if not response.is_redirect:
                        return _blob_in(response, digest, name, max_bytes)
                    url = safe_location(
                        response.headers.get("location", ""),
                        response.request.url,
                        message=f"The registry redirects {name} to",
                        allow_http=self.allow_http,
                    )
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            words = plain(str(error)) or type(error).__name__
            raise PushError(f"The registry did not return {name}: {words}") from error
        raise PushError(f"The registry did not return {name}: too many redirects.")

    def refusal_of_a_layer(self, tag: str) -> PushError | None:
        """Return why the registry would not accept a layer of `tag` now, None if it would.

        An upload is started, sent one byte and cancelled. The error is a `PushDeniedError` if the
        credential is refused, a `PushInterruptedError` for a 429 or 5xx, otherwise a `PushError`.
        None is also returned if the registry cannot be reached from here, or redirects.
        """
        try:
            with within(Deadline(_LOOK_SECONDS)):
                self._upload_one_byte(f"{self.host}/{self.path}:{tag}")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            logger.debug("the registry cannot be asked for an upload: %s", error)
        except PushError as refusal:
            return refusal
        return None

    def _upload_one_byte(self, reference: str) -> None:
        begun = self._try("POST", f"/v2/{self.path}/blobs/uploads/", reference)
        place = begun.url.join(begun.headers.get("location", ""))
        if begun.is_redirect or not is_same_origin(place, begun.url):
            return
        try:
            sent = self._try("PATCH", place, reference, content=b"\0")
            place = place.join(sent.headers.get("location", ""))
        except (PushDeniedError, PushInterruptedError):
            raise
        except PushError:
            logger.debug("a layer of one byte is refused", exc_info=True)  # other sizes may not be
        finally:
            # A registry that does not cancel an upload forgets it after some time.
            with suppress(httpx.HTTPError, PushError):
                if is_same_origin(place, begun.url):
                    request = self.client.build_request("DELETE", place, timeout=self._look_timeout)
                    self.client.send(request, stream=True).close()

    def _try(
        self, method: str, url: str | httpx.URL, reference: str, content: bytes = b""
    ) -> httpx.Response:
        """Return the answer, unless the registry refuses: that raises the `PushError` for it."""
        with self.client.stream(
            method, url, content=content, headers=_BINARY, timeout=self._look_timeout
        ) as response:
            if response.is_error:
                raise refusal_error(
                    response,
                    f"The push to {reference} failed: the registry did not accept a layer",
                )
        return response


def _blob_in(response: httpx.Response, digest: str, name: str, max_bytes: int) -> bytes:
    if not response.is_success:
        raise refusal_error(response, f"The registry did not return {name}")
    content = read_body(response, max_bytes=max_bytes)
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
        raise ValueError("it has a different digest")
    return content


def _manifest_in(response: httpx.Response) -> RegistryManifest:
    content = read_body(response, max_bytes=_MAX_MANIFEST_BYTES)
    document = json.loads(content)
    if not isinstance(document, dict):
        raise ValueError("the answer is not a manifest")  # noqa: TRY004  # of the answer, not a type
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    reported = response.headers.get("docker-content-digest", digest)
    if reported != digest:
        raise ValueError(f"the answer has the digest {digest}, but reports {reported}")
    config, layers = document.get("config"), document.get("layers")
    media_type = document.get("mediaType") or response.headers.get("content-type", "")
    return RegistryManifest(
        digest=digest,
        media_type=str(media_type).partition(";")[0].strip(),
        config_digest=str(config.get("digest") or "") if isinstance(config, dict) else "",
        layers=tuple(_layers_in(layers if isinstance(layers, list) else ())),
    )


def _layers_in(documents: Iterable[Any]) -> Iterator[RegistryLayer]:
    """Yield a layer for each of `documents`, one without a digest for what is none."""
    for document in documents:
        found = document if isinstance(document, dict) else {}
        size = found.get("size")
        yield RegistryLayer(
            digest=str(found.get("digest") or ""),
            size=size if type(size) is int else -1,
            media_type=str(found.get("mediaType")),
        )
