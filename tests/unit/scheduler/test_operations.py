"""What each operation sends, held against the OpenAPI document of the Scheduler (0.0.1066)."""

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish import ImagesClient
from lusid_image_publish.errors import BadRequestError, InvalidNameError
from lusid_image_publish.names import ImageName
from lusid_image_publish.scheduler import operations
from lusid_image_publish.scheduler.listing import ListQuery
from lusid_image_publish.scheduler.operations import Call, Operation
from lusid_image_publish.scheduler.responses import _READERS

LIST = ListQuery(page="YWJj", sort_by=("name", "-size"), limit=10, filter="size gt 1")
NAMED: dict[str, Callable[[str], Call[Any]]] = {
    "upload_image": operations.upload_image,
    "get_image": operations.get_image,
    "delete_image": operations.delete_image,
    "download_image": operations.download_image,
}
CALLS: list[tuple[Call[Any], str, str, dict[str, Any], Any]] = [
    (operations.upload_image("job:1"), "POST", "/api/images", {}, {"imageName": "job:1"}),
    (operations.get_image("job:1"), "GET", "/api/images/job%3A1", {}, None),
    (operations.delete_image("job:1"), "DELETE", "/api/images/job%3A1", {}, None),
    (operations.download_image("job:1"), "GET", "/api/images/job%3A1/contents", {}, None),
    (operations.list_images("job", LIST), "GET", "/api/images/repository/job", LIST.params(), None),
    (operations.list_repositories(LIST), "GET", "/api/images/repository", LIST.params(), None),
]
ALL = [value for value in vars(operations).values() if isinstance(value, Operation)]

# The document's pattern for names, taken apart so that it does not backtrack.
WORD = re.compile(r"[a-z\d]+(?:[._-]+[a-z\d]+)*")


@pytest.mark.parametrize(("call", "method", "path", "params", "body"), CALLS)
def test_each_request_is_the_documented_one(
    call: Call[Any], method: str, path: str, params: dict[str, Any], body: Any
) -> None:
    assert (call.operation.method, call.path, call.params) == (method, path, params)
    assert (json.loads(call.body) if call.body else None) == body


def test_the_six_operations_have_the_service_s_names() -> None:
    names = {"".join(word.title() for word in found.name.split("_")) for found in ALL}
    images = {"UploadImage", "GetImage", "DeleteImage", "DownloadImage"}
    assert names == images | {"ListImages", "ListRepositories"}


def test_each_answer_has_its_model() -> None:
    assert {found.answer for found in ALL if found.answer} == set(_READERS)


def test_only_what_the_document_lost_may_be_gone() -> None:
    assert {found.name for found in ALL if found.withdrawn} == {"delete_image", "download_image"}


def test_only_a_deletion_is_not_sent_twice() -> None:
    assert {found.name for found in ALL if not found.retry_safe} == {"delete_image"}


@pytest.mark.parametrize("build", NAMED.values(), ids=NAMED)
@pytest.mark.parametrize(
    "name", ["", "job", "Job:1", "a/b:1", "job:1:2", "../x:1", "job:1\n", "a:?"]
)
def test_a_name_that_is_none_is_refused(build: Callable[[str], Call[Any]], name: str) -> None:
    with pytest.raises(InvalidNameError):
        build(name)


@pytest.mark.parametrize("name", ["", "job:1", "a/b", "a b", ".", "..", "-", "a?b", "a" * 257, "é"])
def test_a_repository_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InvalidNameError, match="repository") as caught:
        operations.list_images(name, ListQuery())
    assert "before the colon" in caught.value.hint


@pytest.mark.parametrize("name", ["job", "ExampleName", "a..b", "9"])
def test_a_repository_of_whatever_origin_can_be_listed(name: str) -> None:
    assert operations.list_images(name, ListQuery()).path.endswith(f"/repository/{name}")


@given(st.from_regex(r"\A[a-z0-9._:-]{1,30}\Z"))
def test_what_is_sent_as_a_name_is_what_the_document_allows(text: str) -> None:
    try:
        name = str(ImageName.parse(text))
    except InvalidNameError:
        return
    repository, _, tag = name.partition(":")
    assert WORD.fullmatch(repository)
    assert WORD.fullmatch(tag)
    assert 1 <= len(name) <= 256
    assert operations.get_image(name).path == f"/api/images/{repository}%3A{tag}"


def test_on_the_wire_lists_are_as_the_document_has_them() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"values": []})

    http = httpx.Client(base_url="https://x/scheduler2/", transport=httpx.MockTransport(handler))
    with http, ImagesClient.from_httpx(http) as images:
        images.list_repositories()
        images.list_images("job", start=5, limit=10)
        images.list_images(
            "job", page="a+/=", sort_by=["name", "-pushTime"], filter="name eq 'it''s & more'"
        )
    plain, ranged, paged = (request.url for request in seen)
    assert str(plain) == "https://x/scheduler2/api/images/repository"
    assert str(ranged) == "https://x/scheduler2/api/images/repository/job?start=5&limit=10"
    assert paged.params.multi_items() == [  # an array is a key for each of its items
        ("page", "a+/="),
        ("sortBy", "name"),
        ("sortBy", "-pushTime"),
        ("filter", "name eq 'it''s & more'"),
    ]
    assert paged.query.startswith(b"page=a%2B%2F%3D&sortBy=name&sortBy=-pushTime&filter=name%20eq")


def test_on_the_wire_a_body_is_json() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(400)

    http = httpx.Client(base_url="https://x/scheduler2", transport=httpx.MockTransport(handler))
    with http, ImagesClient.from_httpx(http) as images, pytest.raises(BadRequestError):
        images.upload_image("job:1.0")
    (request,) = seen
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.content) == {"imageName": "job:1.0"}
