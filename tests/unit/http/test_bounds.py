"""Of a body, no more is read, decompressed and waited for than its bounds allow."""

import gzip
import zlib
from collections.abc import Iterable, Iterator

import httpx
import pytest

from lusid_image_publish.http import bounds
from lusid_image_publish.http.bounds import limit_body
from lusid_image_publish.http.network import deadline_caused
from lusid_image_publish.waiting import Deadline, within

TEXT = b"of the tests " * 1000


class Body(httpx.SyncByteStream):
    """A body that comes in these parts; `given` counts them."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self.parts = parts
        self.given = 0

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            self.given += 1
            yield part


def answer(body: Body, encoding: str = "") -> httpx.Response:
    headers = {"Content-Encoding": encoding} if encoding else {}
    return httpx.Response(200, headers=headers, stream=body)


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("", TEXT),
        ("identity", TEXT),
        ("gzip", gzip.compress(TEXT, mtime=0)),
        ("GZip", gzip.compress(TEXT, mtime=0)),
        ("x-gzip", gzip.compress(TEXT, mtime=0)),
        ("deflate", zlib.compress(TEXT)),
        ("gzip", b""),
    ],
)
def test_a_body_is_what_was_sent(encoding: str, content: bytes) -> None:
    response = answer(Body(content[at : at + 7] for at in range(0, len(content), 7)), encoding)
    limit_body(response, max_bytes=None)
    assert response.read() == (TEXT if content else b"")


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("gzip", TEXT),
        ("gzip", gzip.compress(TEXT, mtime=0)[:-9]),
        ("gzip, gzip", gzip.compress(gzip.compress(TEXT, mtime=0), mtime=0)),
        ("br", TEXT),
        ("zstd", TEXT),
        ("unheard-of", TEXT),
    ],
)
def test_another_compression_is_refused(encoding: str, content: bytes) -> None:
    response = answer(Body([content]), encoding)
    limit_body(response, max_bytes=None)
    with pytest.raises(httpx.DecodingError):
        response.read()


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_no_more_is_read_than_what_makes_the_most(encoding: str) -> None:
    pack = zlib.compressobj(wbits=31)
    part = bytes(1 << 20)
    body = Body(pack.compress(part) if encoding == "gzip" else part for _ in range(10_000))
    response = answer(body, encoding)
    limit_body(response, max_bytes=1 << 20)
    assert 1 << 20 <= len(response.read()) <= 2 << 20
    assert body.given < 200


def test_a_long_body_has_its_time_for_each_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "DEADLINE_BYTES", 100)
    now = 0.0

    def slow(size: int) -> Iterator[bytes]:
        nonlocal now
        for _ in range(20):
            now += 1
            yield bytes(size)

    for size, is_given_up in ((60, False), (2, True)):
        deadline = Deadline(5, clock=lambda: now)
        response = answer(Body(slow(size)))
        limit_body(response, max_bytes=None, deadline=deadline)
        with within(deadline):
            if is_given_up:
                with pytest.raises(httpx.TimeoutException) as caught:
                    response.read()
                assert deadline_caused(caught.value)
            else:
                assert len(response.read()) == 20 * size
