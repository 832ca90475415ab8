"""The async client is the sync one, word for word."""

import inspect
import re
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
import pytest

from lusid_image_publish import AsyncImagesClient, AsyncJobsClient, ImagesClient, JobsClient
from lusid_image_publish.errors import ConfigurationError, NotFoundError, NotOfferedError

PAIRS = [(ImagesClient, AsyncImagesClient), (JobsClient, AsyncJobsClient)]
METHODS = [
    (sync, asynchronous, name)
    for sync, asynchronous in PAIRS
    for name in vars(sync)
    if not name.startswith("_")
]
URL = "https://foo.lusid.com/scheduler2"


def spelled(annotation: object) -> str:
    """Return a type as the sync client spells it, whether it is a name or the type itself."""
    return re.sub(r"<class '|'>|\b\w+\.|Async", "", str(annotation))


def shape(method: Callable[..., Any]) -> tuple[list[inspect.Parameter], str]:
    """Return parameters and result as the sync client has them."""
    signature = inspect.signature(method)
    parameters = [
        parameter.replace(annotation=spelled(parameter.annotation))
        for parameter in signature.parameters.values()
    ]
    return parameters, spelled(signature.return_annotation)


@pytest.mark.parametrize(("sync", "asynchronous", "name"), METHODS)
def test_methods_have_the_same_parameters_and_results(
    sync: type, asynchronous: type, name: str
) -> None:
    assert shape(getattr(asynchronous, name)) == shape(getattr(sync, name))


@pytest.mark.parametrize(("sync", "asynchronous"), PAIRS)
def test_there_is_no_method_more(sync: type, asynchronous: type) -> None:
    own, others = (
        {name for name in vars(kind) if not name.startswith("_")} for kind in (sync, asynchronous)
    )
    assert own == others


@pytest.mark.parametrize("backend", ["asyncio"])
def test_a_given_client_is_used_and_left_open(backend: str) -> None:
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(f"{request.url} {request.headers['authorization']}")
        return httpx.Response(200, json={"name": "job"})

    async def use() -> None:
        transport = httpx.MockTransport(handler)
        headers = {"Authorization": "Bearer mine"}
        async with httpx.AsyncClient(base_url=URL, headers=headers, transport=transport) as http:
            async with AsyncImagesClient.from_httpx(http) as images:
                assert (await images.get_image("job:1")).name == "job"
            assert not http.is_closed

    anyio.run(use, backend=backend)
    assert seen == [f"{URL}/api/images/job%3A1 Bearer mine"]


def test_a_missing_route_is_distinguished_from_a_missing_image() -> None:
    there = {"job:1"}

    def handler(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        is_look = request.method == "GET" and name in there
        return httpx.Response(200, json={"name": "job"}) if is_look else httpx.Response(404)

    async def use() -> None:
        http = httpx.AsyncClient(base_url=URL, transport=httpx.MockTransport(handler))
        async with http, AsyncImagesClient.from_httpx(http) as images:
            with pytest.raises(NotOfferedError):
                await images.delete_image("job:1")
            with pytest.raises(NotFoundError):
                await images.delete_image("job:2")

    anyio.run(use)


def test_a_client_of_the_other_kind_is_a_type_error() -> None:
    others: list[Any] = [httpx.AsyncClient(base_url=URL), httpx.Client(base_url=URL)]
    for kinds, http in zip(zip(*PAIRS, strict=True), others, strict=True):
        for kind in kinds:
            words = f"{kind.__name__}.from_httpx needs an httpx.*Client, not {type(http).__name__}"
            with pytest.raises(TypeError, match=words):
                kind.from_httpx(http)


def test_a_given_client_without_an_address_is_refused() -> None:
    with httpx.Client() as http, pytest.raises(ConfigurationError) as refused:
        ImagesClient.from_httpx(http)
    assert "Give the client a base_url" in refused.value.hint


@pytest.mark.parametrize("kind", [ImagesClient, JobsClient])
def test_a_closed_client_refuses_to_work(kind: type[ImagesClient | JobsClient]) -> None:
    client = kind.from_values(scheduler_url=URL, access_token="t0ken")
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        list(client.iter_repositories() if isinstance(client, ImagesClient) else client.iter_jobs())
    with pytest.raises(RuntimeError, match="closed"):
        client.__enter__()


@pytest.mark.parametrize("kind", [AsyncImagesClient, AsyncJobsClient])
def test_a_closed_asynchronous_client_refuses_to_work(
    kind: type[AsyncImagesClient | AsyncJobsClient],
) -> None:
    async def use() -> None:
        client = kind.from_values(scheduler_url=URL, access_token="t0ken")
        await client.aclose()
        call: Awaitable[object] = (
            client.list_repositories()
            if isinstance(client, AsyncImagesClient)
            else client.list_jobs()
        )
        with pytest.raises(RuntimeError, match="closed"):
            await call
        with pytest.raises(RuntimeError, match="closed"):
            await client.__aenter__()

    anyio.run(use)
