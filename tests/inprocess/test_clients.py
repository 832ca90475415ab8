"""Both clients of the Images API in process: sign-in, retries, and downloads that go wrong."""

import io
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from lusid_image_publish import errors
from lusid_image_publish.config import ConfigurationOptions
from lusid_image_publish.scheduler.client import ImagesClient
from tests.archives import docker20, docker28, tar_of
from tests.faults import OTHER_DIGEST, Answered, Asked, Fault
from tests.inprocess.network import Script, json_answer, problem, scripted
from tests.inprocess.stage import Stage
from tests.integration.misbehaving import Kind, connected

Connect = Callable[..., AbstractContextManager[ImagesClient]]


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest, stage: Stage) -> Connect:
    """Returns a client of either kind, which reads its token from a file, or signs in."""
    kind: Kind = request.param
    token = stage.folder / "token"
    token.write_text(stage.environ["FBN_ACCESS_TOKEN"])

    def connect(*, signs_in: bool = False, **values: Any) -> AbstractContextManager[ImagesClient]:
        if signs_in:
            names = ("token_url", "username", "password", "client_id", "client_secret")
            values = {name: stage.environ[f"FBN_{name.upper()}"] for name in names} | values
        else:
            values = {"access_token_file": token} | values
        return connected(kind, stage.environ["FBN_SCHEDULER_URL"], **values)

    return connect


@pytest.fixture
def digest(stage: Stage) -> str:
    """The digest of job:1.0, an image of a mebibyte."""
    stage.hold("job:ci", os.urandom(1 << 20))
    return stage.publish("job:ci", "job:1.0").require(0).stdout.strip()


@pytest.fixture
def target(stage: Stage) -> Iterator[Path]:
    """A file to be; when it was not made, there is nothing else in its folder either."""
    folder = stage.folder / "downloads"
    folder.mkdir()
    yield folder / "image.tar"
    assert {path.name for path in folder.iterdir()} <= {"image.tar"}


def test_a_sign_in_lasts_until_shortly_before_its_end(connect: Connect, stage: Stage) -> None:
    with connect(signs_in=True) as images:
        for _ in range(2):
            assert images.list_repositories().values == []
        assert stage.lusid.count("POST", "/token") == 1
        stage.clock.advance(3600)
        images.list_repositories()
        assert stage.lusid.count("POST", "/token") == 2
        refresh = [asked for asked in stage.lusid.asked if "/token" in asked.path][-1]
        assert refresh.headers["authorization"].startswith("Basic ")


def test_a_token_that_is_refused_is_renewed_once(connect: Connect, stage: Stage) -> None:
    refusal = Answered(401, {}, b"")
    with connect(signs_in=True) as images:
        images.list_repositories()
        stage.lusid.instead = scripted("GET", "/repository", refusal, None)
        assert images.list_repositories().values == []
        stage.lusid.instead = scripted("GET", "/repository", refusal)
        with pytest.raises(errors.AuthenticationError):
            images.list_repositories()
    assert stage.lusid.count("POST", "/token") == 3


def test_a_refresh_token_that_is_refused_gives_way_to_the_password(
    connect: Connect, stage: Stage
) -> None:
    with connect(signs_in=True) as images:
        images.list_repositories()
        stage.clock.advance(4000)
        stage.lusid.instead = scripted("POST", "/token", json_answer({}, 400), None)
        assert images.list_repositories().values == []
    assert stage.lusid.count("POST", "/token") == 3


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (json_answer({"error": "invalid_grant"}, 400), errors.AuthenticationError, "invalid_grant"),
        (json_answer({"expires_in": 5}), errors.AuthenticationError, "has no access token"),
        (json_answer([]), errors.AuthenticationError, "has no access token"),
        (json_answer({}, 500), errors.ServerError, "sign-in"),
        (json_answer({}, 429), errors.RateLimitedError, "sign-in"),
    ],
)
def test_a_token_endpoint_that_gives_no_token(
    connect: Connect,
    stage: Stage,
    answer: Answered,
    error: type[errors.LusidPublishError],
    words: str,
) -> None:
    stage.lusid.instead = scripted("POST", "/token", answer)
    with connect(signs_in=True) as images, pytest.raises(error, match=words):
        images.list_repositories()


@pytest.mark.parametrize("lifetime", [None, "soon", -5, 1e400, 30])
def test_a_lifetime_that_is_none_does_not_hinder(
    connect: Connect, stage: Stage, lifetime: object
) -> None:
    token = stage.environ["FBN_ACCESS_TOKEN"]
    answer = json_answer({"access_token": token, "expires_in": lifetime})
    stage.lusid.instead = scripted("POST", "/token", answer)
    with connect(signs_in=True) as images:
        assert images.list_repositories().values == []


