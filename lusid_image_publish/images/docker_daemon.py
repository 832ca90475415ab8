"""Images of the local engine, as docker-py shows them."""

from collections.abc import Mapping
from typing import Any, Final

import docker.errors
from docker import DockerClient

from lusid_image_publish.engine import ENGINE_FAILURES, offers_api, words_of
from lusid_image_publish.errors import EngineError, SourceError
from lusid_image_publish.images.local import LocalImage, covers, platform_of
from lusid_image_publish.redact import plain

_MANIFESTS_IN_INSPECT: Final = "1.48"


def inspect_image(client: DockerClient, reference: str, platform: str) -> LocalImage:
    """Return the image that `reference`, a `name:tag` or an id, means in the engine.

    Of an image for several platforms it is the one for `platform`, where the engine can tell them
    apart. Raises `SourceError` when there is none.
    """
    try:
        attributes = _attributes(client, reference)
    except docker.errors.ImageNotFound as error:
        raise SourceError(
            f"{reference} is neither a path nor an image of the local engine.",
            cause="It was not built here, or was built without being loaded into this engine "
            "(docker/build-push-action needs `load: true`, buildx `--load`), or has another tag.",
            hint="`docker images` lists what the engine has.",
        ) from error
    except (docker.errors.APIError, UnicodeError) as error:
        raise SourceError(
            f"{plain(reference)} is not a reference that the engine accepts.",
            cause=getattr(error, "explanation", None) or str(error),
            hint="Name an image as name:tag or by its id; `docker images` lists them.",
        ) from error
    except ENGINE_FAILURES as error:
        raise EngineError(
            "The engine did not answer.",
            cause=words_of(error),
            hint="Check that it runs (`docker version`), and run again.",
        ) from error
    digests = {d.rpartition("@")[2] for d in attributes.get("RepoDigests") or ()}
    image = LocalImage(
        id=attributes["Id"],
        platform=platform_of(
            {name.lower(): attributes.get(name) for name in ("Os", "Architecture", "Variant")}
        ),
        size=attributes.get("Size") or 0,
        digests=frozenset(digests),
        is_comparable="Manifests" in attributes or attributes["Id"] not in digests,
    )
    return _chosen(image, attributes.get("Manifests") or (), platform)


def _attributes(client: DockerClient, reference: str) -> Mapping[str, Any]:
    """Return what the engine says of an image, with the manifests of an index where it has them."""
    attributes: Mapping[str, Any] = client.images.get(reference).attrs
    if not offers_api(client, _MANIFESTS_IN_INSPECT):
        return attributes
    answer = client.api.get(
        f"{client.api.base_url}/v{client.api.api_version}/images/{attributes['Id']}/json",
        params={"manifests": "1"},
        timeout=client.api.timeout,
    )
    return dict(answer.json()) if answer.ok else attributes


def _chosen(image: LocalImage, manifests: Any, platform: str) -> LocalImage:
    """Return `image`, or of several for different platforms the one for `platform`."""
    for manifest in manifests:
        found = platform_of((manifest.get("ImageData") or {}).get("Platform") or {})
        is_image = manifest.get("Kind") == "image" and manifest.get("Available")
        if is_image and covers(platform, found):
            digest = (manifest.get("Descriptor") or {}).get("digest") or manifest.get("ID")
            return LocalImage(image.id, found, image.size, image.digests | {str(digest)})
    return image
