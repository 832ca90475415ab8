"""The local Scheduler over the wire, asked with nothing but an HTTP client and the engine."""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from docker import DockerClient

from lusid_image_publish.local_scheduler.server import LocalScheduler, LocalSchedulerSettings
from tests.integration.parts import Job
from tests.plain_http import HTTP, plain_client

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}\+00:00")
NEVER = "0001-01-01T00:00:00.0000000+00:00"


class Api:
    """The Images API as a script would use it."""

    def __init__(self, scheduler: LocalScheduler) -> None:
        self.scheduler = scheduler
        self.url = scheduler.url + "/api/images"
        self.http = plain_client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {scheduler.access_token.reveal()}"},
            timeout=30,
        )

    def upload(self, name: str) -> httpx.Response:
        return self.http.post(self.url, json={"imageName": name})

    def push(self, engine: DockerClient, image: str, name: str) -> str:
        """Push as FINBOURNE's own tools do, taking the commands apart at their blanks."""
        instructions = self.upload(name).raise_for_status().json()
        _, _, _, user, _, password, _ = instructions["dockerLoginCommand"].split(" ")
        _, _, _, remote = instructions["tagVersionedDockerImageCommand"].split(" ")
        assert instructions["pushVersionedDockerImageCommand"] == f"docker push {remote}"
        return push(engine, image, remote, user, password)


Reach = Callable[[LocalScheduler], Api]


def push(engine: DockerClient, image: str, remote: str, user: str, password: str) -> str:
    """Push, and return the digest or the error's words."""
    repository, _, tag = remote.rpartition(":")
    engine.api.tag(image, repository, tag)
    credential = {"username": user, "password": password}
    said = ""
    for event in engine.api.push(
        repository, tag=tag, stream=True, decode=True, auth_config=credential
    ):
        said = (event.get("aux") or {}).get("Digest") or event.get("error") or said
    engine.api.remove_image(remote)
    return said


@pytest.fixture
def reach() -> Iterator[Reach]:
    """Return a function that gives the API of a Scheduler, closed at the end of the test."""
    with ExitStack() as stack:

        def reach(scheduler: LocalScheduler) -> Api:
            api = Api(scheduler)
            stack.enter_context(api.http)
            return api

        yield reach


@pytest.fixture
def api(scheduler: LocalScheduler, reach: Reach) -> Api:
    return reach(scheduler)


@pytest.fixture
def image(clean_engine: DockerClient, job: Job, repository: str) -> str:
    tag = f"{repository}:local"
    clean_engine.images.build(path=str(job.folder), tag=tag)
    return tag


def test_instructions_are_those_of_the_service(api: Api, repository: str) -> None:
    answer = api.upload(f"{repository}:1.0").raise_for_status()
    document = answer.json()
    host = api.scheduler.registry_host
    assert re.fullmatch(r"127\.0\.0\.1:\d+", host)
    login = document.pop("dockerLoginCommand")
    assert re.fullmatch(rf"docker login -u \S+ -p \S{{32,}} {re.escape(host)}", login)
    assert DATE.fullmatch(document.pop("expiryTime"))
    local, remote = f"foo/{repository}", f"{host}/foo/{repository}"
    assert document == {
        "buildVersionedDockerImageCommand": f"docker build -t {local}:1.0 . --platform=linux/amd64",
        "tagVersionedDockerImageCommand": f"docker tag {local}:1.0 {remote}:1.0",
        "pushVersionedDockerImageCommand": f"docker push {remote}:1.0",
        "tagLatestDockerImageCommand": f"docker tag {local}:1.0 {remote}:latest",
        "pushLatestDockerImageCommand": f"docker push {remote}:latest",
    }
    assert answer.headers["lusid-meta-success"] == "True"
    assert answer.headers["lusid-meta-requestid"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json-patch+json", '{"imageName": "NAME"}'),
        ("text/json", '{"imageName": "NAME"}'),
        ("application/vnd.x+json", '{"imageName": "NAME"}'),
        ("application/json", "{'imageName': 'NAME'}"),
    ],
)
def test_every_form_of_request_that_the_service_takes_is_taken(
    api: Api, repository: str, content_type: str, body: str
) -> None:
    answer = api.http.post(
        api.url,
        content=body.replace("NAME", f"{repository}:1"),
        headers={"Content-Type": content_type},
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", "{}", '{"imageName": 5}', '{"imageName": "Job:1"}', '{"imageName": "job"}']
    + [f'{{"imageName": "{name}"}}' for name in ("a/b:1", "a..b:1", "a:" + "1" * 300, "_" * 250)],
)
def test_a_request_that_breaks_a_rule_is_a_400_with_its_field(api: Api, body: str) -> None:
    answer = api.http.post(api.url, content=body, headers={"Content-Type": "application/json"})
    assert_problem(answer, 400)
    assert answer.json()["errors"]


