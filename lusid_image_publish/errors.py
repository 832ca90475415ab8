"""All errors of this package, as one tree.

    LusidPublishError
    ├── ConfigurationError          2   a setting is missing or unusable
    │   ├── InvalidNameError        2   NAME:TAG or SCOPE/CODE breaks the rule
    │   ├── MissingSettingError     2   the Scheduler's URL is not set
    │   └── UnsafeJobError          2   to set a job's image could damage the job
    ├── ServiceError                4   the Scheduler refused, failed or could not be reached
    │   ├── AuthenticationError     3   LUSID or its token endpoint did not accept the credentials
    │   │   └── MissingCredentialsError 3  credentials are missing or incomplete
    │   ├── BadRequestError         4   400, with the fields it names
    │   ├── AccessDeniedError       4   403
    │   ├── NotFoundError           4   404: no such image, repository, job or run
    │   ├── NotOfferedError         4   this deployment does not offer the operation
    │   ├── RateLimitedError        4   429, with how long to wait
    │   ├── ServerError             4   5xx
    │   ├── TransportError          4   no answer: DNS, TCP, TLS, proxy, timeout
    │   └── UnexpectedAnswerError   4   an answer that the API does not document
    ├── InstructionsError           5   the upload instructions cannot be followed safely
    ├── SourceError                 6   there is no image to publish
    │   ├── EngineError             6   no Docker engine answers
    │   ├── BuildError              6   the build failed; carries its log
    │   └── PlatformError           6   the image is for another platform
    ├── PushError                   7   the registry does not have the image
    │   ├── PushDeniedError         7   the registry did not accept the credential
    │   ├── PushInterruptedError    7   a temporary failure interrupted the push
    │   ├── UnsafePlaceError        7   the registry redirects to an unsafe address
    │   ├── IndexPushedError        7   the tag points to an index, not to an image
    │   └── DigestMismatchError     7   LUSID does not list the digest that was pushed
    ├── WaitTimeoutError            8   the image did not appear in time
    ├── ScanGateError               9   the scan found more than the policy allows
    ├── ScanUnavailableError        10  there is no scan result: it failed, or takes too long
    ├── TagExistsError              11  the tag already exists with a different image
    ├── DownloadError               12  the download cannot be written, or is not the image
    ├── OutputError                 13  the output or a report cannot be written
    ├── JobUpdateError              14  the image is in LUSID, but the job was not updated
    └── JobRunError                 15  the run of a job did not succeed

Each carries what happened (`message`), the likely `cause` and the next step (`hint`), and has one
exit code from `ExitCode`. Exit codes are a promise to scripts: they are never reused.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The exit codes of every command of this package, in one place."""

    DONE = 0
    BUG = 1
    USAGE = 2
    AUTHENTICATION = 3
    SERVICE = 4
    INSTRUCTIONS = 5
    SOURCE = 6
    PUSH = 7
    WAIT = 8
    SCAN_GATE = 9
    SCAN_UNAVAILABLE = 10
    TAG_EXISTS = 11
    DOWNLOAD = 12
    OUTPUT = 13
    JOB_UPDATE = 14
    JOB_RUN = 15
    HUNG_UP = 129
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


class LusidPublishError(Exception):
    """The root of all errors that this package raises on purpose.

    `message` says what happened, `cause` the likely reason, `hint` the next step; the last two may
    be empty. A traceback ends with them. `slug` is the name of the class for programs, as in
    `invalid-name`.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BUG
    slug: ClassVar[str] = "error"

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        if cls.__module__ == __name__:  # a class elsewhere has its own slug, or that of its parent
            cls.slug = re.sub(r"\B(?=[A-Z])", "-", cls.__name__.removesuffix("Error")).lower()

    def __init__(self, message: str, *, cause: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.hint = hint
        self._notes: list[str] = []

    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]  # made when shown: both may change
        """What a traceback shows below the message: cause, next step, and added notes."""
        pairs = [f"{label}: {text}" for label, text in self.diagnostics() if label != "Error"]
        return [*pairs, *self._notes]

    def add_note(self, note: str) -> None:
        """Add a line to what a traceback shows."""
        self._notes.append(note)

    def diagnostics(self) -> list[tuple[str, str]]:
        """Return (label, text) pairs in reading order: what happened, why, what to do."""
        pairs = [("Error", self.message), ("Likely cause", self.cause), ("Next step", self.hint)]
        return [(label, text) for label, text in pairs if text]


class ConfigurationError(LusidPublishError):
    """A setting is missing, contradicts another or cannot be used."""

    exit_code = ExitCode.USAGE


class InvalidNameError(ConfigurationError):
    """A name breaks LUSID's rule or Docker's."""


class MissingSettingError(ConfigurationError):
    """A required setting is not set."""


class UnsafeJobError(ConfigurationError):
    """An update of a job would lose or overwrite something; nothing was changed."""


class ServiceError(LusidPublishError):
    """The Scheduler refused, failed or did not answer.

    `operation` is the API's own name (`get_image`), `status` the HTTP status (None without an
    answer) and `code` FINBOURNE's error code (None without one). `title` and `detail` are the
    service's own texts, `request_id` is its id of the request; each may be empty.
    """

    exit_code = ExitCode.SERVICE

    def __init__(
        self,
        message: str,
        *,
        cause: str = "",
        hint: str = "",
        operation: str = "",
        status: int | None = None,
        code: int | None = None,
        title: str = "",
        detail: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, cause=cause, hint=hint)
        self.operation = operation
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.request_id = request_id

    def diagnostics(self) -> list[tuple[str, str]]:
        """Add the request id, which FINBOURNE's support asks for."""
        pairs = super().diagnostics()
        return [*pairs, ("Request id", self.request_id)] if self.request_id else pairs


