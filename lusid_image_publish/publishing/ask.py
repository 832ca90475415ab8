"""Asking LUSID where to push, and with what credential."""

import uuid

from lusid_image_publish.errors import PlatformError
from lusid_image_publish.names import LONGEST_NAME
from lusid_image_publish.progress import StepDone, StepStarted
from lusid_image_publish.publishing.run import Run
from lusid_image_publish.scheduler.instructions import PushInstructions, read_instructions


def ask_instructions(run: Run) -> PushInstructions:
    """Ask LUSID where to push: after the build, because the credential expires.

    The service refuses a tag that exists with a `BadRequestError`. Raises `InstructionsError` when
    what it answers cannot be followed, and `PlatformError` when it wants another platform.
    """
    run.listener(StepStarted("Asking LUSID for upload instructions", "Nothing was pushed."))
    instructions = _instructions_of(run)
    wanted = instructions.platform
    if wanted and wanted != run.platform:
        raise PlatformError(
            f"LUSID wants this image built for {wanted}, not for {run.platform}.",
            cause="--platform was given, or LUSID's jobs run on another platform now.",
            hint=f"Build for {wanted}, with --platform {wanted}.",
        )
    run.listener(StepDone(f"push to {instructions.target}"))
    return instructions


def borrow_instructions(run: Run) -> PushInstructions:
    """Return instructions for a tag that exists, with the credential of one that does not.

    A credential is good for every tag of its repository, and LUSID gives none for a tag that
    exists. Nothing is ever pushed under the fresh tag. Raises as `ask_instructions` does.
    """
    room = LONGEST_NAME - len(run.name.repository) - 1
    fresh = run.under(f"lusid-publish-{uuid.uuid4().hex[:12]}"[-room:].lstrip("-"))
    return _instructions_of(fresh).for_tag(run.name.tag)


def _instructions_of(run: Run) -> PushInstructions:
    instructions = read_instructions(run.images.upload_image(str(run.name)), run.name)
    instructions.require_allowed(run.settings)
    return instructions
