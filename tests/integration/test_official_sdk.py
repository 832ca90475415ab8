"""FINBOURNE's own SDK and this package's clients say the same of the local Scheduler.

Two releases of the SDK are held against `ImagesClient` and `AsyncImagesClient`: each operation that
they have, errors included, field by field.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import anyio
import pytest
from docker import DockerClient

from lusid_image_publish.config import load_settings
from lusid_image_publish.errors import BadRequestError, ServiceError
from lusid_image_publish.local_scheduler.server import LocalScheduler, LocalSchedulerSettings
from lusid_image_publish.scheduler import models
from lusid_image_publish.scheduler.async_client import AsyncImagesClient
from lusid_image_publish.scheduler.async_service_client import AsyncServiceClient
from lusid_image_publish.scheduler.client import ImagesClient
from lusid_image_publish.scheduler.listing import quote
from lusid_image_publish.scheduler.models import UploadImageInstructions, WireModel
from lusid_image_publish.scheduler.service_client import ServiceClient
from tests.integration.official_sdk import (
    NOT_OFFERED,
    Release,
    as_text,
    comparable,
    contents,
    fields_of,
    model_name,
    plain,
    problem,
    running_release,
    without,
)
from tests.integration.parts import Job

LACKING: Final[Mapping[str, frozenset[str]]] = {
    "2.1.136": frozenset(),  # the last release with all six operations
    "2.3.9": frozenset({"delete_image", "download_image"}),
}
MODELS = (
    "Image",
    "ResourceListOfImageSummary",
    "ResourceListOfRepository",
    "UploadImageInstructions",
)


class Call:
    """One use of an operation."""

    def __init__(self, operation: str, **arguments: Any) -> None:
        self.operation = operation
        self.arguments = arguments

    def __repr__(self) -> str:
        return f"{self.operation}({self.arguments})"

    def arguments_with(self, target: io.BytesIO, models: ModuleType) -> dict[str, Any]:
        """Return the arguments for this package's clients: bytes go to a target.

        They take models of requests in place of documents.
        """
        extra = {"target": target} if self.operation == "download_image" else {}
        return extra | {
            name: getattr(models, model_name(name)).model_validate(value)
            if isinstance(value, dict)
            else value
            for name, value in self.arguments.items()
        }


@pytest.fixture(scope="module", params=list(LACKING))
def sdk(request: pytest.FixtureRequest) -> Iterator[Release]:
    with running_release("lusid-scheduler-sdk", request.param) as release:
        yield release


WITH_A_PORT = pytest.param((0, 0), id="registry with a port, scans done")
WITHOUT_A_PORT = pytest.param((80, 3600), id="registry without a port, scans not begun")


# Not the volume of all tests: a list of repositories has these and no others.
@pytest.fixture(params=[WITH_A_PORT, WITHOUT_A_PORT])
def scheduler(request: pytest.FixtureRequest, own_volume: str) -> Iterator[LocalScheduler]:
    port, scan_delay = request.param
    settings = LocalSchedulerSettings(
        volume=own_volume, domain="foo", registry_port=port, scan_delay=scan_delay
    )
    with LocalScheduler(settings) as running:
        assert (running.registry_host == "localhost") == (port == 80)
        yield running


@pytest.fixture
def clients(scheduler: LocalScheduler, sdk: Release, tmp_path: Path) -> "Clients":
    variables = scheduler.environment()
    if scheduler.registry_host == "localhost":
        # Both ways to sign in are tried, one with each Scheduler.
        del variables["FBN_ACCESS_TOKEN"]
    return Clients(sdk, variables, tmp_path, LACKING[sdk.version])


@dataclass(frozen=True)
class Clients:
    """The SDK and both clients of this package, configured alike."""

    sdk: Release
    variables: Mapping[str, str]
    folder: Path
    lacking: frozenset[str] = frozenset()
    """The operations that this release of the SDK does not have."""

    newer: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By operation, the members of answers that this release does not know."""

    client: type[ServiceClient] = ImagesClient
    async_client: type[AsyncServiceClient] = AsyncImagesClient
    models: ModuleType = models

    def ask_sdk(self, calls: list[Call]) -> list[Any]:
        """Return what the SDK makes of each call."""
        given = [{"operation": call.operation, "arguments": call.arguments} for call in calls]
        results = self.sdk.run(given, variables=self.variables, folder=self.folder)
        return [comparable(result) for result in results]

    def ask(self, calls: list[Call]) -> list[Any]:
        """Return what this package's client makes of each call."""
        with self.client(load_settings(environ=self.variables)) as client:
            return [self._ask_one(client, call) for call in calls]

    def ask_async(self, calls: list[Call]) -> list[Any]:
        """Return what this package's asynchronous client makes of each call."""

        async def ask() -> list[Any]:
            async with self.async_client(load_settings(environ=self.variables)) as client:
                return [await self._ask_one_async(client, call) for call in calls]

        return anyio.run(ask)

    def ask_all(self, calls: list[Call]) -> list[Any]:
        """Return what all three make of each call, having seen that it is the same.

        What this release of the SDK does not have is compared between the other two.
        """
        theirs, ours, ours_async = self.ask_sdk(calls), self.ask(calls), self.ask_async(calls)
        for call, wanted, got, got_async in zip(calls, theirs, ours, ours_async, strict=True):
            assert (wanted == NOT_OFFERED) == (call.operation in self.lacking), call
            if wanted != NOT_OFFERED:
                known = without(got, self.newer.get(call.operation, frozenset()))
                assert as_text(known) == as_text(wanted), call
            assert as_text(got_async) == as_text(got), call
        return ours

    def _ask_one(self, client: ServiceClient, call: Call) -> Any:
        target = io.BytesIO()
        try:
            answer = getattr(client, call.operation)(**call.arguments_with(target, self.models))
        except ServiceError as error:
            return refusal(error)
        return comparable({"status": 200, "answer": document_of(answer, target)})

    async def _ask_one_async(self, client: AsyncServiceClient, call: Call) -> Any:
        target = io.BytesIO()
        method = getattr(client, call.operation)
        try:
            answer = await method(**call.arguments_with(target, self.models))
        except ServiceError as error:
            return refusal(error)
        return comparable({"status": 200, "answer": document_of(answer, target)})


