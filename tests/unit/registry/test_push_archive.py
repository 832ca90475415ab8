"""The push over HTTP, with a registry in memory: what is asked in which order, and what follows."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from lusid_image_publish.config import Settings
from lusid_image_publish.credential import Credential
from lusid_image_publish.errors import (
    PushDeniedError,
    PushError,
    PushInterruptedError,
    UnsafePlaceError,
)
from lusid_image_publish.names import ImageReference
from lusid_image_publish.progress import Event, LayerProgress
from lusid_image_publish.redact import Secret
from lusid_image_publish.registry.registry_tag import Registries
from lusid_image_publish.sources.archive_source import ArchiveImage, ArchiveSource, opened_archive
from lusid_image_publish.waiting import Deadline
from tests.archives import Image, containerd, docker20, manifest_of, sha, tar_of, zipped
from tests.unit.registry.http_registry import BASIC, HOST, REFUSALS, HttpRegistry, errors

TARGET = ImageReference(HOST, "foo/job", "1.0")
PASSWORD = "the-registry-s-password"
SETTINGS = Settings.from_values(scheduler_url="https://foo.example", connect_timeout_ms=1500)
IMAGE = Image((b"first" * 30_000, b"second"))
LAYERS = [f"sha256:{sha(zipped(layer))}" for layer in IMAGE.layers]
SHORT = [digest[7:19] for digest in LAYERS]
UPLOAD = ["POST /v2/foo/job/blobs/uploads/", "PATCH /v2/foo/job/blobs/uploads/{}"]


@dataclass
class World:
    """A registry, and an image in an archive with compressed layers."""

    registry: HttpRegistry
    image: ArchiveImage
    events: list[LayerProgress] = field(default_factory=list)
    seconds: float = 60
    settings: Settings = SETTINGS

    def listen(self, event: Event) -> None:
        assert isinstance(event, LayerProgress)
        self.events.append(event)

    def push(self, tag: str = "1.0", image: ArchiveImage | None = None) -> str:
        self.registry.asked.clear()
        self.registry.requests.clear()
        image = image or self.image
        credential = Credential("AWS", Secret(PASSWORD))
        reference = ImageReference(TARGET.host, TARGET.path, tag)
        with Registries(self.settings, connect=self.connect) as registries:
            return image.send_to(
                registries.tag(reference, credential),
                deadline=Deadline(self.seconds),
                idle=60,
                listener=self.listen,
            )

    def connect(self, _: Settings, host: str, auth: httpx.Auth) -> httpx.Client:
        transport = httpx.MockTransport(self.registry)
        return httpx.Client(base_url=f"https://{host}", auth=auth, transport=transport)

    def fails(self, kind: type[PushError], words: str) -> PushError:
        with pytest.raises(PushError, match=words) as caught:
            self.push()
        assert type(caught.value) is kind
        assert PASSWORD not in f"{caught.value.message} {caught.value.cause} {caught.value.hint}"
        assert caught.value.cause
        assert caught.value.hint
        assert self.registry.tags == {}
        return caught.value

    def statuses(self) -> list[str]:
        """Return what was told of each layer, without the repetitions."""
        told = [f"{event.layer} {event.status}" for event in self.events]
        return list(dict.fromkeys(told))


Open = Callable[[bytes], ArchiveImage]


@pytest.fixture
def opened() -> Iterator[Open]:
    with ExitStack() as stack:

        def opened(content: bytes) -> ArchiveImage:
            path = Path(f"{sha(content)}.tar")
            path.write_bytes(content)
            return stack.enter_context(opened_archive(ArchiveSource(path), "linux/amd64"))

        yield opened


@pytest.fixture
def world(opened: Open) -> World:
    return World(HttpRegistry(), opened(tar_of(containerd(a=IMAGE))))


STEPS = {
    "look": "HEAD blobs",
    "begin": "POST uploads",
    "send": "PATCH upload",
    "keep": "PUT upload",
    "tag": "PUT manifests",
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize(
    ("status", "kind"),
    [*REFUSALS, (301, PushError)],
)
def test_a_refusal_at_any_step_is_what_its_status_says(
    world: World, step: str, status: int, kind: type[PushError]
) -> None:
    world.registry.answers[step] = lambda _: errors(status, "A_CODE", "the registry's own words")
    words = f"HTTP {status}, A_CODE: the registry's own words"
    if step.startswith("HEAD"):
        words = f"HTTP {status}"
    error = world.fails(kind, words)
    assert f"The push to {TARGET} failed: the registry does not " in error.message


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx.ConnectError("Connection refused"), "broke off: Connection refused"),
        (httpx.ReadError("Connection reset by peer"), "broke off: Connection reset"),
        (httpx.ConnectTimeout(""), "broke off: ConnectTimeout"),
        (httpx.WriteTimeout(""), "ended, because it was silent for 60 seconds"),
        (httpx.ReadTimeout(""), "ended, because it was silent for 60 seconds"),
        (httpx.RemoteProtocolError("Server disconnected"), "broke off: Server disconnected"),
    ],
)
def test_a_connection_that_breaks_at_any_step_may_pass(
    world: World, step: str, error: httpx.HTTPError, words: str
) -> None:
    def broken(_: httpx.Request) -> httpx.Response:
        raise error

    world.registry.answers[step] = broken
    world.fails(PushInterruptedError, words)


@pytest.mark.parametrize("step", ["PATCH upload", "PUT upload"])
@pytest.mark.parametrize("status", [404, 416])
def test_an_upload_that_the_registry_forgot_is_begun_anew(
    world: World, step: str, status: int
) -> None:
    world.registry.answers[step] = lambda _: errors(status, "BLOB_UPLOAD_UNKNOWN")
    world.fails(PushInterruptedError, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.parametrize(
    "location",
    [
        "",
        "http://elsewhere.example/upload",
        "http://foo.example/v2/foo/job/blobs/uploads/1",
        "ftp://127.0.0.1/upload",
        "file:///etc/passwd",
        "https://foo.example:bad/upload",
        "http://127.0.0.1.elsewhere.example/upload",
        "http://127.0.0.1:9/upload",
        "https://localhost/upload",
        "//127.1/upload",
        "https://10.0.0.1/upload",
        "https://169.254.169.254/latest/meta-data",
    ],
)
def test_a_place_that_is_not_safe_is_not_followed(world: World, location: str) -> None:
    headers = {"Location": location} if location else {}
    world.registry.answers["POST uploads"] = lambda _: httpx.Response(202, headers=headers)
    world.fails(UnsafePlaceError, "wants a layer to be sent to")
    assert [request.method for request in world.registry.requests] == ["HEAD", "POST"]


def test_storage_that_a_registry_names_sends_nothing_to_an_internal_host(world: World) -> None:
    world.registry.place = "https://storage.example/v2/foo/job/blobs/uploads/{number}"
    world.registry.answers["PATCH upload"] = lambda _: httpx.Response(
        202, headers={"Location": "http://127.0.0.1:9/upload"}
    )
    error = world.fails(UnsafePlaceError, "wants a layer to be sent to 'http://127.0.0.1:9/upload'")
    assert "storage.example" in error.cause
    assert [request.url.host for request in world.registry.requests][-1] == "storage.example"


def test_storage_may_send_back_to_the_registry(world: World) -> None:
    def take(request: httpx.Request) -> httpx.Response:
        number = request.url.path.rpartition("/")[2]
        world.registry.uploads[number] += request.content
        state = f"{number}-{len(request.content)}%3D%3D"
        location = f"https://{HOST}/v2/foo/job/blobs/uploads/{number}?_state={state}"
        return httpx.Response(202, headers={"Location": location})

    world.registry.place = "https://storage.example/v2/foo/job/blobs/uploads/{number}"
    world.registry.answers["PATCH upload"] = take
    assert world.push()
    puts = [r.url.host for r in world.registry.requests if r.method == "PUT"]
    assert set(puts) == {HOST}


def test_http_is_followed_where_it_is_allowed(world: World) -> None:
    world.settings = replace(SETTINGS, allow_http=True)
    world.registry.place = "http://storage.example/v2/foo/job/blobs/uploads/{number}?_state={state}"
    assert world.push()


def test_a_signature_in_a_place_is_not_shown(world: World) -> None:
    place = "http://elsewhere.example/upload?X-Signature=abc"
    world.registry.answers["POST uploads"] = lambda _: httpx.Response(
        202, headers={"Location": place}
    )
    assert "abc" not in world.fails(UnsafePlaceError, "elsewhere").message


def test_a_manifest_that_becomes_another_is_an_error(world: World) -> None:
    other = "sha256:" + "0" * 64
    world.registry.answers["PUT manifests"] = lambda _: httpx.Response(
        201, headers={"Docker-Content-Digest": other}
    )
    world.fails(PushError, f"gives .* the digest {other}, and what was pushed has")


def test_a_registry_that_says_no_digest_proves_nothing(world: World) -> None:
    world.registry.answers["PUT manifests"] = lambda _: httpx.Response(201)
    world.fails(PushInterruptedError, "unproven")


def test_a_layer_that_arrives_otherwise_is_refused(world: World) -> None:
    def changed(request: httpx.Request) -> None:
        number = request.url.path.rpartition("/")[2]
        world.registry.uploads[number] = b"!" + world.registry.uploads[number][1:]

    world.registry.answers["PUT upload"] = changed
    world.fails(PushError, "DIGEST_INVALID")


def test_a_time_that_is_over_ends_the_push(world: World) -> None:
    world.seconds = 0
    world.fails(PushInterruptedError, "was ended, because its time was over")


def test_an_archive_that_changes_is_told(world: World, opened: Open) -> None:
    image = opened(tar_of(docker20(a=IMAGE)))
    path = image.path
    path.write_bytes(path.read_bytes().replace(b"firstfirst", b"firstworst"))
    world.image = image
    assert "was changed" in world.fails(PushError, "changed while it was").message
    assert world.registry.asked == []


def test_an_archive_that_becomes_shorter_is_told(world: World, opened: Open) -> None:
    world.image = opened(tar_of(containerd(a=Image((os.urandom(300_000),)))))

    def cut(_: httpx.Request) -> None:
        path = world.image.path
        path.write_bytes(path.read_bytes()[:2000])

    world.registry.answers["POST uploads"] = cut
    world.fails(PushError, "failed: it is cut off")


def test_no_room_to_compress_is_told(
    world: World, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.image = opened(tar_of(docker20(a=IMAGE)))
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    assert "TMPDIR" in world.fails(PushError, "no room to compress").hint


def test_answers_without_end_are_not_read(world: World) -> None:
    def endless(_: httpx.Request) -> httpx.Response:
        return httpx.Response(500, content=(b" " * 1000 for _ in range(10**9)))

    world.registry.answers["PUT manifests"] = endless
    world.fails(PushInterruptedError, "HTTP 500")


def test_an_interruption_is_not_taken_for_a_failure(world: World) -> None:
    def interrupt(_: httpx.Request) -> None:
        raise KeyboardInterrupt

    world.registry.answers["PATCH upload"] = interrupt
    with pytest.raises(KeyboardInterrupt):
        world.push()


def test_layers_are_sent_before_the_manifest_that_names_them(world: World) -> None:
    digest = world.push()
    manifest, _ = manifest_of(IMAGE, layer_type="application/vnd.docker.image.rootfs.diff.tar.gzip")
    kind, content = world.registry.tags["1.0"]
    assert (content, kind) == (manifest, "application/vnd.oci.image.manifest.v1+json")
    assert digest == f"sha256:{sha(manifest)}"
    expected = []
    for number, blob in enumerate((*LAYERS, IMAGE.id)):
        place = f"/v2/foo/job/blobs/uploads/{number}"
        expected += [
            f"HEAD /v2/foo/job/blobs/{blob}",
            "POST /v2/foo/job/blobs/uploads/",
            f"PATCH {place}",
            f"PUT {place}",
        ]
    assert world.registry.asked == [*expected, "PUT /v2/foo/job/manifests/1.0"]
    assert world.registry.blobs[IMAGE.id] == IMAGE.config
    assert {r.headers["authorization"] for r in world.registry.requests} == {BASIC}
    assert {r.extensions["timeout"]["connect"] for r in world.registry.requests} == {1.5}


def test_what_the_registry_has_is_not_sent_again(world: World) -> None:
    world.push()
    world.events.clear()
    assert world.push("latest") == world.push()
    assert world.registry.sent() == ["PUT /v2/foo/job/manifests/1.0"]
    assert world.registry.tags["latest"] == world.registry.tags["1.0"]
    assert world.statuses() == [f"{layer} Layer already exists" for layer in SHORT]


@pytest.mark.parametrize("status", [302, 307])
def test_a_blob_that_is_kept_elsewhere_is_there(world: World, status: int) -> None:
    world.push()
    world.registry.answers["HEAD blobs"] = lambda _: httpx.Response(
        status, headers={"Location": "https://storage.example/blob"}
    )
    world.push()
    assert len(world.registry.sent()) == 1


def test_progress_is_told_as_an_engine_tells_it(world: World) -> None:
    world.push()
    assert world.statuses() == [
        f"{layer} {status}" for layer in SHORT for status in ("Pushing", "Pushed")
    ]
    sizes = [len(zipped(layer)) for layer in IMAGE.layers]
    for layer, size in zip(SHORT, sizes, strict=True):
        steps = [e.current for e in world.events if e.layer == layer and e.status == "Pushing"]
        assert steps[0] == 0
        assert steps[-1] == size
        assert {e.total for e in world.events if e.layer == layer} == {size, None}


def test_uncompressed_layers_are_compressed_once(world: World, opened: Open) -> None:
    image = opened(tar_of(docker20(a=IMAGE)))
    first = world.push(image=image)
    assert "Preparing" in {event.status for event in world.events}
    world.events.clear()
    assert world.push("latest", image) == first
    assert {event.status for event in world.events} == {"Layer already exists"}
    assert world.push(image=opened(tar_of(docker20(b=IMAGE)))) == first


@pytest.mark.parametrize(
    "place",
    [
        "https://foo.example/v2/foo/job/blobs/uploads/{number}?_state={state}",
        "/v2/foo/job/blobs/uploads/{number}?x=1&_state={state}&y=a%2Bb+c",
        "../../../v2/foo/job/blobs/uploads/{number}?_state={state}",
    ],
)
def test_an_upload_may_go_on_anywhere_in_the_registry(world: World, place: str) -> None:
    world.registry.place = place
    assert world.push()
    puts = [r.url for r in world.registry.requests if r.method == "PUT" and r.url.query]
    state = f"0-{len(zipped(IMAGE.layers[0]))}%3D%3D"
    wanted = place.partition("?")[2].format(number="0", state=state)
    assert puts[0].query.decode() == f"{wanted}&digest={LAYERS[0]}"


def test_another_host_sees_no_credential(world: World) -> None:
    world.registry.place = (
        "https://storage.example/v2/foo/job/blobs/uploads/{number}?_state={state}"
    )
    assert world.push()
    ways = {
        (r.url.host == HOST, "authorization" in r.headers, "cookie" in r.headers)
        for r in world.registry.requests
    }
    assert ways == {(True, True, False), (False, False, False)}


def test_a_place_need_not_be_said_again(world: World) -> None:
    def take(request: httpx.Request) -> httpx.Response:
        number = request.url.path.rpartition("/")[2]
        world.registry.uploads[number] += request.content
        return httpx.Response(204)

    def keep(request: httpx.Request) -> httpx.Response:
        number = request.url.path.rpartition("/")[2]
        content = world.registry.uploads[number]
        world.registry.blobs[f"sha256:{hashlib.sha256(content).hexdigest()}"] = content
        assert request.url.params["_state"] == f"{number}-0=="
        return httpx.Response(204)

    world.registry.answers |= {"PATCH upload": take, "PUT upload": keep}
    assert world.push()


class Tokens:
    """The registry's token endpoint; each token is good for so many requests."""

    def __init__(self, registry: HttpRegistry, uses: int = 10**9) -> None:
        self.registry = registry
        self.uses = uses
        self.issued = 0
        registry.good = set()
        registry.challenge = f'Bearer realm="https://auth.example/token",service="{HOST}"'
        registry.answers["GET token"] = self.issue
        for step in STEPS.values():
            registry.answers[step] = self.use

    def issue(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == BASIC
        assert request.url.params["scope"] == "repository:foo/job:pull,push"
        self.issued += 1
        self.left = self.uses
        self.registry.good = {f"Bearer token-{self.issued}"}
        return httpx.Response(200, json={"token": f"token-{self.issued}"})

    def use(self, request: httpx.Request) -> None:
        if request.headers["authorization"] in self.registry.good:
            self.left -= 1
            if self.left < 0:
                self.registry.good = set()


def test_a_token_is_asked_for_once(world: World) -> None:
    tokens = Tokens(world.registry)
    world.push()
    assert tokens.issued == 1


@pytest.mark.parametrize("uses", [1, 2, 3, 4, 5])
def test_a_token_that_expires_at_any_step_is_renewed(world: World, uses: int) -> None:
    tokens = Tokens(world.registry, uses)
    digest = world.push()
    assert digest == f"sha256:{sha(world.registry.tags['1.0'][1])}"
    assert tokens.issued >= 13 // uses - 1


def test_a_token_endpoint_that_refuses_is_a_refusal(world: World) -> None:
    Tokens(world.registry)
    world.registry.answers["GET token"] = lambda _: errors(401, "UNAUTHORIZED")
    world.fails(PushDeniedError, "token endpoint gives no token: HTTP 401")


def test_a_token_endpoint_that_is_none_is_told(world: World) -> None:
    Tokens(world.registry)
    world.registry.challenge = 'Bearer realm="https://auth.example:bad/token"'
    world.fails(UnsafePlaceError, "wants its credential to be sent to")


def test_an_image_without_layers_is_pushed(world: World, opened: Open) -> None:
    world.push(image=opened(tar_of(docker20(a=Image(())))))
    manifest: dict[str, Any] = json.loads(world.registry.tags["1.0"][1])
    assert manifest["layers"] == []
    assert world.events == []
