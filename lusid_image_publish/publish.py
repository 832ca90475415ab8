"""publish(): from a SOURCE to an image that LUSID lists, or to the reason why not."""

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from docker import DockerClient

from lusid_image_publish.config import Settings
from lusid_image_publish.errors import (
    AccessDeniedError,
    BadRequestError,
    DigestMismatchError,
    InstructionsError,
    NotFoundError,
    PlatformError,
    PushError,
    RateLimitedError,
    ServerError,
    TagExistsError,
    TransportError,
    WaitTimeoutError,
)
from lusid_image_publish.images.build import build_image, choose_builder
from lusid_image_publish.images.docker_daemon import LocalImage, inspect_image, require_platform
from lusid_image_publish.images.source import DEFAULT_PLATFORM, DockerfileSource, Source
from lusid_image_publish.names import ImageName, ImageReference
from lusid_image_publish.progress import Listener, StepDone, StepStarted, ignore
from lusid_image_publish.push.docker_daemon import PushedImage, push_image
from lusid_image_publish.push.registry import read_manifest
from lusid_image_publish.scheduler.client import ImagesClient
from lusid_image_publish.scheduler.instructions import PushInstructions, read_instructions
from lusid_image_publish.scheduler.models import Image
from lusid_image_publish.waiting import Clock, Deadline, Sleep, poll, quick_then_patient

DEFAULT_WAIT: Final = 300.0
"""Seconds that LUSID is given to list an image after the push."""

_SETTLING: Final = 10.0
"""Seconds that LUSID may go on showing what the tag meant before, until that is an error."""


@dataclass(frozen=True, kw_only=True)
class PublishResult:
    """A published image.

    `digest` is the manifest's, the same in the registry and in LUSID's list; `image_id` is the
    engine's; `reference` is `host/path:tag` in the registry, None when nothing was pushed because
    LUSID had this very image already (`unchanged`). `size` is LUSID's figure in bytes, None when
    it gives none.
    """

    name: ImageName
    digest: str
    image_id: str
    platform: str
    reference: ImageReference | None
    size: int | None
    unchanged: bool


def publish(
    source: Source,
    name: ImageName,
    *,
    engine: DockerClient,
    images: ImagesClient,
    settings: Settings,
    platform: str = DEFAULT_PLATFORM,
    wait_timeout: float = DEFAULT_WAIT,
    environ: Mapping[str, str] = os.environ,
    listener: Listener = ignore,
) -> PublishResult:
    """Put the image that `source` means into LUSID as `name`, and return only when it is there.

    Nothing outside the local engine changes before `upload_image`. `wait_timeout` is in seconds and
    counts from the end of the push. Raises a `LusidPublishError` whose class says which step
    failed: `SourceError` (image, build), `ServiceError` and `AuthenticationError` (LUSID),
    `InstructionsError`, `PushError`, `WaitTimeoutError`, `TagExistsError`.
    """
    existing = _look_up(name, images, listener)
    image = _obtain(source, name, platform, engine, environ, listener)
    if existing:
        return _unchanged(existing, image, name, images, settings, listener)
    instructions = _ask(name, platform, images, listener)
    pushed = _push(image, instructions, engine, listener)
    published = wait_until_listed(
        pushed, name, images=images, seconds=wait_timeout, listener=listener
    )
    return PublishResult(
        name=name,
        digest=pushed.digest,
        image_id=image.id,
        platform=image.platform,
        reference=pushed.reference,
        size=published.size,
        unchanged=False,
    )


def _look_up(name: ImageName, images: ImagesClient, listener: Listener) -> Image | None:
    """Return what LUSID has under `name`. Before a long build, this also tries the credentials."""
    listener(StepStarted(f"Looking at LUSID for {name}", "Nothing was changed."))
    existing = _find(name, images)
    listener(StepDone("LUSID has it already" if existing else "LUSID does not have it yet"))
    return existing


def _find(name: ImageName, images: ImagesClient) -> Image | None:
    try:
        return images.get_image(str(name))
    except NotFoundError:
        return None


def _obtain(
    source: Source,
    name: ImageName,
    platform: str,
    engine: DockerClient,
    environ: Mapping[str, str],
    listener: Listener,
) -> LocalImage:
    """Build `source`, or find it in the engine."""
    if isinstance(source, DockerfileSource):
        builder = choose_builder(environ)
        listener(
            StepStarted(
                f"Building {source.dockerfile} for {platform} with {builder}",
                "The build was cancelled. Nothing was changed outside the local engine.",
            )
        )
        image = build_image(
            engine,
            source,
            builder=builder,
            tag=str(name),
            platform=platform,
            environ=environ,
            listener=listener,
        )
        listener(StepDone(f"built image {image.id}, here named {name}"))
    else:
        listener(StepStarted(f"Looking for {source.reference} in the local engine"))
        image = inspect_image(engine, source.reference)
        listener(StepDone(f"found image {image.id}"))
    require_platform(image, platform)
    return image


def _unchanged(
    existing: Image,
    image: LocalImage,
    name: ImageName,
    images: ImagesClient,
    settings: Settings,
    listener: Listener,
) -> PublishResult:
    """Return the result for a tag that already has this very image.

    Raises `TagExistsError` when the tag has another image, or when that cannot be told.
    """
    digest = existing.digest or ""
    listener(StepStarted("Comparing it with the image that LUSID has", "Nothing was changed."))
    if digest not in image.digests | {image.id} and not _same_config(
        image, digest, name, images, settings
    ):
        raise TagExistsError(
            f"{name} exists in LUSID already, with another image ({digest or 'no digest'}).",
            cause="The tag was published before from other sources. Builds that are not "
            "reproducible differ each time.",
            hint="Publish under a new tag. LUSID does not accept a tag twice.",
        )
    listener(StepDone("it is this very image: nothing to do"))
    return PublishResult(
        name=name,
        digest=digest,
        image_id=image.id,
        platform=image.platform,
        reference=None,
        size=existing.size,
        unchanged=True,
    )


