"""The six operations and the token endpoint over HTTP, in front of a registry in memory."""

import io
import re
import tarfile
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import anyio
import httpx
import pytest

from lusid_image_publish.local_scheduler.app import create_app
from lusid_image_publish.local_scheduler.http_requests import MAX_BODY_BYTES
from lusid_image_publish.local_scheduler.oauth import TokenIssuer
from lusid_image_publish.local_scheduler.scans import Scans
from tests.memory_registry import INDEX, MemoryRegistry

PUSHED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NEVER = "0001-01-01T00:00:00.0000000+00:00"


class Api:
    """The application, asked over ASGI; each request is complete when `ask` returns."""

    def __init__(self, registry: MemoryRegistry, scans: Scans | None = None) -> None:
        self.registry = registry
        self.tokens = TokenIssuer()
        self._app = create_app(
            registry,
            self.tokens,
            domain="foo",
            instructions_lifetime=60,
            scans=scans or Scans(delay=0),
        )

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        bearer = {"Authorization": f"Bearer {self.tokens.access_token.reveal()}"}
        options.setdefault("headers", bearer)

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, **options)

        return anyio.run(send)

    def images(self, method: str, path: str = "", **options: Any) -> httpx.Response:
        return self.ask(method, f"/scheduler2/api/images{path}", **options)

    def form(self, **form: str) -> httpx.Response:
        return self.ask("POST", "/oauth2/token", data=form, headers={})


@pytest.fixture
def registry() -> Iterator[MemoryRegistry]:
    memory = MemoryRegistry(now=lambda: PUSHED)
    with memory.http:
        yield memory


@pytest.fixture
def api(registry: MemoryRegistry) -> Api:
    return Api(registry)


def test_instructions_name_the_registry_with_its_port(api: Api) -> None:
    answer = api.images("POST", json={"imageName": "job:1.0"})
    document = answer.json()
    login = document["dockerLoginCommand"]
    assert re.fullmatch(r"docker login -u foo-[0-9a-f]{8} -p [\w-]{43} 127\.0\.0\.1:5000", login)
    push = "docker push 127.0.0.1:5000/foo/job:"
    assert document["pushVersionedDockerImageCommand"] == f"{push}1.0"
    assert document["pushLatestDockerImageCommand"] == f"{push}latest"
    assert re.fullmatch(r"[0-9T:-]{19}\.\d{7}\+00:00", document["expiryTime"])


def test_on_port_80_the_host_is_localhost(api: Api, registry: MemoryRegistry) -> None:
    registry.port = 80
    document = api.images("POST", json={"imageName": "job:1.0"}).json()
    assert document["tagVersionedDockerImageCommand"].split()[3] == "localhost/foo/job:1.0"


def test_a_tag_that_exists_is_refused(api: Api, registry: MemoryRegistry) -> None:
    registry.put_image("foo/job", "1.0")
    answer = api.images("POST", json={"imageName": "job:1.0"})
    problem = answer.json()
    assert (answer.status_code, problem["name"]) == (400, "ValidationError")
    assert "already exists" in problem["errors"]["imageName"][0]
    assert api.images("POST", json={"imageName": "job:1.1"}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b'{"imageName": "job:1"}',
        b"{'imageName': 'job:1'}",
        b'\xef\xbb\xbf{"imageName": "job:1"}',
    ],
    ids=["JSON", "single quotes", "byte order mark"],
)
def test_a_body_is_read_leniently(api: Api, body: bytes) -> None:
    assert api.images("POST", content=body).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"(" * 100_000,
        b"{[]: 1}",
        b"{1, {}}",
        b'{"imageName": "\\ud800:1"}',
        b'{"imageName": null}',
    ],
    ids=["empty", "nul", "lists", "objects", "tuples", "key", "set", "surrogate", "null"],
)
def test_a_body_that_cannot_be_read_is_a_400(api: Api, body: bytes) -> None:
    answer = api.images("POST", content=body)
    assert answer.status_code == 400
    assert answer.json()["errors"]


@pytest.mark.parametrize("name", ["a" * 254 + ":1", "a:" + "1" * 254])
def test_the_bounds_of_names_are_the_documented_ones(api: Api, name: str) -> None:
    # registry:2 answers 500 for a repository of more than 255 characters.
    assert api.images("GET", f"/{name}").status_code == 404
    assert api.images("POST", json={"imageName": name}).status_code == 200
    assert api.images("POST", json={"imageName": name + "1"}).status_code == 400


