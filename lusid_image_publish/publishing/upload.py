"""The push, until the registry has the image: again where that may help, and never blindly.

What is reported of a push is not all that can be known: before each try with new
instructions, and after each failure, the registry itself is asked what the tag points to. So a push
that broke off after its end is a success, a refused credential is told from a refused image, and
another publisher's image is not pushed over.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential_jitter

from lusid_image_publish.errors import (
    EngineError,
    IndexPushedError,
    PushDeniedError,
    PushError,
    PushInterruptedError,
    UnsafePlaceError,
)
from lusid_image_publish.names import ImageReference
from lusid_image_publish.progress import StepDone, StepStarted, Warned
from lusid_image_publish.publishing.existing import (
    index_advice,
    is_of,
    other_image_error,
    undecided_error,
)
from lusid_image_publish.publishing.run import Run
from lusid_image_publish.registry.failures import interrupted
from lusid_image_publish.registry.push_archive import push_archive
from lusid_image_publish.registry.push_engine import push_image
from lusid_image_publish.registry.session import Manifest, read_manifest, refusal_of_a_layer
from lusid_image_publish.scheduler.instructions import PushInstructions
from lusid_image_publish.sources.archive_image import ArchiveImage
from lusid_image_publish.sources.image import ZSTD_LAYERS, LocalImage
from lusid_image_publish.waiting import Deadline, within

logger = logging.getLogger(__name__)

_FIRST_PAUSE: Final = 1.0  # seconds; each is twice the one before, and a random bit longer
_LONGEST_PAUSE: Final = 30.0
_LAST_LOOK: Final = 10.0
"""Seconds after the end of the push's time in which the registry may say what came of it."""


@dataclass(frozen=True)
class PushedImage:
    """An image in a registry: where it is, and the manifest digest that the registry confirmed."""

    reference: ImageReference
    digest: str


