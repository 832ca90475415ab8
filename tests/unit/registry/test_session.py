"""What a registry's answers say about a tag; only evidence is believed."""

import hashlib
import json
from collections.abc import Callable

import httpx
import pytest

from lusid_image_publish.config import Settings
from lusid_image_publish.credential import Credential
from lusid_image_publish.errors import PushDeniedError, PushError, PushInterruptedError
from lusid_image_publish.redact import Secret
from lusid_image_publish.registry.session import INDEX_TYPES, RegistryManifest, RegistrySession
from tests.unit.registry.http_registry import REFUSALS, HttpRegistry, errors

PASSWORD = "the-registry-s-password"
CONFIG = "sha256:" + "c" * 64
V2S2 = "application/vnd.docker.distribution.manifest.v2+json"
BODY = json.dumps({"mediaType": V2S2, "config": {"digest": CONFIG}}).encode()

Answer = Callable[[httpx.Request], httpx.Response]
Ask = Callable[[Answer], RegistryManifest | None]

SETTINGS = Settings.from_values(scheduler_url="https://foo.example")


def session_with(answer: Answer) -> RegistrySession:
    """Return a session with a registry that is a function."""

    def connect(_: Settings, host: str, auth: httpx.Auth) -> httpx.Client:
        transport = httpx.MockTransport(answer)
        return httpx.Client(base_url=f"https://{host}", auth=auth, transport=transport)

    credential = Credential("AWS", Secret(PASSWORD))
    return RegistrySession("foo.example", "foo/job", credential, SETTINGS, connect=connect)


@pytest.fixture
def ask() -> Ask:
    """Ask a registry that answers with what a function returns."""
    return lambda answer: session_with(answer).read_manifest("1.0")


def test_a_manifest_is_read_with_the_credential(ask: Ask) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url == "https://foo.example/v2/foo/job/manifests/1.0"
        assert request.headers["authorization"] == httpx.BasicAuth("AWS", PASSWORD)._auth_header
        assert all(kind in request.headers["accept"] for kind in (V2S2, *INDEX_TYPES))
        return httpx.Response(200, content=BODY)

    found = ask(answer)
    assert found == RegistryManifest("sha256:" + hashlib.sha256(BODY).hexdigest(), V2S2, CONFIG)
    assert not found.is_index


@pytest.mark.parametrize(
    ("layers", "has_zstd_layers"),
    [
        ([{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"}], False),
        ([{}, {"mediaType": "application/vnd.oci.image.layer.v1.tar+zstd"}], True),
        ([{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.zstd"}], True),
        (["zstd", None, 5], False),
        ("zstd", False),
        (None, False),
        (5, False),
    ],
)
def test_layers_of_zstd_are_seen(ask: Ask, layers: object, *, has_zstd_layers: bool) -> None:
    document = {"mediaType": V2S2, "config": {"digest": CONFIG}, "layers": layers}
    found = ask(lambda _: httpx.Response(200, json=document))
    assert found
    assert found.has_zstd_layers is has_zstd_layers


@pytest.mark.parametrize(
    "document",
    [
        {"mediaType": INDEX_TYPES[0], "manifests": []},
        {"mediaType": INDEX_TYPES[1], "manifests": [], "config": {"digest": CONFIG}},
        {"manifests": []},
    ],
)
def test_an_index_is_distinguished_from_an_image(ask: Ask, document: dict[str, object]) -> None:
    found = ask(lambda _: httpx.Response(200, json=document))
    assert found is not None
    assert found.is_index


def test_a_tag_that_is_not_there_is_none(ask: Ask) -> None:
    assert ask(lambda _: httpx.Response(404)) is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, PushDeniedError),
        (403, PushDeniedError),
        (429, PushInterruptedError),
        (500, PushInterruptedError),
        (502, PushInterruptedError),
        (302, PushError),
        (400, PushError),
    ],
)
def test_a_refusal_is_what_its_status_says(ask: Ask, status: int, kind: type[PushError]) -> None:
    with pytest.raises(PushError) as caught:
        ask(lambda _: httpx.Response(status, headers={"Location": "https://elsewhere.example"}))
    assert type(caught.value) is kind


def raises(error: Exception) -> Answer:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: httpx.Response(200, content=BODY[:-5]),
        lambda _: httpx.Response(200, content=b"<html>"),
        lambda _: httpx.Response(200, json=["a list"]),
        lambda _: httpx.Response(200, content=b" " * (5 * 2**20)),
        lambda _: httpx.Response(200, content=BODY, headers={"Docker-Content-Digest": CONFIG}),
        raises(httpx.ConnectError("refused")),
        raises(httpx.ReadTimeout("")),
    ],
)
def test_what_is_no_evidence_is_an_error(ask: Ask, answer: Answer) -> None:
    with pytest.raises(PushError, match="did not return the manifest") as caught:
        ask(answer)
    assert type(caught.value) is PushError
    assert PASSWORD not in str(caught.value)


def test_a_token_is_fetched_where_the_registry_wants_one(ask: Ask) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.url} {request.headers['authorization'].split()[0]}")
        if request.url.path == "/token":
            return httpx.Response(200, json={"access_token": "the-registry-s-token"})
        if request.headers["authorization"] == "Bearer the-registry-s-token":
            return httpx.Response(200, content=BODY)
        challenge = 'Bearer realm="https://auth.example/token",service="foo.example"'
        return httpx.Response(401, headers={"WWW-Authenticate": challenge})

    assert ask(answer) is not None
    scope = "scope=repository%3Afoo%2Fjob%3Apull"
    assert asked == [
        "https://foo.example/v2/foo/job/manifests/1.0 Basic",
        f"https://auth.example/token?{scope}&service=foo.example Basic",
        "https://foo.example/v2/foo/job/manifests/1.0 Bearer",
    ]


