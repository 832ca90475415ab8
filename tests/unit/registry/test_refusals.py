"""What a registry's answers mean: their status decides, their words are shown."""

import httpx
import pytest

from lusid_image_publish.errors import PushError, PushInterruptedError
from lusid_image_publish.redact import Secret
from lusid_image_publish.registry.refusals import no_answer_error, refusal_error
from tests.unit.registry.http_registry import REFUSALS

DENIED = {"errors": [{"code": "DENIED", "message": "not\n for \x1b[31m you", "detail": {"a": 1}}]}


@pytest.mark.parametrize(
    ("status", "kind"),
    [*REFUSALS, (404, PushError), (302, PushError)],
)
def test_the_status_decides(status: int, kind: type[PushError]) -> None:
    error = refusal_error(httpx.Response(status, json=DENIED), "It failed")
    assert type(error) is kind
    assert error.message == (
        f"It failed: HTTP {status}, DENIED: not for \N{REPLACEMENT CHARACTER}[31m you."
    )
    assert error.cause
    assert error.hint


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>sign in</html>",
        b"[]",
        b'"DENIED"',
        b'{"errors": {"code": "X"}}',
        b'{"errors": ["X"]}',
        b'{"errors": [{"code": ""}]}',
        b"[" * 50_000,
        b'{"errors": []}' + b" " * 70_000,
        b"\xff\xfe",
    ],
)
def test_what_says_nothing_is_not_shown(content: bytes) -> None:
    assert refusal_error(httpx.Response(400, content=content), "It").message == "It: HTTP 400."


def test_all_that_is_said_is_shown_without_secrets() -> None:
    secret = Secret("registry-token")
    errors = [{"code": "TAG_INVALID"}, {"message": f"for {secret.reveal()}"}, {"code": 5}] * 9
    message = refusal_error(httpx.Response(400, json={"errors": errors}), "It").message
    assert message == "It: HTTP 400, TAG_INVALID; for ***; 5; TAG_INVALID; for ***."


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (httpx.ConnectError("Connection refused"), PushInterruptedError, "Connection refused"),
        (httpx.ReadTimeout(""), PushInterruptedError, "ReadTimeout"),
        (httpx.RemoteProtocolError("Server disconnected."), PushInterruptedError, "disconnected."),
        (httpx.ProxyError("503 Service Unavailable"), PushInterruptedError, "503"),
        (httpx.ProxyError("407 Proxy Authentication Required"), PushError, "407"),
        (httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] no"), PushError, "CERTIFICATE"),
    ],
)
def test_what_does_not_answer_may_pass(
    error: httpx.HTTPError, kind: type[PushError], words: str
) -> None:
    found = no_answer_error(error, "The push failed")
    assert type(found) is kind
    assert found.message.startswith("The push failed: ")
    assert words in found.message
    assert not found.message.endswith("..")
    assert found.cause
    assert found.hint
