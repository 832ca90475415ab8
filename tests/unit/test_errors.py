"""The error tree: what each class promises."""

import re
import traceback
from collections.abc import Iterator

from lusid_image_publish import errors
from lusid_image_publish.errors import (
    BadRequestError,
    ExitCode,
    LusidPublishError,
    PushError,
)


def descendants(kind: type[LusidPublishError]) -> Iterator[type[LusidPublishError]]:
    for child in kind.__subclasses__():
        if child.__module__ == __name__:  # a test's own
            continue
        yield child
        yield from descendants(child)


def test_exit_codes_are_unique_and_those_promised() -> None:
    codes = [code.value for code in ExitCode]
    assert codes == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 129, 130, 141, 143]
    assert len(ExitCode.__members__) == len(codes), "an alias hides a code that is used twice"


SLUGS = {
    "ConfigurationError": "configuration",
    "InvalidNameError": "invalid-name",
    "MissingSettingError": "missing-setting",
    "ServiceError": "service",
    "AuthenticationError": "authentication",
    "MissingCredentialsError": "missing-credentials",
    "BadRequestError": "bad-request",
    "AccessDeniedError": "access-denied",
    "NotFoundError": "not-found",
    "NotOfferedError": "not-offered",
    "RateLimitedError": "rate-limited",
    "ServerError": "server",
    "TransportError": "transport",
    "UnexpectedAnswerError": "unexpected-answer",
    "InstructionsError": "instructions",
    "SourceError": "source",
    "EngineError": "engine",
    "BuildError": "build",
    "PlatformError": "platform",
    "PushError": "push",
    "PushDeniedError": "push-denied",
    "PushInterruptedError": "push-interrupted",
    "UnsafePlaceError": "unsafe-place",
    "IndexPushedError": "index-pushed",
    "DigestMismatchError": "digest-mismatch",
    "WaitTimeoutError": "wait-timeout",
    "ScanGateError": "scan-gate",
    "ScanUnavailableError": "scan-unavailable",
    "TagExistsError": "tag-exists",
    "DownloadError": "download",
    "OutputError": "output",
    "UnsafeJobError": "unsafe-job",
    "JobUpdateError": "job-update",
    "JobRunError": "job-run",
}
"""A promise to programs, as the exit codes are."""


def test_every_class_has_its_slug() -> None:
    assert {kind.__name__: kind.slug for kind in descendants(LusidPublishError)} == SLUGS
    assert LusidPublishError.slug == "error"


def test_a_class_elsewhere_has_its_own_slug_or_that_of_its_parent() -> None:
    class NoRoomError(PushError):
        pass

    class NamedError(PushError):
        slug = "named"

    assert (NoRoomError.slug, NamedError.slug) == ("push", "named")


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = dict(re.findall(r"── (\w+Error) +(\d+)", errors.__doc__ or ""))
    classes = {kind.__name__: str(int(kind.exit_code)) for kind in descendants(LusidPublishError)}
    assert drawn == classes


def test_diagnostics_leave_out_what_is_empty() -> None:
    assert LusidPublishError("It broke.").diagnostics() == [("Error", "It broke.")]


def test_a_service_error_shows_its_request_id() -> None:
    error = BadRequestError("No.", cause="why", hint="do", request_id="0HN:1")
    assert error.diagnostics()[-1] == ("Request id", "0HN:1")


def test_a_traceback_ends_with_cause_and_next_step_as_they_are_then() -> None:
    error = BadRequestError("No.", cause="why", hint="do", request_id="0HN:1")
    error.cause = "another reason"
    error.add_note("a note of the program")
    *_, what, cause, hint, request, note = "".join(traceback.format_exception(error)).splitlines()
    assert what == "lusid_image_publish.errors.BadRequestError: No."
    assert (cause, hint) == ("Likely cause: another reason", "Next step: do")
    assert (request, note) == ("Request id: 0HN:1", "a note of the program")
    assert traceback.format_exception_only(PushError("No."))[1:] == []
