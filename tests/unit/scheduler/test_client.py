"""What is sent, and what an answer means."""

import base64
import json
import ssl
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from lusid_image_publish.config import Settings
from lusid_image_publish.errors import (
    AccessDeniedError,
    AuthenticationError,
    BadRequestError,
    LusidPublishError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    TransportError,
    UnexpectedAnswerError,
)
from lusid_image_publish.http import transport
from lusid_image_publish.redact import Secret
from lusid_image_publish.scheduler.client import ImagesClient

URL = "https://foo.lusid.com/scheduler2"
TOKEN_URL = "https://sign.in/oauth2/v1/token"
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seen: list[float] = []
    monkeypatch.setattr("httpx_retries.retry.time.sleep", seen.append)
    return seen


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> Callable[[Handler], None]:
    """Let a function answer in place of the network; pauses between retries take no time."""
    del pauses

    def install(handler: Handler) -> None:
        monkeypatch.setattr(transport, "BoundedTransport", lambda **_: httpx.MockTransport(handler))

    return install


def client(**changes: object) -> ImagesClient:
    values: dict[str, object] = {"scheduler_url": URL, "access_token": Secret("t0ken"), **changes}
    return ImagesClient(Settings(**values))  # type: ignore[arg-type]  # a test's own mixture


DIGEST = "sha256:" + "a" * 64
IMAGE = {"name": "job", "digest": DIGEST}


def test_requests_are_those_of_the_service(serve: Callable[[Handler], None]) -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=IMAGE)

    serve(handler)
    with client(app_name="mine", correlation_id="c-1") as images:
        images.get_image("job:1.0")
        with pytest.raises(UnexpectedAnswerError):
            images.upload_image("job:1.0")
    get, post = seen
    assert (get.method, str(get.url)) == ("GET", f"{URL}/api/images/job%3A1.0")
    assert (post.method, str(post.url)) == ("POST", f"{URL}/api/images")
    assert json.loads(post.content) == {"imageName": "job:1.0"}
    assert post.headers["content-type"] == "application/json"
    for request in seen:
        assert request.headers["authorization"] == "Bearer t0ken"
        assert request.headers["accept"] == "application/json"
        assert request.headers["x-lusid-application"] == "mine"
        assert request.headers["correlationid"] == "c-1"
        assert request.headers["user-agent"].startswith("lusid-image-publish/")
        assert request.extensions["timeout"] == {
            "connect": 10.0,
            "read": 60.0,
            "write": 60.0,
            "pool": 60.0,
        }


def problem(status: int, **members: object) -> httpx.Response:
    return httpx.Response(
        status,
        json={"name": "Problem", "code": -1, "title": "No good", **members},
        headers={"lusid-meta-requestId": "0HN:7"},
    )


HTML = httpx.Response(200, html="<html><title>Sign in</title></html>")
ANSWERS: list[tuple[httpx.Response, type[LusidPublishError], str]] = [
    (problem(400, errors={"ImageName": ["must match"]}), BadRequestError, "ImageName: must match"),
    (problem(403, code=186), AccessDeniedError, "No good"),
    (problem(403, code=939), AccessDeniedError, "code 939"),
    (problem(404), NotFoundError, "HTTP 404"),
    (httpx.Response(404, json="There is none."), NotFoundError, "There is none"),
    (httpx.Response(404, html="<h1>nginx</h1>"), NotFoundError, "text/html"),
    (problem(429), RateLimitedError, "HTTP 429"),
    (problem(500, detail="It broke."), ServerError, "It broke"),
    (httpx.Response(502, html="<h1>Bad gateway</h1>"), ServerError, "Bad gateway"),
    (httpx.Response(503), ServerError, "HTTP 503"),
    (httpx.Response(401), AuthenticationError, "HTTP 401"),
    (problem(400, code=187), AuthenticationError, "code 187"),
    (httpx.Response(302, headers={"location": "https://evil"}), UnexpectedAnswerError, "302"),
    (httpx.Response(418), UnexpectedAnswerError, "418"),
    (HTML, UnexpectedAnswerError, "does not match its API documentation"),
    (httpx.Response(200, json=[]), UnexpectedAnswerError, "does not match its API documentation"),
    (
        httpx.Response(200, json={"size": "big"}),
        UnexpectedAnswerError,
        "does not match its API documentation",
    ),
    (httpx.Response(200, content=b'{"name": "j'), UnexpectedAnswerError, "API documentation"),
    (httpx.Response(204), UnexpectedAnswerError, "204"),
]