def test_an_image_is_one_digest_with_its_tags(api: Api, registry: MemoryRegistry) -> None:
    digest = registry.put_image("foo/job", "1.0", "content")
    registry.put_image("foo/job", "latest", "content")
    registry.put_image("bar/job", "1.0", "of another domain")
    document = api.images("GET", "/job%3A1.0").json()
    assert (document["name"], document["digest"], document["size"]) == ("job", digest, 9)
    assert document["pushTime"] == "2026-01-02T03:04:05.0000000+00:00"
    assert document["pullTime"] == NEVER
    assert [tag["name"] for tag in document["tags"]] == ["1.0", "latest"]
    assert document["scanReport"]["vulnerabilities"] == []
    (value,) = api.images("GET", "/repository/job").json()["values"]
    assert (value["digest"], value["scanStatus"]) == (digest, "COMPLETE")
    (repository,) = api.images("GET", "/repository").json()["values"]
    assert (repository["name"], repository["imageCount"]) == ("job", 1)


def test_before_its_scan_ends_an_image_has_no_report(registry: MemoryRegistry) -> None:
    api = Api(registry, Scans(delay=1e9))
    registry.put_image("foo/job", "1.0")
    assert "scanReport" not in api.images("GET", "/job:1.0").json()
    (value,) = api.images("GET", "/repository/job").json()["values"]
    assert (value["scanStatus"], value["scanSummary"]) == ("", {})


def test_waiting_for_a_push_does_not_read_the_storage(api: Api, registry: MemoryRegistry) -> None:
    registry.put_image("foo/job", "1.0")
    assert api.images("GET", "/job:2.0").status_code == 404
    assert registry.reads == 0
    assert api.images("GET", "/job:1.0").status_code == 200
    assert registry.reads == 1


def test_tags_are_read_again_when_one_changes(api: Api, registry: MemoryRegistry) -> None:
    def reads(expected: int) -> list[str]:
        registry.reads = 0
        document = api.images("GET", "/job:1.0").json()
        listed = api.images("GET", "/repository/job").json()["values"]
        assert registry.reads == expected
        assert document["tags"] in [image["tags"] for image in listed]
        return sorted(tag["name"] for image in listed for tag in image["tags"])

    registry.put_image("foo/job", "1.0", "a")
    assert reads(1) == ["1.0"]
    assert reads(0) == ["1.0"]
    registry.put_image("foo/job", "1.1", "a")
    assert reads(1) == ["1.0", "1.1"]
    registry.put_image("foo/job", "1.1", "b")
    assert reads(1) == ["1.0", "1.1"]
    assert api.images("DELETE", "/job:1.1").status_code == 200
    assert reads(1) == ["1.0"]
    for number in range(1, 9):
        registry.put_image("foo/job", f"1.{number}", "a")
    assert len(reads(2)) == 9, "so many are not asked for one by one"


def test_a_list_of_repositories_costs_one_read_however_many_there_are(
    api: Api, registry: MemoryRegistry
) -> None:
    for number in range(40):
        registry.put_image(f"foo/job-{number:02}", "1.0")
        registry.put_image(f"foo/job-{number:02}", "1.1", "other")
    for parameters in ({}, {"limit": 3}, {"filter": "name startswith 'job-1'", "limit": 200}):
        registry.reads = 0
        listed = api.images("GET", "/repository", params=parameters).json()["values"]
        assert {repository["imageCount"] for repository in listed} == {2}
        assert (registry.reads, registry.requests) == (1, [])


def test_of_one_image_or_repository_no_other_is_read(api: Api, registry: MemoryRegistry) -> None:
    for number in range(40):
        registry.put_image(f"foo/job-{number:02}", "1.0")
    assert len(api.images("GET", "/repository/job-07").json()["values"]) == 1
    assert api.images("GET", "/job-08:1.0").status_code == 200
    assert registry.reads == 2
    assert {path.split("/")[1] for path in registry.requests} == {"job-07", "job-08"}


def test_only_the_manifests_of_the_page_are_asked_for(api: Api, registry: MemoryRegistry) -> None:
    for number in range(20):
        registry.put_image("foo/job", f"1.{number}", str(number))
    page = api.images("GET", "/repository/job", params={"limit": 3}).json()
    assert len(page["values"]) == len(registry.requests) == 3
    api.images("GET", "/repository/job", params={"limit": 3})
    assert len(registry.requests) == 3, "a manifest never changes"


