"""What a registry says about an image, asked over its HTTP API (OCI distribution specification)."""

from dataclasses import dataclass
from typing import Final

import httpx

from lusid_image_publish.config import Settings
from lusid_image_publish.errors import PushError
from lusid_image_publish.names import ImageReference
from lusid_image_publish.redact import Secret
from lusid_image_publish.scheduler.transport import build_registry_client

MANIFEST_TYPES: Final = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
"""All kinds: a registry answers 404 for a manifest whose kind is not accepted."""


@dataclass(frozen=True)
class Manifest:
    """A manifest in a registry: its own digest, and its config's, empty for an index."""

    digest: str
    config_digest: str


def read_manifest(
    reference: ImageReference, settings: Settings, *, username: str, password: Secret
) -> Manifest:
    """Return the manifest that `reference` points to.

    Raises `PushError` when the registry does not show it.
    """
    auth = httpx.BasicAuth(username, password.reveal())
    try:
        with build_registry_client(settings, reference.host, auth) as client:
            response = client.get(
                f"/v2/{reference.path}/manifests/{reference.tag}",
                headers={"Accept": ", ".join(MANIFEST_TYPES)},
            )
        response.raise_for_status()
        return Manifest(
            digest=response.headers.get("docker-content-digest", ""),
            config_digest=str((response.json().get("config") or {}).get("digest") or ""),
        )
    except (httpx.HTTPError, ValueError, AttributeError) as error:
        raise PushError(
            f"The registry does not show the manifest of {reference}.", cause=str(error)
        ) from error