@pytest.mark.parametrize(
    ("answer", "kind", "words"), ANSWERS, ids=lambda value: getattr(value, "status_code", None)
)
def test_each_answer_has_its_error(
    serve: Callable[[Handler], None],
    answer: httpx.Response,
    kind: type[LusidPublishError],
    words: str,
) -> None:
    serve(lambda _: answer)
    with client() as images, pytest.raises(LusidPublishError) as caught:
        images.get_image("job:1.0")
    assert type(caught.value) is kind
    assert words in caught.value.message
    assert caught.value.cause
    assert caught.value.hint


@pytest.mark.parametrize(
    ("answer", "is_lusids_own"),
    [
        (problem(404), True),
        (problem(404, code=731, detail="No such image."), True),
        (httpx.Response(404, json={"code": 731}), False),
        (problem(404, code=404), False),
        (problem(404, code="731"), False),
        (httpx.Response(404, json={"detail": "Not Found"}), False),
        (httpx.Response(404, json={"title": "Not Found", "status": 404}), False),
        (httpx.Response(404, json="There is none."), False),
        (httpx.Response(404, html="<h1>nginx</h1>"), False),
        (httpx.Response(404), False),
    ],
)
def test_a_404_with_a_code_of_finbourne_s_is_lusid_s_own(
    serve: Callable[[Handler], None], answer: httpx.Response, *, is_lusids_own: bool
) -> None:
    serve(lambda _: answer)
    with client() as images, pytest.raises(NotFoundError) as caught:
        images.get_image("job:1.0")
    assert caught.value.is_lusids_own is is_lusids_own


def test_an_error_carries_what_the_service_said(serve: Callable[[Handler], None]) -> None:
    serve(lambda _: problem(400, code=151, errors={"ImageName": ["must match"]}))
    with client() as images, pytest.raises(BadRequestError) as caught:
        images.upload_image("job:1.0")
    error = caught.value
    assert (error.operation, error.status, error.code) == ("upload_image", 400, 151)
    assert (error.request_id, error.field_errors) == ("0HN:7", {"ImageName": ["must match"]})


def test_a_rate_limit_is_waited_out(serve: Callable[[Handler], None], pauses: list[float]) -> None:
    answers: Iterator[httpx.Response] = iter(
        [httpx.Response(429, headers={"retry-after": "7"}), httpx.Response(200, json=IMAGE)]
    )
    serve(lambda _: next(answers))
    with client() as images:
        assert images.get_image("job:1.0").digest == DIGEST
    assert pauses == [7.0]


@pytest.mark.parametrize("retries", [0, 1, 2, 5])
def test_a_rate_limit_that_stays_is_tried_as_often_as_set(
    serve: Callable[[Handler], None], retries: int
) -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(429, headers={"retry-after": "30"})

    serve(handler)
    with client(rate_limit_retries=retries) as images, pytest.raises(RateLimitedError) as caught:
        images.get_image("job:1.0")
    assert len(seen) == 1 + retries
    assert caught.value.retry_after == 30
    assert "30 seconds" in caught.value.hint


def test_an_hour_that_the_service_asks_for_is_not_slept_through(
    serve: Callable[[Handler], None], pauses: list[float]
) -> None:
    serve(lambda _: httpx.Response(429, headers={"retry-after": "3600"}))
    with client() as images, pytest.raises(RateLimitedError) as caught:
        images.get_image("job:1.0")
    assert caught.value.retry_after == 3600
    assert sum(pauses) <= 120


def test_a_date_in_retry_after_is_understood(serve: Callable[[Handler], None]) -> None:
    serve(lambda _: httpx.Response(429, headers={"retry-after": "Sat, 01 Jan 2000 00:00:00 GMT"}))
    with client() as images, pytest.raises(RateLimitedError) as caught:
        images.get_image("job:1.0")
    assert caught.value.retry_after == 0