def assert_problem(answer: httpx.Response, status: int, code: int | None = None) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {"name", "code", "type", "title", "status", "detail", "instance"} <= problem.keys()
    assert problem["status"] == status
    assert problem["instance"].endswith(answer.headers["lusid-meta-requestid"])
    assert code is None or problem["code"] == code


@pytest.mark.parametrize("name", ["a" * 254 + ":1", "a:" + "1" * 254])
def test_the_longest_names_that_are_documented_are_answered(api: Api, name: str) -> None:
    # The registry itself answers 500 for a repository of more than 255 characters.
    assert_problem(api.http.get(f"/{name}"), 404)
    assert_problem(api.http.get(f"/repository/{name.partition(':')[0]}"), 404)
    assert api.upload(name).status_code == 200
    assert_problem(api.upload(f"{name}1"), 400)


def test_an_image_goes_through_its_whole_life(
    api: Api, clean_engine: DockerClient, image: str, repository: str
) -> None:
    name = f"{repository}:1.0"
    assert_problem(api.http.get(f"/{name}"), 404)
    assert_problem(api.http.get(f"/repository/{repository}"), 404)
    digest = api.push(clean_engine, image, name)
    assert digest.startswith("sha256:")

    document = api.http.get(f"/{repository}%3A1.0").raise_for_status().json()
    assert document == api.http.get(f"/{name}").json(), "a raw colon works as well"
    (tag,) = document["tags"]
    assert (document["name"], document["digest"], tag["name"]) == (repository, digest, "1.0")
    assert document["pullTime"] == NEVER
    assert DATE.fullmatch(document["pushTime"])
    assert document["scanReport"]["status"] == "Success"
    assert document["scanReport"]["summary"]["total"] == 0

    assert_problem(api.upload(name), 400)
    assert "already exists" in api.upload(name).json()["errors"]["imageName"][0]

    listed = api.http.get(f"/repository/{repository}").json()
    assert [value["digest"] for value in listed["values"]] == [digest]
    assert listed["values"][0]["scanStatus"] == "COMPLETE"
    assert "nextPage" not in listed
    names = [value["name"] for value in api.http.get("/repository").json()["values"]]
    assert repository in names

    assert api.http.delete(f"/{name}").raise_for_status().json() == f"The image {name} was deleted."
    gone = api.http.delete(f"/{name}")
    assert (gone.status_code, gone.json()) == (404, f"The image {name} does not exist.")
    assert_problem(api.http.get(f"/{name}"), 404)
    assert_problem(api.http.get(f"/repository/{repository}"), 404)
    names = [value["name"] for value in api.http.get("/repository").json()["values"]]
    assert repository not in names
    instructions = api.upload(name).raise_for_status().json()
    user, password = credential(instructions)
    manifest = HTTP.get(
        f"http://{api.scheduler.registry_host}/v2/foo/{repository}/manifests/{digest}",
        auth=(user, password),
    )
    assert manifest.status_code == 404, "the manifest is gone from the registry"


def credential(instructions: dict[str, Any]) -> tuple[str, str]:
    words = instructions["dockerLoginCommand"].split(" ")
    return words[3], words[5]


def test_one_digest_with_two_tags_is_one_image(
    api: Api, clean_engine: DockerClient, image: str, repository: str
) -> None:
    api.push(clean_engine, image, f"{repository}:1.0")
    api.push(clean_engine, image, f"{repository}:2.0")
    (value,) = api.http.get(f"/repository/{repository}").json()["values"]
    assert [tag["name"] for tag in value["tags"]] == ["1.0", "2.0"]


def test_what_is_downloaded_can_be_loaded(
    api: Api, clean_engine: DockerClient, image: str, repository: str, job: Job
) -> None:
    name = f"{repository}:1.0"
    api.push(clean_engine, image, name)
    image_id = clean_engine.images.get(image).id
    clean_engine.images.remove(image)
    answer = api.http.get(f"/{name}/contents").raise_for_status()
    assert len(answer.content) == int(answer.headers["content-length"])
    (loaded,) = clean_engine.images.load(answer.content)
    assert loaded.id == image_id
    assert loaded.tags == [name]
    container = clean_engine.containers.create(loaded, ["x"])
    try:
        chunks, _ = container.get_archive("/content")
        assert job.content.encode() in b"".join(chunks)
    finally:
        container.remove()
    assert_problem(api.http.get(f"/{repository}:absent/contents"), 404)


