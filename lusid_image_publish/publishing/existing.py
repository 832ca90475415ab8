"""What LUSID has under the name already, and whether it is this image."""

from typing import Final

from lusid_image_publish.errors import (
    AccessDeniedError,
    BadRequestError,
    EngineError,
    InstructionsError,
    LusidPublishError,
    NotFoundError,
    PushError,
    RateLimitedError,
    ServerError,
    TagExistsError,
    TransportError,
    UnexpectedAnswerError,
)
from lusid_image_publish.progress import StepDone, StepStarted, Warned
from lusid_image_publish.publishing.ask import borrow_instructions
from lusid_image_publish.publishing.run import Policy, Run, Watch
from lusid_image_publish.redact import plain
from lusid_image_publish.registry.session import Manifest, read_manifest
from lusid_image_publish.scheduler.models import Image, ImageSummary
from lusid_image_publish.sources.image import LocalImage

_UNDECIDED = (AccessDeniedError, BadRequestError, EngineError, InstructionsError, PushError)

PASSING_FAILURES: Final = (ServerError, RateLimitedError, TransportError, UnexpectedAnswerError)
"""What may be otherwise at the next look, for whoever waits."""


def look_up(run: Run) -> Image | None:
    """Return what LUSID has under the name. So the credentials are tried before a build."""
    run.listener(StepStarted(f"Looking at LUSID for {run.name}", "Nothing was changed."))
    existing = find_for_sure(run)
    digest = f", with {existing.digest or 'no digest'}" if existing else ""
    run.listener(StepDone(f"LUSID has it already{digest}" if existing else "LUSID has none yet"))
    return existing


def find_for_sure(run: Watch) -> Image | None:
    """Return what LUSID has under the name, None when a Scheduler says that it has nothing.

    A 404 that is not LUSID's own may come from another server: it counts only where the Scheduler
    answers `list_repositories`. Raises as `get` does.
    """
    try:
        return get(run)
    except NotFoundError as error:
        if not error.is_lusids_own:
            _require_scheduler(run)
        return None


def find(run: Watch) -> Image | None:
    """Return what LUSID has under the name, None when it has nothing. Raises as `get` does."""
    try:
        return get(run)
    except NotFoundError:
        return None


def get(run: Watch) -> Image:
    """Return what LUSID has under the name. Raises `NotFoundError` when it has nothing.

    Raises `UnexpectedAnswerError` for an answer that does not give this name and this tag.
    """
    image = run.images.get_image(str(run.name))
    if not (image.name and _has_name(image, run) and _has_tag(image, run)):
        raise _foreign("get_image", image, run)
    return image


def find_in_list(run: Watch) -> list[ImageSummary]:
    """Return all that LUSID lists with the tag: one image, or none, if all is well.

    Raises `UnexpectedAnswerError` for a list of another repository.
    """
    try:
        listed = list(run.images.iter_images(run.name.repository))
    except NotFoundError:
        return []
    for image in listed:
        if not _has_name(image, run):
            raise _foreign("list_images", image, run)
    return [image for image in listed if _has_tag(image, run)]


def digest_of(image: Image, run: Watch) -> str:
    """Return the digest of `image`, as `get_image` gave it.

    Raises `UnexpectedAnswerError` when it has none: nothing can be said of such an image.
    """
    if image.digest:
        return image.digest
    raise UnexpectedAnswerError(
        f"LUSID's answer to get_image has no digest for {run.name}.",
        cause="LUSID is still processing the image, or something in between answers.",
        hint="Run again. If it lasts, check the Scheduler URL, which usually ends in /scheduler2.",
        operation="get_image",
        status=200,
    )


def _has_name(image: Image | ImageSummary, run: Watch) -> bool:
    """Return whether `image` is of the repository; a list may leave the name out."""
    name = (image.name or run.name.repository).rpartition("/")[2].partition(":")[0]
    return name == run.name.repository


def _has_tag(image: Image | ImageSummary, run: Watch) -> bool:
    return any(tag.name == run.name.tag for tag in image.tags or ())


def _foreign(operation: str, image: Image | ImageSummary, run: Watch) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(
        f"LUSID's answer to {operation} is not about {run.name}, but about {_described(image)}.",
        cause="The Scheduler URL leads to something else, or something in between answers.",
        hint="Check the Scheduler URL, which usually ends in /scheduler2.",
        operation=operation,
        status=200,
    )


def _described(image: Image | ImageSummary) -> str:
    tags = ", ".join(plain(tag.name or "no name") for tag in image.tags or ())
    return f"{plain(image.name or 'an image without a name')} ({tags or 'no tags'})"


