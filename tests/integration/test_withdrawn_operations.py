"""How both clients distinguish an operation that is no longer offered from a missing image."""

from collections.abc import Iterator

import pytest
from fastapi import Response
from fastapi.responses import HTMLResponse, JSONResponse

from lusid_image_publish.errors import (
    NotFoundError,
    NotOfferedError,
    ServiceError,
)
from lusid_image_publish.scheduler.client import ImagesClient
from tests.integration.misbehaving import (
    EACH_CLIENT,
    IMAGE,
    Asked,
    Host,
    Kind,
    assert_neutral,
    assert_reported,
    connected,
    hosting,
)
from tests.integration.scripted_service import problem

pytestmark = EACH_CLIENT

PAGE = "<!DOCTYPE html><html><title>Gateway</title></html>"


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with hosting() as running:
        yield running


# What ASP.NET answers by itself where no route is, and what a gateway does.
NO_ROUTE: dict[str, Response] = {
    "empty": Response(status_code=404),
    "asp-net": JSONResponse(
        {
            "type": "https://tools.ietf.org/html/rfc9110#section-15.5.5",
            "title": "Not Found",
            "status": 404,
            "traceId": "00-5f6a-01",
        },
        404,
        media_type="application/problem+json",
    ),
    "web-page": HTMLResponse(PAGE, 404),
    "text": Response("404 page not found", 404, media_type="text/plain"),
}
NO_IMAGE: dict[str, Response] = {
    "bare-string": JSONResponse("There is no image of this name.", 404),
    "problem": problem(404, code=157, detail="There is no image of this name."),
    "problem-of-validation": problem(404, name="ValidationError", code=151),
}
WITHDRAWN = pytest.mark.parametrize("operation", ["delete_image", "download_image"])


def withdrawn(
    kind: Kind, host: Host, operation: str, answer: Response, look: Response
) -> tuple[ServiceError, list[Asked]]:
    """Return the error and the requests when the route gives `answer`, and get_image `look`."""

    def route(asked: Asked) -> Response:
        is_look = asked.method == "GET" and not asked.path.endswith("/contents")
        return look if is_look else answer

    with (
        host.service(route) as server,
        connected(kind, server.url) as images,
        pytest.raises(ServiceError) as caught,
    ):
        call(images, operation)
    return caught.value, server.asked


def call(images: ImagesClient, operation: str) -> None:
    if operation == "delete_image":
        images.delete_image("job:1")
    else:
        images.download_image("job:1", _Nowhere())  # type: ignore[arg-type]  # never written to


class _Nowhere:
    def write(self, _: bytes) -> int:
        raise AssertionError


@WITHDRAWN
@pytest.mark.parametrize("answer", NO_ROUTE.values(), ids=NO_ROUTE)
def test_a_missing_route_is_distinguished_from_a_missing_image(
    kind: Kind, host: Host, operation: str, answer: Response
) -> None:
    error, asked = withdrawn(kind, host, operation, answer, JSONResponse(IMAGE))
    assert type(error) is NotOfferedError
    assert_reported(error, operation, status=404)
    assert "no longer offers" in error.message
    assert len(asked) == 2


@WITHDRAWN
@pytest.mark.parametrize("answer", NO_ROUTE.values(), ids=NO_ROUTE)
@pytest.mark.parametrize("look", [*NO_IMAGE.values(), Response(status_code=404)])
def test_a_missing_image_is_found_by_looking_for_it(
    kind: Kind, host: Host, operation: str, answer: Response, look: Response
) -> None:
    error, asked = withdrawn(kind, host, operation, answer, look)
    assert type(error) is NotFoundError
    assert error.status == 404
    assert_neutral(error)
    assert "job:1" in error.message
    assert len(asked) == 2


@WITHDRAWN
@pytest.mark.parametrize("answer", NO_IMAGE.values(), ids=NO_IMAGE)
def test_an_operation_that_says_so_is_believed_that_the_image_is_missing(
    kind: Kind, host: Host, operation: str, answer: Response
) -> None:
    error, asked = withdrawn(kind, host, operation, answer, JSONResponse(IMAGE))
    assert type(error) is NotFoundError
    assert_reported(error, operation, status=404)
    assert len(asked) == 1


@WITHDRAWN
@pytest.mark.parametrize(
    "answer",
    [
        Response(status_code=405, headers={"Allow": "GET"}),
        HTMLResponse(PAGE, 405),
        problem(405, code=-1),
    ],
    ids=["empty", "web-page", "problem"],
)
def test_a_method_that_is_not_allowed_is_not_offered(
    kind: Kind, host: Host, operation: str, answer: Response
) -> None:
    error, asked = withdrawn(kind, host, operation, answer, JSONResponse(IMAGE))
    assert type(error) is NotOfferedError
    assert_reported(error, operation, status=405)
    assert len(asked) == 1
