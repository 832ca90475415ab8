"""Turn an HTTP answer of the service into a model, or into an error."""

import email.utils
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import httpx
import pydantic

from lusid_image_publish.errors import (
    AccessDeniedError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    NotOfferedError,
    RateLimitedError,
    ServerError,
    ServiceError,
    UnexpectedAnswerError,
)
from lusid_image_publish.http.bounds import MAX_ERROR_BYTES
from lusid_image_publish.scheduler import models
from lusid_image_publish.scheduler.operations import Answer, Call
from lusid_image_publish.scheduler.redirect import NOT_FOLLOWED, redirected_to
from lusid_image_publish.text import plain

_INVALID_TOKEN_CODE: Final = 187  # FINBOURNE's error codes, from the OpenAPI document's description
_NETWORK_ZONE_CODE: Final = 939
_CANNOT_DELETE_CODE: Final = 704
_IMAGE_CODE: Final = 731
_SCAN_CODE: Final = 756
_EXCERPT_CHARACTERS: Final = 200  # of an answer that is not JSON
_MAX_SHOWN_ERRORS: Final = 10
_MAX_MEMORY_BYTES: Final = 768 << 20  # 50,000 findings with 2 kB of text each

_JSON_STRING: Final = pydantic.TypeAdapter(str)
_READERS: Final[Mapping[str, Callable[[bytes | bytearray], Any]]] = {
    "UploadImageInstructions": models.UploadImageInstructions.model_validate_json,
    "Image": models.Image.model_validate_json,
    "ResourceListOfImageSummary": models.ResourceListOfImageSummary.model_validate_json,
    "ResourceListOfRepository": models.ResourceListOfRepository.model_validate_json,
    "str": lambda content: _JSON_STRING.validate_json(content) if content else "",
}
_TEXT: Final = "text"


@dataclass(frozen=True)
class Received:
    """An answer that was read; the `content` of an error may be truncated."""

    status_code: int
    headers: httpx.Headers
    content: bytes | bytearray

    @classmethod
    def of(cls, response: httpx.Response) -> "Received":
        """Return the answer in `response`, which httpx has read."""
        return cls(response.status_code, response.headers, response.content)

    @property
    def content_type(self) -> str:
        """The media type without its parameters."""
        return plain(self.headers.get("content-type", "no content type").partition(";")[0])

    @property
    def request_id(self) -> str:
        """The service's id of the request, empty if it has none."""
        return plain(self.headers.get("lusid-meta-requestId", ""))


@dataclass(frozen=True)
class _Problem:
    """The body of an error: problem details, or a bare JSON string as `detail`."""

    code: int | None = None
    title: str = ""
    detail: str = ""
    instance: str = ""
    errors: Mapping[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, content: bytes | bytearray) -> "_Problem":
        """Parse `content`; a malformed member does not hide the others."""
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, str):
            return cls(detail=_text(document))
        if not isinstance(document, dict):
            return cls()
        code, errors = document.get("code"), document.get("errors")
        return cls(
            code=code if type(code) is int else None,
            title=_text(document.get("title")),
            detail=_text(document.get("detail")),
            instance=_text(document.get("instance")),
            errors={
                _text(name): [_text(text) for text in _as_list(texts)]
                for name, texts in (errors.items() if isinstance(errors, dict) else ())
            },
        )

    def has_finbourne_code(self, status: int) -> bool:
        """Return whether this has a FINBOURNE error code, and a text.

        Other servers repeat the HTTP status as a code.
        """
        return self.code not in (None, status) and bool(self.title or self.detail)

    def is_from_operation(self) -> bool:
        """Return whether the operation itself answered, not a gateway or a router."""
        return self.code is not None or bool(self.detail and not self.title)


class _Meaning(NamedTuple):
    """The error for a kind of answer: class, message, likely cause, next step.

    The message may have `{operation}`, `{api}`, `{what}` and `{said}`, the hint `{api}`.
    """

    kind: type[ServiceError]
    cause: str
    hint: str
    message: str = "LUSID refused {operation}: {said}."


