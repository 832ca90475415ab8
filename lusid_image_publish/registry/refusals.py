"""Classify a registry's HTTP answers that are not a success.

Unlike an engine's message, the status says what happened; the registry's `code: message` is shown.
"""

import json
from typing import Final

import httpx

from lusid_image_publish.errors import PushError, PushInterruptedError
from lusid_image_publish.http.bounds import MAX_ERROR_BYTES, limit_body
from lusid_image_publish.registry.failures import denied_error
from lusid_image_publish.text import plain
from lusid_image_publish.waiting import Deadline, within

_MAX_BODY_SECONDS: Final = 30.0  # seconds for all of a body
_MAX_SHOWN_ERRORS: Final = 5
_TEMPORARY_STATUSES: Final = {httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS}

_REACH: Final = (
    "Run again. If it fails again, check that this machine can reach the registry; set a proxy "
    "with FBN_PROXY_ADDRESS or HTTPS_PROXY."
)


def read_body(response: httpx.Response, *, max_bytes: int) -> bytes:
    """Return the body of a response that is being streamed.

    Raises `ValueError` for more than `max_bytes` bytes, decompressed, and if it takes too long.
    """
    limit_body(response, max_bytes=max_bytes + 1)
    content = bytearray()
    try:
        with within(Deadline(_MAX_BODY_SECONDS)):
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > max_bytes:
                    raise ValueError("the answer is too large")
    except httpx.TimeoutException as error:
        raise ValueError("the answer did not end in time") from error
    return bytes(content)


def refusal_error(response: httpx.Response, message: str) -> PushError:
    """Return the error for an answer that is not a success; `message` says what was refused.

    A `PushDeniedError` for a credential, a `PushInterruptedError` for a temporary failure, else a
    `PushError`. The registry's own messages are added.
    """
    status = response.status_code
    error = _refusal_of(status, f"{message}: {_status_and_errors(response)}")
    error.status = status
    return error


def _refusal_of(status: int, text: str) -> PushError:
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        return denied_error(text)
    if status in _TEMPORARY_STATUSES or httpx.codes.is_server_error(status):
        return temporary_failure(text)
    return PushError(
        text,
        cause="The registry does not accept this image under this tag, or it is not a registry.",
        hint="Publish under a new tag. If that fails too, ask the domain's administrator about the "
        "registry.",
    )


def temporary_failure(message: str) -> PushInterruptedError:
    """Return the error for a temporary failure of a request of this process to the registry."""
    return PushInterruptedError(
        message,
        cause="A temporary failure of the registry, or of the network between it and this machine.",
        hint=_REACH,
    )


def no_answer_error(error: httpx.HTTPError | httpx.InvalidURL, message: str) -> PushError:
    """Return the error for a request without an answer; `message` says what failed."""
    words = plain(str(error)) or type(error).__name__
    text = f"{message}: {words.rstrip('.')}."
    if "CERTIFICATE" in words:
        return PushError(
            text,
            cause="This machine does not trust the registry's certificate, which a proxy may have "
            "replaced.",
            hint="Add your organisation's CA certificates with FBN_CLIENT_CERTIFICATE or "
            "--ca-bundle.",
        )
    if isinstance(error, httpx.ProxyError) and words.startswith("4"):
        return PushError(
            text,
            cause="The proxy refused the connection.",
            hint="Check FBN_PROXY_ADDRESS and its credentials, or HTTPS_PROXY.",
        )
    return temporary_failure(text)


def _status_and_errors(response: httpx.Response) -> str:
    """Return the status, and what the registry says of it as `code: message`."""
    try:
        document = json.loads(read_body(response, max_bytes=MAX_ERROR_BYTES))
    except (ValueError, RecursionError, httpx.HTTPError, httpx.StreamError):
        document = None
    errors = document.get("errors") if isinstance(document, dict) else None
    words = [
        ": ".join(str(error[name]) for name in ("code", "message") if error.get(name))
        for error in (errors if isinstance(errors, list) else [])[:_MAX_SHOWN_ERRORS]
        if isinstance(error, dict)
    ]
    said = "; ".join(filter(None, words))
    return f"HTTP {response.status_code}{f', {plain(said)}' if said else ''}."
