"""EngineSource: an image that the local engine has, as docker-py shows it."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import docker.errors
from docker import DockerClient

from lusid_image_publish.engine import (
    ENGINE_FAILURES,
    connect,
    engine_address,
    engine_message,
    has_containerd_store,
    offers_api,
)
from lusid_image_publish.errors import EngineError, SourceError
from lusid_image_publish.platforms import platform_covers, platform_error, platform_of
from lusid_image_publish.progress import Listener, StepDone, StepStarted, ignore
from lusid_image_publish.sources.engine_image import ContainerdImage, EngineImage
from lusid_image_publish.sources.image import LocalImage
from lusid_image_publish.sources.source import ImageRequest, Source
from lusid_image_publish.system import shell_command
from lusid_image_publish.text import plain

_MANIFESTS_IN_INSPECT: Final = "1.48"


@dataclass(frozen=True)
class EngineSource(Source):
    """An image that the local engine has, under a reference or an id."""

    reference: str

    def __str__(self) -> str:
        return self.reference

    def connect(
        self,
        environ: Mapping[str, str],  # noqa: ARG002  # nothing is built
        *,
        patience: float = 0,
        listener: Listener = ignore,
    ) -> DockerClient:
        """Return the engine that has the image."""
        return connect(patience=patience, listener=listener)

    @contextmanager
    def open(self, request: ImageRequest) -> Iterator[LocalImage]:
        """Find the image in the engine."""
        request.listener(StepStarted(f"Looking for {self.reference} in the local engine"))
        image = inspect_image(request.require_engine(), self.reference, request.platform)
        request.listener(StepDone(f"found image {image.id}"))
        yield image

    def require_platform(self, image: LocalImage, request: ImageRequest) -> None:
        """Raise `PlatformError` for an image of another platform."""
        if platform_covers(request.platform, image.platform):
            return
        by_name = "@" not in self.reference and not image.id.removeprefix("sha256:").startswith(
            self.reference.removeprefix("sha256:")
        )
        name = self.reference if by_name else request.name
        command = ["docker", "build", "--platform", request.platform, "-t", name, "."]
        raise platform_error(
            [image.platform],
            request.platform,
            cause="It was built on or for another kind of machine. LUSID runs jobs on linux/amd64.",
            hint=f"Build it again where its Dockerfile is: {shell_command(command)}",
        )


def tagged_id(client: DockerClient, name: str) -> str | None:
    """Return the id of the image that the engine has under `name`, None where that is not known."""
    try:
        return str(client.images.get(name).id)
    except ENGINE_FAILURES:
        return None


def inspect_image(client: DockerClient, reference: str, platform: str) -> EngineImage:
    """Return the image of the engine with this `reference`, a `name:tag` or an id.

    For an image with several platforms it is the one for `platform`, if the engine can distinguish
    them. Raises `SourceError` if there is none.
    """
    try:
        return _image(client, reference, _attributes(client, reference), platform)
    except docker.errors.ImageNotFound as error:
        raise SourceError(
            f"{reference} is neither a path nor an image of the engine at {engine_address()}.",
            cause="It was not built here, or was built without being loaded into this engine "
            "(docker/build-push-action needs `load: true`, buildx `--load`), or has another tag.",
            hint="List the engine's images with `docker images`.",
        ) from error
    except (docker.errors.APIError, UnicodeError) as error:
        raise SourceError(
            f"{plain(reference)} is not a valid image reference.",
            cause=getattr(error, "explanation", None) or str(error),
            hint="Give an image as name:tag or by its id; list them with `docker images`.",
        ) from error
    except ENGINE_FAILURES as error:
        raise EngineError(
            f"The engine at {engine_address()} did not answer.",
            cause=engine_message(error),
            hint="Check that it is running (`docker version`), and run again.",
        ) from error


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


def _image(
    client: DockerClient, reference: str, attributes: Mapping[str, Any], platform: str
) -> EngineImage:
    """Return what `attributes` say, and of an index the image in it that is for `platform`."""
    image_id, size = str(attributes["Id"]), attributes.get("Size") or 0
    found = platform_of(
        {name.lower(): attributes.get(name) for name in ("Os", "Architecture", "Variant")}
    )
    layers = _layers_in(attributes)
    if not has_containerd_store(client.info()):
        digests = frozenset(d.rpartition("@")[2] for d in attributes.get("RepoDigests") or ())
        # That of an index, if the image was pulled by one.
        return EngineImage(
            image_id,
            found,
            size,
            digests,
            may_be_index=bool(digests),
            layers=layers,
            engine=client,
        )
    images = [entry for entry in attributes.get("Manifests") or () if entry.get("Kind") == "image"]
    if not images:  # an engine before API 1.48
        digests = frozenset({image_id})
        return ContainerdImage(
            image_id, found, size, digests, may_be_index=True, layers=layers, engine=client
        )
    here: dict[str, Mapping[str, Any]] = {}
    for entry in images:
        if entry.get("Available"):
            here.setdefault(_platform_in(entry), entry)  # the first counts, as for the engine
    chosen = _fitting(platform, here)
    if chosen is None:
        if _fitting(platform, map(_platform_in, images)):
            raise SourceError(
                f"{reference} is an index, but its image for {platform} is not in the engine.",
                cause=f"It was pulled or loaded only for {', '.join(here)}."
                if here
                else "None of its images was pulled or loaded.",
                hint=f"Pull it: docker pull --platform {platform} {shlex.quote(reference)}",
            )
        digests = frozenset({image_id})
        return ContainerdImage(
            image_id, ", ".join(here), size, digests, layers=layers, engine=client
        )
    descriptor = here[chosen].get("Descriptor") or {}
    digests = frozenset({str(descriptor.get("digest") or here[chosen]["ID"])})
    return ContainerdImage(image_id, chosen, size, digests, layers=layers, engine=client)


def _layers_in(attributes: Mapping[str, Any]) -> int | None:
    """Return how many layers the image has, None where the engine does not say it.

    An image without layers has the type, and no list.
    """
    root = attributes.get("RootFS") or {}
    return len(root.get("Layers") or ()) if root.get("Type") == "layers" else None


def _platform_in(manifest: Mapping[str, Any]) -> str:
    return platform_of((manifest.get("ImageData") or {}).get("Platform") or {})


def _fitting(wanted: str, platforms: Iterable[str]) -> str | None:
    """Return the platform itself, else a variant of it, None when there is neither."""
    fitting = sorted(found for found in platforms if platform_covers(wanted, found))
    return fitting[0] if fitting else None
