"""Push until the registry has the image, with retries where they may help.

The registry itself is asked what the tag points to before each attempt with new instructions, and
after each failure. So a push whose connection broke after the last byte is a success, a refused
credential is distinguished from a refused image, and another publisher's image is not replaced.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential_jitter

from lusid_image_publish.errors import (
    EngineError,
    PushDeniedError,
    PushError,
    PushInterruptedError,
    UnsafePlaceError,
)
from lusid_image_publish.names import ImageReference
from lusid_image_publish.progress import Event, LayerDone, Note, StepDone, StepStarted, Warned
from lusid_image_publish.publishing.claim import other_image_error, undecided_error
from lusid_image_publish.publishing.policy import Policy
from lusid_image_publish.publishing.results import Transfer
from lusid_image_publish.publishing.run import Run
from lusid_image_publish.registry.failures import interrupted_error
from lusid_image_publish.registry.session import RegistryManifest
from lusid_image_publish.scheduler.instructions import PushInstructions
from lusid_image_publish.sources.image import ZSTD_LAYERS, LocalImage, manifest_matches_image
from lusid_image_publish.waiting import LAST_LOOK_SECONDS, Deadline, within

logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS: Final = 1.0  # each is twice the one before, and a random bit longer
_MAX_PAUSE_SECONDS: Final = 30.0


class Upload:
    """One push of `image` with `instructions`; `renew` returns new ones.

    `policy` says whether a different image under the tag may be replaced, and whether layers of
    earlier images may be reused.
    """

    def __init__(
        self,
        image: LocalImage,
        instructions: PushInstructions,
        run: Run,
        *,
        renew: Callable[[], PushInstructions],
        policy: Policy,
    ) -> None:
        self._transfers: dict[str, Transfer] = {}
        self._image = image
        self._run = run
        self._renew = renew
        self._replaces = policy.force
        self._reuses = policy.reuse
        self._is_renewed = False
        self._deadline = Deadline(run.limits.push_timeout, clock=run.lusid.clock)
        self._use(instructions)

    def __call__(self) -> str:
        """Push until the registry has the image, and return the digest that it confirmed.

        Raises `PushError` if it does not have it, `TagExistsError` if it has a different one, and
        the errors of `renew`.
        """
        self._announce()
        retrying = Retrying(
            retry=retry_if_exception_type(PushInterruptedError),
            stop=self._has_no_retry_left,
            wait=wait_exponential_jitter(
                initial=_FIRST_PAUSE_SECONDS, max=_MAX_PAUSE_SECONDS, jitter=1
            ),
            before_sleep=self._announce_retry,
            sleep=self._run.lusid.sleep,
            reraise=True,
        )
        # After the end of its time, the registry may still say what came of the push.
        with within(Deadline(self._run.limits.push_timeout + LAST_LOOK_SECONDS)):
            digest = retrying(self._attempt)
        if self.transfer:
            sent, reused = (f"{size / 1e6:.1f} MB" for size in self.transfer)
            self._run.notify(Note(f"sent {sent}, reused {reused}"))
        self._run.notify(StepDone(f"pushed {digest}"))
        return digest

    @property
    def transfer(self) -> Transfer | None:
        """The bytes that were sent so far, None if an engine pushed."""
        if not self._transfers:
            return None
        return Transfer(*map(sum, zip(*self._transfers.values(), strict=True)))

    def _follow(self, event: Event) -> None:
        """Count what is sent, and pass `event` on."""
        if isinstance(event, LayerDone):
            sent, _ = self._transfers.get(event.layer, (0, 0))
            self._transfers[event.layer] = Transfer(sent + event.sent, event.reused)
        self._run.notify(event)

    def _earlier_tags(self) -> Sequence[str]:
        return self._run.lusid.recent_tags() if self._reuses else ()

    def _announce(self) -> None:
        self._run.notify(
            StepStarted(
                f"Pushing to {self._tag.reference}",
                "The push was cancelled. It is safe to run again.",
                has_output=True,
            )
        )

    def _use_new_credential(self, why: str) -> None:
        self._run.notify(StepDone(f"not pushed yet: {why}"))
        self._use(self._renew())
        self._announce()

    def _use(self, instructions: PushInstructions) -> None:
        self._instructions = instructions
        self._tag = self._run.registries.tag(instructions.target, instructions.credential)
        self._is_looked_at = False

    def _attempt(self) -> str:
        """Push with a valid credential, and once more with a new one if it is refused."""
        if self._instructions.has_expired():
            self._use_new_credential("the credential has expired")
            self._instructions.require_fresh()
        try:
            return self._push()
        except PushDeniedError as error:
            if self._is_renewed:
                raise
            self._is_renewed = True
            self._run.notify(Warned(f"{_sentence(error)} Requesting a new credential."))
            self._use_new_credential("the registry refused the credential")
            return self._push()

    def _push(self) -> str:
        if not self._is_looked_at:
            self._is_looked_at = True
            if digest := self._already_there():
                return self._verify(digest)
        try:
            digest = self._image.send_to(
                self._tag,
                deadline=self._deadline,
                idle=self._run.limits.push_idle_timeout,
                listener=self._follow,
                earlier_tags=self._earlier_tags,
            )
        except PushError as error:
            return self._recover(error)
        if digest:
            return self._verify(digest)
        return self._recover(_unproven(self._tag.reference))

    def _already_there(self) -> str | None:
        """Return the digest that the tag points to if that is the image already.

        Raises `TagExistsError` when it is another one, which may not be replaced, and
        `UnsafePlaceError`.
        """
        try:
            manifest = self._tag.look()
        except UnsafePlaceError:  # an engine would follow it
            raise
        except PushError as error:
            logger.debug("before the push: %s", error.message)
            return None
        try:
            return self._digest_of_image(manifest)
        except EngineError as error:
            digest = manifest.digest if manifest else None
            raise undecided_error(self._run.name, digest, error) from error

    def _recover(self, error: PushError) -> str:
        """Return the digest if the registry has the image in spite of `error`; else raise that."""
        try:
            digest = self._digest_of_image(self._tag.look())
        except PushError as look_error:
            raise _with_answer(error, look_error) from error
        except EngineError:  # what the registry has is unknown
            raise error from None
        if digest:
            self._run.notify(Warned(f"{_sentence(error)} The registry has the image nevertheless."))
            return self._verify(digest)
        raise self._explained(error) from error

    def _explained(self, error: PushError) -> PushError:
        """Return what `error` is, as the registry says where the engine's words leave it open."""
        if isinstance(error, PushInterruptedError) and not error.is_unexplained:
            return error
        refusal = None if self._image.push_explains_itself else self._tag.refusal_of_a_layer()
        if refusal is None and isinstance(error, PushDeniedError):
            error.cause = "The registry accepts the credential for pulls, but refuses this push."
        if isinstance(refusal, PushInterruptedError):
            return interrupted_error(refusal.message)
        return refusal if refusal and _is_unexplained(error) else error

    def _digest_of_image(self, manifest: RegistryManifest | None) -> str | None:
        """Return the digest of `manifest` if it is the image's, else None where it may be replaced.

        Raises `TagExistsError` for another image, and `EngineError` when that is unknown.
        """
        if manifest is None:
            return None
        try:
            if manifest_matches_image(manifest, self._image):
                return manifest.digest
        except EngineError:
            if not self._replaces:
                raise
        if not self._replaces:
            raise other_image_error(self._run.name, manifest.digest)
        return None

    def _verify(self, digest: str) -> str:
        """Return `digest` if the registry shows one image under the tag, and this one.

        Another process may have given the tag to another image in the engine in the instant in
        which the push began. A registry that does not have the tag is a `PushInterruptedError`; one
        that cannot be asked is a warning, because LUSID's own digest decides then.
        """
        try:
            seen = self._tag.look()
        except PushError as error:
            self._run.notify(
                Warned(f"Cannot verify that it is a single image and not an index: {error.message}")
            )
            return digest
        manifest = self._tag.prove(seen, self._run.platform)
        if not self._may_be_image(manifest):
            if self._replaces:
                raise PushInterruptedError(
                    f"Another job is pushing a different image to {self._tag.reference}.",
                    cause="Two jobs publish this tag at the same time.",
                    hint="Let only one job at a time publish a tag.",
                )
            raise other_image_error(self._run.name, manifest.digest)
        if manifest.has_zstd_layers and not self._image.has_zstd_layers:
            self._run.notify(Warned(ZSTD_LAYERS))  # the engine does not say it before
        return digest

    def _may_be_image(self, manifest: RegistryManifest) -> bool:
        """Return whether `manifest` is the image's, or the engine does not know it any more."""
        try:
            return manifest_matches_image(manifest, self._image)
        except EngineError as error:
            self._run.notify(
                Warned(f"Cannot verify that the registry has this image: {error.message}")
            )
            return True

    def _has_no_retry_left(self, state: RetryCallState) -> bool:
        return (
            state.attempt_number > self._run.limits.push_retries
            or state.upcoming_sleep >= self._deadline.remaining()
        )

    def _announce_retry(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        retries = self._run.limits.push_retries
        self._run.notify(
            Warned(
                f"{_sentence(error)} Retrying in {state.upcoming_sleep:.0f} s "
                f"(retry {state.attempt_number} of {retries})."
            )
        )


def _sentence(error: BaseException | None) -> str:
    """Return what happened with a full stop, which the engines' own words lack."""
    return f"{str(error).rstrip('.')}."


def _is_unexplained(error: PushError) -> bool:
    return isinstance(error, PushInterruptedError) and error.is_unexplained


def _unproven(target: ImageReference) -> PushInterruptedError:
    error = interrupted_error(
        f"The push to {target} cannot be verified: the engine reported neither a digest nor an "
        "error."
    )
    error.cause = "The connection to the engine ended early, or the engine was stopped."
    error.hint = "Check that the engine is running (`docker version`), and run again."
    return error


def _with_answer(error: PushError, answer: PushError) -> PushError:
    """Return what a push's `error` is, given that the registry answered a look with `answer`."""
    is_open = type(error) is PushError or _is_unexplained(error)
    if is_open and isinstance(answer, PushDeniedError | PushInterruptedError):
        message = f"{_sentence(error)} {answer.message}"
        return type(answer)(message, cause=answer.cause, hint=answer.hint)
    return error
