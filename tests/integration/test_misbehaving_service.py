"""What both clients make of a network and a server that do not behave."""

import gzip
import json
import time
from collections.abc import Callable, Iterator

import anyio
import pytest
from fastapi import Response
from fastapi.responses import HTMLResponse, JSONResponse

from lusid_image_publish.config import ConfigurationOptions
from lusid_image_publish.errors import (
    RateLimitedError,
    ServerError,
    ServiceError,
    TransportError,
    UnexpectedAnswerError,
)
from lusid_image_publish.scheduler import listing
from lusid_image_publish.scheduler.client import ImagesClient
from tests.integration.misbehaving import (
    EACH_CLIENT,
    IMAGE,
    INSTRUCTIONS,
    Asked,
    Fault,
    Host,
    Kind,
    Script,
    assert_reported,
    chunked,
    connected,
    dribbling,
    hosting,
    http,
    in_turn,
    nobody,
    raw_service,
    trickle,
)

pytestmark = EACH_CLIENT


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with hosting() as running:
        yield running


BODY = json.dumps(IMAGE).encode()
GOOD: list[bytes | Fault] = [http(BODY)]
HALF = len(BODY) // 2
BREAKS: dict[str, list[bytes | Fault]] = {
    "before-the-headers": [],
    "in-the-headers": [http(BODY)[:30]],
    "in-the-body": [http(BODY)[:-HALF]],
    "length-too-long": [http(BODY, length=len(BODY) + 5)],
    "in-the-chunks": [chunked(BODY[:HALF], BODY[HALF:])],
    "in-a-chunk": [chunked(BODY)[:-HALF]],
    "reset-before-the-headers": [Fault.RESET],
    "reset-in-the-body": [http(BODY)[:-HALF], Fault.RESET],
    "no-http": [b"SSH-2.0-OpenSSH_9.6\r\n\r\n"],
}
each_break = pytest.mark.parametrize("parts", BREAKS.values(), ids=BREAKS)


@each_break
def test_an_answer_that_breaks_off_is_asked_for_again(
    kind: Kind, parts: list[bytes | Fault]
) -> None:
    with raw_service(in_turn(parts, parts, GOOD)) as server, connected(kind, server.url) as images:
        assert images.get_image("job:1").digest == IMAGE["digest"]
    assert len(server.asked) == 3


@each_break
def test_answers_that_always_break_off_end_in_an_error(
    kind: Kind, parts: list[bytes | Fault]
) -> None:
    with (
        raw_service(in_turn(parts)) as server,
        connected(kind, server.url) as images,
        pytest.raises(TransportError) as caught,
    ):
        images.get_image("job:1")
    assert_reported(caught.value, "get_image")
    assert "127.0.0.1" in caught.value.message
    assert len(server.asked) == 4


@each_break
def test_a_deletion_of_unknown_outcome_is_not_sent_twice(
    kind: Kind, parts: list[bytes | Fault]
) -> None:
    with (
        raw_service(in_turn(parts)) as server,
        connected(kind, server.url) as images,
        pytest.raises(TransportError) as caught,
    ):
        images.delete_image("job:1")
    assert_reported(caught.value, "delete_image")
    assert [asked.method for asked in server.asked] == ["DELETE"]


def test_instructions_are_asked_for_again_when_they_break_off(kind: Kind) -> None:
    whole = http(json.dumps(INSTRUCTIONS).encode())
    script = in_turn([whole[:-9]], [whole])
    with raw_service(script) as server, connected(kind, server.url) as images:
        assert images.upload_image("job:1").tag_versioned_docker_image_command == "docker"
    assert [json.loads(asked.body) for asked in server.asked] == [{"imageName": "job:1"}] * 2


@pytest.mark.parametrize("operation", ["get_image", "delete_image"])
def test_a_refused_connection_is_an_error(kind: Kind, operation: str) -> None:
    with (
        nobody() as url,
        connected(kind, url) as images,
        pytest.raises(TransportError) as caught,
    ):
        getattr(images, operation)("job:1")
    assert_reported(caught.value, operation)


