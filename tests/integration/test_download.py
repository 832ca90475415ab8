"""How both clients bring an image whose bytes do not come in one piece."""

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from lusid_image_publish.config import ConfigurationOptions
from lusid_image_publish.errors import (
    DownloadError,
    LusidPublishError,
    ServiceError,
    TransportError,
    UnexpectedAnswerError,
)
from tests.integration.image_tars import (
    DIGEST,
    TAR,
    tar_of,
)
from tests.integration.misbehaving import (
    EACH_CLIENT,
    Asked,
    Fault,
    Host,
    Kind,
    Script,
    assert_neutral,
    assert_reported,
    chunked,
    connected,
    hosting,
    http,
    in_turn,
    raw_service,
    trickle,
)

pytestmark = EACH_CLIENT

TAG = '"v1"'
CUT = 3000


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with hosting() as running:
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Path]:
    """A file to be; when it was not made, there is nothing else in its folder either."""
    path = tmp_path / "image.tar"
    yield path
    assert [other for other in tmp_path.iterdir() if other != path] == []


def looked_up(script: Script) -> Script:
    """Return `script` for the image's bytes, and its description for what else is asked."""
    described = http(json.dumps({"name": "job", "digest": DIGEST}).encode())
    return lambda asked: script(asked) if asked.path.endswith("/contents") else [described]


def of_contents(asked: Iterable[Asked]) -> list[Asked]:
    return [one for one in asked if one.path.endswith("/contents")]


def partial(
    whole: bytes = TAR, *, first: int = CUT, tag: str = TAG, content_range: str = ""
) -> bytes:
    """Return the answer with the bytes from `first` on."""
    content_range = content_range or f"bytes {first}-{len(whole) - 1}/{len(whole)}"
    return http(
        whole[first:],
        f"ETag: {tag}",
        f"Content-Range: {content_range}",
        status="206 Partial Content",
    )


def broken(whole: bytes = TAR, *headers: str) -> bytes:
    """Return an answer that is cut after `CUT` bytes of its body."""
    return http(whole[:CUT], *headers, length=len(whole))


RESUMABLE = (f"ETag: {TAG}", "Accept-Ranges: bytes")


@pytest.mark.parametrize("end", [[], [Fault.SILENCE]], ids=["cut", "silence"])
def test_a_download_that_breaks_off_goes_on_where_it_was(
    kind: Kind, target: Path, end: list[bytes | Fault]
) -> None:
    script: Script = in_turn([broken(TAR, *RESUMABLE), *end], [partial()])
    opts = ConfigurationOptions(read_timeout_ms=1000)
    with raw_service(looked_up(script)) as server, connected(kind, server.url) as images:
        downloaded = images.download_image("job:1", target, opts=opts)
    first, second = of_contents(server.asked)
    assert "range" not in first.headers
    assert second.headers["range"] == f"bytes={CUT}-"
    assert second.headers["if-range"] == TAG
    assert target.read_bytes() == TAR
    assert (downloaded.path, downloaded.size, downloaded.digest) == (target, len(TAR), DIGEST)


def test_a_download_that_breaks_off_twice_goes_on_twice(kind: Kind, target: Path) -> None:
    whole = len(TAR)
    second = http(
        TAR[CUT : CUT + 500],
        f"ETag: {TAG}",
        f"Content-Range: bytes {CUT}-{whole - 1}/{whole}",
        status="206 Partial Content",
        length=whole - CUT,
    )
    script: Script = in_turn([broken(TAR, *RESUMABLE)], [second], [partial(first=CUT + 500)])
    with raw_service(looked_up(script)) as server, connected(kind, server.url) as images:
        images.download_image("job:1", target)
    ranges = [asked.headers.get("range") for asked in of_contents(server.asked)]
    assert ranges == [None, f"bytes={CUT}-", f"bytes={CUT + 500}-"]
    assert target.read_bytes() == TAR


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [f"ETag: {TAG}"],
        [f"ETag: {TAG}", "Accept-Ranges: none"],
        ["Accept-Ranges: bytes"],
        [f"ETag: W/{TAG}", "Accept-Ranges: bytes"],
        ["Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT", "Accept-Ranges: bytes"],
    ],
)
def test_a_download_without_ranges_starts_again(
    kind: Kind, target: Path, headers: list[str]
) -> None:
    script: Script = in_turn([broken(TAR, *headers)], [http(TAR, *headers)])
    with raw_service(looked_up(script)) as server, connected(kind, server.url) as images:
        images.download_image("job:1", target)
    assert [asked.headers.get("range") for asked in of_contents(server.asked)] == [None, None]
    assert target.read_bytes() == TAR