def _same_config(
    image: LocalImage, digest: str, name: ImageName, images: ImagesClient, settings: Settings
) -> bool:
    """Return whether the manifest that LUSID lists has the config that is the engine's image id.

    An engine that did not push the image itself does not know its manifest's digest, so the
    registry is asked. LUSID gives no credential for a tag that exists; that of another tag of the
    repository is as good.
    """
    probe = ImageName(name.repository, f"lusid-publish-{uuid.uuid4().hex[:12]}")
    try:
        instructions = read_instructions(images.upload_image(str(probe)), probe)
        manifest = read_manifest(
            ImageReference(instructions.target.host, instructions.target.path, name.tag),
            settings,
            username=instructions.username,
            password=instructions.password,
        )
    except (AccessDeniedError, BadRequestError, InstructionsError, PushError) as error:
        raise TagExistsError(
            f"{name} exists in LUSID already ({digest or 'no digest'}), and whether it is this "
            f"image cannot be told: {error.message}",
            cause=error.cause,
            hint="Publish under a new tag, or run again.",
        ) from error
    return bool(digest) and (manifest.digest, manifest.config_digest) == (digest, image.id)


def _ask(
    name: ImageName, platform: str, images: ImagesClient, listener: Listener
) -> PushInstructions:
    """Ask LUSID where to push: after the build, because the credential expires."""
    listener(StepStarted("Asking LUSID for upload instructions", "Nothing was pushed."))
    instructions = read_instructions(images.upload_image(str(name)), name)
    instructions.require_fresh()
    wanted = instructions.platform
    if wanted and wanted != platform:
        raise PlatformError(
            f"LUSID wants this image built for {wanted}, not for {platform}.",
            cause="--platform was given, or LUSID's jobs run on another platform now.",
            hint=f"Build for {wanted}, with --platform {wanted}.",
        )
    listener(StepDone(f"push to {instructions.target}"))
    return instructions


def _push(
    image: LocalImage, instructions: PushInstructions, engine: DockerClient, listener: Listener
) -> PushedImage:
    target = instructions.target
    cancelled = "The push was cancelled before the registry had the tag. Running again is safe."
    listener(StepStarted(f"Pushing to {target}", cancelled))
    pushed = push_image(
        engine,
        image,
        target,
        username=instructions.username,
        password=instructions.password,
        listener=listener,
    )
    listener(StepDone(f"pushed {pushed.digest}"))
    return pushed


def wait_until_listed(
    pushed: PushedImage,
    name: ImageName,
    *,
    images: ImagesClient,
    seconds: float,
    listener: Listener = ignore,
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
) -> Image:
    """Return what LUSID shows for `name` once that has the digest that was pushed.

    Raises `WaitTimeoutError` after `seconds`, and `DigestMismatchError` when another digest stays.
    """
    is_pushed = f"{pushed.digest} was pushed, and LUSID may list it later: run again to make sure."
    listener(StepStarted(f"Waiting for LUSID to list {name}", is_pushed, is_pushed))
    arrival = _Arrival(pushed, name, images, clock)
    found = poll(
        arrival.look,
        deadline=Deadline(seconds, clock=clock),
        pauses=quick_then_patient(),
        sleep=sleep,
    )
    if found is None:
        raise WaitTimeoutError(
            f"LUSID did not list {name} with {pushed.digest} within {seconds:g} seconds; when last "
            f"looked at, {arrival.last_seen}.",
            cause="The push succeeded, so LUSID is slow to notice, or looks at another registry.",
            hint="Wait longer with --wait-timeout, or run again later: it will not push twice.",
        )
    listener(StepDone("listed, with the digest that was pushed"))
    return found


class _Arrival:
    """Looks whether LUSID has what was pushed, and remembers what it saw last."""

    def __init__(
        self, pushed: PushedImage, name: ImageName, images: ImagesClient, clock: Clock
    ) -> None:
        self._pushed = pushed
        self._name = name
        self._images = images
        self._clock = clock
        self._patience: Deadline | None = None
        self.last_seen = "it was not listed"

    def look(self) -> Image | None:
        """Return the image once its digest is the pushed one, None until then.

        Raises `DigestMismatchError` when another digest stays.
        """
        try:
            found = _find(self._name, self._images)
        except (ServerError, RateLimitedError, TransportError) as error:
            self.last_seen = f"LUSID did not answer well ({error.message})"
            return None
        if found is None or found.digest == self._pushed.digest:
            return found
        self.last_seen = f"it was listed with the digest {found.digest or 'missing'}"
        # The registry may have known the tag a moment longer in its former meaning.
        self._patience = self._patience or Deadline(_SETTLING, clock=self._clock)
        if found.digest and self._patience.passed():
            raise DigestMismatchError(
                f"{self._pushed.digest} was pushed as {self._name}, "
                f"but LUSID lists {found.digest}.",
                cause="Somebody else published another image under this tag at the same time.",
                hint="Publish under a new tag, and let one job at a time publish a tag.",
            )
        return None