def test_a_tag_that_moves_is_seen_at_once(api: Api, registry: MemoryRegistry) -> None:
    registry.put_image("foo/job", "1.0", "a")
    registry.put_image("foo/job", "latest", "a")
    assert len(api.images("GET", "/job:1.0").json()["tags"]) == 2
    digest = registry.put_image("foo/job", "latest", "b")
    assert len(api.images("GET", "/job:1.0").json()["tags"]) == 1
    assert api.images("GET", "/job:latest").json()["digest"] == digest


def test_more_tags_than_are_asked_for_one_by_one(api: Api, registry: MemoryRegistry) -> None:
    for number in range(20):
        registry.put_image("foo/job", f"1.{number}", str(number))
    digest = registry.put_image("foo/job", "1.0", "moved")
    assert api.images("GET", "/job:1.0").json()["digest"] == digest
    assert len(api.images("GET", "/repository/job").json()["values"]) == 20


def test_delete_answers_with_bare_strings(api: Api, registry: MemoryRegistry) -> None:
    registry.put_image("foo/job", "1.0")
    assert api.images("DELETE", "/job:1.0").json() == "The image job:1.0 was deleted."
    gone = api.images("DELETE", "/job:1.0")
    assert (gone.status_code, gone.json()) == (404, "The image job:1.0 does not exist.")
    assert api.images("GET", "/job:1.0").status_code == 404


def test_a_download_has_the_length_it_says(api: Api, registry: MemoryRegistry) -> None:
    registry.put_image("foo/job", "1.0")
    answer = api.images("GET", "/job:1.0/contents")
    assert int(answer.headers["content-length"]) == len(answer.content)
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
        assert tar.getnames()[0] == "manifest.json"


@pytest.mark.parametrize("architectures", [["arm64"], ["arm64", "amd64"], []])
def test_an_index_shows_the_image_for_jobs_or_its_first(
    api: Api, registry: MemoryRegistry, architectures: list[str]
) -> None:
    entries = [
        {
            "digest": registry.put_image("foo/parts", name, name),
            "platform": {"os": "linux", "architecture": name},
        }
        for name in architectures
    ]
    registry.put("foo/job", "1.0", {"manifests": entries}, INDEX)
    document = api.images("GET", "/job:1.0").json()
    assert document["size"] == (7 if architectures else 0)
    assert len(api.images("GET", "/repository/job").json()["values"]) == 1
    answer = api.images("GET", "/job:1.0/contents")
    assert answer.status_code == (200 if architectures else 500)
    if architectures:
        assert architectures[-1].encode() in answer.content


def test_an_index_whose_manifest_is_gone_does_not_hide_the_list(
    api: Api, registry: MemoryRegistry
) -> None:
    child = registry.put_image("foo/job", "part")
    registry.put("foo/job", "1.0", {"manifests": [{"digest": child}]}, INDEX)
    api.images("DELETE", "/job:part")
    (value,) = api.images("GET", "/repository/job").json()["values"]
    assert (value["tags"][0]["name"], value["size"]) == ("1.0", 0)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/job:absent", 404),
        ("/job:absent/contents", 404),
        ("/repository/absent", 404),
        ("/Job:1", 400),
        ("/a..b:1", 400),
        ("/job", 400),
        ("/repository?limit=0", 400),
        ("/repository?page=AAAA", 400),
        ("/repository?filter=nonsense", 400),
    ],
)
def test_a_problem_has_the_documented_members(api: Api, path: str, status: int) -> None:
    answer = api.images("GET", path)
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    members = {"name", "errorDetails", "code", "type", "title", "status", "detail", "instance"}
    assert problem.keys() == members | ({"errors"} if status == 400 else set())
    assert problem["instance"].endswith(answer.headers["lusid-meta-requestId"])
    assert answer.headers["lusid-meta-success"] == "False"


def test_what_nobody_expected_is_a_500_with_a_problem(api: Api, registry: MemoryRegistry) -> None:
    registry.http.close()
    answer = api.images("GET", "/job:1.0")
    assert (answer.status_code, answer.json()["code"]) == (500, -1)


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer x"}, {"Authorization": "x"}])
def test_without_a_token_the_answer_is_an_empty_401(api: Api, header: dict[str, str]) -> None:
    answer = api.images("GET", "/repository", headers=header)
    assert (answer.status_code, answer.content) == (401, b"")
    assert answer.headers["www-authenticate"] == "Bearer"


