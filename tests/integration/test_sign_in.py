"""Where both clients' credentials go, and how often, when servers misbehave or many ask at once."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import httpx
import pytest
from fastapi import Response
from fastapi.responses import JSONResponse, RedirectResponse

from lusid_image_publish.config import ConfigurationOptions
from lusid_image_publish.errors import (
    AuthenticationError,
    RateLimitedError,
    UnexpectedAnswerError,
)
from lusid_image_publish.scheduler.async_client import AsyncImagesClient
from lusid_image_publish.scheduler.client import ImagesClient
from tests.integration.misbehaving import (
    EACH_CLIENT,
    IMAGE,
    INSTRUCTIONS,
    PASSWORD,
    SIGN_IN,
    TOKEN,
    Asked,
    Host,
    Kind,
    SignIn,
    assert_reported,
    connected,
    grant,
    hosting,
    in_turn,
    issued,
)

pytestmark = EACH_CLIENT
MANY = 20
OPTIONS = ConfigurationOptions(read_timeout_ms=7000)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with hosting() as running:
        yield running


@pytest.fixture(scope="module")
def other() -> Iterator[Host]:
    """A server on another port."""
    with hosting() as running:
        yield running


def at_once(images: ImagesClient) -> list[str | None]:
    """Return what many requests at a time get."""
    with ThreadPoolExecutor(MANY) as pool:
        asked = [pool.submit(images.get_image, "job:1") for _ in range(MANY)]
        return [future.result().digest for future in asked]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(kind: Kind, host: Host, other: Host, status: int) -> None:
    with other.service(in_turn(JSONResponse(INSTRUCTIONS))) as elsewhere:
        answer = RedirectResponse(f"{elsewhere.url}/api/images", status)
        with (
            host.service(in_turn(answer)) as server,
            connected(kind, server.url) as images,
            pytest.raises(UnexpectedAnswerError) as caught,
        ):
            images.upload_image("job:1")
    assert_reported(caught.value, "upload_image", status=status)
    assert "FBN_SCHEDULER_URL" in caught.value.hint
    assert server.asked[0].bearer == TOKEN
    assert elsewhere.asked == []


def test_a_download_that_is_redirected_does_not_take_the_token_along(
    kind: Kind, host: Host, other: Host, tmp_path: Path
) -> None:
    with (
        other.service(in_turn(Response(b"tar"))) as elsewhere,
        host.service(in_turn(RedirectResponse(elsewhere.url, 302))) as server,
        connected(kind, server.url) as images,
        pytest.raises(UnexpectedAnswerError) as caught,
    ):
        images.download_image("job:1", tmp_path / "image.tar")
    assert_reported(caught.value, "download_image", status=302)
    assert elsewhere.asked == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [302, 307, 308])
def test_a_token_endpoint_that_redirects_gets_the_password_nowhere(
    kind: Kind, host: Host, other: Host, status: int
) -> None:
    with other.service(in_turn(issued(TOKEN))) as elsewhere:
        answer = RedirectResponse(f"{elsewhere.url}/token", status)
        with (
            host.service(in_turn(answer)) as server,
            connected(kind, server.url, **grant(f"{server.url}/token")) as images,
            pytest.raises(AuthenticationError) as caught,
        ):
            images.get_image("job:1")
    assert_reported(caught.value, SIGN_IN, status=status)
    assert [asked.form["password"] for asked in server.asked] == [PASSWORD]
    assert elsewhere.asked == []


def test_a_given_client_that_follows_redirects_does_not_follow_them_here(
    kind: Kind, host: Host
) -> None:
    async def ask(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, follow_redirects=True) as given:
            await AsyncImagesClient.from_httpx(given).get_image("job:1")

    def ask_sync(url: str) -> None:
        with httpx.Client(base_url=url, follow_redirects=True) as given:
            ImagesClient.from_httpx(given).get_image("job:1")

    with (
        host.service(in_turn(JSONResponse(IMAGE))) as elsewhere,
        host.service(in_turn(RedirectResponse(elsewhere.url))) as server,
        pytest.raises(UnexpectedAnswerError),
    ):
        ask_sync(server.url) if kind == "sync" else anyio.run(ask, server.url)
    assert elsewhere.asked == []


def test_a_given_client_keeps_its_time_outs_but_for_options(kind: Kind, host: Host) -> None:
    seen: list[dict[str, float | None]] = []

    def look(request: httpx.Request) -> None:
        seen.append(request.extensions["timeout"])

    async def look_too(request: httpx.Request) -> None:
        look(request)

    async def ask(url: str, times: httpx.Timeout | None) -> None:
        hooks = {"request": [look_too]}
        async with httpx.AsyncClient(base_url=url, timeout=times, event_hooks=hooks) as given:
            images = AsyncImagesClient.from_httpx(given)
            await images.get_image("job:1")
            await images.get_image("job:1", opts=OPTIONS)

    def ask_sync(url: str, timeout: httpx.Timeout | None) -> None:
        hooks = {"request": [look]}
        with httpx.Client(base_url=url, timeout=timeout, event_hooks=hooks) as given:
            images = ImagesClient.from_httpx(given)
            images.get_image("job:1")
            images.get_image("job:1", opts=OPTIONS)

    own = httpx.Timeout(5, write=2, pool=1)
    with host.service(lambda _: JSONResponse(IMAGE)) as server:
        for timeout in (own, None):
            ask_sync(server.url, timeout) if kind == "sync" else anyio.run(ask, server.url, timeout)
    assert seen[0] == own.as_dict()
    assert (seen[1]["read"], seen[1]["connect"]) == (7, 5)
    assert set(seen[2].values()) == {None}
    assert (seen[3]["read"], seen[3]["connect"]) == (7, None)


def test_a_given_token_that_is_refused_is_sent_once(kind: Kind, host: Host) -> None:
    with (
        host.service(in_turn(Response(status_code=401), JSONResponse(IMAGE))) as server,
        connected(kind, server.url) as images,
        pytest.raises(AuthenticationError) as caught,
    ):
        images.get_image("job:1")
    assert_reported(caught.value, "get_image", status=401)
    assert len(server.asked) == 1


def test_a_token_file_that_changed_meanwhile_is_read_again(
    kind: Kind, host: Host, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)

    def answer(asked: Asked) -> Response:
        path.write_text("tests.newer-token.0123456789\n")
        return Response(status_code=401) if asked.bearer == TOKEN else JSONResponse(IMAGE)

    with (
        host.service(answer) as server,
        connected(kind, server.url, access_token_file=path) as images,
    ):
        assert images.get_image("job:1").name == "job"
    assert [asked.bearer for asked in server.asked] == [TOKEN, "tests.newer-token.0123456789"]


def test_a_token_file_that_did_not_change_is_not_tried_again(
    kind: Kind, host: Host, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    with (
        host.service(in_turn(Response(status_code=401))) as server,
        connected(kind, server.url, access_token_file=path) as images,
        pytest.raises(AuthenticationError) as caught,
    ):
        images.get_image("job:1")
    assert_reported(caught.value, "get_image", status=401)
    assert len(server.asked) == 1


def test_a_token_that_was_taken_back_is_renewed_once(kind: Kind, host: Host) -> None:
    sign_in = SignIn()
    with (
        host.service(sign_in) as server,
        connected(kind, server.url, **grant(f"{server.url}/token")) as images,
    ):
        images.get_image("job:1")
        sign_in.good = "another"
        assert images.get_image("job:1").name == "job"
    assert [form["grant_type"] for form in sign_in.forms] == ["password", "refresh_token"]


def test_new_tokens_that_are_refused_are_not_asked_for_for_ever(kind: Kind, host: Host) -> None:
    def answer(asked: Asked) -> Response:
        return issued(TOKEN) if asked.path.endswith("/token") else Response(status_code=401)

    with (
        host.service(answer) as server,
        connected(kind, server.url, **grant(f"{server.url}/token")) as images,
        pytest.raises(AuthenticationError) as caught,
    ):
        images.get_image("job:1")
    assert_reported(caught.value, "get_image", status=401)
    assert len(server.asked) == 2


def test_many_requests_without_a_token_sign_in_once(kind: Kind, host: Host) -> None:
    sign_in = SignIn()
    with (
        host.service(sign_in) as server,
        connected(kind, server.url, **grant(f"{server.url}/token")) as images,
    ):
        assert at_once(images) == [IMAGE["digest"]] * MANY
    assert len(sign_in.forms) == 1
    assert len(sign_in.asked) == MANY


def test_many_requests_with_an_expired_token_renew_it_once(kind: Kind, host: Host) -> None:
    sign_in = SignIn([issued(TOKEN, lifetime=0)], good=TOKEN)
    with (
        host.service(sign_in) as server,
        connected(kind, server.url, **grant(f"{server.url}/token")) as images,
    ):
        images.get_image("job:1")
        assert at_once(images) == [IMAGE["digest"]] * MANY
    assert len(sign_in.forms) == 2
    assert [asked.bearer for asked in sign_in.asked] == [TOKEN] + [sign_in.good] * MANY


def test_many_refusals_of_one_token_renew_it_once(kind: Kind, host: Host) -> None:
    sign_in = SignIn(holding=MANY)
    with (
        host.service(sign_in) as server,
        connected(kind, server.url, **grant(f"{server.url}/token")) as images,
    ):
        images.get_image("job:1")
        old, sign_in.good = sign_in.good, "another"
        assert at_once(images) == [IMAGE["digest"]] * MANY
    assert len(sign_in.forms) == 2
    bearers = [asked.bearer for asked in sign_in.asked]
    assert bearers == [old] * (1 + MANY) + [sign_in.good] * MANY


def test_many_requests_with_a_wrong_password_try_it_once(kind: Kind, host: Host) -> None:
    refused = [JSONResponse({"error": "invalid_grant"}, 400) for _ in range(2)]
    sign_in = SignIn(list(refused), pause=1)
    with (
        host.service(sign_in) as server,
        connected(kind, server.url, **grant(f"{server.url}/token")) as images,
    ):
        for attempts in (1, 2):
            with pytest.raises(AuthenticationError) as caught:
                at_once(images)
            assert_reported(caught.value, SIGN_IN, status=400)
            assert len(sign_in.forms) == attempts
        assert at_once(images) == [IMAGE["digest"]] * MANY  # it was put right meanwhile
    assert len(sign_in.asked) == MANY


def test_a_refresh_token_is_good_until_there_is_another(kind: Kind, host: Host) -> None:
    short = [issued(TOKEN, lifetime=0) for _ in range(2)]
    first = issued(TOKEN, lifetime=0, refresh_token="tests.kept-token.0123456789")
    sign_in = SignIn([first, *short], good=TOKEN)
    with (
        host.service(sign_in) as server,
        connected(kind, server.url, **grant(f"{server.url}/token")) as images,
    ):
        for _ in range(3):
            images.get_image("job:1")
    assert [form["grant_type"] for form in sign_in.forms] == ["password"] + ["refresh_token"] * 2
    assert {form.get("refresh_token") for form in sign_in.forms[1:]} == {
        "tests.kept-token.0123456789"
    }


@pytest.mark.parametrize("status", [400, 401])
def test_a_dead_refresh_token_falls_back_to_the_password(
    kind: Kind, host: Host, status: int
) -> None:
    said = {"error": "invalid_grant", "error_description": "The refresh token is invalid."}
    dead = JSONResponse(said, status)
    first = issued(TOKEN, lifetime=0, refresh_token="tests.dead-token.0123456789")
    sign_in = SignIn([first, dead], good=TOKEN)
    with (
        host.service(sign_in) as server,
        connected(kind, server.url, **grant(f"{server.url}/token")) as images,
    ):
        images.get_image("job:1")
        assert images.get_image("job:1").name == "job"
    assert [form["grant_type"] for form in sign_in.forms] == [
        "password",
        "refresh_token",
        "password",
    ]


@pytest.mark.parametrize("pause", [0, 1])
def test_a_busy_token_endpoint_is_waited_for(kind: Kind, host: Host, pause: int) -> None:
    sign_in = SignIn([Response(status_code=429, headers={"Retry-After": str(pause)})])
    began = time.monotonic()
    with (
        host.service(sign_in) as server,
        connected(kind, server.url, **grant(f"{server.url}/token")) as images,
    ):
        assert images.get_image("job:1").name == "job"
    assert time.monotonic() - began >= pause
    assert len(sign_in.forms) == 2


@pytest.mark.parametrize("retries", [0, 1])
def test_a_token_endpoint_that_stays_busy_is_a_rate_limit(
    kind: Kind, host: Host, retries: int
) -> None:
    busy = Response(status_code=429, headers={"Retry-After": "0"})
    last = Response(status_code=429, headers={"Retry-After": "90"})
    sign_in = SignIn([busy, last] if retries else [last])
    values = grant("") | {"rate_limit_retries": retries}
    with host.service(sign_in) as server:
        values["token_url"] = f"{server.url}/token"
        with (
            connected(kind, server.url, **values) as images,
            pytest.raises(RateLimitedError) as caught,
        ):
            images.get_image("job:1")
    assert_reported(caught.value, SIGN_IN, status=429)
    assert caught.value.retry_after == 90
    assert len(sign_in.forms) == 1 + retries
    assert sign_in.asked == []
