"""What both clients make of answers whose words are not those of the documents."""

import json
import tracemalloc
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import repeat

import pytest
from fastapi import Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse

from lusid_image_publish.errors import (
    BadRequestError,
    NotFoundError,
    ServerError,
    ServiceError,
    UnexpectedAnswerError,
)
from lusid_image_publish.scheduler import exchange
from tests.integration.misbehaving import (
    EACH_CLIENT,
    IMAGE,
    INSTRUCTIONS,
    TOKEN,
    Answer,
    Asked,
    Host,
    Kind,
    assert_reported,
    chunked,
    connected,
    hosting,
    http,
    in_turn,
    raw_service,
)

pytestmark = EACH_CLIENT


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with hosting() as running:
        yield running


PAGE = "<!DOCTYPE html><html><title>Gateway</title></html>"


def failure(
    kind: Kind,
    host: Host,
    answer: Response | Answer,
    operation: str = "get_image",
    name: str = "job:1",
) -> ServiceError:
    """Return the error that `operation` ends in."""
    with (
        host.service(answer if not isinstance(answer, Response) else in_turn(answer)) as server,
        connected(kind, server.url) as images,
        pytest.raises(ServiceError) as caught,
    ):
        getattr(images, operation)(name)
    return caught.value


def test_what_is_new_in_an_image_is_passed_over(kind: Kind, host: Host) -> None:
    image = {
        **IMAGE,
        "colour": {"deep": [1, {"er": None}]},
        "scanStatus": 7,
        "tags": [{"name": "1", "flavour": "new"}, {}],
        "scanReport": {"status": "A_NEW_WORD", "severity": "Cosmic", "summary": {"cosmic": 3}},
    }
    with (
        host.service(in_turn(JSONResponse(image))) as server,
        connected(kind, server.url) as images,
    ):
        found = images.get_image("job:1")
    assert found.tags
    assert [tag.name for tag in found.tags] == ["1", None]
    assert found.scan_report
    assert (found.scan_report.status, found.scan_report.severity) == ("A_NEW_WORD", "Cosmic")


def test_what_is_new_in_a_list_is_passed_over(kind: Kind, host: Host) -> None:
    page = {
        "values": [{**IMAGE, "scanStatus": "PONDERING", "scanSummary": {}, "link": {"to": 1}}],
        "nextPage": None,
        "total": 1,
    }
    with host.service(in_turn(JSONResponse(page))) as server, connected(kind, server.url) as images:
        (image,) = images.list_images("job").values
    assert image.scan_status == "PONDERING"
    assert image.scan_summary
    assert image.scan_summary.total is None


def test_nulls_are_the_same_as_nothing(kind: Kind, host: Host) -> None:
    members = ("pushTime", "pullTime", "digest", "size", "tags", "scanReport")
    job = {"name": "job"}
    answers = in_turn(
        JSONResponse(dict.fromkeys(members) | job),
        JSONResponse(job),
        JSONResponse({"values": [job], "nextPage": None, "href": None, "links": None}),
        JSONResponse({"values": [dict.fromkeys(("images", "links", "imageCount")) | job]}),
        JSONResponse(INSTRUCTIONS | {"expiryTime": None, "tagLatestDockerImageCommand": None}),
    )
    with host.service(answers) as server, connected(kind, server.url) as images:
        assert images.get_image("job:1") == images.get_image("job:1")
        assert images.list_repositories() == images.list_repositories()
        assert images.upload_image("job:1").expiry_time is None


DATES = {
    "2024-01-30T17:15:58.6730000+00:00": datetime(2024, 1, 30, 17, 15, 58, 673_000, UTC),
    "2024-01-30T17:15:58.1234567Z": datetime(2024, 1, 30, 17, 15, 58, 123_456, UTC),
    "2024-01-30T17:15:58.6730000": datetime(2024, 1, 30, 17, 15, 58, 673_000, UTC),
    "2024-01-30T17:15:58.673+05:30": datetime(2024, 1, 30, 11, 45, 58, 673_000, UTC),
    "2024-01-30T17:15:58": datetime(2024, 1, 30, 17, 15, 58, 0, UTC),
    "0001-01-01T00:00:00.0000000+00:00": datetime(1, 1, 1, tzinfo=UTC),
    "0001-01-01T00:00:00": datetime(1, 1, 1, tzinfo=UTC),
    "9999-12-31T23:59:59.9999999+00:00": datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
}


@pytest.mark.parametrize(("text", "moment"), DATES.items(), ids=DATES)
def test_dates_are_understood_as_net_writes_them(
    kind: Kind, host: Host, text: str, moment: datetime
) -> None:
    answer = JSONResponse({**IMAGE, "pushTime": text, "tags": [{"pullTime": text}]})
    with host.service(in_turn(answer)) as server, connected(kind, server.url) as images:
        image = images.get_image("job:1")
    assert image.push_time == moment
    assert image.tags
    assert image.tags[0].pull_time == moment


