"""What both clients keep of what they download, and where: the image as it is, or nothing."""

import errno
import gzip
import io
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import pytest
from fastapi import Response
from fastapi.responses import HTMLResponse, JSONResponse

from lusid_image_publish.errors import (
    AccessDeniedError,
    ConfigurationError,
    DownloadError,
    NotFoundError,
    ServerError,
    ServiceError,
    UnexpectedAnswerError,
)
from tests.integration.image_tars import (
    DIGEST,
    FILES,
    SMALL,
    TAR,
    UNCOMPRESSED,
    contents,
    layout,
    sha,
    tar_of,
)
from tests.integration.misbehaving import (
    EACH_CLIENT,
    TOKEN,
    Asked,
    Host,
    Kind,
    assert_neutral,
    assert_reported,
    connected,
    hosting,
)

pytestmark = EACH_CLIENT


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


BLOB = f"blobs/sha256/{DIGEST.removeprefix('sha256:')}"
NASTY = b'{"layers": [{"mediaType": "", "digest": "sha256:\\u001b[2J"}]}'
NASTY_INDEX = json.dumps({"manifests": [{"digest": f"sha256:{sha(NASTY)}"}]}).encode()
NO_IMAGES: dict[str, bytes] = {
    "empty": b"",
    "web-page": b"<!DOCTYPE html><html>Sign in</html>",
    "json": b'{"name": "job"}',
    "zeros": bytes(10_240),
    "noise": sha(b"noise").encode() * 200,
    "no-files": tar_of({}),
    "cut-in-a-header": TAR[:700],
    "cut-in-a-file": TAR[:3000],
    "cut-at-a-block": TAR[: 512 * 8],
    "without-its-end": SMALL[:1024],
    "compressed-and-cut": gzip.compress(TAR)[:-500],
    "wrong-blob": tar_of(FILES | {f"blobs/sha256/{'0' * 64}": b"another"}),
    "changed-manifest": tar_of(FILES | {BLOB: FILES[BLOB].replace(b"linux", b"linus") + b" "}),
    "missing-blob": tar_of(dict(list(FILES.items())[:2] + list(FILES.items())[3:])),
    "strange-index": tar_of(FILES | {"index.json": b'{"manifests": 7}'}),
    "deep-index": tar_of(FILES | {"index.json": b"[" * 50_000}),
    "missing-layer": tar_of({"manifest.json": b'[{"Config": "a", "Layers": ["b"]}]', "a": b"{}"}),
    "nasty-digest": tar_of({f"blobs/sha256/{sha(NASTY)}": NASTY, "index.json": NASTY_INDEX}),
    "nasty-layer": tar_of({"manifest.json": b'[{"Config": "\\u001b[2J", "Layers": []}]'}),
    "strange-manifest": tar_of({"manifest.json": b'{"Config": null}'}),
}


@pytest.mark.parametrize("body", NO_IMAGES.values(), ids=NO_IMAGES)
def test_what_is_not_the_image_is_not_kept(
    kind: Kind, host: Host, target: Path, body: bytes
) -> None:
    with (
        host.service(contents(Response(body))) as server,
        connected(kind, server.url) as images,
        pytest.raises(DownloadError) as caught,
    ):
        images.download_image("job:1", target)
    assert caught.value.cause
    assert caught.value.hint
    assert_neutral(caught.value)
    assert not target.exists()


def test_the_digest_of_the_manifest_is_lusid_s(kind: Kind, host: Host, target: Path) -> None:
    with host.service(contents(Response(TAR))) as server, connected(kind, server.url) as images:
        assert images.download_image("job:1", target).digest == DIGEST
        with pytest.raises(ConfigurationError):
            images.download_image("job:1", target)
        server.answer = contents(Response(TAR), digest=f"sha256:{'1' * 64}")
        with pytest.raises(DownloadError, match="LUSID lists sha256:1111") as caught:
            images.download_image("job:1", target, overwrite=True)
    assert_neutral(caught.value)
    assert target.read_bytes() == TAR, "what was there is not lost"


def test_a_digest_with_controls_is_neutral(kind: Kind, host: Host, target: Path) -> None:
    with (
        host.service(contents(Response(TAR), digest=f"sha256:\x1b[2J{TOKEN}")) as server,
        connected(kind, server.url) as images,
        pytest.raises(UnexpectedAnswerError) as caught,
    ):
        images.download_image("job:1", target)
    assert_neutral(caught.value)
    assert not target.exists()


