"""What a registry says about a tag, asked over its HTTP API (OCI distribution specification).

Nothing is pushed here. The engine may reach registries that this process does not (another network,
a proxy of its own), so an answer is evidence, and its absence is none.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Final

import httpx

from lusid_image_publish.config import ConfigurationOptions, Settings
from lusid_image_publish.errors import PushError
from lusid_image_publish.names import ImageReference
from lusid_image_publish.push.answers import body_of, refused
from lusid_image_publish.push.auth import RegistryAuth
from lusid_image_publish.redact import Secret, plain
from lusid_image_publish.scheduler.transport import build_registry_client

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
    scope = f"repository:{reference.path}:pull"
    auth = RegistryAuth(reference.host, username, password, scope)
    url = f"/v2/{reference.path}/manifests/{reference.tag}"
    try:
        with (
            build_registry_client(settings.with_options(_QUICK), reference.host, auth) as client,
            client.stream("GET", url, headers={"Accept": ", ".join(MANIFEST_TYPES)}) as response,
        ):
            if response.status_code == httpx.codes.NOT_FOUND:
                return None
            if not response.is_success:
                raise refused(response, f"The registry does not show {reference}")
            return _manifest_in(response)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise PushError(
            f"The registry does not show the manifest of {reference}: "
            f"{plain(str(error)) or type(error).__name__}",
            cause="This machine does not reach the registry over HTTP, though the engine may.",
        ) from error


def _manifest_in(response: httpx.Response) -> Manifest:
    content = body_of(response, most=_LARGEST)
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