def _require_scheduler(run: Watch) -> None:
    """Raise what `list_repositories` raises unless a Scheduler answers it.

    A Scheduler may refuse it to these credentials, in its own words.
    """
    try:
        run.images.list_repositories(limit=1)
    except AccessDeniedError as error:
        if error.code is None:
            raise


def is_the_same(existing: Image, image: LocalImage, run: Run) -> bool:
    """Return whether LUSID's `existing` is `image`: by digest, else by the digest of the config.

    Each store compresses layers in its own way, so an image that came from elsewhere, or has
    uncompressed layers here, has another manifest in the registry. Its config is the same. Raises
    `TagExistsError` when that cannot be told, and when the existing image is an index, and
    `UnexpectedAnswerError` when LUSID gives no digest.
    """
    digest_of(existing, run)
    run.listener(StepStarted("Comparing it with the image that LUSID has", "Nothing was changed."))
    same = _has_the_same_digest(existing, image, run) or _has_the_same_config(existing, image, run)
    run.listener(
        StepDone("it is this very image: unchanged, nothing to do" if same else "it is another one")
    )
    return same


def require_no_image(existing: Image | None, run: Run, policy: Policy) -> None:
    """Raise `TagExistsError` when any image under the tag is one too many."""
    if existing and policy.if_exists == "fail":
        raise TagExistsError(
            f"{run.name} exists already ({existing.digest or 'no digest'}).",
            cause="--if-exists fail was given, so it was not compared.",
            hint="Publish under a new tag, or leave --if-exists to its default, verify.",
        )


def is_known_as(image: LocalImage, digest: str | None) -> bool:
    """Return whether `image` is known here by the manifest digest `digest`."""
    return bool(digest) and digest in image.digests


def is_of(manifest: Manifest, image: LocalImage) -> bool:
    """Return whether `manifest` is `image`'s. Raises `EngineError` when that is unknown."""
    if is_known_as(image, manifest.digest):
        return True
    return not manifest.is_index and manifest.config_digest == image.config_digest


def other_image_error(run: Run, digest: str | None) -> TagExistsError:
    """Return the error for a tag that has another image."""
    return TagExistsError(
        f"{run.name} exists already, with another image ({digest or 'no digest'}).",
        cause="The tag was published before from other sources, or by another job just now. Builds "
        "that are not reproducible differ each time.",
        hint="Publish under a new tag. --force pushes over the old image; --if-exists skip accepts "
        "it.",
    )


def undecided_error(run: Run, digest: str | None, why: LusidPublishError) -> TagExistsError:
    """Return the error for a tag of which `why` leaves open whether it has this image."""
    return TagExistsError(
        f"{run.name} exists in LUSID already ({digest or 'no digest'}), and whether it is this "
        f"image cannot be told: {why.message}",
        cause=why.cause,
        hint="Run again. If it lasts, publish under a new tag; --if-exists skip accepts the "
        "existing image, --force pushes over it.",
    )


def index_advice(platform: str) -> tuple[str, str]:
    """Return the likely cause of an index where an image should be, and the next step."""
    cause = (
        "The image was built with attestations or for several platforms, in an engine that keeps "
        "and pushes them together. LUSID's scanner cannot scan an index."
    )
    command = f"docker build --platform {platform} --provenance=false --sbom=false ..."
    hint = (
        f"Build it with `{command}`, or give this command the Dockerfile. Then publish it under a "
        "new tag, or with --force under this one."
    )
    return cause, hint


def _has_the_same_digest(existing: Image, image: LocalImage, run: Run) -> bool:
    if not is_known_as(image, existing.digest):
        return False
    if image.may_be_index:
        try:
            _manifest_of(existing, run)
        except TagExistsError:
            raise
        except _UNDECIDED as error:
            run.listener(Warned(f"Whether it is one image cannot be seen: {error.message}"))
    return True


def _has_the_same_config(existing: Image, image: LocalImage, run: Run) -> bool:
    try:
        manifest = _manifest_of(existing, run)
        return manifest is not None and is_of(manifest, image)
    except _UNDECIDED as error:
        raise undecided_error(run, existing.digest, error) from error


def _manifest_of(existing: Image, run: Run) -> Manifest | None:
    """Return the manifest of what LUSID has, None when the registry has another one or none.

    LUSID gives no credential for a tag that exists; that of a fresh tag of the repository is as
    good. Raises `TagExistsError` for an index.
    """
    instructions = borrow_instructions(run)
    manifest = read_manifest(
        instructions.target,
        run.settings,
        username=instructions.username,
        password=instructions.password,
    )
    if manifest is None or manifest.digest != existing.digest:
        return None
    if manifest.is_index:
        cause, hint = index_advice(run.platform)
        raise TagExistsError(
            f"{run.name} exists already, and is an index, not one image ({manifest.digest}).",
            cause=cause,
            hint=hint,
        )
    return manifest