REPACKED = tar_of(layout(layer_type=UNCOMPRESSED)[0])
UNKNOWN: dict[str, tuple[bytes, str | None, str]] = {
    "packed again": (REPACKED, f"sha256:{'1' * 64}", "engine repacked the tar"),
    "packed again, and no digest": (REPACKED, None, "LUSID lists no digest"),
    "no digest": (TAR, None, "LUSID lists no digest"),
    "another layout": (SMALL, DIGEST, "no manifest"),
    "another layout, compressed": (gzip.compress(SMALL), DIGEST, "no manifest"),
}


@pytest.mark.parametrize(("body", "digest", "words"), UNKNOWN.values(), ids=UNKNOWN)
def test_an_image_that_cannot_be_identified_is_not_kept(
    kind: Kind, host: Host, target: Path, body: bytes, digest: str | None, words: str
) -> None:
    with (
        host.service(contents(Response(body), digest=digest)) as server,
        connected(kind, server.url) as images,
    ):
        with pytest.raises(
            DownloadError, match=f"cannot be determined whether .*{words}"
        ) as caught:
            images.download_image("job:1", target)
        assert not target.exists()
        assert caught.value.exit_code == 12
        assert "--no-verify" in caught.value.hint
        assert images.download_image("job:1", target, verify=False).digest is None
    assert target.read_bytes() == body


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (JSONResponse("There is none.", 404), NotFoundError),
        (Response(status_code=500), ServerError),
        (HTMLResponse("<h1>Hello</h1>"), UnexpectedAnswerError),
    ],
)
def test_an_image_that_cannot_be_compared_is_not_kept(
    kind: Kind, host: Host, target: Path, look: Response, expected: type[ServiceError]
) -> None:
    def answer(asked: Asked) -> Response:
        return Response(TAR) if asked.path.endswith("/contents") else look

    with (
        host.service(answer) as server,
        connected(kind, server.url) as images,
        pytest.raises(expected) as caught,
    ):
        images.download_image("job:1", target)
    assert_reported(caught.value, "get_image", status=look.status_code)
    assert not target.exists()


@pytest.mark.parametrize(
    ("status", "expected"), [(400, ServiceError), (403, AccessDeniedError), (502, ServerError)]
)
def test_an_error_is_not_an_image(
    kind: Kind, host: Host, target: Path, status: int, expected: type[ServiceError]
) -> None:
    with (
        host.service(contents(Response(TAR, status))) as server,
        connected(kind, server.url) as images,
        pytest.raises(expected) as caught,
    ):
        images.download_image("job:1", target)
    assert_reported(caught.value, "download_image", status=status)
    assert not target.exists()


def test_a_file_that_exists_is_asked_about_first(kind: Kind, host: Host, target: Path) -> None:
    target.write_bytes(b"mine")
    with host.service(contents(Response(TAR))) as server, connected(kind, server.url) as images:
        with pytest.raises(ConfigurationError, match="exists") as caught:
            images.download_image("job:1", target)
        assert caught.value.hint
        assert server.asked == []
        assert target.read_bytes() == b"mine"
        images.download_image("job:1", target, overwrite=True)
    assert target.read_bytes() == TAR


def test_a_file_that_appears_meanwhile_is_not_written_over(
    kind: Kind, host: Host, target: Path
) -> None:
    def answer(asked: Asked) -> Response:
        target.write_bytes(b"mine")
        return contents(Response(TAR))(asked)

    with (
        host.service(answer) as server,
        connected(kind, server.url) as images,
        pytest.raises(ConfigurationError, match="exists"),
    ):
        images.download_image("job:1", target)
    assert target.read_bytes() == b"mine"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_directory_or_a_device_is_no_target(
    kind: Kind, host: Host, tmp_path: Path, *, overwrite: bool
) -> None:
    folder, pipe, link = tmp_path / "folder", tmp_path / "pipe", tmp_path / "link"
    folder.mkdir()
    os.mkfifo(pipe)
    link.symlink_to("/dev/null")
    with host.service(contents(Response(TAR))) as server, connected(kind, server.url) as images:
        for path in (folder, pipe, link, Path("/dev/null"), tmp_path / "none" / "image.tar"):
            with pytest.raises(ConfigurationError) as caught:
                images.download_image("job:1", path, overwrite=overwrite)
            assert caught.value.hint
    assert server.asked == []
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)  # noqa: PTH116  # the device itself
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "link", "pipe"]
    assert list(folder.iterdir()) == []


def test_a_link_is_followed_and_stays(kind: Kind, host: Host, tmp_path: Path) -> None:
    true, link = tmp_path / "true.tar", tmp_path / "link.tar"
    true.write_bytes(b"old")
    link.symlink_to(true)
    with host.service(contents(Response(TAR))) as server, connected(kind, server.url) as images:
        images.download_image("job:1", link, overwrite=True)
    assert link.is_symlink()
    assert true.read_bytes() == TAR
    assert len(list(tmp_path.iterdir())) == 2