def document_of(answer: Any, target: io.BytesIO) -> Any:
    """Return the document that an answer came as; bytes are in `target`."""
    if not isinstance(answer, WireModel):
        return answer if isinstance(answer, str) else contents(target.getvalue())
    document = answer.model_dump(by_alias=True, exclude_none=True)
    if isinstance(answer, UploadImageInstructions):
        document["dockerLoginCommand"] = answer.docker_login_command.get_secret_value()
    return plain(document)


def refusal(error: ServiceError) -> dict[str, Any]:
    """Return what an error says, in the form of `problem`."""
    return {
        "status": error.status,
        "code": error.code,
        "title": error.title,
        "detail": error.detail,
        "errors": error.field_errors if isinstance(error, BadRequestError) else {},
        "request_id": bool(error.request_id),
    }


def push(engine: DockerClient, image: str, instructions: Mapping[str, Any]) -> str:
    """Push as the instructions say, taken apart at their blanks; return the digest."""
    words = instructions["dockerLoginCommand"].split(" ")
    remote = instructions["pushVersionedDockerImageCommand"].split(" ")[2]
    repository, _, tag = remote.rpartition(":")
    engine.api.tag(image, repository, tag)
    credential = {"username": words[3], "password": words[5]}
    events = list(
        engine.api.push(repository, tag=tag, stream=True, decode=True, auth_config=credential)
    )
    (digest,) = [event["aux"]["Digest"] for event in events if event.get("aux")]
    return str(digest)


def publish(clients: Clients, engine: DockerClient, job: Job, *names: str) -> str:
    """Put one new image there under all `names`; return its digest."""
    image, _ = engine.images.build(path=str(job.folder))
    uploads = clients.ask([Call("upload_image", image_name=name) for name in names])
    (digest,) = {push(engine, str(image.id), upload["answer"]) for upload in uploads}
    return digest


def test_models_have_the_same_fields_of_the_same_types(sdk: Release, tmp_path: Path) -> None:
    ours = fields_of([getattr(models, name).model_json_schema() for name in MODELS])
    assert ours == fields_of(sdk.schemas(MODELS, folder=tmp_path))


