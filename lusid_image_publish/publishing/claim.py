"""Decide whether to push to a tag: it is free, has the same image, or a different one."""

from dataclasses import dataclass
from typing import Final

from lusid_image_publish.errors import (
    AccessDeniedError,
    BadRequestError,
    EngineError,
    InstructionsError,
    LusidPublishError,
    PushError,
    TagExistsError,
)
from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import StepDone, StepStarted, Warned
from lusid_image_publish.publishing.policy import Policy
from lusid_image_publish.publishing.run import Run
from lusid_image_publish.registry.registry_tag import index_advice
from lusid_image_publish.registry.session import RegistryManifest
from lusid_image_publish.scheduler.instructions import PushInstructions
from lusid_image_publish.scheduler.models import Image, ListedImage
from lusid_image_publish.sources.image import LocalImage, manifest_matches_image

_UNDECIDED: Final = (
    AccessDeniedError,
    BadRequestError,
    EngineError,
    InstructionsError,
    PushError,
)
"""Failures that leave open whether two images are the same."""


@dataclass(frozen=True)
class Claim:
    """Where to push; `instructions` are None if LUSID already has the same image.

    `existing_digest` is that of the existing image, empty without one.
    """

    instructions: PushInstructions | None
    existing_digest: str = ""


def claim_tag(
    image: LocalImage, run: Run, policy: Policy, *, existing: ListedImage | None = None
) -> Claim:
    """Return where to push `image`, if the tag is free or its image may be replaced.

    `existing` is the existing image in LUSID. Without one, instructions are requested, which LUSID
    refuses if another publisher has used the tag in the meantime. Raises `TagExistsError` for a
    different image that may not be replaced.
    """
    if existing is None:
        try:
            return Claim(run.lusid.ask_instructions(run.platform))
        except BadRequestError:
            found = run.lusid.find()
            if found is None:
                raise
        existing = run.lusid.require_digest(found)
    if _is_unchanged(existing, image, run, policy):
        return Claim(None, existing.digest)
    if not policy.force:
        raise other_image_error(run.name, existing.digest)
    return Claim(run.lusid.borrow_instructions(), existing.digest)


def existing_is_image(existing: ListedImage, image: LocalImage, run: Run) -> bool:
    """Return whether LUSID's `existing` is `image`: by manifest digest, else by config digest.

    Each store compresses layers in its own way, so an image from elsewhere, or with uncompressed
    layers here, has another manifest in the registry, but the same config. Raises `TagExistsError`
    if this is unknown, and if the existing image is an index.
    """
    run.notify(StepStarted("Comparing the image with the one in LUSID", "Nothing was changed."))
    same = _has_same_digest(existing, image, run) or _has_same_config(existing, image, run)
    run.notify(
        StepDone("the same image: unchanged, nothing to do" if same else "a different image")
    )
    return same


def require_no_image(existing: Image | None, name: ImageName, policy: Policy) -> None:
    """Raise `TagExistsError` if the policy refuses any existing image."""
    if existing and policy.if_exists == "fail":
        raise TagExistsError(
            f"{name} already exists ({existing.digest or 'no digest'}).",
            cause="--if-exists fail refuses every existing image, without a comparison.",
            hint="Publish under a new tag, or leave --if-exists at its default, verify.",
        )


def other_image_error(name: ImageName, digest: str) -> TagExistsError:
    """Return the error for a tag that has a different image."""
    return TagExistsError(
        f"{name} already exists with a different image ({digest}).",
        cause="The tag was published earlier from different sources, or by another job at the "
        "same time. Builds that are not reproducible differ each time.",
        hint="Publish under a new tag, replace the old image with --force, or accept it with "
        "--if-exists skip.",
    )


def undecided_error(name: ImageName, digest: str | None, why: LusidPublishError) -> TagExistsError:
    """Return the error for a tag that may have this image; `why` says why this is unknown."""
    return TagExistsError(
        f"{name} already exists in LUSID ({digest or 'no digest'}), and whether it is this image "
        f"cannot be determined: {why.message}",
        cause=why.cause,
        hint="Run again. If it fails again, publish under a new tag, accept the existing image "
        "with --if-exists skip, or replace it with --force.",
    )


def _is_unchanged(existing: ListedImage, image: LocalImage, run: Run, policy: Policy) -> bool:
    try:
        return existing_is_image(existing, image, run)
    except TagExistsError:  # it is unknown
        if not policy.force:
            raise
        return False


def _has_same_digest(existing: ListedImage, image: LocalImage, run: Run) -> bool:
    if not image.has_digest(existing.digest):
        return False
    if image.may_be_index:
        try:
            _manifest_of(existing, run)
        except TagExistsError:
            raise
        except _UNDECIDED as error:
            run.notify(Warned(f"Cannot verify that it is a single image: {error.message}"))
    return True


def _has_same_config(existing: ListedImage, image: LocalImage, run: Run) -> bool:
    try:
        manifest = _manifest_of(existing, run)
        return manifest is not None and manifest_matches_image(manifest, image)
    except _UNDECIDED as error:
        raise undecided_error(run.name, existing.digest, error) from error


def _manifest_of(existing: ListedImage, run: Run) -> RegistryManifest | None:
    """Return the manifest of `existing`, None when the registry has another one or none.

    LUSID gives no credential for a tag that exists; that of a new tag of the repository is as
    good. Raises `TagExistsError` for an index.
    """
    instructions = run.lusid.borrow_instructions()
    manifest = run.registries.tag(instructions.target, instructions.credential).look()
    if manifest is None or manifest.digest != existing.digest:
        return None
    if manifest.is_index:
        cause, hint = index_advice(run.platform)
        raise TagExistsError(
            f"{run.name} already exists and is an index, not a single image ({manifest.digest}).",
            cause=cause,
            hint=hint,
        )
    return manifest