def test_a_server_error_is_tried_again(serve: Callable[[Handler], None]) -> None:
    answers = iter([*(httpx.Response(s) for s in (500, 502, 503)), httpx.Response(200, json=IMAGE)])
    serve(lambda _: next(answers))
    with client() as images:
        assert images.get_image("job:1.0").name == "job"


def _untrusted() -> httpx.ConnectError:
    error = httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed")
    error.__cause__ = ssl.SSLCertVerificationError(1, str(error))
    return error


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), "URL is wrong"),
        (httpx.ConnectTimeout(""), "slow"),
        (httpx.ReadError("reset"), "network is down"),
        (httpx.ProxyError("407 Proxy Authentication Required"), "proxy refused"),
        (_untrusted(), "certificate"),
    ],
)
def test_no_answer_is_reported_with_its_likely_cause(
    serve: Callable[[Handler], None], failure: httpx.TransportError, words: str
) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise failure

    serve(handler)
    with client() as images, pytest.raises(TransportError) as caught:
        images.get_image("job:1.0")
    assert "The Scheduler at foo.lusid.com" in caught.value.message
    assert words in caught.value.cause
    assert caught.value.hint


def test_a_token_file_is_read_again_for_each_request(serve: Callable[[Handler], None]) -> None:
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(200, json=IMAGE)

    serve(handler)
    path = Path("token")
    path.write_text("first\n")
    with client(access_token=None, access_token_file=path) as images:
        images.get_image("job:1")
        path.write_text("second")
        images.get_image("job:1")
        path.write_text("")
        with pytest.raises(AuthenticationError, match="does not contain exactly one token"):
            images.get_image("job:1")
        for wrapped, words in (('"third"', "is in quotes"), ("Bearer third", "the word Bearer")):
            path.write_text(wrapped)
            with pytest.raises(AuthenticationError, match=words) as caught:
                images.get_image("job:1")
            assert "third" not in str(caught.value.diagnostics())
        path.unlink()
        with pytest.raises(AuthenticationError, match="cannot be read"):
            images.get_image("job:1")
    assert seen == ["Bearer first", "Bearer second"]


def test_broken_instructions_do_not_show_the_password(serve: Callable[[Handler], None]) -> None:
    text = '{"dockerLoginCommand":"docker login -u foo -p SUPERSECRETPASSWORD foo.az'
    for body in (text, json.dumps(text)):
        serve(lambda _, body=body: httpx.Response(200, content=body))  # type: ignore[misc]  # bound early
        with client() as images, pytest.raises(UnexpectedAnswerError) as caught:
            images.upload_image("job:1.0")
        assert "SUPERSECRET" not in str(caught.value.diagnostics())


def test_a_token_that_is_none_is_refused_without_being_shown(
    serve: Callable[[Handler], None],
) -> None:
    serve(lambda _: httpx.Response(200, json=IMAGE))
    for token in ("abcdefgh\nSECRETPART", "tök", "two words"):
        with client(access_token=Secret(token)) as images, pytest.raises(AuthenticationError) as e:
            images.get_image("job:1")
        assert "SECRETPART" not in str(e.value.diagnostics())


def test_a_token_endpoint_that_fails_is_not_a_wrong_password(
    serve: Callable[[Handler], None],
) -> None:
    server = SignIn()
    server.token_answers = [httpx.Response(503)] * 4
    serve(server)
    with oauth_client() as images, pytest.raises(ServerError, match="503"):
        images.get_image("job:1")