_NOT_AUTHENTICATED: Final = _Meaning(
    AuthenticationError,
    "The access token has expired, belongs to another domain, or is not valid.",
    "Get a new token, or check that it belongs to the domain of FBN_SCHEDULER_URL; --verbose shows "
    "where each value comes from.",
    "LUSID did not accept the credentials ({said}).",
)
_MEANINGS: Final = {
    400: _Meaning(
        BadRequestError,
        "A value in the request breaks a rule of the service.",
        "Correct the value that the message names, and run again.",
    ),
    401: _NOT_AUTHENTICATED,
    403: _Meaning(
        AccessDeniedError,
        "The credentials are valid, but do not have permission for this.",
        "Ask the domain's administrator for a role that may use the Scheduler's {api} API.",
    ),
    404: _Meaning(
        NotFoundError,
        "The name is misspelled, it was never published or was deleted, or the Scheduler URL is "
        "that of another domain.",
        "Check the name with `lusid-images repos` and `lusid-images list`, and the URL, which "
        "usually ends in /scheduler2.",
        "LUSID has no {what} ({said}).",
    ),
    429: _Meaning(
        RateLimitedError,
        "LUSID received too many requests, and all allowed retries failed.",
        "Try again later, or raise FBN_RATE_LIMIT_RETRIES.",
    ),
}
_NO_JOB: Final = _Meaning(
    NotFoundError,
    "The scope, code or run id is misspelled, it was deleted, or the data policies of your role do "
    "not include it.",
    "`lusid-jobs list` shows the jobs that you may see, and `lusid-jobs history` their runs.",
    "LUSID has no {what}, or does not show it to you ({said}).",
)
_OF_JOBS: Final = {
    _CANNOT_DELETE_CODE: (
        "Schedules or runs still use the job.",
        "Remove its schedules first; get_schedules_for_a_job lists them.",
    ),
    _IMAGE_CODE: (
        "The job's image is not in LUSID, or LUSID is still processing it.",
        "Check the image with `lusid-images get`, or point the job at another image.",
    ),
    _SCAN_CODE: (
        "The scan of the job's image has not finished, or has failed.",
        "Check the scan with `lusid-images scan`, and try again when it has finished.",
    ),
}
"""Likely cause and next step of FINBOURNE's error codes about jobs."""

_BLOCKED: Final = _Meaning(
    AccessDeniedError,
    "The domain allows only certain networks, and this machine's network is not one of them.",
    "Run from an allowed network (a self-hosted runner, a VPN), or ask the domain's administrator "
    "to add this network to the network zone.",
)
_NOT_OFFERED: Final = _Meaning(
    NotOfferedError,
    "FINBOURNE removed this operation from the published Images API in August 2025 (version "
    "0.0.1069).",
    "Check the Scheduler URL, which usually ends in /scheduler2; if it is correct, ask FINBOURNE "
    "support what to use instead.",
    "This deployment no longer offers {operation} ({said}).",
)
_NO_API: Final = _Meaning(
    NotFoundError,
    "The URL belongs to another service, or its path is incomplete.",
    "Check the Scheduler URL, which usually ends in /scheduler2; --verbose shows where it comes "
    "from.",
    "The Scheduler URL does not serve the {api} API ({said}).",
)
_SERVER_FAILED: Final = _Meaning(
    ServerError,
    "The service, or a gateway in front of it, is not working.",
    "Try again later; if the error persists, give FINBOURNE support the request id.",
    "LUSID could not complete {operation}: {said}.",
)
_REDIRECTED: Final = _Meaning(
    UnexpectedAnswerError,
    NOT_FOLLOWED,
    "Correct FBN_SCHEDULER_URL, usually https://<domain>.lusid.com/scheduler2; --verbose shows "
    "where it came from.",
    "The Scheduler URL is not LUSID's API: {operation} {said}.",
)
_UNDOCUMENTED: Final = _Meaning(
    UnexpectedAnswerError,
    "The API does not document this answer, so it may come from another service.",
    "Check the Scheduler URL, which usually ends in /scheduler2.",
)


def read_answer(call: Call[Answer], received: Received) -> Answer:
    """Return the model in `received`, the answer of a success.

    Raises `UnexpectedAnswerError` for another document.
    """
    operation = call.operation
    is_json = operation.answer != _TEXT
    if is_json and _memory_bytes_for(received.content) > _MAX_MEMORY_BYTES:
        raise UnexpectedAnswerError(
            f"LUSID's answer to {operation.name} would take too much memory.",
            cause="It is larger than any list or scan, so it probably comes from another service.",
            hint="Check the Scheduler URL, which usually ends in /scheduler2.",
            operation=operation.name,
            status=received.status_code,
            request_id=received.request_id,
        )
    try:
        answer: Answer = _reader_of(call, received)(received.content)
    except pydantic.ValidationError as error:
        fields = sorted({".".join(map(str, e["loc"])) or "the document" for e in error.errors()})
        shown = ", ".join(fields[:_MAX_SHOWN_ERRORS]) + (
            ", ..." if len(fields) > _MAX_SHOWN_ERRORS else ""
        )
        # Only a web page is quoted: malformed JSON may hold a secret.
        page = _excerpt(received) if "html" in received.content_type else ""
        raise UnexpectedAnswerError(
            f"LUSID's answer to {operation.name} does not match its API documentation.",
            cause=page or f"Missing or malformed: {shown}.",
            hint="Check the Scheduler URL, which usually ends in /scheduler2.",
            operation=operation.name,
            status=received.status_code,
            request_id=received.request_id,
        ) from None  # the validation error quotes the answer, which may hold a password
    return call.finish(answer)