def test_lists_page_sort_and_filter(
    api: Api, clean_engine: DockerClient, job: Job, repository: str
) -> None:
    for number in range(3):
        (job.folder / "content").write_text(f"{job.content} {number}" + "x" * 10_000 * number)
        clean_engine.images.build(path=str(job.folder), tag=f"{repository}:local")
        api.push(clean_engine, f"{repository}:local", f"{repository}:1.{number}")

    def tags(**parameters: object) -> list[str]:
        answer = api.http.get(f"/repository/{repository}", params=parameters)  # type: ignore[arg-type]  # texts and numbers
        values = answer.raise_for_status().json()["values"]
        return [value["tags"][0]["name"] for value in values]

    assert tags(sortBy="size") == ["1.0", "1.1", "1.2"]
    assert tags(sortBy="-size") == ["1.2", "1.1", "1.0"]
    assert tags(filter="tags any (name eq '1.1')") == ["1.1"]
    assert tags(filter="tags any (name in '1.0', '1.2')", sortBy="size") == ["1.0", "1.2"]
    assert tags(filter="scanStatus eq 'COMPLETE' and scanSummary.high gt 0") == []
    assert tags(sortBy="size", start=1, limit=1) == ["1.1"]

    seen: list[str] = []
    parameters: dict[str, Any] = {"sortBy": "size", "limit": 2}
    while True:
        page = api.http.get(f"/repository/{repository}", params=parameters).json()
        seen += [value["tags"][0]["name"] for value in page["values"]]
        if "nextPage" not in page:
            break
        assert re.fullmatch(r"[a-zA-Z0-9+/]*={0,3}", page["nextPage"])
        parameters["page"] = page["nextPage"]
    assert seen == ["1.0", "1.1", "1.2"]
    other = api.http.get(f"/repository/{repository}", params=parameters | {"sortBy": "-size"})
    assert_problem(other, 400, 689)


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": "0"},
        {"limit": "5001"},
        {"limit": "x"},
        {"start": "-1"},
        {"start": "5001"},
        {"page": "!"},
        {"page": "AAAA"},
        {"page": "A" * 600},
        {"page": "WzEsICJ4Il0=", "start": "1"},
        {"filter": "x" * 1025},
        {"filter": "nonsense"},
        {"filter": "(" * 1000},
        {"sortBy": "nonsense"},
    ],
)
def test_a_list_parameter_that_breaks_its_rule_is_a_400(
    api: Api, parameters: dict[str, str]
) -> None:
    assert_problem(api.http.get("/repository", params=parameters), 400)


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Basic eDp5", "Bearer"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", ""),
        ("GET", "/job:1"),
        ("GET", "/repository"),
        ("GET", "/repository/job"),
        ("DELETE", "/job:1"),
        ("GET", "/job:1/contents"),
    ],
)
def test_without_a_good_token_the_answer_is_an_empty_401(
    api: Api, method: str, path: str, header: str
) -> None:
    answer = HTTP.request(
        method,
        f"{api.scheduler.url}/api/images{path}",
        headers={"Authorization": header},
    )
    assert (answer.status_code, answer.content) == (401, b"")