class SignIn:
    """A token endpoint and an API: what each is asked is kept."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.basic: list[str] = []
        self.bearers: list[str] = []
        self.token_answers: list[httpx.Response] = []
        self.api_answers: list[httpx.Response] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if str(request.url) == TOKEN_URL:
            assert request.extensions["timeout"]["read"] == 60.0
            self.forms.append(dict(urllib.parse.parse_qsl(request.content.decode())))
            self.basic.append(request.headers.get("authorization", ""))
            if self.token_answers:
                return self.token_answers.pop(0)
            return self.token(f"token-{len(self.forms)}")
        self.bearers.append(request.headers["authorization"])
        return self.api_answers.pop(0) if self.api_answers else httpx.Response(200, json=IMAGE)

    @staticmethod
    def token(text: str, **members: object) -> httpx.Response:
        return httpx.Response(200, json={"access_token": text, "expires_in": 3600, **members})


def oauth_client() -> ImagesClient:
    return client(
        access_token=None,
        token_url=TOKEN_URL,
        username="me@x",
        password=Secret("p&ss=w rd"),
        client_id="client",
        client_secret=Secret("hu/sh"),
    )


def test_a_password_grant_is_asked_once_and_used(serve: Callable[[Handler], None]) -> None:
    server = SignIn()
    serve(server)
    with oauth_client() as images:
        images.get_image("job:1")
        images.get_image("job:1")
    assert server.forms == [
        {
            "grant_type": "password",
            "username": "me@x",
            "password": "p&ss=w rd",
            "scope": "openid client groups offline_access",
            "client_id": "client",
            "client_secret": "hu/sh",
        }
    ]
    assert server.bearers == ["Bearer token-1"] * 2


def test_an_expired_token_is_refreshed_before_it_is_used(serve: Callable[[Handler], None]) -> None:
    server = SignIn()
    server.token_answers = [server.token("first", expires_in=0, refresh_token="again")]
    serve(server)
    with oauth_client() as images:
        images.get_image("job:1")
        images.get_image("job:1")
    assert server.forms[1]["grant_type"] == "refresh_token"
    assert server.forms[1]["refresh_token"] == "again"
    assert server.basic[1] == "Basic " + base64.b64encode(b"client:hu/sh").decode()
    assert server.bearers == ["Bearer first", "Bearer token-2"]


def test_a_dead_refresh_token_falls_back_to_the_password(
    serve: Callable[[Handler], None],
) -> None:
    server = SignIn()
    server.token_answers = [
        server.token("first", expires_in=0, refresh_token="again"),
        httpx.Response(400, json={"error_description": "refresh token is invalid or expired"}),
    ]
    serve(server)
    with oauth_client() as images:
        images.get_image("job:1")
        images.get_image("job:1")
    assert [form["grant_type"] for form in server.forms] == [
        "password",
        "refresh_token",
        "password",
    ]


def test_a_401_in_the_middle_is_answered_with_a_new_token(
    serve: Callable[[Handler], None],
) -> None:
    server = SignIn()
    server.api_answers = [httpx.Response(200, json=IMAGE), httpx.Response(401)]
    serve(server)
    with oauth_client() as images:
        images.get_image("job:1")
        images.get_image("job:1")
    assert server.bearers == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


def test_a_401_for_a_new_token_is_final(serve: Callable[[Handler], None]) -> None:
    server = SignIn()
    server.api_answers = [httpx.Response(401)]
    serve(server)
    with oauth_client() as images, pytest.raises(AuthenticationError):
        images.get_image("job:1")
    assert len(server.forms) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(400, json={"error_description": "Bad password."}), "Bad password"),
        (httpx.Response(401, json={"error": "invalid_client"}), "invalid_client"),
        (httpx.Response(403, html="<h1>no</h1>"), "HTTP 403"),
        (httpx.Response(200, html="<h1>hello</h1>"), "no access token"),
        (httpx.Response(200, json=["x"]), "no access token"),
        (httpx.Response(200, json={"access_token": None}), "no access token"),
    ],
)
def test_a_refused_sign_in_says_what_the_endpoint_said(
    serve: Callable[[Handler], None], answer: httpx.Response, words: str
) -> None:
    server = SignIn()
    server.token_answers = [answer]
    serve(server)
    with oauth_client() as images, pytest.raises(AuthenticationError) as caught:
        images.get_image("job:1")
    assert words in caught.value.message
    assert server.bearers == [], "without a token nothing is sent to the API"


def test_the_token_endpoint_s_rate_limit_is_waited_out(
    serve: Callable[[Handler], None], pauses: list[float]
) -> None:
    server = SignIn()
    server.token_answers = [httpx.Response(429, headers={"retry-after": "3"})]
    serve(server)
    with oauth_client() as images:
        images.get_image("job:1")
    assert pauses == [3.0]


def test_a_token_endpoint_that_does_not_answer_is_named(serve: Callable[[Handler], None]) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    serve(handler)
    with (
        oauth_client() as images,
        pytest.raises(TransportError, match=r"token endpoint at sign\.in"),
    ):
        images.get_image("job:1")
