"""What both clients make of a token endpoint that misbehaves."""

import tracemalloc
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest
from fastapi import Response
from fastapi.responses import JSONResponse, StreamingResponse

from lusid_image_publish.config import ConfigurationOptions, SettingValues
from lusid_image_publish.errors import (
    AuthenticationError,
    ServerError,
    ServiceError,
    TransportError,
)
from tests.integration.misbehaving import (
    EACH_CLIENT,
    IMAGE,
    PASSWORD,
    SIGN_IN,
    TOKEN,
    Asked,
    Host,
    Kind,
    Script,
    SignIn,
    assert_neutral,
    assert_reported,
    chunked,
    connected,
    grant,
    hosting,
    http,
    in_turn,
    issued,
    nobody,
    raw_service,
    trickle,
)

pytestmark = EACH_CLIENT


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with hosting() as running:
        yield running


NASTY = f"\x1b[2J\r\n\x07 {PASSWORD} \u202e" + "long " * 2000
REFUSALS: dict[str, Response] = {
    "nasty": JSONResponse({"error_description": NASTY}, 400),
    "nasty-error": JSONResponse({"error": NASTY}, 401),
    "strange-type": JSONResponse({"error": {"message": NASTY}}, 400),
    "list": JSONResponse([NASTY], 400),
    "web-page": Response(NASTY, 403, media_type="text/html"),
    "nested": Response(b"[" * 50_000, 400, media_type="application/json"),
}


@pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS)
def test_what_a_token_endpoint_says_is_neutral(kind: Kind, host: Host, answer: Response) -> None:
    with (
        host.service(SignIn([answer])) as server,
        connected(kind, server.url, **grant(f"{server.url}/token")) as images,
        pytest.raises(AuthenticationError) as caught,
    ):
        images.get_image("job:1")
    assert_reported(caught.value, SIGN_IN, status=answer.status_code)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Sign in</html>",
        b"{}",
        b'{"access_token": null}',
        b'{"access_token": 5}',
        b'{"access_token": ""}',
        b'{"access_token": "a\\nb: c"}',
        b"[" * 50_000,
        b"\xff\xfe",
    ],
)
def test_what_is_no_token_is_not_used(kind: Kind, host: Host, body: bytes) -> None:
    sign_in = SignIn([Response(body, media_type="application/json")] * 3)
    with (
        host.service(sign_in) as server,
        connected(kind, server.url, **grant(f"{server.url}/token")) as images,
        pytest.raises(AuthenticationError) as caught,
    ):
        images.get_image("job:1")
    assert caught.value.cause
    assert caught.value.hint
    assert_neutral(caught.value)
    assert sign_in.asked == []


STRANGE: list[dict[str, object]] = [
    {"expires_in": "soon"},
    {"expires_in": {}},
    {"expires_in": None},
    {"expires_in": -1},
    {"expires_in": "NaN"},
    {"expires_in": 10**400},
    {"refresh_token": 5},
    {"refresh_token": None},
    {"refresh_token": ["tests"]},
]


@pytest.mark.parametrize("members", STRANGE, ids=lambda members: str(members)[:30])
def test_a_token_is_used_whatever_else_is_said_of_it(
    kind: Kind, host: Host, members: dict[str, object]
) -> None:
    answer = JSONResponse({"access_token": TOKEN, **members})
    sign_in = SignIn([answer, answer], good=TOKEN)
    with (
        host.service(sign_in) as server,
        connected(kind, server.url, **grant(f"{server.url}/token")) as images,
    ):
        images.get_image("job:1")
        assert images.get_image("job:1").name == "job"
    assert [asked.bearer for asked in sign_in.asked] == [TOKEN] * 2
    assert len(sign_in.forms) == 1


@pytest.mark.parametrize("status", [400, 500])
def test_of_a_long_refusal_no_more_than_its_beginning_is_read(
    kind: Kind, host: Host, status: int
) -> None:
    part = b"x" * 65_536
    refusal = in_turn(*(StreamingResponse(repeat(part, 160), status) for _ in range(4)))
    with (
        host.service(refusal) as server,
        connected(kind, server.url, **grant(f"{server.url}/token")) as images,
    ):
        tracemalloc.start()
        try:
            with pytest.raises(ServiceError) as caught:
                images.get_image("job:1")
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert_reported(caught.value, SIGN_IN, status=status)
    assert most < 3 << 20


def test_a_sign_in_that_fails_does_not_stop_the_next_one(kind: Kind, host: Host) -> None:
    sign_in = SignIn([Response(status_code=500) for _ in range(4)])
    with (
        host.service(sign_in) as server,
        connected(kind, server.url, **grant(f"{server.url}/token")) as images,
    ):
        with pytest.raises(ServerError) as caught:
            images.get_image("job:1")
        assert_reported(caught.value, SIGN_IN, status=500)
        assert images.get_image("job:1").name == "job"


def failure(
    kind: Kind, host: Host, token_url: str, settings: SettingValues | None = None
) -> ServiceError:
    """Return the error of a request whose token endpoint does not answer."""
    with (
        host.service(in_turn(JSONResponse(IMAGE))) as server,
        connected(kind, server.url, **grant(token_url) | (settings or {})) as images,
        pytest.raises(ServiceError) as caught,
    ):
        images.get_image("job:1")
    assert server.asked == []
    return caught.value


def test_a_token_endpoint_that_is_not_there_is_named(kind: Kind, host: Host) -> None:
    with nobody() as url:
        error = failure(kind, host, f"{url}/token")
    assert type(error) is TransportError
    assert_reported(error, "get_image")
    assert "token endpoint" in error.message


BREAKS: dict[str, list[bytes]] = {
    "before-the-headers": [],
    "in-the-body": [http(issued(TOKEN).body)[:-20]],  # type: ignore[arg-type]  # no memoryview
    "in-the-chunks": [chunked(b'{"access_token":')],
}


@pytest.mark.parametrize("parts", BREAKS.values(), ids=BREAKS)
def test_a_token_that_breaks_off_is_no_token(kind: Kind, host: Host, parts: list[bytes]) -> None:
    with raw_service(lambda _: parts) as endpoint:
        error = failure(kind, host, f"{endpoint.url}/token")
    assert type(error) is TransportError
    assert_reported(error, "get_image")
    assert "token endpoint" in error.message


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (http(b"", length=1000), b" "),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "headers", "continue"],
)
def test_a_token_that_trickles_is_ended_by_the_total_timeout(
    kind: Kind, host: Host, first: bytes, drop: bytes
) -> None:
    script: Script = in_turn(trickle(first, drop), [http(b"{}")])
    with raw_service(script) as endpoint:
        error = failure(kind, host, f"{endpoint.url}/token", {"total_timeout_ms": 300})
    assert type(error) is TransportError
    assert_reported(error, "sign_in")
    assert "the sign-in at the token endpoint" in error.message


def test_a_refusal_that_trickles_is_ended_by_the_total_timeout(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)

    def script(_: Asked) -> Iterator[bytes]:
        path.write_text("tests.newer-token.0123456789")
        return trickle(http(b"", status="401 Unauthorized", length=1000))

    opts = ConfigurationOptions(total_timeout_ms=300)
    with (
        raw_service(script) as server,
        connected(kind, server.url, access_token_file=path) as images,
        pytest.raises(ServiceError) as caught,
    ):
        images.get_image("job:1", opts=opts)
    assert_neutral(caught.value)