def test_the_token_endpoint_signs_in_and_refreshes(scheduler: LocalScheduler) -> None:
    environ = scheduler.environment()
    client = (environ["FBN_CLIENT_ID"], environ["FBN_CLIENT_SECRET"])

    def ask(form: dict[str, str], auth: tuple[str, str] | None = None) -> httpx.Response:
        return HTTP.post(environ["FBN_TOKEN_URL"], data=form, auth=auth or httpx.USE_CLIENT_DEFAULT)

    password = {
        "grant_type": "password",
        "username": environ["FBN_USERNAME"],
        "password": environ["FBN_PASSWORD"],
        "scope": "openid client groups offline_access",
        "client_id": client[0],
        "client_secret": client[1],
    }
    signed_in = ask(password).raise_for_status().json()
    assert signed_in["expires_in"] == 3600
    refresh = {"grant_type": "refresh_token", "refresh_token": signed_in["refresh_token"]}
    refreshed = ask(refresh, client).raise_for_status().json()
    for token in (signed_in["access_token"], refreshed["access_token"]):
        answer = HTTP.get(
            f"{scheduler.url}/api/images/repository",
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 200
    dead = ask(refresh, client)
    assert dead.status_code == 400
    assert "refresh token is invalid or expired" in dead.json()["error_description"]
    assert ask(password | {"password": "wrong"}).status_code == 400
    assert ask(password | {"client_secret": "wrong"}).status_code == 401
    assert ask(password | {"grant_type": "magic"}).status_code == 400


def registry_accepts(host: str, user: str, password: str) -> bool:
    return HTTP.get(f"http://{host}/v2/", auth=(user, password)).is_success


def test_each_issue_has_a_password_of_its_own_and_both_work(
    api: Api, clean_engine: DockerClient, image: str, repository: str
) -> None:
    first = api.upload(f"{repository}:1").json()
    second = api.upload(f"{repository}:2").json()
    assert credential(first)[1] != credential(second)[1]
    for instructions in (first, second):
        remote = instructions["pushVersionedDockerImageCommand"].split(" ")[2]
        assert push(clean_engine, image, remote, *credential(instructions)).startswith("sha256:")


def test_nobody_without_a_password_reads_the_registry(scheduler: LocalScheduler) -> None:
    answer = HTTP.get(f"http://{scheduler.registry_host}/v2/_catalog")
    assert answer.status_code == 401


def test_the_registry_keeps_no_log_of_requests(
    clean_engine: DockerClient, scheduler: LocalScheduler
) -> None:
    assert HTTP.get(f"http://{scheduler.registry_host}/v2/").status_code == 401
    port = scheduler.registry_host.partition(":")[2]
    [registry] = clean_engine.containers.list(filters={"publish": port})
    assert b"GET /v2/" not in registry.logs()


def test_a_password_stops_working_when_its_instructions_expire(volume: str, reach: Reach) -> None:
    settings = LocalSchedulerSettings(volume=volume, instructions_lifetime=4)
    with LocalScheduler(settings) as scheduler:
        user, password = credential(reach(scheduler).upload("job:1").json())
        assert registry_accepts(scheduler.registry_host, user, password)
        deadline = time.monotonic() + 15
        while registry_accepts(scheduler.registry_host, user, password):
            assert time.monotonic() < deadline, "the password goes on working"
            time.sleep(0.1)


def test_many_issues_at_once_are_all_accepted(api: Api) -> None:
    for number in range(20):
        user, password = credential(api.upload(f"many:{number}").json())
        assert registry_accepts(api.scheduler.registry_host, user, password)


def test_images_outlive_the_scheduler(
    clean_engine: DockerClient, image: str, repository: str, volume: str, reach: Reach
) -> None:
    settings = LocalSchedulerSettings(volume=volume, domain="kept")
    with LocalScheduler(settings) as scheduler:
        digest = reach(scheduler).push(clean_engine, image, f"{repository}:1")
        before = reach(scheduler).http.get(f"/{repository}:1").json()["pushTime"]
    with LocalScheduler(settings) as scheduler:
        document = reach(scheduler).http.get(f"/{repository}:1").json()
    assert (document["digest"], document["pushTime"]) == (digest, before)


def test_a_scan_goes_through_its_states(
    clean_engine: DockerClient, image: str, repository: str, volume: str, reach: Reach
) -> None:
    with LocalScheduler(LocalSchedulerSettings(volume=volume, scan_delay=4)) as scheduler:
        api = reach(scheduler)
        api.push(clean_engine, image, f"{repository}:1")
        seen: list[str] = []
        deadline = time.monotonic() + 20
        while "COMPLETE" not in seen:
            assert time.monotonic() < deadline
            (value,) = api.http.get(f"/repository/{repository}").json()["values"]
            seen += [value["scanStatus"]] if value["scanStatus"] not in seen else []
            assert (value["scanSummary"] == {}) == (value["scanStatus"] != "COMPLETE")
        expected = ["", "PENDING", "IN_PROGRESS", "COMPLETE"]
        assert seen == expected[-len(seen) :]
        assert "scanReport" in api.http.get(f"/{repository}:1").json()


def test_a_download_is_streamed_in_pieces(
    api: Api, clean_engine: DockerClient, job: Job, repository: str
) -> None:
    (job.folder / "content").write_bytes(os.urandom(6_000_000))
    clean_engine.images.build(path=str(job.folder), tag=f"{repository}:local")
    api.push(clean_engine, f"{repository}:local", f"{repository}:1")
    with api.http.stream("GET", f"/{repository}:1/contents") as answer:
        assert "content-length" in answer.headers
        assert sum(1 for _ in answer.iter_raw()) > 1
