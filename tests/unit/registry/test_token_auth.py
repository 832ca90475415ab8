"""Who gets to see a credential, and how long a token is used."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from lusid_image_publish.credential import Credential
from lusid_image_publish.errors import (
    ConfigurationError,
    PushDeniedError,
    PushError,
    PushInterruptedError,
    UnsafePlaceError,
)
from lusid_image_publish.http.network import deadline_caused
from lusid_image_publish.redact import Secret, redact
from lusid_image_publish.registry.places import registry_url
from lusid_image_publish.registry.token_auth import RegistryAuth
from lusid_image_publish.waiting import Deadline, within

PASSWORD = "the-registry-s-password"
BASIC = httpx.BasicAuth("AWS", PASSWORD)._auth_header
SCOPE = "repository:foo/job:pull,push"
CHALLENGE = 'Bearer realm="https://auth.example/token?x=1",service="foo.example"'

Answer = Callable[[httpx.Request], httpx.Response]


class World:
    """A registry with tokens; `life` is what it says of them, `good` the one that it accepts."""

    def __init__(self, host: str = "foo.example", *, allow_http: bool = False) -> None:
        self.challenge = CHALLENGE
        self.now = 0.0
        self.life: object = 300
        self.issued = 0
        self.asked: list[str] = []
        self.answers: dict[str, Answer] = {"/token": self.issue}
        self.client = httpx.Client(
            base_url=registry_url(host),
            auth=RegistryAuth(
                host,
                Credential("AWS", Secret(PASSWORD)),
                SCOPE,
                allow_http=allow_http,
                clock=lambda: self.now,
            ),
            transport=httpx.MockTransport(self.answer),
            timeout=7,
        )

    @property
    def good(self) -> str:
        return f"Bearer token-{self.issued}"

    def issue(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == BASIC
        assert dict(request.url.params) == {"x": "1", "scope": SCOPE, "service": "foo.example"}
        assert request.extensions["timeout"]["read"] == 7
        self.issued += 1
        content = {"token": f"token-{self.issued}", "expires_in": self.life}
        return httpx.Response(200, json=content)

    def answer(self, request: httpx.Request) -> httpx.Response:
        given = request.headers.get("authorization", "none").removeprefix("Bearer ")
        self.asked.append(f"{request.url.host} {'basic' if given == BASIC else given}")
        if request.url.path in self.answers:
            return self.answers[request.url.path](request)
        if request.headers.get("authorization") == self.good:
            return httpx.Response(200)
        return httpx.Response(401, headers={"WWW-Authenticate": self.challenge})

    def ask(self, url: str = "/v2/") -> int:
        self.asked.clear()
        return self.client.get(url).status_code


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/upload",
        "https://foo.example:8443/upload",
        "http://foo.example/upload",
        "https://me:password@elsewhere.example/upload",
    ],
)
def test_another_server_sees_no_credential(world: World, url: str) -> None:
    world.answers["/upload"] = lambda _: httpx.Response(201)
    assert world.ask(url) == 201
    assert world.asked == [f"{httpx.URL(url).host} none"]


def test_a_challenge_of_another_server_is_not_answered(world: World) -> None:
    assert world.ask("https://elsewhere.example/v2/") == 401
    assert world.asked == ["elsewhere.example none"]


@pytest.mark.parametrize(
    "realm",
    [
        *("http://127.0.0.1:9/token", "https://127.1/token", "https://localhost./token"),
        *("https://10.0.0.1/token", "https://169.254.169.254/", "http://metadata.google.internal/"),
        *("ftp://auth.example/token", "https://auth.example:bad/token", "file:///etc/passwd"),
    ],
)
def test_an_endpoint_that_is_not_safe_gets_no_credential(world: World, realm: str) -> None:
    challenge = f'Bearer realm="{realm}",service="foo.example"'
    world.answers["/v2/"] = lambda _: httpx.Response(401, headers={"WWW-Authenticate": challenge})
    with pytest.raises(
        UnsafePlaceError, match=r"The registry foo\.example names the token endpoint"
    ) as caught:
        world.ask()
    assert world.asked == ["foo.example basic"]
    assert caught.value.cause
    assert caught.value.hint


def test_an_endpoint_of_http_is_refused_as_configuration(world: World) -> None:
    challenge = 'Bearer realm="http://auth.example/token"'
    world.answers["/v2/"] = lambda _: httpx.Response(401, headers={"WWW-Authenticate": challenge})
    with pytest.raises(ConfigurationError, match=r"http://auth\.example/token") as caught:
        world.ask()
    assert world.asked == ["foo.example basic"]
    assert "foo.example" in caught.value.message
    assert "--allow-http" in caught.value.hint


def test_an_endpoint_of_http_is_used_where_it_is_allowed() -> None:
    world = World(allow_http=True)
    challenge = 'Bearer realm="http://auth.example/token?x=1",service="foo.example"'
    world.challenge = challenge
    assert world.ask() == 200
    assert world.asked[1] == "auth.example basic"


def test_a_registry_of_this_machine_may_have_its_endpoint_here() -> None:
    world = World("127.0.0.1:5000")
    world.challenge = 'Bearer realm="http://localhost:5001/token?x=1",service="foo.example"'
    assert world.ask() == 200
    assert world.asked == ["127.0.0.1 basic", "localhost basic", "127.0.0.1 token-1"]


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (httpx.Response(401, json={"errors": []}), PushDeniedError, "HTTP 401"),
        (httpx.Response(403), PushDeniedError, "HTTP 403"),
        (httpx.Response(503), PushInterruptedError, "HTTP 503"),
        (httpx.Response(404), PushError, "HTTP 404"),
        (httpx.Response(200, json={}), PushError, "has no token"),
        (httpx.Response(200, json={"token": 5}), PushError, "has no token"),
        (httpx.Response(200, json=["token"]), PushError, "has no token"),
        (httpx.Response(200, content=b"<html>"), PushError, "has no token"),
        (httpx.Response(200, content=b"[" * 100_000), PushError, "has no token"),
    ],
)
def test_an_endpoint_that_gives_no_token_is_reported(
    world: World, answer: httpx.Response, kind: type[PushError], words: str
) -> None:
    world.answers["/token"] = lambda _: answer
    with pytest.raises(PushError, match=words) as caught:
        world.ask()
    assert type(caught.value) is kind
    assert PASSWORD not in str(caught.value)


def test_a_token_that_is_refused_at_once_is_a_refusal(world: World) -> None:
    world.answers["/v2/"] = lambda _: httpx.Response(401, headers={"WWW-Authenticate": CHALLENGE})
    assert world.ask() == 401
    assert world.issued == 1


def test_a_token_is_used_again(world: World) -> None:
    assert world.ask() == 200
    assert world.asked == ["foo.example basic", "auth.example basic", "foo.example token-1"]
    world.now = 200
    assert world.ask() == 200
    assert world.asked == ["foo.example token-1"]
    assert redact("token-1") == "***"


@pytest.mark.parametrize("life", [300, 5, None, "soon", -1, 10**400])
def test_a_token_is_renewed_before_its_end(world: World, life: object) -> None:
    world.life = life
    world.ask()
    world.now = 45  # a token is good for a minute at the least
    assert world.ask() == 200
    assert world.asked == ["foo.example token-1"]
    world.now = 295
    assert world.ask() == 200
    assert world.asked == ["auth.example basic", "foo.example token-2"]


def test_a_token_that_the_registry_forgot_is_renewed(world: World) -> None:
    world.ask()
    world.issued += 1
    assert world.ask() == 200
    assert world.asked == ["foo.example token-1", "auth.example basic", "foo.example token-3"]


# Several threads with one credential.


def test_a_token_that_others_use_up_each_time_is_a_refusal_in_the_end(world: World) -> None:
    auth = world.client.auth
    assert isinstance(auth, RegistryAuth)

    def refuse(_: httpx.Request) -> httpx.Response:
        auth._uses += 1  # as by another thread
        return httpx.Response(401, headers={"WWW-Authenticate": CHALLENGE})

    world.answers["/v2/"] = refuse
    assert world.ask() == 401, "and not the token endpoint's 200"
    assert world.asked[-1] == f"foo.example token-{world.issued}"
    assert world.issued == 4


def test_threads_renew_a_token_once(world: World) -> None:
    assert world.ask() == 200
    world.now += 1000
    with ThreadPoolExecutor(8) as pool:
        statuses = [*pool.map(lambda _: world.client.get("/v2/").status_code, range(8))]
    assert statuses == [200] * 8
    assert world.issued == 2


def test_a_thread_waits_no_longer_for_a_token_than_it_has_time(world: World) -> None:
    over, asked = threading.Event(), threading.Event()

    def hang(request: httpx.Request) -> httpx.Response:
        asked.set()
        assert over.wait(30)
        return world.issue(request)

    world.answers["/token"] = hang
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(world.client.get, "/v2/")
        assert asked.wait(30)
        with within(Deadline(0.05)), pytest.raises(httpx.PoolTimeout) as caught:
            world.client.get("/v2/")
        over.set()
        assert first.result().status_code == 200
    assert deadline_caused(caught.value)
