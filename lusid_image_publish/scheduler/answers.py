"""What an HTTP answer of the service means: a model, or the error that says what went wrong."""

import email.utils
import json
import time
from typing import Final, NamedTuple

import httpx
import pydantic

from lusid_image_publish.errors import (
    AccessDeniedError,
    AuthenticationError,
    BadRequestError,
    LusidPublishError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    ServiceError,
    UnexpectedAnswerError,
)
from lusid_image_publish.scheduler.models import ProblemDetails
from lusid_image_publish.scheduler.operations import Answer, Operation

_INVALID_TOKEN: Final = 187  # FINBOURNE's error codes, from the OpenAPI document's description
_NETWORK_ZONE: Final = 939
_EXCERPT: Final = 200


class _Meaning(NamedTuple):
    """What a kind of answer means: the error to raise, the likely cause, the next step."""

    kind: type[ServiceError]
    cause: str
    hint: str


_MEANINGS: Final = {
    400: _Meaning(
        BadRequestError,
        "Something in the request breaks a rule of the service.",
        "Correct what the message names and run again.",
    ),
    403: _Meaning(
        AccessDeniedError,
        "The credentials are good, but carry no permission for this.",
        "Ask the domain's administrator for a role that may use the Scheduler's images.",
    ),
    404: _Meaning(
        NotFoundError,
        "The image does not exist, or the Scheduler URL is not quite right.",
        "Check the name and the URL, which usually ends in /scheduler2.",
    ),
    429: _Meaning(
        RateLimitedError,
        "Too many requests; the retries that are allowed were used up.",
        "Try again later, or raise FBN_RATE_LIMIT_RETRIES.",
    ),
}
_BLOCKED: Final = _Meaning(
    AccessDeniedError,
    "The domain lets only certain networks in, and this machine's is none of them.",
    "Run from an allowed network (a self-hosted runner, a VPN), or ask the domain's administrator "
    "to add this one to the network zone.",
)
_FAILED: Final = _Meaning(
    ServerError,
    "The service, or a gateway in front of it, has a problem of its own.",
    "Try again later; if it lasts, tell FINBOURNE's support the request id.",
)
_REDIRECTED: Final = _Meaning(
    UnexpectedAnswerError,
    "Redirects are not followed: the token belongs to the host that it was meant for.",
    "Set FBN_SCHEDULER_URL to the address that the redirect leads to.",
)
_STRANGE: Final = _Meaning(
    UnexpectedAnswerError,
    "This is not an answer that the Images API documents.",
    "Check the Scheduler URL, which usually ends in /scheduler2.",
)


def read_answer(operation: Operation[Answer], response: httpx.Response) -> Answer:
    """Return the model that `response`, already read, holds, or raise what it means.

    Raises `AuthenticationError` for a 401 and a `ServiceError` for all else that is no 200.
    """
    if response.status_code != httpx.codes.OK:
        raise error_of(operation.name, response)
    try:
        return operation.answer.model_validate_json(response.content)
    except pydantic.ValidationError as error:
        fields = sorted({".".join(map(str, e["loc"])) or "the document" for e in error.errors()})
        raise UnexpectedAnswerError(
            f"LUSID's answer to {operation.name} is not the documented one.",
            cause=_html(response) or f"Missing or malformed: {', '.join(fields)}.",
            hint="Check that the Scheduler URL is right; it usually ends in /scheduler2.",
            operation=operation.name,
            status=response.status_code,
            request_id=request_id(response),
        ) from None  # the validation error quotes the answer, which may hold a password


def error_of(operation: str, response: httpx.Response) -> LusidPublishError:
    """Return the error for an answer that is no 200."""
    problem = _problem(response)
    if response.status_code == httpx.codes.UNAUTHORIZED or problem.code == _INVALID_TOKEN:
        return AuthenticationError(
            f"LUSID did not accept the credentials ({_words(operation, response, problem)}).",
            cause="The access token has expired, is of another domain, or is not a token at all.",
            hint="Get a new token, or check that FBN_SCHEDULER_URL and the token belong together; "
            "--verbose shows where each value came from.",
        )
    meaning = _meaning(response.status_code, problem)
    error = meaning.kind(
        f"LUSID refused {operation}: {_words(operation, response, problem)}",
        cause=meaning.cause,
        hint=meaning.hint,
        operation=operation,
        status=response.status_code,
        code=problem.code,
        request_id=request_id(response) or (problem.instance or "").rpartition("/")[2],
    )
    if isinstance(error, BadRequestError):
        error.field_errors = problem.errors or {}
    if isinstance(error, RateLimitedError):
        error.retry_after = _retry_after(response)
        if error.retry_after is not None:
            error.hint = f"Try again in {error.retry_after:.0f} seconds."
    return error


def request_id(response: httpx.Response) -> str:
    """Return the id under which the service logged the request, empty when it has none."""
    return str(response.headers.get("lusid-meta-requestId", ""))


def _meaning(status: int, problem: ProblemDetails) -> _Meaning:
    if problem.code == _NETWORK_ZONE:
        return _BLOCKED
    if status in _MEANINGS:
        return _MEANINGS[status]
    if httpx.codes.is_server_error(status):
        return _FAILED
    return _REDIRECTED if httpx.codes.is_redirect(status) else _STRANGE


def _words(operation: str, response: httpx.Response, problem: ProblemDetails) -> str:
    """Return what the service said, in one line: status, its texts, the fields it names."""
    texts = [problem.title, problem.detail]
    texts += [f"{f}: {' '.join(messages)}" for f, messages in (problem.errors or {}).items()]
    said = "; ".join(dict.fromkeys(text.strip().rstrip(".") for text in texts if text))
    code = f", code {problem.code}" if problem.code is not None else ""
    said = said or _not_json(response) or f"no further word about {operation}"
    return f"HTTP {response.status_code}{code}: {said}."


def _problem(response: httpx.Response) -> ProblemDetails:
    try:
        return ProblemDetails.model_validate_json(response.content)
    except pydantic.ValidationError:
        return ProblemDetails()


def _html(response: httpx.Response) -> str:
    """Return a sentence about a web page; other answers are not quoted: they may hold a secret."""
    return _not_json(response) if "html" in response.headers.get("content-type", "") else ""


def _not_json(response: httpx.Response) -> str:
    """Return a sentence about an answer that is not a JSON object, empty when it is one."""
    try:
        document = json.loads(response.content)
    except ValueError:
        kind = response.headers.get("content-type", "no content type").partition(";")[0]
        excerpt = " ".join(response.text[:_EXCERPT].split())
        return f"the answer is {kind}, not JSON, and begins {excerpt!r}" if excerpt else ""
    return document[:_EXCERPT] if isinstance(document, str) else ""


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
