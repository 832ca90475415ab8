"""Images of the local engine, as docker-py shows them."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import docker.errors
from docker import DockerClient

from lusid_image_publish.engine import ENGINE_FAILURES, offers_api, words_of
from lusid_image_publish.errors import EngineError, PlatformError, SourceError
from lusid_image_publish.images.source import DockerfileSource, Source
from lusid_image_publish.redact import plain

_MANIFESTS_IN_INSPECT: Final = "1.48"


@dataclass(frozen=True)
class LocalImage:
    """An image of the local engine.

    `id` is the engine's: the digest of the image's config, or of its manifest or index where the
    engine uses the containerd image store. `platform` is `os/architecture[/variant]`; of an index
    it is the platform that was asked for if the index has it. `size` is the engine's figure in
    bytes (unpacked or compressed, by engine). `digests` are those of the manifests that the engine
    knows the image by. `is_comparable` says whether a manifest that has neither the id nor one of
    the digests must be another image's: false where the id may be that of an index whose manifests
    the engine does not tell.
    """

    id: str
    platform: str
    size: int
    digests: frozenset[str]
    is_comparable: bool = True


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
        platform=_platform_of(
            {name.lower(): attributes.get(name) for name in ("Os", "Architecture", "Variant")}
        ),
        size=attributes.get("Size") or 0,
        digests=frozenset(digests),
        is_comparable="Manifests" in attributes or attributes["Id"] not in digests,
    )
    return _chosen(image, attributes.get("Manifests") or (), platform)


def require_platform(image: LocalImage, platform: str, source: Source, name: str) -> None:
    """Raise `PlatformError`, with the command that helps, unless `image` runs on `platform`.

    `source` is what the image was made from, and `name` what it may be called.
    """
    if _covers(platform, image.platform):
        return
    if isinstance(source, DockerfileSource):
        cause = "A FROM line of the Dockerfile names a platform, or the builder took a stale layer."
        hint = "Take `--platform` out of the FROM lines. Then: "
        words = ["--no-cache", "-t", name, "-f", str(source.dockerfile), str(source.context)]
    else:
        cause = "It was built on or for another kind of machine. LUSID runs jobs on linux/amd64."
        hint = "Build it again where its Dockerfile is: "
        by_name = "@" not in source.reference and not image.id.removeprefix("sha256:").startswith(
            source.reference.removeprefix("sha256:")
        )
        words = ["-t", source.reference if by_name else name, "."]
    command = shlex.join(["docker", "build", "--platform", platform, *words])
    raise PlatformError(
        f"The image is for {image.platform or 'an unknown platform'}, not for {platform}.",
        cause=cause,
        hint=hint + command,
    )


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
        found = _platform_of((manifest.get("ImageData") or {}).get("Platform") or {})
        is_image = manifest.get("Kind") == "image" and manifest.get("Available")
        if is_image and _covers(platform, found):
            digest = (manifest.get("Descriptor") or {}).get("digest") or manifest.get("ID")
            return LocalImage(image.id, found, image.size, image.digests | {str(digest)})
    return image


def _platform_of(parts: Mapping[str, Any]) -> str:
    found = [parts.get(name) for name in ("os", "architecture", "variant")]
    return "/".join(str(part) for part in found if part)


def _covers(wanted: str, found: str) -> bool:
    """Return whether `found` is `wanted`, or a variant of it where none is wanted."""
    return f"{found}/".startswith(f"{wanted}/")