def with_basic(tokens: TokenIssuer) -> dict[str, Any]:
    return {"auth": (tokens.client_id, tokens.client_secret.reveal())}


def in_the_form(tokens: TokenIssuer) -> dict[str, Any]:
    return {"form": {"client_id": tokens.client_id, "client_secret": tokens.client_secret.reveal()}}


@pytest.mark.parametrize("client", [with_basic, in_the_form])
def test_signing_in_and_refreshing(
    api: Api, client: Callable[[TokenIssuer], dict[str, Any]]
) -> None:
    def ask(**form: str) -> httpx.Response:
        options = client(api.tokens)
        form |= options.pop("form", {})
        return api.ask("POST", "/oauth2/token", data=form, headers={}, **options)

    signed_in = ask(
        grant_type="password",
        username=api.tokens.username,
        password=api.tokens.password.reveal(),
        scope="openid client groups offline_access",
    ).json()
    assert (signed_in["token_type"], signed_in["expires_in"]) == ("Bearer", 3600)
    refreshed = ask(grant_type="refresh_token", refresh_token=signed_in["refresh_token"]).json()
    bearer = {"Authorization": f"Bearer {refreshed['access_token']}"}
    assert api.images("GET", "/repository", headers=bearer).status_code == 200
    used = ask(grant_type="refresh_token", refresh_token=signed_in["refresh_token"])
    assert (used.status_code, used.json()) == (
        400,
        {
            "error": "invalid_grant",
            "error_description": "The refresh token is invalid or expired.",
        },
    )
    assert ask(grant_type="password", username="x", password="y").json()["error"] == "invalid_grant"
    assert ask(grant_type="magic").json()["error"] == "unsupported_grant_type"


def test_an_unknown_client_is_refused(api: Api) -> None:
    answer = api.form(grant_type="password", client_id="x", client_secret="y")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_scope_with_unencoded_spaces_is_read(api: Api) -> None:
    tokens = api.tokens
    body = (
        f"grant_type=password&username={tokens.username}&password={tokens.password.reveal()}"
        f"&client_id={tokens.client_id}&client_secret={tokens.client_secret.reveal()}"
        "&scope=openid client groups offline_access"
    )
    answer = api.ask("POST", "/oauth2/token", content=body, headers={})
    assert answer.json()["scope"] == "openid client groups offline_access"


def endless(read: list[int]) -> AsyncIterator[bytes]:
    """Return a body without a length that goes on, and keep in `read` how much of it is taken."""

    async def parts() -> AsyncIterator[bytes]:
        while sum(read) < 20 * MAX_BODY_BYTES:
            read.append(MAX_BODY_BYTES // 4)
            yield b"a" * read[-1]

    return parts()


@pytest.mark.parametrize("path", ["/scheduler2/api/images", "/oauth2/token"])
def test_a_body_is_read_up_to_a_bound(api: Api, path: str) -> None:
    read: list[int] = []
    answer = api.ask("POST", path, content=endless(read))
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"
    assert sum(read) <= 2 * MAX_BODY_BYTES
    assert "bytes" in answer.json()["detail"]


def test_a_body_that_says_it_is_too_long_is_not_read(api: Api) -> None:
    for length in (str(MAX_BODY_BYTES + 1), "9" * 18, "9" * 5000):
        read: list[int] = []
        headers = {"Content-Length": length}
        answer = api.ask("POST", "/oauth2/token", headers=headers, content=endless(read))
        assert answer.status_code == 413
        assert sum(read) <= MAX_BODY_BYTES


def test_without_a_login_no_body_of_the_images_is_read(api: Api) -> None:
    read: list[int] = []
    answer = api.images("POST", headers={}, content=endless(read))
    assert answer.status_code == 401
    assert sum(read) <= MAX_BODY_BYTES


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/oauth2/token", "POST"),
        ("PUT", "/scheduler2/api/images/job:1.0", "DELETE, GET"),
        ("GET", "/scheduler2/api/images", "POST"),
        ("POST", "/scheduler2/api/images/job:1.0/contents", "GET"),
    ],
)
def test_another_method_is_answered_with_those_that_are_allowed(
    api: Api, method: str, path: str, allowed: str
) -> None:
    answer = api.ask(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