def test_images_and_repositories_are_shown_alike(
    clients: Clients, clean_engine: DockerClient, repository: str, tmp_path: Path
) -> None:
    one, other = f"{repository}-1", f"{repository}-2"
    names = [f"{one}:1.0", f"{one}:2.0"], [f"{one}:latest", f"{one}:3.0", f"{other}:1.0"]
    digests = [
        publish(clients, clean_engine, Job(tmp_path / f"job-{number}", repository), *some)
        for number, some in enumerate(names)
    ]
    lowest, highest = sorted(digests)
    begun = clients.ask(
        [
            Call("list_images", name=one, sort_by=["-digest"], limit=1),
            Call("list_repositories", sort_by=["-name"], limit=1),
        ]
    )
    # Texts, as another program would have them.
    image_token, repository_token = (str(result["answer"]["nextPage"]) for result in begun)

    shown = [
        (Call("get_image", name=f"{one}:1.0"), digests[0]),
        (Call("get_image", name=f"{one}:latest"), digests[1]),
        (Call("get_image", name=f"{other}:1.0"), digests[1]),
    ]
    images = [
        (Call("list_images", name=one, sort_by=["name", "-digest"], start=1), [lowest]),
        (Call("list_images", name=one, sort_by=["-digest"], limit=1), [highest]),
        (Call("list_images", name=one, sort_by=["-digest"], limit=1, page=image_token), [lowest]),
        (Call("list_images", name=one, filter=f"tags any (name eq {quote('2.0')})"), digests[:1]),
        (Call("list_images", name=one, filter="pushTime lt 2020-01-01"), []),
    ]
    repositories = [
        (Call("list_repositories"), [one, other]),
        (Call("list_repositories", sort_by=["-name"], limit=1), [other]),
        (Call("list_repositories", sort_by=["-name"], limit=1, page=repository_token), [one]),
        (Call("list_repositories", sort_by=["imageCount", "name"], start=1), [one]),
        (Call("list_repositories", filter=f"name eq {quote(other)}"), [other]),
    ]
    download = Call("download_image", name=f"{one}:latest")
    calls = [call for call, _ in (*shown, *images, *repositories)]
    results = clients.ask_all([*calls, download])

    assert {result["status"] for result in results} == {200}
    *answers, downloaded = (result["answer"] for result in results)
    documents = iter(answers)
    for call, digest in shown:
        assert next(documents)["digest"] == digest, call
    for call, found in images:
        assert [image["digest"] for image in next(documents)["values"]] == found, call
    for call, found in repositories:
        assert [item["name"] for item in next(documents)["values"]] == found, call
    assert downloaded["length"]


@pytest.mark.parametrize("scheduler", [WITH_A_PORT], indirect=True)
def test_requests_are_refused_alike(
    clients: Clients, clean_engine: DockerClient, job: Job, repository: str
) -> None:
    names = [f"{repository}-{letter}" for letter in "ab"]
    publish(clients, clean_engine, job, *(f"{name}:1.0" for name in names))
    (begun,) = clients.ask([Call("list_repositories", limit=1)])
    # A text, and no `PageToken`: that one is refused before anything is sent.
    token = str(begun["answer"]["nextPage"])
    missing = f"{repository}:1.0"
    calls = {
        Call("get_image", name=missing): (404, 731),
        Call("download_image", name=missing): (404, 731),
        Call("delete_image", name=missing): (404, None),
        Call("list_images", name=repository): (404, 731),
        Call("upload_image", image_name=f"{names[0]}:1.0"): (400, 157),
        Call("list_images", name=names[0], filter="name eq"): (400, 157),
        Call("list_images", name=names[0], sort_by=["nothing"]): (400, 157),
        Call("list_repositories", filter="nothing eq 'a'"): (400, 157),
        Call("list_repositories", sort_by=["-nothing"]): (400, 157),
        Call("list_repositories", sort_by=["name"], page=token): (400, 689),
        Call("list_repositories", page="bm90aGluZw=="): (400, 689),
        Call("list_images", name=names[0], filter="size gt 0", page=token): (400, 689),
    }
    results = clients.ask_all(list(calls))
    assert [(result["status"], result["code"]) for result in results] == list(calls.values())
    for result in results:
        assert result["detail"]
        assert result["request_id"]
        assert bool(result["errors"]) == (result["status"] == 400)