def test_a_stream_gets_what_was_checked(kind: Kind, host: Host) -> None:
    stream = io.BytesIO()
    with host.service(contents(Response(TAR))) as server, connected(kind, server.url) as images:
        downloaded = images.download_image("job:1", stream)
    assert (downloaded.path, downloaded.size, downloaded.digest) == (None, len(TAR), DIGEST)
    assert stream.getvalue() == TAR


@pytest.mark.parametrize("body", [TAR[:3000], b"<html>"])
def test_a_stream_gets_nothing_of_what_is_not_the_image(
    kind: Kind, host: Host, body: bytes
) -> None:
    stream = io.BytesIO()
    with (
        host.service(contents(Response(body))) as server,
        connected(kind, server.url) as images,
        pytest.raises(DownloadError),
    ):
        images.download_image("job:1", stream)
    assert stream.getvalue() == b""


def test_a_stream_that_is_full_is_an_error(kind: Kind, host: Host) -> None:
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        host.service(contents(Response(TAR))) as server,
        connected(kind, server.url) as images,
        pytest.raises(DownloadError, match="cannot be written") as caught,
    ):
        images.download_image("job:1", full)
    assert "No space left" in caught.value.cause
    assert_neutral(caught.value)


class _RawStream(io.RawIOBase):
    """A stream as `sys.stdout.buffer` is one with PYTHONUNBUFFERED: it may take less than all."""

    def __init__(self, room: int) -> None:
        self.content = b""
        self._room = room

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int | None:
        taken = bytes(content)[: min(999, self._room - len(self.content))]
        self.content += taken
        return len(taken) or None  # None: it would block


def test_a_raw_stream_gets_all_of_it(kind: Kind, host: Host) -> None:
    stream = _RawStream(len(TAR))
    with (
        host.service(contents(Response(TAR))) as server,
        connected(kind, server.url) as images,
    ):
        images.download_image("job:1", cast("BinaryIO", stream))
    assert stream.content == TAR


def test_a_raw_stream_that_takes_no_more_is_an_error(kind: Kind, host: Host) -> None:
    with (
        host.service(contents(Response(TAR))) as server,
        connected(kind, server.url) as images,
        pytest.raises(DownloadError, match="cannot be written") as caught,
    ):
        images.download_image("job:1", cast("BinaryIO", _RawStream(3000)))
    assert "no more" in caught.value.cause
    assert_neutral(caught.value)


@pytest.mark.parametrize("body", [b"<html>", tar_of({}), gzip.compress(TAR)[:-500]])
def test_what_is_not_looked_at_is_kept_as_it_came(
    kind: Kind, host: Host, target: Path, body: bytes
) -> None:
    with (
        host.service(contents(Response(body))) as server,
        connected(kind, server.url) as images,
    ):
        downloaded = images.download_image("job:1", target, verify=False)
    assert target.read_bytes() == body
    assert (downloaded.size, downloaded.digest) == (len(body), None)
    assert len(server.asked) == 1


def test_a_folder_that_cannot_be_made_last_has_the_file_all_the_same(
    kind: Kind, host: Host, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = os.open

    def opened(path: Any, *args: Any, **values: Any) -> int:
        if path == target.parent:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return genuine(path, *args, **values)

    monkeypatch.setattr(os, "open", opened)
    with (
        host.service(contents(Response(TAR))) as server,
        connected(kind, server.url) as images,
    ):
        images.download_image("job:1", target)
    assert target.read_bytes() == TAR


class _FullFile(io.FileIO):
    """A file on a disk that is full after its first kibibyte."""

    def write(self, content: Any) -> int:
        if self.tell() + len(content) > 1024:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(content)


@pytest.mark.parametrize("buffered", [False, True])
def test_a_disk_that_is_full_is_an_error(
    kind: Kind, host: Host, target: Path, monkeypatch: pytest.MonkeyPatch, *, buffered: bool
) -> None:
    genuine = Path.open

    def opened(path: Path, mode: str = "r", *args: Any, **values: Any) -> IO[Any]:
        if path.suffix != ".part":
            return genuine(path, mode, *args, **values)
        file = _FullFile(path, mode.replace("b", ""))
        return io.BufferedRandom(file, 1 << 20) if buffered else file

    monkeypatch.setattr(Path, "open", opened)
    with (
        host.service(contents(Response(TAR))) as server,
        connected(kind, server.url) as images,
        pytest.raises(DownloadError, match="cannot be written") as caught,
    ):
        images.download_image("job:1", target)
    assert re.search("No space left", caught.value.cause)
    assert "Free some disk space" in caught.value.hint
    assert_neutral(caught.value)
    assert not target.exists()