@pytest.mark.parametrize(
    "challenge",
    [
        "Bearer",
        "Bearer x",
        'Bearer realm="',
        'Bearer service="x"',
        'Bearer realm="tests"',
        'Bearer realm="//auth.example/token"',
        'Digest realm="https://auth.example"',
    ],
)
def test_a_credential_goes_nowhere_that_is_not_safe(ask: Ask, challenge: str) -> None:
    hosts: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(401, headers={"WWW-Authenticate": challenge})

    with pytest.raises(PushDeniedError):
        ask(answer)
    assert hosts == ["foo.example"]


Refusal = Callable[[Answer], PushError | None]


@pytest.fixture
def refusal() -> Refusal:
    """Ask a registry whether it would accept a layer."""
    return lambda answer: session_with(answer).refusal_of_a_layer("1.0")


def test_an_upload_that_is_only_tried_is_cancelled(refusal: Refusal) -> None:
    found = HttpRegistry()
    assert refusal(found) is None
    upload = "/v2/foo/job/blobs/uploads/0"
    assert found.asked == [
        "POST /v2/foo/job/blobs/uploads/",
        f"PATCH {upload}",
        f"DELETE {upload}",
    ]
    assert found.blobs == {}


@pytest.mark.parametrize(("status", "kind"), REFUSALS)
def test_a_refusal_to_begin_an_upload_is_what_its_status_says(
    refusal: Refusal, status: int, kind: type[PushError]
) -> None:
    words = errors(status, "CODE", "the registry's words")
    found = refusal(HttpRegistry(answers={"POST uploads": lambda _: words}))
    assert found is not None
    assert type(found) is kind
    assert f"HTTP {status}, CODE: the registry's words" in found.message
    assert found.hint


@pytest.mark.parametrize(("status", "kind"), REFUSALS)
def test_a_refusal_of_one_byte_tells_of_a_layer_only_what_does_not_depend_on_its_size(
    refusal: Refusal, status: int, kind: type[PushError]
) -> None:
    found = HttpRegistry(answers={"PATCH upload": lambda _: errors(status, "CODE")})
    assert type(refusal(found)) is (type(None) if kind is PushError else kind)
    assert found.asked[-1] == "DELETE /v2/foo/job/blobs/uploads/0"


def test_an_upload_that_goes_on_elsewhere_is_not_followed(refusal: Refusal) -> None:
    found = HttpRegistry(place="https://elsewhere.example/{number}?_state={state}")
    assert refusal(found) is None
    assert [request.url.host for request in found.requests] == ["foo.example"]


@pytest.mark.parametrize("status", [302, 307])
def test_a_registry_that_sends_the_caller_elsewhere_refuses_nothing(
    refusal: Refusal, status: int
) -> None:
    elsewhere = httpx.Response(status, headers={"Location": "https://login.example"})
    found = HttpRegistry(answers={"POST uploads": lambda _: elsewhere})
    assert refusal(found) is None
    assert [request.url.host for request in found.requests] == ["foo.example"]


def test_an_upload_that_cannot_be_cancelled_is_no_refusal(refusal: Refusal) -> None:
    words = errors(401, "UNAUTHORIZED")
    words.headers["WWW-Authenticate"] = 'Bearer realm="https://foo.example/token"'
    found = HttpRegistry()
    found.answers = {"DELETE upload": lambda _: words, "GET token": lambda _: errors(429, "SLOW")}
    assert refusal(found) is None


def test_a_registry_that_cannot_be_asked_refuses_nothing(refusal: Refusal) -> None:
    assert refusal(raises(httpx.ConnectError("refused"))) is None


def test_one_client_and_a_token_of_each_scope_serve_all_requests_of_a_session() -> None:
    registry, clients, tokens = HttpRegistry(good={"Bearer t0ken"}), [], []
    registry.challenge = 'Bearer realm="https://foo.example/token"'

    def give(request: httpx.Request) -> httpx.Response:
        tokens.append(request.url.params["scope"])
        return httpx.Response(200, json={"token": "t0ken"})

    def connect(_: Settings, host: str, auth: httpx.Auth) -> httpx.Client:
        transport = httpx.MockTransport(registry)
        clients.append(httpx.Client(base_url=f"https://{host}", auth=auth, transport=transport))
        return clients[-1]

    registry.answers = {"GET token": give}
    credential = Credential("AWS", Secret(PASSWORD))
    session = RegistrySession("foo.example", "foo/job", credential, SETTINGS, connect=connect)
    for _ in range(3):
        assert session.read_manifest("1.0") is None
        assert session.refusal_of_a_layer("1.0") is None
    session.close()
    assert len(clients) == 1
    assert tokens == ["repository:foo/job:pull", "repository:foo/job:pull,push"]
    assert clients[0].is_closed
    RegistrySession("foo.example", "foo/job", credential, SETTINGS, connect=connect).close()
    assert len(clients) == 1, "a session that nobody used has none"