class AuthenticationError(ServiceError):
    """The credentials are unusable, or LUSID or the token endpoint refused them.

    `status` is None if nothing was sent.
    """

    exit_code = ExitCode.AUTHENTICATION


class MissingCredentialsError(AuthenticationError):
    """Credentials are missing or incomplete."""


class BadRequestError(ServiceError):
    """400: `field_errors` maps each rejected field to its messages."""

    field_errors: Mapping[str, Sequence[str]] = {}


class AccessDeniedError(ServiceError):
    """403: the credentials are valid, but do not allow this."""


class NotFoundError(ServiceError):
    """404: LUSID has no image, repository, job or run of this name.

    `is_lusids_own` is True if LUSID itself answered, with a FINBOURNE error code; otherwise the URL
    may point to another server.
    """

    is_lusids_own: bool = False


class NotOfferedError(ServiceError):
    """This deployment does not offer the operation: FINBOURNE withdrew it, or never added it."""


class RateLimitedError(ServiceError):
    """429: `retry_after` is the pause that the service requests, in seconds, or None."""

    retry_after: float | None = None


class ServerError(ServiceError):
    """5xx: the service failed."""


class TransportError(ServiceError):
    """No answer: name resolution, connection, TLS, proxy or a timeout."""


class UnexpectedAnswerError(ServiceError):
    """The answer is not one that the API documents, for example HTML instead of JSON."""


class InstructionsError(LusidPublishError):
    """The upload instructions are not the expected Docker commands; nothing was pushed."""

    exit_code = ExitCode.INSTRUCTIONS


class SourceError(LusidPublishError):
    """There is no image to publish: it does not exist, or cannot be built."""

    exit_code = ExitCode.SOURCE


class EngineError(SourceError):
    """No Docker engine answers, or it refuses to work for this user."""


class BuildError(SourceError):
    """The build failed; `log` holds its last lines, oldest first."""

    def __init__(
        self, message: str, *, cause: str = "", hint: str = "", log: Sequence[str] = ()
    ) -> None:
        super().__init__(message, cause=cause, hint=hint)
        self.log = tuple(log)


class PlatformError(SourceError):
    """The image is not for the requested platform."""


class PushError(LusidPublishError):
    """The push failed or is unverified; assume that the registry does not have the image.

    `status` is the HTTP status of the registry's answer, None where it is not known.
    """

    exit_code = ExitCode.PUSH
    status: int | None = None


class PushDeniedError(PushError):
    """The registry refused the credential, or does not allow it to push."""


class PushInterruptedError(PushError):
    """A temporary failure interrupted the push: the network, 429, 5xx, a timeout.

    `is_unexplained` is True if the engine gives no reason: it hides the registry's status, or was
    stopped while it retried. The registry may give one. `is_silence` is True if nothing was sent or
    received for the idle timeout.
    """

    is_unexplained: bool = False
    is_silence: bool = False


class UnsafePlaceError(PushError):
    """The registry redirects to a place that it must not: this machine, a private address."""


class IndexPushedError(PushError):
    """The tag points to an index in the registry, which LUSID's scanner cannot scan."""


class DigestMismatchError(PushError):
    """LUSID lists a different digest for the tag from the one that was pushed."""


class WaitTimeoutError(LusidPublishError):
    """The image or its scan did not appear in time; the message has the last state."""

    exit_code = ExitCode.WAIT


class ScanGateError(LusidPublishError):
    """The scan found more than the policy allows; the image stays in LUSID."""

    exit_code = ExitCode.SCAN_GATE


class ScanUnavailableError(LusidPublishError):
    """There is no scan result: the scan failed or is still running. The image stays in LUSID."""

    exit_code = ExitCode.SCAN_UNAVAILABLE


class TagExistsError(LusidPublishError):
    """The tag already exists in LUSID with a different image; nothing was pushed."""

    exit_code = ExitCode.TAG_EXISTS


class DownloadError(LusidPublishError):
    """The download cannot be written, or is not the image that LUSID lists."""

    exit_code = ExitCode.DOWNLOAD


class OutputError(LusidPublishError):
    """The output or a report cannot be written; the command itself succeeded."""

    exit_code = ExitCode.OUTPUT


class JobUpdateError(LusidPublishError):
    """The image is in LUSID, but the job was not updated.

    `is_unknown` is True if it may have been updated: the update was sent, and its result cannot be
    checked.
    """

    exit_code = ExitCode.JOB_UPDATE
    is_unknown: bool = False


class JobRunError(LusidPublishError):
    """The run of a job did not succeed, or its result is unknown.

    `run_id` is empty if it is unknown; `log` holds the last lines that the run wrote.
    """

    exit_code = ExitCode.JOB_RUN

    def __init__(self, message: str, *, cause: str = "", hint: str = "", run_id: str = "") -> None:
        super().__init__(message, cause=cause, hint=hint)
        self.run_id = run_id
        self.log: Sequence[str] = ()


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what caused it, the root last; each error of a group, too."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                yield from causes_of(each)
        error = error.__cause__ or error.__context__