TRICKLES: dict[str, tuple[bytes, bytes]] = {
    "status-line": (b"", b"H"),
    "header": (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "early-hints": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
    "trailers": (chunked(BODY) + b"0\r\n", b"X: y\r\n"),
    "body": (http(b"", length=1000), b" "),
    "chunks": (chunked(), b"1\r\n \r\n"),
    "error": (http(b"", status="400 Bad Request", length=1000), b" "),
    # Empty blocks of a stream that is compressed: they decode to nothing.
    "compressed": (
        chunked(headers=["Content-Encoding: deflate"]) + b"2\r\n\x78\x9c\r\n",
        b"5\r\n\x00\x00\x00\xff\xff\r\n",
    ),
}


@pytest.mark.parametrize("parts", TRICKLES.values(), ids=TRICKLES)
def test_an_answer_that_trickles_is_ended_by_the_total_timeout(
    kind: Kind, parts: tuple[bytes, bytes]
) -> None:
    opts = ConfigurationOptions(total_timeout_ms=300)
    script: Script = in_turn(trickle(*parts), GOOD)
    with (
        raw_service(script) as server,
        connected(kind, server.url) as images,
        pytest.raises(ServiceError) as caught,
    ):
        images.get_image("job:1", opts=opts)
    assert type(caught.value) is TransportError
    assert "time" in caught.value.message
    assert_reported(caught.value, "get_image")


def test_a_proxy_that_trickles_is_ended_by_the_total_timeout(kind: Kind) -> None:
    script: Script = in_turn(trickle(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), [])
    with (
        raw_service(script) as proxy,
        connected(
            kind,
            "https://scheduler.example/scheduler2",
            proxy_address=proxy.url.removesuffix("/scheduler2"),
            total_timeout_ms=300,
        ) as images,
        pytest.raises(TransportError) as caught,
    ):
        images.get_image("job:1")
    assert_reported(caught.value, "get_image")
    assert "did not arrive in time" in caught.value.message
    assert [asked.method for asked in proxy.asked] == ["CONNECT"]


def test_a_handshake_that_trickles_is_ended_by_the_total_timeout(kind: Kind) -> None:
    opts = ConfigurationOptions(total_timeout_ms=300)
    with (
        dribbling(b"\x16\x03\x03\x40\x00\x02", b"\x00") as port,
        connected(kind, f"https://127.0.0.1:{port}/scheduler2") as images,
        pytest.raises(TransportError, match="did not arrive in time") as caught,
    ):
        images.get_image("job:1", opts=opts)
    assert_reported(caught.value, "get_image")


def test_each_request_on_a_connection_has_its_own_time(kind: Kind, host: Host) -> None:
    async def answer(_: Asked) -> Response:
        await anyio.sleep(0.6)
        return JSONResponse(IMAGE)

    opts = ConfigurationOptions(total_timeout_ms=2000)
    with host.service(answer) as server, connected(kind, server.url) as images:
        for _ in range(4):
            assert images.get_image("job:1", opts=opts).name == "job"


@pytest.mark.parametrize("first", [b"", http(b"", length=1000)], ids=["at-once", "in-the-body"])
@pytest.mark.parametrize(("operation", "times"), [("get_image", 4), ("delete_image", 1)])
def test_silence_is_ended_by_the_read_timeout(
    kind: Kind, first: bytes, operation: str, times: int
) -> None:
    opts = ConfigurationOptions(read_timeout_ms=100)
    with (
        raw_service(in_turn([first, Fault.SILENCE])) as server,
        connected(kind, server.url) as images,
        pytest.raises(TransportError) as caught,
    ):
        getattr(images, operation)("job:1", opts=opts)
    assert_reported(caught.value, operation)
    assert "FBN_READ_TIMEOUT_MS" in caught.value.hint
    assert len(server.asked) == times


def test_silence_without_a_read_timeout_is_ended_by_the_total_timeout(kind: Kind) -> None:
    opts = ConfigurationOptions(read_timeout_ms=0, total_timeout_ms=200)
    with (
        raw_service(in_turn([Fault.SILENCE])) as server,
        connected(kind, server.url) as images,
        pytest.raises(TransportError) as caught,
    ):
        images.get_image("job:1", opts=opts)
    assert_reported(caught.value, "get_image")


def test_a_length_that_is_too_short_gives_no_half_answer(kind: Kind) -> None:
    script: Script = in_turn([http(BODY, length=HALF)], GOOD)
    with raw_service(script) as server, connected(kind, server.url) as images:
        with pytest.raises(UnexpectedAnswerError) as caught:
            images.get_image("job:1")
        assert_reported(caught.value, "get_image", status=200)
        assert images.get_image("job:1").name == "job", "what was left is not the next answer"


@pytest.mark.parametrize(
    "body",
    [b"no gzip at all", gzip.compress(BODY)[:-12], b"\x1f\x8b\x08garbage" * 20],
    ids=["plain", "cut", "garbage"],
)
def test_what_cannot_be_decompressed_is_an_unexpected_answer(
    kind: Kind, host: Host, body: bytes
) -> None:
    answer = Response(body, headers={"Content-Encoding": "gzip"}, media_type="application/json")
    with (
        host.service(lambda _: answer) as server,
        connected(kind, server.url) as images,
        pytest.raises(ServiceError) as caught,
    ):
        images.get_image("job:1")
    assert type(caught.value) is UnexpectedAnswerError
    assert_reported(caught.value, "get_image", status=200)


def test_an_error_that_cannot_be_decompressed_is_still_that_error(kind: Kind, host: Host) -> None:
    answer = Response(b"no gzip", 502, headers={"Content-Encoding": "gzip"})
    with (
        host.service(lambda _: answer) as server,
        connected(kind, server.url) as images,
        pytest.raises(ServerError) as caught,
    ):
        images.get_image("job:1")
    assert_reported(caught.value, "get_image", status=502)


@pytest.mark.parametrize("retries", [0, 1])
@pytest.mark.parametrize("operation", ["get_image", "delete_image"])
def test_a_rate_limit_is_tried_as_often_as_the_options_say(
    kind: Kind, host: Host, operation: str, retries: int
) -> None:
    opts = ConfigurationOptions(rate_limit_retries=retries)
    answer = Response(status_code=429, headers={"Retry-After": "0"})
    with (
        host.service(lambda _: answer) as server,
        connected(kind, server.url) as images,
        pytest.raises(RateLimitedError) as caught,
    ):
        getattr(images, operation)("job:1", opts=opts)
    assert_reported(caught.value, operation, status=429)
    assert caught.value.retry_after == 0
    assert len(server.asked) == 1 + retries


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_failure_that_passes_is_not_noticed(kind: Kind, host: Host, status: int) -> None:
    answers = in_turn(Response(status_code=status), JSONResponse(IMAGE))
    with host.service(answers) as server, connected(kind, server.url) as images:
        assert images.get_image("job:1").name == "job"
    assert len(server.asked) == 2


def test_the_pause_that_the_service_asks_for_is_made(kind: Kind, host: Host) -> None:
    busy = Response(status_code=503, headers={"Retry-After": "1"})
    began = time.monotonic()
    with (
        host.service(in_turn(busy, JSONResponse(IMAGE))) as server,
        connected(kind, server.url) as images,
    ):
        images.get_image("job:1")
    assert time.monotonic() - began >= 1
    assert len(server.asked) == 2


LISTS: dict[str, Callable[[ImagesClient], list[object]]] = {
    "iter_images": lambda images: list(images.iter_images("job")),
    "iter_repositories": lambda images: list(images.iter_repositories()),
}
each_list = pytest.mark.parametrize("collect", LISTS.values(), ids=LISTS)


@each_list
@pytest.mark.parametrize("values", [[], [{"name": "job"}]], ids=["empty", "full"])
def test_a_list_without_end_is_given_up(
    kind: Kind,
    host: Host,
    collect: Callable[[ImagesClient], list[object]],
    values: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listing, "MAX_PAGES", 5)

    def answer(_: Asked) -> Response:
        return JSONResponse({"values": values, "nextPage": f"page{len(server.asked)}"})

    with (
        host.service(answer) as server,
        connected(kind, server.url) as images,
        pytest.raises(UnexpectedAnswerError, match="is too long") as caught,
    ):
        collect(images)
    assert caught.value.cause
    assert caught.value.hint
    assert 5 <= len(server.asked) <= 6


@pytest.mark.parametrize(("bound", "most"), [("MAX_ITEMS", 1000), ("MAX_LIST_BYTES", 20_000)])
def test_a_list_of_ever_more_items_is_given_up(
    kind: Kind, host: Host, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    monkeypatch.setattr(listing, bound, most)
    image = {**IMAGE, "tags": [{"name": "1"}] * 99}

    def answer(_: Asked) -> Response:
        return JSONResponse({"values": [image] * 3, "nextPage": f"page{len(server.asked)}"})

    with (
        host.service(answer) as server,
        connected(kind, server.url) as images,
        pytest.raises(UnexpectedAnswerError, match="is too long"),
    ):
        list(images.iter_images("job"))
    assert 4 <= len(server.asked) <= 6


@each_list
def test_all_pages_of_a_list_have_one_total_timeout(
    kind: Kind, host: Host, collect: Callable[[ImagesClient], list[object]]
) -> None:
    async def answer(_: Asked) -> Response:
        await anyio.sleep(0.2)
        following = f"page{len(server.asked)}" if len(server.asked) < 20 else None
        return JSONResponse({"values": [], "nextPage": following})

    with (
        host.service(answer) as server,
        connected(kind, server.url, total_timeout_ms=1500) as images,
        pytest.raises(TransportError, match="did not arrive in time"),
    ):
        collect(images)
    assert len(server.asked) < 20


@each_list
def test_a_list_whose_tokens_go_round_ends(
    kind: Kind, host: Host, collect: Callable[[ImagesClient], list[object]]
) -> None:
    pages = {None: "one", "one": "two", "two": "three", "three": "two"}

    def answer(asked: Asked) -> Response:
        following = pages[asked.query.get("page")]
        return JSONResponse({"values": [{"name": "job"}], "nextPage": following})

    with host.service(answer) as server, connected(kind, server.url) as images:
        assert len(collect(images)) == 4
    assert len(server.asked) == 4


@each_list
@pytest.mark.parametrize("last", ["", None])
def test_empty_pages_are_passed_over(
    kind: Kind, host: Host, collect: Callable[[ImagesClient], list[object]], last: str | None
) -> None:
    answers = in_turn(
        JSONResponse({"values": [], "nextPage": "one"}),
        JSONResponse({"values": [], "nextPage": "two"}),
        JSONResponse({"values": [{"name": "job"}], "nextPage": last}),
    )
    with host.service(answers) as server, connected(kind, server.url) as images:
        assert len(collect(images)) == 1
    assert [asked.query.get("page") for asked in server.asked] == [None, "one", "two"]


def test_a_list_that_becomes_a_web_page_is_an_error(kind: Kind, host: Host) -> None:
    answers = in_turn(
        JSONResponse({"values": [{"name": "job"}], "nextPage": "one"}), HTMLResponse("<h1>Hi</h1>")
    )
    with (
        host.service(answers) as server,
        connected(kind, server.url) as images,
        pytest.raises(UnexpectedAnswerError) as caught,
    ):
        list(images.iter_images("job"))
    assert_reported(caught.value, "list_images", status=200)