def test_a_token_file_is_read_again_where_its_token_is_refused(
    connect: Connect, stage: Stage
) -> None:
    file = stage.folder / "token"
    good = file.read_text()
    file.write_text("an-old-token-0123456789")
    stage.lusid.before = lambda _: file.write_text(good)
    with connect() as images:
        assert images.list_repositories().values == []


@pytest.mark.parametrize("content", [b"", b"two tokens\nhere", b"\xff\xfe", None])
def test_a_token_file_that_has_no_token(
    connect: Connect, stage: Stage, content: bytes | None
) -> None:
    file = stage.folder / "token"
    with connect() as images:
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
        with pytest.raises(errors.AuthenticationError, match="token file"):
            images.list_repositories()
    assert stage.lusid.asked == []


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.LOST, Fault.STALL, Fault.FAILED])
def test_a_request_is_retried(connect: Connect, stage: Stage, fault: Fault) -> None:
    stage.lusid.fault, stage.lusid.at = fault, lambda *_: True
    with connect() as images:
        assert images.list_repositories().values == []
    assert len(stage.lusid.asked) == 2


def test_a_request_ends_by_its_deadline(connect: Connect, stage: Stage) -> None:
    stage.lusid.fault, stage.lusid.always = Fault.ENDLESS, True
    stage.lusid.at = lambda *_: True
    began = stage.clock.monotonic()
    options = ConfigurationOptions(total_timeout_ms=7000)
    with connect() as images, pytest.raises(errors.TransportError, match="did not arrive in time"):
        images.list_repositories(opts=options)
    assert 7 <= stage.clock.monotonic() - began < 8


def part(whole: bytes, asked: Asked, **headers: str) -> Answered:
    """Return the part of `whole` that was requested."""
    start = int(re.sub(r"\D", "", asked.headers["range"]))
    span = f"bytes {start}-{len(whole) - 1}/{len(whole)}"
    return Answered(206, {"Content-Range": span, "ETag": '"1"'} | headers, whole[start:])


def cut(whole: bytes, **headers: str) -> Answered:
    """Return half of `whole`, as a connection that breaks off leaves it."""
    usual = {"ETag": '"1"', "Accept-Ranges": "bytes", "Content-Length": str(len(whole))}
    return Answered(200, usual | headers, whole[: len(whole) // 2])


def contents(*answers: Callable[[Asked], Answered | None]) -> Script:
    """Return what answers each request for the bytes in turn, the last again and again."""
    left = list(answers)

    def answer(asked: Asked) -> Answered | None:
        if not asked.path.endswith("/contents"):
            return None
        return (left.pop(0) if len(left) > 1 else left[0])(asked)

    return answer


@pytest.fixture
def whole(stage: Stage, digest: str) -> bytes:
    """The image as LUSID sends it."""
    del digest
    return stage.run("images", "download", "job:1.0", "-o", "-").require(0).stdout_bytes


def test_a_download_goes_on_where_it_was(
    connect: Connect, stage: Stage, whole: bytes, target: Path, digest: str
) -> None:
    stage.lusid.instead = contents(lambda _: cut(whole), lambda asked: part(whole, asked))
    with connect() as images:
        done = images.download_image("job:1.0", target)
    assert (done.digest, done.size, target.read_bytes()) == (digest, len(whole), whole)


def test_a_download_begins_again_where_it_cannot_go_on(
    connect: Connect, stage: Stage, whole: bytes, target: Path
) -> None:
    gone = Answered(416, {}, b"")
    stage.lusid.instead = contents(lambda _: cut(whole), lambda _: gone, lambda _: None)
    with connect() as images:
        images.download_image("job:1.0", target)
        assert target.read_bytes() == whole
        weak = cut(whole, ETag='W/"1"')
        stage.lusid.instead = contents(lambda _: weak, lambda _: None)
        images.download_image("job:1.0", target, overwrite=True)
    assert target.read_bytes() == whole
    assert "range" not in stage.lusid.asked[-2].headers


@pytest.mark.parametrize(
    ("second", "error"),
    [
        (lambda whole, asked: part(whole, asked, ETag='"2"'), errors.UnexpectedAnswerError),
        (
            lambda whole, asked: part(whole, asked, **{"Content-Range": "bytes 1-2/3"}),
            errors.UnexpectedAnswerError,
        ),
        (lambda whole, _: cut(whole, ETag=""), errors.TransportError),
        (lambda *_: problem(404), errors.NotFoundError),
    ],
)
def test_a_download_that_never_comes_whole_is_not_kept(
    connect: Connect,
    stage: Stage,
    whole: bytes,
    target: Path,
    second: Callable[[bytes, Asked], Answered],
    error: type[errors.LusidPublishError],
) -> None:
    stage.lusid.instead = contents(lambda _: cut(whole), lambda asked: second(whole, asked))
    with connect() as images, pytest.raises(error):
        images.download_image("job:1.0", target)
    assert not target.exists()


def test_a_part_that_nobody_asked_for(
    connect: Connect, stage: Stage, whole: bytes, target: Path
) -> None:
    asked = Asked("GET", "", {"range": "bytes=0-"}, b"")
    stage.lusid.instead = contents(lambda _: part(whole, asked))
    with connect() as images, pytest.raises(errors.UnexpectedAnswerError, match="different part"):
        images.download_image("job:1.0", target)


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"name": "job", "digest": OTHER_DIGEST}, "its manifest is"),
        ({"name": "job"}, "LUSID lists no digest"),
    ],
)
def test_an_image_that_is_not_lusid_s_is_not_kept(
    connect: Connect,
    stage: Stage,
    digest: str,
    target: Path,
    described: dict[str, str],
    words: str,
) -> None:
    del digest
    stage.lusid.instead = scripted("GET", "job(%3A|:)1.0$", json_answer(described))
    with connect() as images:
        with pytest.raises(errors.DownloadError, match=words):
            images.download_image("job:1.0", target)
        assert not target.exists()
        assert images.download_image("job:1.0", target, verify=False).digest is None
    assert target.exists()


