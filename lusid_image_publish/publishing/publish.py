"""publish(): publish a SOURCE until LUSID lists the image, or raise the reason why not."""

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from lusid_image_publish.config import Settings, load_settings
from lusid_image_publish.progress import Arrived, Listener, Note, ignore
from lusid_image_publish.publishing.claim import claim_tag, require_no_image
from lusid_image_publish.publishing.latest import move_latest
from lusid_image_publish.publishing.lusid_tag import LusidTag
from lusid_image_publish.publishing.policy import Limits, Policy
from lusid_image_publish.publishing.results import PublishResult, ScanResult
from lusid_image_publish.publishing.run import Run
from lusid_image_publish.publishing.upload import Upload
from lusid_image_publish.publishing.wait_for_scan import wait_for_scan
from lusid_image_publish.registry.registry_tag import Registries
from lusid_image_publish.scheduler.client import ImagesClient
from lusid_image_publish.scheduler.models import ListedImage
from lusid_image_publish.sources.build_recipe import BuildOptions
from lusid_image_publish.sources.find_source import find_source, parse_name
from lusid_image_publish.sources.source import Source

if TYPE_CHECKING:  # an archive needs no docker-py, which takes long to import
    from docker import DockerClient


def publish(
    source: str | os.PathLike[str],
    name: str,
    *,
    build: BuildOptions | None = None,
    image: str | None = None,
    settings: Settings | None = None,
    policy: Policy | None = None,
    limits: Limits | None = None,
    engine: "DockerClient | None" = None,
    listener: Listener | None = None,
) -> PublishResult:
    """Publish an image to LUSID as `name`, a `NAME:TAG`; return once LUSID lists it.

    `source` is the SOURCE of the command: the path of a Dockerfile, of a directory with one or of
    an image archive, or an image of the local engine, which a `Path` never is. `build` has the
    options of a build; `image` selects one of several images in an archive. The image must be for
    linux/amd64. `settings` are by default those of the environment and `./secrets.json`, `engine`
    is that of the current Docker context; `listener` receives the progress events.

    A scan that breaks the policy does not raise, because the image is in LUSID: call
    `raise_for_scan()` of the result where it should. Raises a `LusidPublishError` whose class says
    which step failed: `ConfigurationError` and `InvalidNameError` (before any request),
    `SourceError` (image, build, platform), `ServiceError` and `AuthenticationError` (LUSID),
    `InstructionsError`, `PushError`, `WaitTimeoutError`, `TagExistsError`.
    """
    text = source if isinstance(source, str) else _path_text(source)
    image_name = parse_name(name, text)
    found = find_source(text, build, image=image)
    with ExitStack() as stack:
        images = stack.enter_context(ImagesClient(settings or load_settings()))
        if engine is None and (engine := found.connect(os.environ)):
            stack.callback(engine.close)
        lusid = LusidTag(
            name=image_name,
            images=images,
            limits=limits or Limits(),
            listener=listener or ignore,
        )
        registries = stack.enter_context(Registries(images.settings))
        return publish_source(found, Run(lusid=lusid, registries=registries, engine=engine), policy)


def _path_text(path: os.PathLike[str]) -> str:
    """Return a text that can only be a path: `Path("job")` is not the image `job`."""
    return os.path.join(os.curdir, path)  # noqa: PTH118  # pathlib takes the dot away


def publish_source(source: Source, run: Run, policy: Policy | None = None) -> PublishResult:
    """Publish the image of `source` to LUSID as `run.name`; return once LUSID lists it.

    Nothing outside the local engine changes before `upload_image`. Raises the errors of `publish`.
    """
    policy = policy or Policy()
    lusid = run.lusid
    found = lusid.look_up()
    require_no_image(found, run.name, policy)
    existing = lusid.require_digest(found) if found else None
    if existing and policy.if_exists == "skip":
        return _skip(existing, run, policy)
    with source.open_for_platform(run.image_request()) as image:
        claim = claim_tag(image, run, policy, existing=existing)
        transfer = None
        if claim.instructions is None:
            published = lusid.require_listed(claim.existing_digest)
        else:
            upload = Upload(
                image,
                claim.instructions,
                run,
                renew=lambda: (
                    claim_tag(image, run, policy).instructions or lusid.borrow_instructions()
                ),
                policy=policy,
            )
            former = existing.digest if existing else None
            published = lusid.wait_until_listed(upload(), former=former)
            transfer = upload.transfer
        is_pushed = claim.instructions is not None
        run.notify(Arrived(published.digest, is_pushed=is_pushed))
        scan = _wait_for_scan(published, run, policy)
        moves_latest = policy.latest and not (scan and scan.failure())
        return PublishResult(
            name=run.name,
            outcome="published" if is_pushed else "unchanged",
            digest=published.digest,
            image_id=image.id,
            platform=image.platform,
            reference=claim.instructions.target if claim.instructions else None,
            size=published.size,
            push_time=published.push_time,
            transfer=transfer,
            scan=scan,
            latest=move_latest(image, published, claim.instructions, run, policy)
            if moves_latest
            else None,
        )


def _skip(existing: ListedImage, run: Run, policy: Policy) -> PublishResult:
    run.notify(Note("nothing to do: --if-exists skip accepts the existing image"))
    existing = run.lusid.require_listed(existing.digest)
    return PublishResult(
        name=run.name,
        outcome="skipped",
        digest=existing.digest,
        size=existing.size,
        push_time=existing.push_time,
        scan=_wait_for_scan(existing, run, policy),
    )


def _wait_for_scan(published: ListedImage, run: Run, policy: Policy) -> ScanResult | None:
    if policy.scan is None:
        return None
    so_far = f"{run.name} is in LUSID with {published.digest}."
    return wait_for_scan(published, run.lusid, policy.scan, so_far=so_far)
