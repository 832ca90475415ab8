"""What a registry says of a tag or a push, over its HTTP API (OCI distribution specification).

Nothing is pushed here. The engine may reach registries that this process does not (another network,
a proxy of its own), so an answer is evidence, and its absence is none.
"""

import hashlib
import json
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import httpx

from lusid_image_publish.config import ConfigurationOptions, Settings
from lusid_image_publish.errors import PushDeniedError, PushError, PushInterruptedError
from lusid_image_publish.names import ImageReference
from lusid_image_publish.redact import Secret, plain
from lusid_image_publish.registry.credential import RegistryAuth
from lusid_image_publish.registry.http_client import build_registry_client
from lusid_image_publish.registry.places import is_same_origin
from lusid_image_publish.registry.refusals import body_of, refused
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
"""All kinds: a registry answers 404 for a manifest whose kind is not accepted."""

_LARGEST: Final = 4 * 2**20  # bytes; registries refuse manifests beyond it
_BINARY: Final = {"Content-Type": "application/octet-stream"}
_QUICK: Final = ConfigurationOptions(connect_timeout_ms=5_000, read_timeout_ms=10_000)
_LONGEST_LOOK: Final = 60.0  # seconds for one look, the token included


@dataclass(frozen=True)
class Manifest:
    """A manifest in a registry.

    `digest` is that of its bytes, `config_digest` that of the image's config, empty for an index.
    `has_zstd_layers` says that a layer is compressed with zstd.
    """

    digest: str
    media_type: str
    config_digest: str
    has_zstd_layers: bool = False

    @property
    def is_index(self) -> bool:
        """Whether it is a list of manifests, of platforms or attestations, and no image's."""
        return self.media_type in INDEX_TYPES or not self.config_digest


def read_manifest(
    reference: ImageReference, settings: Settings, *, username: str, password: Secret
) -> Manifest | None:
    """Return the manifest that `reference` points to, None when the registry has no such tag.

    Raises `PushDeniedError` when the registry refuses the credential, `PushInterruptedError` for a
    429 or 5xx, and `PushError` when it cannot be asked or its answer is no manifest.
    """
    scope = f"repository:{reference.path}:pull"
    auth = RegistryAuth(reference.host, username, password, scope, allow_http=settings.allow_http)
    url = f"/v2/{reference.path}/manifests/{reference.tag}"
    try:
        with (
            within(Deadline(_LONGEST_LOOK)),
            build_registry_client(settings.with_options(_QUICK), reference.host, auth) as client,
            client.stream("GET", url, headers={"Accept": ", ".join(MANIFEST_TYPES)}) as response,
        ):
            if response.status_code == httpx.codes.NOT_FOUND:
                return None
            if not response.is_success:
                raise refused(response, f"The registry does not show {reference}")
            return _manifest_in(response)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
        raise PushError(
            f"The registry does not show the manifest of {reference}: "
            f"{plain(str(error)) or type(error).__name__}",
            cause="This machine does not reach the registry over HTTP, though the engine may.",
        ) from error


def refusal_of_a_layer(
    reference: ImageReference, settings: Settings, *, username: str, password: Secret
) -> PushError | None:
    """Return why the registry would not accept a layer of `reference` now, None if it would.

    An upload is begun, given one byte and cancelled. The error is a `PushDeniedError` where the
    credential is refused, a `PushInterruptedError` for a 429 or 5xx, else a `PushError`. None is
    returned, too, where the registry cannot be asked from here, or sends the caller elsewhere.
    """
    scope = f"repository:{reference.path}:pull,push"
    auth = RegistryAuth(reference.host, username, password, scope, allow_http=settings.allow_http)
    try:
        with (
            within(Deadline(_LONGEST_LOOK)),
            build_registry_client(settings.with_options(_QUICK), reference.host, auth) as client,
        ):
            _upload_one_byte(client, reference)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        logger.debug("the registry cannot be asked for an upload: %s", error)
    except PushError as refusal:
        return refusal
    return None


def _upload_one_byte(client: httpx.Client, reference: ImageReference) -> None:
    begun = _tried(client, "POST", f"/v2/{reference.path}/blobs/uploads/", reference)
    place = begun.url.join(begun.headers.get("location", ""))
    if begun.is_redirect or not is_same_origin(place, begun.url):
        return
    try:
        sent = _tried(client, "PATCH", place, reference, content=b"\0")
        place = place.join(sent.headers.get("location", ""))
    except (PushDeniedError, PushInterruptedError):
        raise
    except PushError:
        logger.debug("a layer of one byte is refused", exc_info=True)  # other sizes may not be
    finally:
        # A registry that does not cancel an upload forgets it after some time.
        with suppress(httpx.HTTPError, PushError):
            if is_same_origin(place, begun.url):
                client.send(client.build_request("DELETE", place), stream=True).close()


def _tried(
    client: httpx.Client,
    method: str,
    url: str | httpx.URL,
    reference: ImageReference,
    content: bytes = b"",
) -> httpx.Response:
    """Return the answer, unless the registry refuses: that raises the `PushError` for it."""
    with client.stream(method, url, content=content, headers=_BINARY) as response:
        if response.is_error:
            raise refused(
                response, f"The push to {reference} failed: the registry does not accept a layer"
            )
    return response


def _manifest_in(response: httpx.Response) -> Manifest:
    content = body_of(response, most=_LARGEST)
    document = json.loads(content)
    if not isinstance(document, dict):
        raise ValueError("the answer is no manifest")  # noqa: TRY004  # it is what came, no type
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    told = response.headers.get("docker-content-digest", digest)
    if told != digest:
        raise ValueError(f"the answer says that its digest is {told}, and it is {digest}")
    config, layers = document.get("config"), document.get("layers")
    media_type = document.get("mediaType") or response.headers.get("content-type", "")
    return Manifest(
        digest=digest,
        media_type=str(media_type).partition(";")[0].strip(),
        config_digest=str(config.get("digest") or "") if isinstance(config, dict) else "",
        has_zstd_layers=any(
            isinstance(layer, dict) and str(layer.get("mediaType")).endswith("zstd")
            for layer in (layers if isinstance(layers, list) else ())
        ),
    )
