"""What a registry says about a tag, asked over its HTTP API (OCI distribution specification).

Nothing is pushed here. The engine may reach registries that this process does not (another network,
a proxy of its own), so an answer is evidence, and its absence is none.
"""

import base64
import hashlib
import json
import urllib.parse
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

import httpx

from lusid_image_publish.config import ConfigurationOptions, Settings
from lusid_image_publish.errors import PushDeniedError, PushError, PushInterruptedError
from lusid_image_publish.names import ImageReference
from lusid_image_publish.redact import Secret, plain, register_pair
from lusid_image_publish.scheduler.transport import build_registry_client, is_loopback
from lusid_image_publish.waiting import Deadline

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
_LONGEST: Final = 30.0  # seconds for all of an answer
_QUICK: Final = ConfigurationOptions(connect_timeout_ms=5_000, read_timeout_ms=10_000)


@dataclass(frozen=True)
class Manifest:
    """A manifest in a registry.

    `digest` is that of its bytes, `config_digest` that of the image's config, empty for an index.
    """

    digest: str
    media_type: str
    config_digest: str

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
    auth = _RegistryAuth(username, password, f"repository:{reference.path}:pull")
    url = f"/v2/{reference.path}/manifests/{reference.tag}"
    try:
        with (
            build_registry_client(settings.with_options(_QUICK), reference.host, auth) as client,
            client.stream("GET", url, headers={"Accept": ", ".join(MANIFEST_TYPES)}) as response,
        ):
            if response.status_code == httpx.codes.NOT_FOUND:
                return None
            if not response.is_success:
                raise _refusal(reference, response)
            return _manifest_in(response)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise PushError(
            f"The registry does not show the manifest of {reference}: "
            f"{plain(str(error)) or type(error).__name__}",
            cause="This machine does not reach the registry over HTTP, though the engine may.",
        ) from error


def _manifest_in(response: httpx.Response) -> Manifest:
    content = b""
    deadline = Deadline(_LONGEST)
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > _LARGEST or deadline.passed():
            raise ValueError("the answer does not end")
    document = json.loads(content)
    if not isinstance(document, dict):
        raise ValueError("the answer is no manifest")  # noqa: TRY004  # it is what came, no type
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    told = response.headers.get("docker-content-digest", digest)
    if told != digest:
        raise ValueError(f"the answer says that its digest is {told}, and it is {digest}")
    config = document.get("config")
    media_type = document.get("mediaType") or response.headers.get("content-type", "")
    return Manifest(
        digest=digest,
        media_type=str(media_type).partition(";")[0].strip(),
        config_digest=str(config.get("digest") or "") if isinstance(config, dict) else "",
    )


def _refusal(reference: ImageReference, response: httpx.Response) -> PushError:
    status = response.status_code
    message = f"The registry answers HTTP {status} for {reference}."
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        return PushDeniedError(message)
    if status == httpx.codes.TOO_MANY_REQUESTS or httpx.codes.is_server_error(status):
        return PushInterruptedError(message)
    return PushError(message)


class _RegistryAuth(httpx.Auth):
    """Basic, or the token that a registry asks for (distribution, token authentication).

    The credential is sent to the registry, and to the token endpoint that it names if that speaks
    HTTPS or is on this machine.
    """

    def __init__(self, username: str, password: Secret, scope: str) -> None:
        register_pair(username, password.reveal())
        pair = f"{username}:{password.reveal()}"
        self._basic = f"Basic {base64.b64encode(pair.encode()).decode()}"
        self._scope = scope

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the credential, and once more what the registry makes of it."""
        request.headers["Authorization"] = self._basic
        response = yield request
        realm, params = _challenge(response)
        if not realm:
            return
        asking = httpx.Request(
            "GET",
            realm,
            params={"scope": self._scope} | params,
            headers={"Authorization": self._basic},
        )
        answer = yield asking
        answer.read()
        document = answer.json() if answer.is_success else {}
        token = document.get("token") or document.get("access_token")
        if isinstance(token, str):
            request.headers["Authorization"] = f"Bearer {Secret(token).reveal()}"
            yield request


def _challenge(response: httpx.Response) -> tuple[str, dict[str, str]]:
    """Return the token endpoint that a 401 names, empty if none that is safe, and parameters."""
    kind, _, rest = response.headers.get("www-authenticate", "").partition(" ")
    if response.status_code != httpx.codes.UNAUTHORIZED or kind.lower() != "bearer":
        return "", {}
    try:
        values = urllib.request.parse_keqv_list(urllib.request.parse_http_list(rest))
    except (ValueError, IndexError):
        return "", {}
    realm = values.get("realm", "")
    if not (realm.startswith("https://") or is_loopback(urllib.parse.urlsplit(realm).netloc)):
        return "", {}
    return realm, {"service": values["service"]} if "service" in values else {}