def test_a_tar_that_an_engine_packed_again_cannot_be_compared(
    connect: Connect, stage: Stage, digest: str, target: Path
) -> None:
    del digest
    for write, words in (
        (docker28, "engine repacked the tar"),
        (docker20, "no manifest with a digest"),
    ):
        tar = tar_of(write(saved=stage.image))
        stage.lusid.instead = scripted("GET", "/contents$", Answered(200, {}, tar))
        with connect() as images, pytest.raises(errors.DownloadError, match=words):
            images.download_image("job:1.0", target)


def test_where_a_download_cannot_go(
    connect: Connect, digest: str, target: Path, stage: Stage
) -> None:
    del digest
    target.write_text("mine")
    with connect() as images:
        for path, words in (
            (target, "already exists"),
            (target.parent, "is not a file"),
            (Path("/no/such/folder/x.tar"), "The directory /no/such/folder does not exist"),
            (Path("x" * 5000), "is not a usable path"),
            (Path("\0"), "is not a usable path"),
        ):
            with pytest.raises(errors.ConfigurationError, match=words):
                images.download_image("job:1.0", path)
    assert target.read_text() == "mine"
    assert stage.lusid.count("GET", "/contents") == 0


def test_a_file_that_appears_meanwhile_is_not_written_over(
    connect: Connect, digest: str, target: Path, stage: Stage
) -> None:
    del digest
    stage.lusid.after = lambda asked: (
        target.write_text("theirs") if "contents" in asked.path else None
    )
    with connect() as images, pytest.raises(errors.ConfigurationError, match="already exists"):
        images.download_image("job:1.0", target)
    assert target.read_text() == "theirs"


class _Slow(io.RawIOBase):
    """A raw stream that takes a part at a time, and at the end nothing."""

    def __init__(self, *, most: int) -> None:
        self.taken = bytearray()
        self._most = most

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        part = bytes(content[:1000])[: self._most - len(self.taken)]
        self.taken += part
        return len(part)


def test_a_stream_gets_all_of_it_or_an_error(connect: Connect, whole: bytes) -> None:
    with connect() as images:
        taking = _Slow(most=len(whole))
        images.download_image("job:1.0", cast("BinaryIO", taking))
        assert bytes(taking.taken) == whole
        with pytest.raises(errors.DownloadError, match="cannot be written"):
            images.download_image("job:1.0", cast("BinaryIO", _Slow(most=5000)))


def test_an_answer_that_is_compressed_badly(connect: Connect, stage: Stage) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    bad = Answered(200, headers, json.dumps({"values": []}).encode())
    stage.lusid.instead = scripted("GET", "/repository", bad)
    with connect() as images, pytest.raises(errors.UnexpectedAnswerError, match="decompressed"):
        images.list_repositories()