MALFORMED: list[tuple[str, object, str]] = [
    ("get_image", {}, "name"),
    ("get_image", {**IMAGE, "name": None}, "name"),
    ("get_image", {"size": "huge secret-of-the-body"}, "size"),
    ("get_image", {"tags": {"secret-of-the-body": 1}}, "tags"),
    ("get_image", {"tags": [{"name": ["secret-of-the-body"]}]}, "tags.0.name"),
    ("get_image", {"pushTime": "secret-of-the-body"}, "pushTime"),
    ("get_image", {"pushTime": "2024-13-45T99:99:99"}, "pushTime"),
    ("get_image", {"scanReport": "secret-of-the-body"}, "scanReport"),
    ("get_image", ["secret-of-the-body"], "document"),
    ("get_image", "secret-of-the-body", "document"),
    ("get_image", None, "document"),
    ("list_images", {}, "values"),
    ("list_images", {"values": None}, "values"),
    ("list_images", {"values": ["secret-of-the-body"]}, "values.0"),
    ("list_images", {"values": [], "nextPage": {"secret-of-the-body": 1}}, "nextPage"),
    ("list_repositories", {"values": [{"name": None}]}, "values.0.name"),
    ("list_repositories", {"values": [{"imageCount": "secret-of-the-body"}]}, "imageCount"),
    ("upload_image", {**INSTRUCTIONS, "dockerLoginCommand": None}, "dockerLoginCommand"),
    ("upload_image", "docker login -p secret-of-the-body", "document"),
    ("delete_image", {"secret-of-the-body": 1}, "document"),
]


@pytest.mark.parametrize(("operation", "body", "field"), MALFORMED)
def test_a_wrong_type_is_told_by_its_name_alone(
    kind: Kind, host: Host, operation: str, body: object, field: str
) -> None:
    names = {"list_images": ["job"], "list_repositories": []}.get(operation, ["job:1"])
    with (
        host.service(in_turn(JSONResponse(body))) as server,
        connected(kind, server.url) as images,
        pytest.raises(UnexpectedAnswerError) as caught,
    ):
        getattr(images, operation)(*names)
    assert_reported(caught.value, operation, status=200)
    assert field in caught.value.cause
    assert "secret-of-the-body" not in str(caught.value.diagnostics())
    assert caught.value.__cause__ is None


DEEP = b"[" * 50_000


@pytest.mark.parametrize(
    "body",
    [b"", b"{", DEEP, b'{"tags":' * 50_000, b"\xff\xfe\x00", b'{"size": NaN}', b"9" * 5000],
    ids=["empty", "cut", "deep", "deep-objects", "no-utf-8", "nan", "long-number"],
)
def test_what_is_no_json_is_an_unexpected_answer(kind: Kind, host: Host, body: bytes) -> None:
    error = failure(kind, host, Response(body, media_type="application/json"))
    assert type(error) is UnexpectedAnswerError
    assert_reported(error, "get_image", status=200)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, UnexpectedAnswerError),
        (400, BadRequestError),
        (404, NotFoundError),
        (502, ServerError),
    ],
)
def test_a_web_page_is_quoted_in_short(
    kind: Kind, host: Host, status: int, expected: type[ServiceError]
) -> None:
    error = failure(kind, host, HTMLResponse(PAGE, status))
    assert type(error) is expected
    assert_reported(error, "get_image", status=status)
    assert "<title>Gateway" in error.message + error.cause


@pytest.mark.parametrize("status", [400, 404, 500])
@pytest.mark.parametrize("media_type", ["text/html", "application/problem+json"])
def test_of_a_long_error_no_more_than_its_beginning_is_read(
    kind: Kind, host: Host, status: int, media_type: str
) -> None:
    part = b'{"detail": "' + b"x" * 65_536

    def ten_megabytes(_: Asked) -> Response:
        return StreamingResponse(repeat(part, 160), status, media_type=media_type)

    with (
        host.service(ten_megabytes) as server,
        connected(kind, server.url, rate_limit_retries=0) as images,
    ):
        # The first request is another one, so that what is made once is not counted.
        with pytest.raises(ServiceError):
            images.list_images("job")
        tracemalloc.start()
        try:
            with pytest.raises(ServiceError) as caught:
                images.get_image("job:1")
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert_reported(caught.value, "get_image", status=status)
    assert most < 3 << 20


