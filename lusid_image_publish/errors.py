"""Every error a person can meet, as one tree.

    LusidPublishError
    ├── ConfigurationError          2   a setting is missing or unusable
    │   ├── InvalidNameError        2   NAME:TAG or SCOPE/CODE breaks the rule
    │   ├── MissingSettingError     2   the Scheduler's URL is not set
    │   └── UnsafeJobError          2   to set a job's image could damage the job
    ├── ServiceError                4   the Scheduler refused, failed or could not be reached
    │   ├── AuthenticationError     3   LUSID or its token endpoint did not accept the credentials
    │   │   └── MissingCredentialsError 3  there are none, or not all
    │   ├── BadRequestError         4   400, with the fields it names
    │   ├── AccessDeniedError       4   403
    │   ├── NotFoundError           4   404: no such image, repository, job or run
    │   ├── NotOfferedError         4   this deployment does not have the operation (any more)
    │   ├── RateLimitedError        4   429, with how long to wait
    │   ├── ServerError             4   5xx
    │   ├── TransportError          4   no answer: DNS, TCP, TLS, proxy, time-out
    │   └── UnexpectedAnswerError   4   an answer that is not the documented one
    ├── InstructionsError           5   the upload instructions cannot be followed safely
    ├── SourceError                 6   there is no image to publish
    │   ├── EngineError             6   no Docker engine answers
    │   ├── BuildError              6   the build failed; carries its log
    │   └── PlatformError           6   the image is for another platform
    ├── PushError                   7   the registry does not have the image
    │   ├── PushDeniedError         7   the registry did not accept the credential
    │   ├── PushInterruptedError    7   a temporary failure broke it off
    │   ├── UnsafePlaceError        7   the registry names this machine or a private address
    │   ├── IndexPushedError        7   the tag points to an index, not to one image
    │   └── DigestMismatchError     7   LUSID lists another digest than the one pushed
    ├── WaitTimeoutError            8   the image did not appear in time
    ├── ScanGateError               9   the scan found more than the policy allows
    ├── ScanUnavailableError        10  there is no scan to judge: it failed, or takes too long
    ├── TagExistsError              11  the tag exists already, with another image
    ├── DownloadError               12  the bytes cannot be written, or are not the image
    ├── OutputError                 13  the answer or a report cannot be written
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
    be empty. `slug` is the name of the class for programs, as in `invalid-name`.
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

    `operation` is the API's own name (`get_image`); `status` the HTTP status, None without an
    answer; `code` FINBOURNE's error code, if any; `title` and `detail` the service's own words and
    `request_id` its id of the request, each empty if the answer has none.
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
    """Credentials are unusable, or LUSID or the token endpoint refused them.

    `status` is None for unusable ones: nothing was sent.
    """

    exit_code = ExitCode.AUTHENTICATION


class MissingCredentialsError(AuthenticationError):
    """There are no credentials, or not all for signing in."""


class BadRequestError(ServiceError):
    """400: `field_errors` maps each field the service names to its messages."""

    field_errors: Mapping[str, Sequence[str]] = {}


class AccessDeniedError(ServiceError):
    """403: the credentials are good, but not for this."""


class NotFoundError(ServiceError):
    """404: LUSID has no image, repository, job or run of this name.

    `is_lusids_own` says that LUSID itself answered, with an error code of FINBOURNE's; otherwise
    the URL may lead to another server.
    """

    is_lusids_own: bool = False


class NotOfferedError(ServiceError):
    """This deployment does not have the operation: FINBOURNE took it back, or never had it here."""


class RateLimitedError(ServiceError):
    """429: `retry_after` is the service's pause in seconds, None without one."""

    retry_after: float | None = None


class ServerError(ServiceError):
    """5xx: the service failed."""


class TransportError(ServiceError):
    """No answer came: name resolution, connection, TLS, proxy or a time-out."""


class UnexpectedAnswerError(ServiceError):
    """The answer is not what the API documents, for example HTML instead of JSON."""


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
    """The image is for another platform than the requested one."""


class PushError(LusidPublishError):
    """The push failed or is unverified; assume that the registry does not have the image.

    `status` is the HTTP status of the registry's answer, None where it is not known.
    """

    exit_code = ExitCode.PUSH
    status: int | None = None


class PushDeniedError(PushError):
    """The registry did not accept the credential, or not for this."""


class PushInterruptedError(PushError):
    """A temporary failure broke the push off: the network, 429, 5xx, a timeout.

    `is_unexplained` says that the engine gives no reason: it hides the registry's status, or was
    stopped while it retried. The registry may give it. `is_silence` says that nothing came and
    nothing was taken for as long as that may last.
    """

    is_unexplained: bool = False
    is_silence: bool = False


class UnsafePlaceError(PushError):
    """The registry names a place that it must not: this machine, a private address."""


class IndexPushedError(PushError):
    """The tag points to an index in the registry, which LUSID's scanner cannot scan."""


class DigestMismatchError(PushError):
    """LUSID lists another digest for the tag than the one that was pushed."""


class WaitTimeoutError(LusidPublishError):
    """The image or its scan did not come in time; the message has the last state seen."""

    exit_code = ExitCode.WAIT


class ScanGateError(LusidPublishError):
    """The scan found more than the policy allows; the image stays in LUSID."""

    exit_code = ExitCode.SCAN_GATE


class ScanUnavailableError(LusidPublishError):
    """There are no findings: the scan failed, or still runs. The image stays in LUSID."""

    exit_code = ExitCode.SCAN_UNAVAILABLE


class TagExistsError(LusidPublishError):
    """The tag exists in LUSID with another image; nothing was pushed."""

    exit_code = ExitCode.TAG_EXISTS


class DownloadError(LusidPublishError):
    """The downloaded bytes cannot be written, or are not the image that LUSID lists."""

    exit_code = ExitCode.DOWNLOAD


class OutputError(LusidPublishError):
    """The answer or a report cannot be written; the command itself succeeded."""

    exit_code = ExitCode.OUTPUT


class JobUpdateError(LusidPublishError):
    """The image is in LUSID, but the job does not have it.

    `is_unknown` says that it may have it: the update was sent, and cannot be looked at.
    """

    exit_code = ExitCode.JOB_UPDATE
    is_unknown: bool = False


class JobRunError(LusidPublishError):
    """The run of a job did not succeed, or its end was not seen.

    `run_id` is the run's, empty when none is known; `log` holds the last lines that it wrote.
    """

    exit_code = ExitCode.JOB_RUN

    def __init__(self, message: str, *, cause: str = "", hint: str = "", run_id: str = "") -> None:
        super().__init__(message, cause=cause, hint=hint)
        self.run_id = run_id
        self.log: Sequence[str] = ()


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what caused it, the root last."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
