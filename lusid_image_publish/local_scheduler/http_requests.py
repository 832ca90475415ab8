"""The parts of a request that routes use: its body, and the parameters of a list."""

from typing import Annotated, Final

from fastapi import Depends, Request

from lusid_image_publish.local_scheduler.documents import INVALID_REQUEST_CODE, Problem
from lusid_image_publish.local_scheduler.list_queries import ListParameters

MAX_BODY_BYTES: Final = 1 << 20
"""The largest body of a request; most have a few hundred bytes."""

_MAX_LENGTH_DIGITS: Final = 19


async def _read_body(request: Request) -> bytes:
    """Return the body. Raises the 413 above `MAX_BODY_BYTES`."""
    too_large = Problem(
        413,
        "RequestTooLarge",
        INVALID_REQUEST_CODE,
        f"The body has more than {MAX_BODY_BYTES} bytes.",
        headers={"Connection": "close"},  # the rest of the body is not read
    )
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:_MAX_LENGTH_DIGITS]) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise too_large
    return bytes(body)


Body = Annotated[bytes, Depends(_read_body)]


def list_parameters(request: Request) -> ListParameters:
    """Return the parameters of a list unparsed."""
    given = request.query_params
    return ListParameters(
        page=given.get("page"),
        sort_by=tuple(given.getlist("sortBy")),
        start=given.get("start"),
        limit=given.get("limit"),
        filter=given.get("filter"),
    )
