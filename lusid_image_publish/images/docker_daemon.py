"""Images of the local engine, as docker-py shows them."""

from dataclasses import dataclass

import docker.errors
from docker import DockerClient

from lusid_image_publish.engine import ENGINE_FAILURES, words_of
from lusid_image_publish.errors import EngineError, PlatformError, SourceError


@dataclass(frozen=True)
class LocalImage:
    """An image of the local engine.

    `id` is the engine's: the digest of the image's config, or of its manifest where the engine uses
    the containerd image store. `platform` is `os/architecture[/variant]`. `size` is the engine's
    figure in bytes (unpacked or compressed, by engine). `digests` are those of the manifests
    under which the engine knows the image.
    """

    id: str
    platform: str
    size: int
    digests: frozenset[str]


def inspect_image(client: DockerClient, reference: str) -> LocalImage:
    """Return the image that `reference`, a `name:tag` or an id, means in the engine.

    Raises `SourceError` when there is none.
    """
    try:
        attributes = client.images.get(reference).attrs
    except docker.errors.ImageNotFound as error:
        raise SourceError(
            f"{reference} is neither a path nor an image of the local engine.",
            cause="It was not built here, or was built without being loaded into this engine "
            "(docker/build-push-action needs `load: true`, buildx `--load`), or has another tag.",
            hint="`docker images` lists what the engine has.",
        ) from error
    except docker.errors.APIError as error:
        raise SourceError(
            f"{reference} is not a reference that the engine accepts.",
            cause=error.explanation or str(error),
            hint="Name an image as name:tag or by its id; `docker images` lists them.",
        ) from error
    except ENGINE_FAILURES as error:
        raise EngineError(
            "The engine did not answer.",
            cause=words_of(error),
            hint="Check that it runs (`docker version`), and run again.",
        ) from error
    parts = [attributes.get(key) for key in ("Os", "Architecture", "Variant")]
    return LocalImage(
        id=attributes["Id"],
        platform="/".join(part for part in parts if part),
        size=attributes.get("Size", 0),
        digests=frozenset(d.rpartition("@")[2] for d in attributes.get("RepoDigests") or ()),
    )


def require_platform(image: LocalImage, platform: str) -> None:
    """Raise `PlatformError` unless `image` runs on `platform`, an `os/architecture[/variant]`."""
    if (image.platform + "/").startswith(platform + "/"):
        return
    raise PlatformError(
        f"The image is for {image.platform or 'an unknown platform'}, not for {platform}.",
        cause="It was built on or for another kind of machine. LUSID runs jobs on linux/amd64.",
        hint=f"Build it with `docker build --platform {platform} ...`, or give this command the "
        "Dockerfile.",
    )