NASTY = f"\x1b[31mred\x1b[0m \x07\x08\r\n\x9b2J \u202e {TOKEN} \ud800 \x00"


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(NASTY),
        json.dumps({"title": NASTY, "detail": NASTY, "instance": f"https://x/{NASTY}"}),
        json.dumps({"code": 151, "errors": {NASTY: [NASTY, NASTY]}}),
        NASTY.encode(errors="surrogatepass"),
    ],
    ids=["bare-string", "problem", "fields", "text"],
)
@pytest.mark.parametrize("operation", ["get_image", "upload_image", "delete_image"])
def test_what_an_error_says_is_neutral(
    kind: Kind, host: Host, operation: str, body: str | bytes
) -> None:
    error = failure(kind, host, Response(body, 400), operation)
    assert_reported(error, operation, status=400)
    assert "red" in error.message
    assert isinstance(error, BadRequestError)
    for name, texts in error.field_errors.items():
        assert all(text.isprintable() and TOKEN not in text for text in (name, *texts))


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request"])
def test_a_web_page_with_controls_is_neutral(kind: Kind, status: str) -> None:
    answer = http(
        NASTY.encode(errors="surrogatepass"), "Content-Type: text/html", status=status
    ).replace(b"Content-Type: application/json\r\n", b"")
    with (
        raw_service(in_turn([answer])) as server,
        connected(kind, server.url) as images,
        pytest.raises(ServiceError) as caught,
    ):
        images.get_image("job:1")
    assert_reported(caught.value, "get_image", status=int(status[:3]))


@pytest.mark.parametrize(
    "header",
    [f"lusid-meta-requestId: 0HN\x1b[2J{TOKEN}", "Content-Type: text/\x1b[2Jhtml"],
    ids=["request-id", "content-type"],
)
def test_headers_with_controls_are_neutral(kind: Kind, header: str) -> None:
    answer = http(b"It broke", header, status="400 Bad Request")
    if header.startswith("Content"):
        answer = answer.replace(b"Content-Type: application/json\r\n", b"")
    with (
        raw_service(in_turn([answer])) as server,
        connected(kind, server.url) as images,
        pytest.raises(BadRequestError) as caught,
    ):
        images.get_image("job:1")
    assert_reported(caught.value, "get_image", status=400)


STRANGE: list[object] = [
    {"code": "151", "title": 5, "detail": ["a"], "instance": {}, "errors": "none"},
    {"code": True, "title": None, "detail": None, "errors": None},
    {"code": 1.5, "errors": {"a": None, "b": {"c": 1}, "d": [None, 7, ["e"]]}},
    {"code": 10**300, "errors": [["a", "b"]]},
    {"title": {"title": "No"}, "status": "nine"},
    {},
    [],
    None,
    "",
    "A bare text",
    7,
    True,
]


@pytest.mark.parametrize("body", STRANGE, ids=lambda body: json.dumps(body)[:20])
def test_strange_problem_details_are_still_an_error(kind: Kind, host: Host, body: object) -> None:
    error = failure(kind, host, JSONResponse(body, 400, media_type="application/problem+json"))
    assert type(error) is BadRequestError
    assert_reported(error, "get_image", status=400)
    assert "HTTP 400" in error.message
    assert error.code is None or type(error.code) is int
    assert all(isinstance(text, str) for texts in error.field_errors.values() for text in texts)


@pytest.mark.parametrize("body", [DEEP, b'{"a":' * 20_000, b'"' + b"x" * 60_000, b"\xff" * 9])
def test_an_error_that_is_no_json_is_still_an_error(kind: Kind, host: Host, body: bytes) -> None:
    error = failure(kind, host, Response(body, 400, media_type="application/json"))
    assert type(error) is BadRequestError
    assert_reported(error, "get_image", status=400)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (JSONResponse("Done."), "Done."),
        (JSONResponse("Later.", 202), "Later."),
        (Response(status_code=200), ""),
        (Response(status_code=204), ""),
    ],
    ids=["documented", "accepted", "empty", "no-content"],
)
def test_a_deletion_that_was_done_is_no_error(
    kind: Kind, host: Host, answer: Response, said: str
) -> None:
    with host.service(lambda _: answer) as server, connected(kind, server.url) as images:
        assert images.delete_image("job:1") == said
    assert len(server.asked) == 1


@pytest.mark.parametrize("answer", [HTMLResponse("<h1>Hi</h1>"), JSONResponse({"deleted": 0})])
def test_a_deletion_that_something_else_answers_is_not_believed(
    kind: Kind, host: Host, answer: Response
) -> None:
    with (
        host.service(lambda _: answer) as server,
        connected(kind, server.url) as images,
        pytest.raises(UnexpectedAnswerError) as caught,
    ):
        images.delete_image("job:1")
    assert_reported(caught.value, "delete_image", status=200)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_an_answer_without_end_is_not_kept_in_memory(
    kind: Kind, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setattr(exchange, "MAX_DOCUMENT_BYTES", 1 << 20)
    part = bytes(1 << 16)

    def endless(_: Asked) -> Iterator[bytes]:
        pack = zlib.compressobj(wbits=31)
        yield chunked(headers=[f"Content-Encoding: {encoding}"])
        for _count in range(10_000):
            data = pack.compress(part) if encoding == "gzip" else part
            if data:
                yield b"%x\r\n%b\r\n" % (len(data), data)

    with (
        raw_service(endless) as server,
        connected(kind, server.url) as images,
        pytest.raises(UnexpectedAnswerError, match="is too long") as caught,
    ):
        images.get_image("job:1")
    assert_reported(caught.value, "get_image", status=200)
    assert len(server.asked) == 1