def test_an_image_that_changed_meanwhile_starts_again(kind: Kind, target: Path) -> None:
    old = tar_of({"another": b"x" * 20_000})
    script: Script = in_turn(
        [broken(old, 'ETag: "v0"', "Accept-Ranges: bytes")], [http(TAR, *RESUMABLE)]
    )
    with raw_service(looked_up(script)) as server, connected(kind, server.url) as images:
        assert images.download_image("job:1", target).digest == DIGEST
    assert of_contents(server.asked)[1].headers["if-range"] == '"v0"'
    assert target.read_bytes() == TAR


@pytest.mark.parametrize(
    "answer",
    [
        partial(content_range=f"bytes {CUT - 1}-{len(TAR) - 1}/{len(TAR)}"),
        partial(content_range="bytes 0-99/100"),
        partial(content_range="\x1b[2J"),
        partial(first=0),
        partial(tag='"v2"'),
        http(TAR[CUT:], status="206 Partial Content"),
        http(b"--x\r\n", "Content-Range: lines 3-4/5", status="206 Partial Content"),
    ],
    ids=["one-less", "first", "nonsense", "from-0", "other-tag", "no-range", "other-unit"],
)
def test_another_part_than_asked_for_is_not_put_together(
    kind: Kind, target: Path, answer: bytes
) -> None:
    script: Script = in_turn([broken(TAR, *RESUMABLE)], [answer])
    with (
        raw_service(looked_up(script)) as server,
        connected(kind, server.url) as images,
        pytest.raises(UnexpectedAnswerError) as caught,
    ):
        images.download_image("job:1", target)
    assert_reported(caught.value, "download_image", status=206)
    assert not target.exists()


def test_a_part_that_nobody_asked_for_is_refused(kind: Kind, target: Path) -> None:
    with (
        raw_service(in_turn([partial(first=0)])) as server,
        connected(kind, server.url) as images,
        pytest.raises(UnexpectedAnswerError) as caught,
    ):
        images.download_image("job:1", target)
    assert_reported(caught.value, "download_image", status=206)
    assert not target.exists()


def test_a_part_that_is_too_short_is_not_the_image(kind: Kind, target: Path) -> None:
    short = http(
        TAR[CUT:-1024],
        f"ETag: {TAG}",
        f"Content-Range: bytes {CUT}-{len(TAR) - 1025}/{len(TAR)}",
        status="206 Partial Content",
    )
    with (
        raw_service(looked_up(in_turn([broken(TAR, *RESUMABLE)], [short]))) as server,
        connected(kind, server.url) as images,
        pytest.raises(LusidPublishError) as caught,
    ):
        images.download_image("job:1", target)
    assert isinstance(caught.value, DownloadError | ServiceError)
    assert_neutral(caught.value)
    assert not target.exists()


def test_a_range_that_the_server_cannot_give_is_an_error(kind: Kind, target: Path) -> None:
    refused = http(b"", f"Content-Range: bytes */{len(TAR)}", status="416 Range Not Satisfiable")
    with (
        raw_service(looked_up(in_turn([broken(TAR, *RESUMABLE)], [refused]))) as server,
        connected(kind, server.url) as images,
        pytest.raises(ServiceError) as caught,
    ):
        images.download_image("job:1", target)
    assert_reported(caught.value, "download_image", status=416)
    assert not target.exists()


