"""publish(): from a SOURCE to an image that LUSID lists, or to the reason why not."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lusid_image_publish.errors import BadRequestError, TagExistsError
from lusid_image_publish.names import ImageName, ImageReference
from lusid_image_publish.progress import Arrived, Note
from lusid_image_publish.publishing.arrival import require_listed, wait_until_listed
from lusid_image_publish.publishing.ask import ask_instructions, borrow_instructions
from lusid_image_publish.publishing.existing import (
    digest_of,
    find,
    is_the_same,
    look_up,
    other_image_error,
    require_no_image,
)
from lusid_image_publish.publishing.latest import LatestOutcome, move_latest
from lusid_image_publish.publishing.obtain import obtain_image
from lusid_image_publish.publishing.run import Policy, Run
from lusid_image_publish.publishing.upload import Upload
from lusid_image_publish.publishing.wait_for_scan import ScanResult, scan_image
from lusid_image_publish.scheduler.instructions import PushInstructions
from lusid_image_publish.scheduler.models import Image
from lusid_image_publish.sources.image import LocalImage
from lusid_image_publish.sources.source import Source


@dataclass(frozen=True, kw_only=True)
class PublishResult:
    """What LUSID has now under `name`.

    `outcome` is `published`, `unchanged` (LUSID had this very image) or `skipped` (it had one that
    was not compared). `digest` is the manifest's, the same in the registry and in LUSID's lists.
    `image_id` and `platform` are those of the image here, None when there was none to look at;
    `reference` is `host/path:tag` in the registry, None when nothing was pushed. `size` (bytes) and
    `push_time` are LUSID's, None when it gives none. `scan` is what became of the scan, None when
    it was not waited for; the image is in LUSID whatever it found. `latest` is what became of that
    tag, None when it was not asked for, or when the scan stood in the way.
    """

    name: ImageName
    outcome: Literal["published", "unchanged", "skipped"]
    digest: str
    image_id: str | None = None
    platform: str | None = None
    reference: ImageReference | None = None
    size: int | None = None
    push_time: datetime | None = None
    scan: ScanResult | None = None
    latest: LatestOutcome | None = None


def publish(source: Source, run: Run, policy: Policy | None = None) -> PublishResult:
    """Put the image that `source` means into LUSID as `run.name`; return only when it is there.

    Nothing outside the local engine changes before `upload_image`. Raises a `LusidPublishError`
    whose class says which step failed: `SourceError` (image, build, platform), `ServiceError` and
    `AuthenticationError` (LUSID), `InstructionsError`, `PushError`, `WaitTimeoutError`,
    `TagExistsError`. What the scan found raises nothing: `PublishResult.scan` tells it.
    """
    policy = policy or Policy()
    existing = look_up(run)
    require_no_image(existing, run, policy)
    if existing:
        digest_of(existing, run)  # before a build
    if existing and policy.if_exists == "skip":
        return _skipped(existing, run, policy)
    with obtain_image(source, run) as image:
        decision = _decide(existing, image, run, policy)
        if isinstance(decision, Image):
            published, instructions = require_listed(decision, run), None
        else:
            published, instructions = _push(image, decision, existing, run, policy), decision
        run.listener(Arrived(published.digest or "", is_pushed=instructions is not None))
        scan = _scan(published, run, policy)
        follows = policy.latest and not (scan and scan.failure())
        return PublishResult(
            name=run.name,
            outcome="published" if instructions else "unchanged",
            digest=published.digest or "",
            image_id=image.id,
            platform=image.platform,
            reference=instructions.target if instructions else None,
            size=published.size,
            push_time=published.push_time,
            scan=scan,
            latest=move_latest(image, published, instructions, run) if follows else None,
        )


def _skipped(existing: Image, run: Run, policy: Policy) -> PublishResult:
    run.listener(Note("nothing to do: what is there is taken as it is (--if-exists skip)"))
    existing = require_listed(existing, run)
    return PublishResult(
        name=run.name,
        outcome="skipped",
        digest=existing.digest or "",
        size=existing.size,
        push_time=existing.push_time,
        scan=_scan(existing, run, policy),
    )


def _scan(published: Image, run: Run, policy: Policy) -> ScanResult | None:
    if policy.scan is None:
        return None
    so_far = f"{run.name} is in LUSID with {published.digest or 'no digest'}."
    return scan_image(published, run, policy.scan, so_far=so_far)


def _decide(
    existing: Image | None, image: LocalImage, run: Run, policy: Policy
) -> PushInstructions | Image:
    """Return where to push, or what LUSID has if that is this very image already."""
    if existing is None:
        try:
            return ask_instructions(run)
        except BadRequestError:
            existing = find(run)  # another publisher may have been quicker
            if existing is None:
                raise
    if _is_unchanged(existing, image, run, policy):
        return existing
    if not policy.force:
        raise other_image_error(run, existing.digest)
    return borrow_instructions(run)


def _is_unchanged(existing: Image, image: LocalImage, run: Run, policy: Policy) -> bool:
    try:
        return is_the_same(existing, image, run)
    except TagExistsError:  # it cannot be told
        if not policy.force:
            raise
        return False


def _push(
    image: LocalImage,
    instructions: PushInstructions,
    existing: Image | None,
    run: Run,
    policy: Policy,
) -> Image:
    """Push, and return what LUSID lists then."""

    def renew() -> PushInstructions:
        decision = _decide(None, image, run, policy)
        return borrow_instructions(run) if isinstance(decision, Image) else decision

    upload = Upload(image, instructions, run, renew=renew, replaces=policy.force)
    return wait_until_listed(upload(), run, former=existing.digest if existing else None)