class Upload:
    """One push of `image` with `instructions`, which `renew` returns anew.

    `replaces` says that another image under the tag may be pushed over.
    """

    def __init__(
        self,
        image: LocalImage,
        instructions: PushInstructions,
        run: Run,
        *,
        renew: Callable[[], PushInstructions],
        replaces: bool,
    ) -> None:
        self._image = image
        self._instructions = instructions
        self._run = run
        self._renew = renew
        self._replaces = replaces
        self._is_looked_at = False
        self._is_renewed = False
        self._deadline = Deadline(run.limits.push_timeout, clock=run.clock)

    def __call__(self) -> PushedImage:
        """Push until the registry has the image.

        Raises `PushError` when it has it not, `TagExistsError` when it has another one, and what
        `renew` raises.
        """
        self._run.listener(
            StepStarted(
                f"Pushing to {self._instructions.target}",
                "The push was cancelled. Running again is safe.",
            )
        )
        retrying = Retrying(
            retry=retry_if_exception_type(PushInterruptedError),
            stop=self._gives_up,
            wait=wait_exponential_jitter(initial=_FIRST_PAUSE, max=_LONGEST_PAUSE, jitter=1),
            before_sleep=self._say_why,
            sleep=self._run.sleep,
            reraise=True,
        )
        with within(Deadline(self._run.limits.push_timeout + _LAST_LOOK)):
            pushed = retrying(self._attempt)
        self._run.listener(StepDone(f"pushed {pushed.digest}"))
        return pushed

    def _attempt(self) -> PushedImage:
        """Push with instructions that are good, and once more with new ones if they are refused."""
        if self._instructions.has_expired():
            self._take(self._renew())
            self._instructions.require_fresh()
        try:
            return self._push()
        except PushDeniedError as error:
            if self._is_renewed:
                raise
            self._is_renewed = True
            self._run.listener(Warned(f"{_sentence(error)} Asking LUSID for a new credential."))
            self._take(self._renew())
            return self._push()

    def _take(self, instructions: PushInstructions) -> None:
        self._instructions = instructions
        self._is_looked_at = False

    def _push(self) -> PushedImage:
        if not self._is_looked_at:
            self._is_looked_at = True
            if pushed := self._already_there():
                return self._proven(pushed)
        target = self._instructions.target
        try:
            digest = self._send(target)
        except PushError as error:
            return self._resolved(error)
        if digest:
            return self._proven(PushedImage(target, digest))
        return self._resolved(_unproven(target))

    def _send(self, target: ImageReference) -> str:
        """Send the image from where it is, and return the digest that is told of it."""
        image, run = self._image, self._run
        send: Callable[..., str]
        if isinstance(image, ArchiveImage):
            send = partial(push_archive, image, target, run.settings)
        else:
            engine = run.require_engine()
            send = partial(push_image, engine, image, target, refusal=self._final_refusal)
        return send(
            username=self._instructions.username,
            password=self._instructions.password,
            deadline=self._deadline,
            idle=run.limits.push_idle_timeout,
            listener=run.listener,
        )

    def _already_there(self) -> PushedImage | None:
        """Return what the tag points to if that is the image already.

        Raises `TagExistsError` when it is another one, which may not be replaced, and
        `UnsafePlaceError`.
        """
        try:
            manifest = self._look()
        except UnsafePlaceError:  # an engine would follow it
            raise
        except PushError as error:
            logger.debug("before the push: %s", error.message)
            return None
        try:
            return self._pushed_as(manifest)
        except EngineError as error:
            digest = manifest.digest if manifest else None
            raise undecided_error(self._run, digest, error) from error

    def _resolved(self, error: PushError) -> PushedImage:
        """Return what the registry has if it has the image in spite of `error`; else raise that."""
        try:
            pushed = self._pushed_as(self._look())
        except PushError as seen:
            raise _weighed(error, seen) from error
        except EngineError:  # what the registry has is unknown
            raise error from None
        if pushed:
            self._run.listener(Warned(f"{_sentence(error)} The registry has it all the same."))
            return self._proven(pushed)
        raise self._explained(error) from error

    def _explained(self, error: PushError) -> PushError:
        """Return what `error` is, as the registry says where the engine's words leave it open."""
        if isinstance(error, PushInterruptedError) and not error.is_unexplained:
            return error
        # The push of an archive knows the registry's status itself.
        refusal = None if isinstance(self._image, ArchiveImage) else self._refusal()
        if refusal is None and isinstance(error, PushDeniedError):
            error.cause = "The registry accepts the credential for reading, and refuses this push."
        if isinstance(refusal, PushInterruptedError):
            return interrupted(refusal.message)
        return refusal if refusal and _is_unexplained(error) else error

    def _final_refusal(self) -> PushError | None:
        """Return why the registry does not accept a layer if it will not accept it later either."""
        refusal = self._refusal()
        return None if isinstance(refusal, PushInterruptedError) else refusal

    def _refusal(self) -> PushError | None:
        return refusal_of_a_layer(
            self._instructions.target,
            self._run.settings,
            username=self._instructions.username,
            password=self._instructions.password,
        )

    def _pushed_as(self, manifest: Manifest | None) -> PushedImage | None:
        """Return what the tag points to if that is the image, else None where it may be replaced.

        Raises `TagExistsError` for another image, and `EngineError` when that is unknown.
        """
        if manifest is None:
            return None
        try:
            if is_of(manifest, self._image):
                return PushedImage(self._instructions.target, manifest.digest)
        except EngineError:
            if not self._replaces:
                raise
        if not self._replaces:
            raise other_image_error(self._run, manifest.digest)
        return None

    def _proven(self, pushed: PushedImage) -> PushedImage:
        """Return what was pushed, as it is told, if that is one image, and this one.

        Another process may have given the tag to another image in the engine in the instant in
        which the push began. A registry that does not have the tag is a `PushInterruptedError`; one
        that cannot be asked is a warning, because LUSID's own digest decides then.
        """
        try:
            manifest = self._look()
        except PushError as error:
            self._run.listener(
                Warned(f"Whether it is one image, and no index, cannot be seen: {error.message}")
            )
            return pushed
        if manifest is None:
            raise _missing(pushed.reference)
        if manifest.is_index:
            raise _index_pushed(pushed, self._run)
        if not self._is_this(manifest):
            if self._replaces:
                raise PushInterruptedError(
                    f"Another job pushes another image to {pushed.reference}.",
                    cause="Two jobs publish this tag at the same time.",
                    hint="Let one job at a time publish a tag.",
                )
            raise other_image_error(self._run, manifest.digest)
        if manifest.has_zstd_layers and not self._image.has_zstd_layers:
            self._run.listener(Warned(ZSTD_LAYERS))  # the engine does not say it before
        return pushed

    def _is_this(self, manifest: Manifest) -> bool:
        """Return whether `manifest` is the image's, or the engine does not know it any more."""
        try:
            return is_of(manifest, self._image)
        except EngineError as error:
            self._run.listener(
                Warned(f"Whether the registry has this very image cannot be seen: {error.message}")
            )
            return True

    def _look(self) -> Manifest | None:
        instructions = self._instructions
        return read_manifest(
            instructions.target,
            self._run.settings,
            username=instructions.username,
            password=instructions.password,
        )

    def _gives_up(self, state: RetryCallState) -> bool:
        return (
            state.attempt_number > self._run.limits.push_retries
            or state.upcoming_sleep >= self._deadline.remaining()
        )

    def _say_why(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        retries = self._run.limits.push_retries
        self._run.listener(
            Warned(
                f"{_sentence(error)} Trying again in {state.upcoming_sleep:.0f} s "
                f"(retry {state.attempt_number} of {retries})."
            )
        )


def _sentence(error: BaseException | None) -> str:
    """Return what happened with a full stop, which the engines' own words lack."""
    return f"{str(error).rstrip('.')}."


def _is_unexplained(error: PushError) -> bool:
    return isinstance(error, PushInterruptedError) and error.is_unexplained


def _unproven(target: ImageReference) -> PushInterruptedError:
    error = interrupted(
        f"The push to {target} is unproven: the engine reported neither a digest nor an error."
    )
    error.cause = "The connection to the engine ended early, or the engine was stopped."
    error.hint = "Check that the engine runs (`docker version`), and run again."
    return error


def _missing(target: ImageReference) -> PushInterruptedError:
    error = interrupted(
        f"The manifest was pushed to {target}, but the registry answers 404 for the tag."
    )
    error.cause = "The registry lost the manifest, or shows it late."
    return error


def _weighed(error: PushError, seen: PushError) -> PushError:
    """Return what a push's `error` is, given that the registry answered a look with `seen`."""
    is_open = type(error) is PushError or _is_unexplained(error)
    if is_open and isinstance(seen, PushDeniedError | PushInterruptedError):
        message = f"{_sentence(error)} {seen.message}"
        return type(seen)(message, cause=seen.cause, hint=seen.hint)
    return error


def _index_pushed(pushed: PushedImage, run: Run) -> IndexPushedError:
    cause, hint = index_advice(run.platform)
    return IndexPushedError(
        f"{pushed.reference} is an index in the registry, not one image ({pushed.digest}).",
        cause=cause,
        hint=hint,
    )