def _reader_of(call: Call[Answer], received: Received) -> Callable[[bytes | bytearray], Answer]:
    operation = call.operation
    if operation.answer == _TEXT:
        is_json = "json" in received.content_type
        return _string_or_text if is_json else _decoded  # type: ignore[return-value]  # both are texts
    return operation.read or _READERS[operation.answer]


def _string_or_text(content: bytes | bytearray) -> str:
    """Return the content of a JSON string; any other text unchanged, decoded from UTF-8."""
    try:
        return _JSON_STRING.validate_json(content) if content else ""
    except pydantic.ValidationError:
        return _decoded(content)


def _decoded(content: bytes | bytearray) -> str:
    return content.decode(errors="replace")


def _memory_bytes_for(content: bytes | bytearray) -> int:
    """Return the maximum memory for reading a JSON document, its text included.

    A character takes up to 4 bytes in Python, an ignored item of a list 50, and an empty model 650
    (measured with pydantic 2.14). Commas and brackets inside strings are counted, too.
    """
    containers = content.count(b"{") + content.count(b"[")
    return 5 * len(content) + 50 * content.count(b",") + 650 * containers


def error_of(call: Call[Any], received: Received) -> ServiceError:
    """Return the error for an answer that is not a success.

    A 404 of a withdrawn operation is a `NotOfferedError`, unless the operation itself says that
    the image is missing.
    """
    problem = _Problem.of(received.content)
    meaning = _meaning_of(call, received.status_code, problem)
    cause, hint = meaning.cause, meaning.hint.replace("{api}", call.operation.api)
    if call.operation.api == "Jobs" and problem.code in _OF_JOBS:
        cause, hint = _OF_JOBS[problem.code]
    error = meaning.kind(
        meaning.message.format(
            operation=call.operation,
            api=call.operation.api,
            what=f"{call.operation.subject} {call.name}",
            said=_service_words(received, problem),
        ),
        cause=cause,
        hint=hint,
        operation=call.operation.name,
        status=received.status_code,
        code=problem.code,
        title=problem.title,
        detail=problem.detail,
        request_id=received.request_id or problem.instance.rpartition("/")[2],
    )
    if isinstance(error, BadRequestError):
        error.field_errors = problem.errors
    if isinstance(error, NotFoundError):
        error.is_lusids_own = problem.has_finbourne_code(received.status_code)
    if isinstance(error, RateLimitedError):
        error.retry_after = _retry_after(received)
        if error.retry_after is not None:
            error.hint = f"Try again in {error.retry_after:.0f} seconds."
    return error


def _meaning_of(call: Call[Any], status: int, problem: _Problem) -> _Meaning:
    if problem.code == _INVALID_TOKEN_CODE:
        return _NOT_AUTHENTICATED
    if problem.code == _NETWORK_ZONE_CODE:
        return _BLOCKED
    if call.operation.withdrawn and (
        status == httpx.codes.METHOD_NOT_ALLOWED
        or (status == httpx.codes.NOT_FOUND and not problem.is_from_operation())
    ):
        return _NOT_OFFERED
    if status == httpx.codes.NOT_FOUND and not call.name:
        return _NO_API  # the call names nothing that could be missing
    if status == httpx.codes.NOT_FOUND and call.operation.api == "Jobs":
        return _NO_JOB
    if status in _MEANINGS:
        return _MEANINGS[status]
    if httpx.codes.is_server_error(status):
        return _SERVER_FAILED
    return _REDIRECTED if httpx.codes.is_redirect(status) else _UNDOCUMENTED


def _service_words(received: Received, problem: _Problem) -> str:
    """Return the service's words in one line: status, texts, and fields with their messages."""
    texts = [problem.title, problem.detail]
    texts += [f"{name}: {' '.join(messages)}" for name, messages in problem.errors.items()]
    texts = [text.rstrip(".") for text in texts if text]
    # The service repeats itself: a text inside another one is left out.
    said = "; ".join(
        text
        for place, text in enumerate(texts)
        if not any(text in other for other in texts[place + 1 :])
    )
    if httpx.codes.is_redirect(received.status_code):
        return f"{redirected_to(received.headers)} (HTTP {received.status_code})"
    code = f", code {problem.code}" if problem.code is not None else ""
    said = said or _excerpt(received)
    return f"HTTP {received.status_code}{code}" + (f": {said}" if said else ", without details")


def _excerpt(received: Received) -> str:
    """Return a clause about an answer that is not JSON, empty for JSON and for an empty body."""
    content = received.content[:MAX_ERROR_BYTES].decode(errors="replace")
    excerpt = plain(content, longest=_EXCERPT_CHARACTERS)
    if not excerpt or "json" in received.content_type:
        return ""
    return f"the answer is {received.content_type}, not JSON, and begins {excerpt!r}"


def _text(value: object) -> str:
    return plain(value) if isinstance(value, str) else ""


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _retry_after(received: Received) -> float | None:
    value = received.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