def test_a_part_that_is_no_longer_there_starts_again(kind: Kind, target: Path) -> None:
    refused = http(b"", f"Content-Range: bytes */{CUT}", status="416 Range Not Satisfiable")
    script: Script = in_turn([broken(TAR, *RESUMABLE)], [refused], [http(TAR)])
    with raw_service(looked_up(script)) as server, connected(kind, server.url) as images:
        images.download_image("job:1", target)
    ranges = [asked.headers.get("range") for asked in of_contents(server.asked)]
    assert ranges == [None, f"bytes={CUT}-", None]
    assert target.read_bytes() == TAR


def test_what_starts_again_each_time_is_given_up(kind: Kind, target: Path) -> None:
    begun = 0

    def script(_: Asked) -> Iterable[bytes | Fault]:
        nonlocal begun
        begun += 1
        assert begun < 20, "this would never end"
        part = bytes(2 << 20)
        return [http(part, f'ETag: "{begun}"', "Accept-Ranges: bytes", length=len(part) + 1)]

    with (
        raw_service(script) as server,
        connected(kind, server.url) as images,
        pytest.raises(TransportError) as caught,
    ):
        images.download_image("job:1", target)
    assert_reported(caught.value, "download_image")
    assert begun == 4
    assert not target.exists()


def test_a_length_is_not_needed(kind: Kind, target: Path) -> None:
    script: Script = in_turn([chunked(TAR[:CUT], TAR[CUT:]) + b"0\r\n\r\n"])
    with raw_service(looked_up(script)) as server, connected(kind, server.url) as images:
        downloaded = images.download_image("job:1", target)
    assert target.read_bytes() == TAR
    assert downloaded.size == len(TAR)


@pytest.mark.parametrize(
    "parts",
    [
        [broken()],
        [broken(TAR, *RESUMABLE)],
        [chunked(TAR[:CUT])],
        [broken(), Fault.RESET],
        [],
    ],
    ids=["short", "short-with-ranges", "chunks", "reset", "nothing"],
)
def test_what_never_comes_whole_is_not_kept(
    kind: Kind, target: Path, parts: list[bytes | Fault]
) -> None:
    rest = http(
        b"",
        f"ETag: {TAG}",
        f"Content-Range: bytes {CUT}-{len(TAR) - 1}/{len(TAR)}",
        status="206 Partial Content",
        length=len(TAR) - CUT,
    )

    def script(asked: Asked) -> Iterable[bytes | Fault]:
        return [rest] if "range" in asked.headers else parts

    with (
        raw_service(looked_up(script)) as server,
        connected(kind, server.url) as images,
        pytest.raises(TransportError) as caught,
    ):
        images.download_image("job:1", target)
    assert_reported(caught.value, "download_image")
    assert not target.exists()
    assert len(server.asked) == 4


def test_a_download_that_trickles_is_ended_by_the_total_timeout(kind: Kind, target: Path) -> None:
    opts = ConfigurationOptions(total_timeout_ms=300)
    with (
        raw_service(lambda _: trickle(http(b"", length=len(TAR)))) as server,
        connected(kind, server.url) as images,
        pytest.raises(TransportError) as caught,
    ):
        images.download_image("job:1", target, opts=opts)
    assert_reported(caught.value, "download_image")
    assert not target.exists()


def test_a_stream_gets_nothing_of_what_breaks_off(kind: Kind) -> None:
    stream = io.BytesIO()
    with (
        raw_service(looked_up(in_turn([broken()]))) as server,
        connected(kind, server.url) as images,
        pytest.raises(TransportError) as caught,
    ):
        images.download_image("job:1", stream)
    assert_reported(caught.value, "download_image")
    assert stream.getvalue() == b""
