"""A registry, and its token endpoint, that never end their answers or say too much."""

import gzip
import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lusid_image_publish.config import Settings
from lusid_image_publish.credential import Credential
from lusid_image_publish.errors import PushError, PushInterruptedError
from lusid_image_publish.names import ImageReference
from lusid_image_publish.progress import ignore
from lusid_image_publish.redact import Secret
from lusid_image_publish.registry.registry_tag import Registries, RegistryTag
from lusid_image_publish.registry.session import RegistryManifest
from lusid_image_publish.sources.archive_source import ArchiveSource, opened_archive
from lusid_image_publish.waiting import Deadline, within
from tests.integration.image_tars import ARCHIVE
from tests.integration.misbehaving import (
    TOKEN,
    Asked,
    RawService,
    Script,
    chunked,
    http,
    in_turn,
    raw_service,
    trickle,
)

TOKEN_PATH = "/scheduler2/token"
CLOSE = "Connection: close"
PASSWORD = Secret("the-registry-s-password")
SETTINGS = Settings.from_values(scheduler_url="https://foo.example")
MANIFEST = json.dumps({"config": {"digest": "sha256:" + "c" * 64}}).encode()
TRICKLES: dict[str, tuple[bytes, bytes]] = {
    "header": (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": (http(b"", CLOSE, length=1000), b" "),
    "error": (http(b"", CLOSE, status="500 Oh", length=1000), b" "),
}


each_trickle = pytest.mark.parametrize("parts", TRICKLES.values(), ids=TRICKLES)


def reference(server: RawService) -> ImageReference:
    return ImageReference(f"127.0.0.1:{server.server_address[1]}", "foo/job", "1.0")


@contextmanager
def tag_of(server: RawService) -> Iterator[RegistryTag]:
    with Registries(SETTINGS) as registries:
        yield registries.tag(reference(server), Credential("AWS", PASSWORD))


def look(server: RawService) -> RegistryManifest | None:
    with tag_of(server) as tag:
        return tag.look()


def refusal(server: RawService) -> PushError | None:
    with tag_of(server) as tag:
        return tag.refusal_of_a_layer()


def challenge(url: str, body: bytes = b"") -> bytes:
    wanted = f'WWW-Authenticate: Bearer realm="{url}/token"'
    return http(body, wanted, CLOSE, status="401 Unauthorized")


@contextmanager
def with_tokens(token: Script, other: Script | None = None) -> Iterator[RawService]:
    """Run a registry that wants a token, which `token` answers."""

    def script(asked: Asked) -> object:
        if asked.path.startswith(TOKEN_PATH):
            return token(asked)
        return other(asked) if other and asked.bearer == TOKEN else [challenge(server.url)]

    with raw_service(script) as server:  # type: ignore[arg-type]  # as the script returns it
        yield server


@each_trickle
def test_a_look_ends_with_the_time_of_its_step(parts: tuple[bytes, bytes]) -> None:
    with (
        raw_service(in_turn(trickle(*parts), [http(MANIFEST)])) as server,
        within(Deadline(2)),
        pytest.raises(PushError),
    ):
        look(server)
    assert len(server.asked) == 1


@each_trickle
def test_a_token_ends_with_the_time_of_its_step(parts: tuple[bytes, bytes]) -> None:
    good = [http(json.dumps({"token": TOKEN}).encode(), CLOSE)]
    with (
        with_tokens(in_turn(trickle(*parts), good), lambda _: [http(MANIFEST)]) as server,
        within(Deadline(2)),
        pytest.raises(PushError),
    ):
        look(server)
    assert [asked.path.partition("?")[0] for asked in server.asked[1:]] == [TOKEN_PATH]


@each_trickle
def test_asking_for_a_layer_ends_with_the_time_of_its_step(parts: tuple[bytes, bytes]) -> None:
    with raw_service(lambda _: trickle(*parts)) as server, within(Deadline(2)):
        answer = refusal(server)
    assert answer is None or isinstance(answer, PushInterruptedError)


@each_trickle
def test_a_push_ends_with_its_time(parts: tuple[bytes, bytes], tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(ARCHIVE)
    with (
        raw_service(lambda _: trickle(*parts)) as server,
        opened_archive(ArchiveSource(tmp_path / "image.tar"), "linux/amd64") as image,
        tag_of(server) as tag,
        pytest.raises(PushInterruptedError),
    ):
        image.send_to(tag, deadline=Deadline(2), idle=60, listener=ignore, earlier_tags=tuple)
    assert {asked.method for asked in server.asked} <= {"HEAD", "POST"}, "nothing after its time"


BOMB = gzip.compress(b"[" + b"[]," * (20 << 20) + b"[]]", 1)
"""60 MiB of nothing."""
DEEP = b"[" * 100_000
ENDLESS = [chunked(), *[b"10000\r\n" + b" " * 65536 + b"\r\n"] * 1600]
"""100 MiB."""


def bomb(status: str = "200 OK") -> bytes:
    return http(BOMB, "Content-Encoding: gzip", status=status)


def most_memory_of(action: Callable[[], object]) -> int:
    """Return the most bytes that `action` held at a time."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


BODIES: dict[str, list[bytes]] = {
    "bomb": [bomb()],
    "refused bomb": [bomb("500 Oh")],
    "bomb in a bomb": [
        http(gzip.compress(BOMB), "Content-Encoding: gzip, gzip"),
    ],
    "endless": ENDLESS,
    "deep": [http(DEEP)],
    "refused, deep": [http(DEEP, status="400 Oh")],
    "no gzip": [http(b"{}", "Content-Encoding: gzip")],
    "cut gzip": [http(gzip.compress(MANIFEST)[:-9], "Content-Encoding: gzip")],
    "another encoding": [http(b"{}", "Content-Encoding: br")],
}
each_body = pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)


@each_body
def test_a_manifest_that_is_too_much_is_refused(body: list[bytes]) -> None:
    def ask() -> None:
        with raw_service(lambda _: body) as server, pytest.raises(PushError):
            look(server)

    assert most_memory_of(ask) < 24 << 20


@each_body
def test_a_token_that_is_too_much_is_refused(body: list[bytes]) -> None:
    def ask() -> None:
        with with_tokens(lambda _: body) as server, pytest.raises(PushError):
            look(server)

    assert most_memory_of(ask) < 16 << 20


@pytest.mark.parametrize("body", [[bomb()], ENDLESS], ids=["bomb", "endless"])
def test_the_body_of_a_challenge_is_not_read_to_its_end(body: list[bytes]) -> None:
    def script(asked: Asked) -> list[bytes]:
        if asked.path.startswith(TOKEN_PATH):
            return [http(json.dumps({"token": TOKEN}).encode(), CLOSE)]
        if asked.bearer == TOKEN:
            return [http(MANIFEST)]
        head = challenge(server.url).partition(b"Content-Length")[0]
        wanted = f'WWW-Authenticate: Bearer realm="{server.url}/token"\r\n'.encode()
        return [head + wanted + body[0].partition(b"\r\n")[2], *body[1:]]

    def ask() -> None:
        assert look(server)

    with raw_service(script) as server:
        assert most_memory_of(ask) < 16 << 20


def test_a_compressed_manifest_is_read() -> None:
    body = http(gzip.compress(MANIFEST), "Content-Encoding: gzip")
    with raw_service(lambda _: [body]) as server:
        found = look(server)
    assert found
    assert found.config_digest == "sha256:" + "c" * 64