@pytest.mark.parametrize("scheduler", [WITH_A_PORT], indirect=True)
def test_a_bad_token_is_refused_alike(clients: Clients, repository: str) -> None:
    url = clients.variables["FBN_SCHEDULER_URL"]
    variables = {"FBN_SCHEDULER_URL": url, "FBN_ACCESS_TOKEN": "wrong"}
    results = replace(clients, variables=variables).ask_all(
        [
            Call("upload_image", image_name=f"{repository}:1.0"),
            Call("get_image", name=f"{repository}:1.0"),
            Call("list_images", name=repository),
            Call("list_repositories"),
            Call("delete_image", name=f"{repository}:1.0"),
            Call("download_image", name=f"{repository}:1.0"),
        ]
    )
    assert results == [problem(401, None, request_id=True)] * 6


def test_upload_instructions_are_alike(
    clients: Clients,
    scheduler: LocalScheduler,
    clean_engine: DockerClient,
    job: Job,
    repository: str,
) -> None:
    calls = [Call("upload_image", image_name=f"{repository}:1.0")]
    asked = (clients.ask_sdk(calls), clients.ask(calls), clients.ask_async(calls))
    uploads = [result["answer"] for (result,) in asked]

    # Each request gets a user and a password of its own, and so an end of its own.
    words = [upload["dockerLoginCommand"].split(" ") for upload in uploads]
    assert len({word[3] for word in words}) == len({word[5] for word in words}) == 3
    ends = [datetime.fromisoformat(upload["expiryTime"]) for upload in uploads]
    assert max(ends) - min(ends) < timedelta(minutes=1)
    theirs, ours, ours_async = (
        as_text(upload | {"expiryTime": "..."}).replace(word[3], "USER").replace(word[5], "...")
        for upload, word in zip(uploads, words, strict=True)
    )
    assert theirs == ours == ours_async

    # With a port the first blank-separated word's first colon is not the tag's: FINBOURNE's
    # configuration tool takes it for that, and so needs a host without one.
    remote = uploads[0]["pushVersionedDockerImageCommand"].split(" ")[2]
    assert words[0][6] == scheduler.registry_host == remote.split("/")[0]
    assert remote.split(":")[-1] == "1.0"
    if scheduler.registry_host == "localhost":
        assert remote.split(":")[0] == f"localhost/foo/{repository}"

    # What the SDK was given is good for a push.
    image, _ = clean_engine.images.build(path=str(job.folder))
    digest = push(clean_engine, str(image.id), uploads[0])
    (shown,) = clients.ask([Call("get_image", name=f"{repository}:1.0")])
    assert shown["answer"]["digest"] == digest


@pytest.mark.parametrize("scheduler", [WITH_A_PORT], indirect=True)
def test_images_are_deleted_alike(
    clients: Clients, clean_engine: DockerClient, job: Job, repository: str
) -> None:
    names = [f"{repository}-{letter}" for letter in "abc"]
    publish(clients, clean_engine, job, *(f"{name}:1.0" for name in names))
    steps = [
        [
            Call("delete_image", name=f"{name}:1.0"),
            Call("delete_image", name=f"{name}:1.0"),
            Call("get_image", name=f"{name}:1.0"),
            Call("list_images", name=name),
        ]
        for name in names
    ]
    asked = (clients.ask_sdk(steps[0]), clients.ask(steps[1]), clients.ask_async(steps[2]))
    theirs, ours, ours_async = (
        as_text(results).replace(name, "NAME") for name, results in zip(names, asked, strict=True)
    )
    assert ours == ours_async
    assert asked[1][0] == {"status": 200, "answer": f"The image {names[1]}:1.0 was deleted."}
    assert [result["status"] for result in asked[1][1:]] == [404, 404, 404]
    if "delete_image" not in clients.lacking:
        assert theirs == ours
    else:
        assert asked[0][:2] == [NOT_OFFERED, NOT_OFFERED]
        assert [result["status"] for result in asked[0][2:]] == [200, 200]
