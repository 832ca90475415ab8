"""The push over HTTP, with a registry in memory: what is asked in which order, and what follows."""

import gzip
import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.config import Settings
from lusid_image_publish.credential import Credential
from lusid_image_publish.errors import (
    LusidPublishError,
    PushDeniedError,
    PushError,
    PushInterruptedError,
    SourceError,
    UnsafePlaceError,
)
from lusid_image_publish.names import ImageReference
from lusid_image_publish.progress import Event, LayerDone, LayerProgress
from lusid_image_publish.redact import Secret
from lusid_image_publish.registry import blob_upload, push_archive
from lusid_image_publish.registry.registry_tag import Registries
from lusid_image_publish.sources.archive_source import ArchiveImage, ArchiveSource, opened_archive
from lusid_image_publish.waiting import Deadline
from tests.archives import (
    OCI,
    Files,
    Image,
    containerd,
    crane,
    docker20,
    document,
    entry_of,
    index_of,
    layout_of,
    manifest_of,
    podman,
    sha,
    tar_of,
    zipped,
    zstd,
)
from tests.unit.registry.http_registry import BASIC, HOST, REFUSALS, Answer, HttpRegistry, errors

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
    events: list[LayerProgress | LayerDone] = field(default_factory=list)
    earlier: list[str] = field(default_factory=list)
    seconds: float = 60
    settings: Settings = SETTINGS

    def listen(self, event: Event) -> None:
        assert isinstance(event, LayerProgress | LayerDone)
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
                earlier_tags=lambda: self.earlier,
            )

    def connect(self, _: Settings, host: str, auth: httpx.Auth) -> httpx.Client:
        transport = httpx.MockTransport(self.registry)
        return httpx.Client(base_url=f"https://{host}", auth=auth, transport=transport)

    def fails(self, kind: type[LusidPublishError], words: str) -> LusidPublishError:
        with pytest.raises(LusidPublishError, match=words) as caught:
            self.push()
        assert type(caught.value) is kind
        assert PASSWORD not in f"{caught.value.message} {caught.value.cause} {caught.value.hint}"
        assert caught.value.cause
        assert caught.value.hint
        assert self.registry.tags == {}
        return caught.value

    def statuses(self) -> list[str]:
        """Return the reports on each layer without repetitions, one layer after another."""
        reports = [f"{event.layer} {event.status}" for event in self.events if event.layer]
        return sorted(dict.fromkeys(reports), key=lambda text: SHORT.index(text.partition(" ")[0]))

    def about(self, digest: str) -> list[str]:
        """Return what was asked about one blob, in order."""
        requests = self.registry.requests
        uploads = {r.url.path for r in requests if r.url.params.get("digest") == digest}
        return [
            f"{r.method} {r.url.path}"
            for r in requests
            if r.url.path in uploads or r.url.path.endswith(digest)
        ]

    def done(self) -> dict[str, tuple[str, int, int]]:
        """Return the status of each layer in the end, and what was sent and reused."""
        return {
            e.layer: (e.status, e.sent, e.reused) for e in self.events if isinstance(e, LayerDone)
        }


Open = Callable[[bytes], ArchiveImage]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask at once where an upload is that broke off."""
    monkeypatch.setattr(blob_upload, "sleep", lambda _: None)


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
    assert f"The push to {TARGET} failed: the registry did not " in error.message


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx.ConnectError("Connection refused"), "was interrupted: Connection refused"),
        (httpx.ReadError("Connection reset by peer"), "was interrupted: Connection reset"),
        (httpx.ConnectTimeout(""), "was interrupted: ConnectTimeout"),
        (httpx.WriteTimeout(""), "was stopped: no progress for 60 seconds"),
        (httpx.ReadTimeout(""), "was stopped: no progress for 60 seconds"),
        (httpx.RemoteProtocolError("Server disconnected"), "was interrupted: Server disconnected"),
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
def test_an_upload_that_the_registry_forgot_is_started_again(
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
    world.fails(UnsafePlaceError, "redirects a layer to")
    assert {request.method for request in world.registry.requests} == {"HEAD", "POST"}


def test_storage_that_a_registry_names_sends_nothing_to_an_internal_host(world: World) -> None:
    world.registry.place = "https://storage.example/v2/foo/job/blobs/uploads/{number}"
    world.registry.answers["PATCH upload"] = lambda _: httpx.Response(
        202, headers={"Location": "http://127.0.0.1:9/upload"}
    )
    error = world.fails(UnsafePlaceError, "redirects a layer to 'http://127.0.0.1:9/upload'")
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
    world.fails(PushError, f"reports the digest {other} for .*, but .* was pushed")


def test_a_registry_that_says_no_digest_proves_nothing(world: World) -> None:
    world.registry.answers["PUT manifests"] = lambda _: httpx.Response(201)
    world.fails(PushInterruptedError, "cannot be verified")


def test_a_layer_that_arrives_otherwise_is_refused(world: World) -> None:
    def changed(request: httpx.Request) -> None:
        number = request.url.path.rpartition("/")[2]
        world.registry.uploads[number] = b"!" + world.registry.uploads[number][1:]

    world.registry.answers["PUT upload"] = changed
    world.fails(PushError, "DIGEST_INVALID")


def test_a_time_that_is_over_ends_the_push(world: World) -> None:
    world.seconds = 0
    world.fails(PushInterruptedError, "was stopped: it did not finish in time")


def test_an_archive_that_changes_is_reported(world: World, opened: Open) -> None:
    image = opened(tar_of(docker20(a=IMAGE)))
    path = image.source.path
    path.write_bytes(path.read_bytes().replace(b"firstfirst", b"firstworst"))
    world.image = image
    assert "changed while it was being published" in world.fails(SourceError, "a layer has").cause
    assert world.registry.uploads == {}


def test_an_archive_that_becomes_shorter_is_reported(world: World, opened: Open) -> None:
    world.image = opened(tar_of(containerd(a=Image((os.urandom(300_000),)))))

    def cut(_: httpx.Request) -> None:
        path = world.image.source.path
        path.write_bytes(path.read_bytes()[:2000])

    world.registry.answers["POST uploads"] = cut
    world.fails(SourceError, "it is truncated")
    assert world.registry.uploads == {}


def test_nothing_is_written_to_the_disk(
    world: World, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = opened(tar_of(docker20(a=IMAGE)))
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    assert world.push(image=image)


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
    for blob in (*LAYERS, IMAGE.id):
        methods = [asked.partition(" ")[0] for asked in world.about(blob)]
        assert methods == ["HEAD", "PATCH", "PUT"]
    assert len(world.registry.asked) == 3 * 4 + 1
    assert world.registry.asked[-1] == "PUT /v2/foo/job/manifests/1.0"
    assert world.registry.uploads == {}
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


def test_progress_is_reported_as_an_engine_does(world: World) -> None:
    world.push()
    assert world.statuses() == [
        f"{layer} {status}" for layer in SHORT for status in ("Pushing", "Pushed")
    ]
    sizes = [len(zipped(layer)) for layer in IMAGE.layers]
    for layer, size in zip(SHORT, sizes, strict=True):
        of_layer = [e for e in world.events if e.layer == layer]
        steps = [(e.current, e.total) for e in of_layer if isinstance(e, LayerProgress)]
        assert steps[-1] == (size, size)
        assert world.done()[layer] == ("Pushed", size, 0)


def test_uncompressed_layers_are_compressed_once(world: World, opened: Open) -> None:
    image = opened(tar_of(docker20(a=IMAGE)))
    first = world.push(image=image)
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
    [put] = [r.url for r in world.registry.requests if r.url.params.get("digest") == LAYERS[0]]
    number = put.path.rpartition("/")[2]
    state = f"{number}-{len(zipped(IMAGE.layers[0]))}%3D%3D"
    wanted = place.partition("?")[2].format(number=number, state=state)
    assert put.query.decode() == f"{wanted}&digest={LAYERS[0]}"


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
        del world.registry.uploads[number]
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
def test_a_token_that_expires_at_any_step_is_renewed(
    world: World, uses: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_archive, "_MAX_CONNECTIONS", 1)  # or several would use it up
    tokens = Tokens(world.registry, uses)
    digest = world.push()
    assert digest == f"sha256:{sha(world.registry.tags['1.0'][1])}"
    assert tokens.issued >= 13 // uses - 1


def test_a_token_endpoint_that_refuses_is_a_refusal(world: World) -> None:
    Tokens(world.registry)
    world.registry.answers["GET token"] = lambda _: errors(401, "UNAUTHORIZED")
    world.fails(PushDeniedError, "token endpoint did not return a token: HTTP 401")


def test_a_token_endpoint_that_is_none_is_reported(world: World) -> None:
    Tokens(world.registry)
    world.registry.challenge = 'Bearer realm="https://auth.example:bad/token"'
    world.fails(UnsafePlaceError, "names the token endpoint")


def test_an_image_without_layers_is_pushed(world: World, opened: Open) -> None:
    world.push(image=opened(tar_of(docker20(a=Image(())))))
    manifest: dict[str, Any] = json.loads(world.registry.tags["1.0"][1])
    assert manifest["layers"] == []
    assert world.statuses() == []


# Uploads that break, get lost or are cancelled.

NOISE = os.urandom(3_000_000)
LARGE = Image((NOISE, NOISE[::-1], b"small"))


def breaking(
    world: World, kept: float, *, times: int = 1
) -> Callable[[httpx.Request], httpx.Response | None]:
    """Return an answer to PATCH: a break after the part `kept`, so many times for each upload."""
    broken: dict[str, int] = {}

    def answer(request: httpx.Request) -> None:
        number = request.url.path.rpartition("/")[2]
        broken[number] = broken.get(number, 0) + 1
        if broken[number] <= times and len(request.content) > 1000:
            world.registry.uploads[number] += request.content[: int(len(request.content) * kept)]
            raise httpx.WriteError("Connection reset by peer")

    return answer


@pytest.mark.parametrize("layout", [docker20, containerd])
@pytest.mark.parametrize("kept", [0.01, 0.5, 1.0])
@pytest.mark.parametrize("times", [1, 3])
def test_uploads_that_break_continue_where_the_registry_is(
    world: World, opened: Open, layout: Callable[..., Files], kept: float, times: int
) -> None:
    world.registry.answers["PATCH upload"] = breaking(world, kept, times=times)
    world.push(image=opened(tar_of(layout(a=LARGE))))
    config = json.loads(world.registry.tags["1.0"][1])
    assert [unpacked(world, layer) for layer in config["layers"]] == LARGE.layers
    begun = [asked for asked in world.registry.asked if asked.startswith("POST")]
    assert len(begun) == len(LARGE.layers) + 1, "none is begun again"
    assert any(asked.startswith("GET /v2/foo/job/blobs/uploads/") for asked in world.registry.asked)
    patches = [r for r in world.registry.requests if r.method == "PATCH"]
    ranges = [r.headers["content-range"] for r in patches if "content-range" in r.headers]
    assert bool(ranges) is (layout is containerd and kept < 1)


@pytest.mark.parametrize("layout", [docker20, containerd])
def test_a_registry_that_cannot_say_what_it_has_is_sent_the_layer_again(
    world: World, opened: Open, layout: Callable[..., Files]
) -> None:
    world.registry.is_distribution_2 = True
    world.registry.answers["PATCH upload"] = breaking_once(world)
    world.push(image=opened(tar_of(layout(a=LARGE))))
    named = json.loads(world.registry.tags["1.0"][1])["layers"]
    assert [unpacked(world, layer) for layer in named] == LARGE.layers
    begun = [asked for asked in world.registry.asked if asked.startswith("POST")]
    assert len(begun) == len(LARGE.layers) + 2


def breaking_once(world: World) -> Callable[[httpx.Request], httpx.Response | None]:
    broken: list[str] = []

    def answer(request: httpx.Request) -> None:
        if not broken and len(request.content) > 1000:
            broken.append(request.url.path.rpartition("/")[2])
            world.registry.uploads[broken[0]] += request.content[:999]
            raise httpx.WriteError("Connection reset by peer")

    return answer


@pytest.mark.parametrize("layout", [docker20, containerd])
def test_an_answer_before_the_end_of_a_layer_is_no_success(
    world: World, opened: Open, layout: Callable[..., Files]
) -> None:
    """httpx takes an answer that comes before all was sent, as of a proxy."""
    world.image = opened(tar_of(layout(a=LARGE)))

    class Hasty(httpx.MockTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "PATCH":
                assert isinstance(request.stream, httpx.SyncByteStream)
                next(iter(request.stream))
                return httpx.Response(200)
            return super().handle_request(request)

    def connect(_: Settings, host: str, auth: httpx.Auth) -> httpx.Client:
        return httpx.Client(base_url=f"https://{host}", auth=auth, transport=Hasty(world.registry))

    world.connect = connect  # type: ignore[method-assign]
    world.fails(PushInterruptedError, "answered before it had received a whole layer")


@pytest.mark.parametrize("error", [httpx.ReadTimeout(""), httpx.WriteTimeout("")])
def test_after_a_silence_nothing_more_is_asked(
    world: World, opened: Open, error: httpx.TimeoutException
) -> None:
    def silent(_: httpx.Request) -> httpx.Response:
        raise error

    world.registry.answers["PATCH upload"] = silent
    world.image = opened(tar_of(docker20(a=LARGE)))
    world.fails(PushInterruptedError, "no progress for 60 seconds")
    assert not any(asked.startswith("GET") for asked in world.registry.asked)


def test_a_layer_whose_last_answer_was_lost_is_there(world: World, opened: Open) -> None:
    lost: list[str] = []

    def lose(request: httpx.Request) -> httpx.Response | None:
        if lost:
            return None
        lost.append(request.url.path)
        world.registry._keep(request)
        return errors(504, "GATEWAY_TIMEOUT")

    world.registry.answers["PUT upload"] = lose
    assert world.push(image=opened(tar_of(docker20(a=LARGE))))
    assert len([asked for asked in world.registry.asked if asked.startswith("PATCH")]) == 4


def test_a_layer_that_is_kept_late_is_not_sent_again(world: World, opened: Open) -> None:
    image = opened(tar_of(docker20(a=LARGE)))
    late: list[httpx.Request] = []

    def be_late(request: httpx.Request) -> httpx.Response | None:
        if late:
            return None
        late.append(request)
        return errors(504, "GATEWAY_TIMEOUT")

    world.registry.answers["PUT upload"] = be_late
    world.registry.answers["DELETE upload"] = lambda _: errors(405, "UNSUPPORTED")
    with pytest.raises(PushInterruptedError, match="504"):
        world.push(image=image)
    assert world.registry._keep(late[0]).is_success
    world.push(image=image)
    begun = [asked for asked in world.registry.asked if asked.startswith("POST")]
    assert begun == [], "and those that were under way came to their end"


def test_a_temporary_failure_of_one_layer_lets_the_others_arrive(
    world: World, opened: Open
) -> None:
    image = opened(tar_of(docker20(a=LARGE)))
    failed: list[str] = []

    def fail(_: httpx.Request) -> httpx.Response | None:
        if failed:
            return None
        failed.append("once")
        return errors(503, "UNAVAILABLE")

    world.registry.answers["POST uploads"] = fail
    with pytest.raises(PushInterruptedError, match="503"):
        world.push(image=image)
    arrived = len(world.registry.blobs)
    world.push(image=image)
    begun = [asked for asked in world.registry.asked if asked.startswith("POST")]
    assert len(begun) == len(LARGE.layers) + 1 - arrived


def unpacked(world: World, layer: dict[str, Any]) -> bytes:
    blob = world.registry.blobs[layer["digest"]]
    assert len(blob) == layer["size"]
    return gzip.decompress(blob)


@pytest.mark.parametrize("layout", [docker20, containerd])
@pytest.mark.parametrize("step", ["PATCH upload", "PUT upload"])
@pytest.mark.parametrize("status", [404, 416])
def test_an_upload_that_is_lost_once_is_begun_again(
    world: World, opened: Open, layout: Callable[..., Files], step: str, status: int
) -> None:
    lost: set[str] = set()

    def lose(request: httpx.Request) -> httpx.Response | None:
        number = request.url.path.rpartition("/")[2]
        if lost or number not in world.registry.uploads:
            return None
        lost.add(number)
        return errors(status, "BLOB_UPLOAD_INVALID")

    world.registry.answers[step] = lose
    assert world.push(image=opened(tar_of(layout(a=LARGE))))
    begun = [asked for asked in world.registry.asked if asked.startswith("POST")]
    assert len(begun) == len(LARGE.layers) + 2
    assert world.registry.uploads == {}, "and the lost one is cancelled"


def test_a_registry_that_takes_no_rest_is_sent_all_of_it_again(world: World, opened: Open) -> None:
    """Amazon ECR takes a second PATCH and loses it: the digest is another then."""
    broken: list[str] = []

    def lose(request: httpx.Request) -> httpx.Response | None:
        number = request.url.path.rpartition("/")[2]
        if len(request.content) > 1000 and number not in broken:
            if len(broken) == 1:
                return None
            broken.append(number)
            world.registry.uploads[number] += request.content[:100_000]
            raise httpx.ReadError("Connection reset by peer")
        if number in broken:
            return httpx.Response(201)
        return None

    world.registry.answers["PATCH upload"] = lose
    image = opened(tar_of(docker20(a=Image((NOISE,)))))
    assert world.push(image=image)
    [layer] = json.loads(world.registry.tags["1.0"][1])["layers"]
    assert unpacked(world, layer) == image_layer(NOISE)
    assert world.registry.uploads == {}


def image_layer(data: bytes) -> bytes:
    return Image((data,)).layers[0]


def test_a_registry_that_does_not_say_what_it_has_breaks_the_push_off(
    world: World, opened: Open
) -> None:
    world.registry.answers["PATCH upload"] = breaking(world, 0.5, times=9)
    world.registry.answers["GET upload"] = lambda _: httpx.Response(204)
    world.image = opened(tar_of(docker20(a=LARGE)))
    world.fails(PushInterruptedError, "was interrupted: Connection reset by peer")
    assert world.registry.uploads == {}


def test_an_upload_that_makes_no_progress_breaks_the_push_off(world: World, opened: Open) -> None:
    world.registry.answers["PATCH upload"] = breaking(world, 0, times=9)
    world.image = opened(tar_of(docker20(a=LARGE)))
    world.fails(PushInterruptedError, "was interrupted: Connection reset by peer")
    assert len([asked for asked in world.registry.asked if asked.startswith("PATCH")]) <= 4


def test_a_registry_that_claims_more_than_was_sent_is_not_believed(
    world: World, opened: Open
) -> None:
    world.registry.answers["PATCH upload"] = breaking(world, 0.5, times=9)
    world.registry.answers["GET upload"] = lambda _: httpx.Response(
        204, headers={"Range": "0-99999999999"}
    )
    world.image = opened(tar_of(docker20(a=LARGE)))
    world.fails(PushInterruptedError, "was interrupted: Connection reset by peer")


DAMAGED: dict[str, Files] = {
    "uncompressed": podman(a=IMAGE) | {f"{sha(IMAGE.layers[0])}.tar": IMAGE.layers[1]},
    "compressed": crane(a=IMAGE)
    | {f"{sha(zipped(IMAGE.layers[0]))}.tar.gz": zipped(IMAGE.layers[1])},
    "described": containerd(a=IMAGE)
    | {f"blobs/sha256/{sha(zipped(IMAGE.layers[0]))}": zipped(IMAGE.layers[0])[:-1] + b"!"},
}


@pytest.mark.parametrize("files", DAMAGED.values(), ids=DAMAGED)
def test_a_wrong_layer_never_becomes_a_tag(world: World, opened: Open, files: Files) -> None:
    world.image = opened(tar_of(files))
    error = world.fails(SourceError, "a layer has the digest|has the digest sha256")
    assert "The archive is damaged" in error.cause
    assert world.registry.uploads == {}, "its upload is cancelled"


def test_uploads_under_way_end_well_so_that_distribution_2_cancels_them(
    world: World, opened: Open
) -> None:
    world.registry.is_distribution_2 = True
    wrong = Image((NOISE, os.urandom(20_000_000)))
    files = docker20(a=wrong)
    [name] = [name for name, content in files.items() if content == wrong.layers[0]]
    world.image = opened(tar_of(files | {name: wrong.layers[0][:-1] + b"!"}))
    world.fails(SourceError, "a layer has the digest")
    assert world.registry.uploads == {}


@pytest.mark.parametrize("files", DAMAGED.values(), ids=DAMAGED)
def test_a_wrong_layer_is_refused_also_where_the_registry_has_the_right_one(
    world: World, opened: Open, files: Files
) -> None:
    world.push("other", opened(tar_of(containerd(a=IMAGE))))
    del world.registry.tags["other"]
    world.image = opened(tar_of(files))
    world.fails(SourceError, "a layer has the digest|has the digest sha256")


def test_an_interruption_cancels_what_is_open(world: World, opened: Open) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, LayerProgress):
            raise KeyboardInterrupt

    world.listen = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        world.push(image=opened(tar_of(docker20(a=LARGE))))
    assert world.registry.uploads == {}
    assert world.registry.tags == {}


def test_a_registry_that_cannot_cancel_is_left_alone(world: World, opened: Open) -> None:
    world.image = opened(tar_of(DAMAGED["uncompressed"]))
    world.registry.answers["DELETE upload"] = lambda _: errors(405, "UNSUPPORTED")
    world.fails(SourceError, "a layer has the digest")


# Layers that earlier images have.


def changed(layer: bytes) -> Image:
    return Image((b"first" * 30_000, layer))


def test_a_layer_of_an_earlier_image_is_proven_and_not_sent(world: World, opened: Open) -> None:
    world.push("1.0", opened(tar_of(docker20(a=IMAGE))))
    old = json.loads(world.registry.tags["1.0"][1])["layers"]
    world.events.clear()
    world.earlier = ["0.9", "1.0"]
    image = opened(tar_of(docker20(a=changed(b"another"))))
    world.push("1.1", image)
    new = json.loads(world.registry.tags["1.1"][1])
    assert (new["layers"][0], new["config"]["digest"]) == (old[0], image.id)
    assert len([asked for asked in world.registry.asked if asked.startswith("POST")]) == 2
    first, second = (sha(layer)[:12] for layer in changed(b"another").layers)
    assert world.done()[first] == ("Reused", 0, old[0]["size"])
    assert world.done()[second] == ("Pushed", new["layers"][1]["size"], 0)


def test_a_layer_of_an_earlier_image_that_is_damaged_here_is_refused(
    world: World, opened: Open
) -> None:
    world.push("1.0", opened(tar_of(docker20(a=IMAGE))))
    world.earlier = ["1.0"]
    with pytest.raises(SourceError, match="a layer has the digest"):
        world.push("1.1", opened(tar_of(DAMAGED["uncompressed"])))
    assert [*world.registry.tags] == ["1.0"]


UNREADABLE: dict[str, tuple[str, Answer]] = {
    "no right to read manifests": ("GET manifests", lambda _: errors(403, "DENIED")),
    "a credential that is refused": ("GET manifests", lambda _: errors(401, "UNAUTHORIZED")),
    "a failure": ("GET manifests", lambda _: errors(503, "UNAVAILABLE")),
    "no manifest": ("GET manifests", lambda _: httpx.Response(200, content=b"no JSON")),
    "another document": ("GET manifests", lambda _: httpx.Response(200, json=[1])),
    "an index": ("GET manifests", lambda _: httpx.Response(200, json={"manifests": []})),
    "no layers": (
        "GET manifests",
        lambda _: httpx.Response(200, json={"config": {"digest": IMAGE.id}, "layers": None}),
    ),
    "no right to read blobs": ("GET blobs", lambda _: errors(403, "DENIED")),
    "another config": ("GET blobs", lambda _: httpx.Response(200, content=b"{}")),
    "a config without end": (
        "GET blobs",
        lambda _: httpx.Response(200, content=(bytes(1 << 20) for _ in range(99))),
    ),
    "a config elsewhere": (
        "GET blobs",
        lambda _: httpx.Response(307, headers={"Location": "http://169.254.169.254/"}),
    ),
    "a config that is nowhere": (
        "GET blobs",
        lambda request: httpx.Response(307, headers={"Location": str(request.url)}),
    ),
    "a blob of another size": (
        "HEAD blobs",
        lambda _: httpx.Response(200, headers={"Content-Length": "5"}),
    ),
    "no right to look for blobs": ("HEAD blobs", lambda _: errors(403, "DENIED")),
}


@pytest.mark.parametrize(("step", "answer"), UNREADABLE.values(), ids=UNREADABLE)
def test_without_the_right_to_read_all_is_sent(
    world: World, opened: Open, step: str, answer: Answer
) -> None:
    world.push("1.0", opened(tar_of(docker20(a=IMAGE))))
    world.earlier = ["1.0"]
    if step.startswith("HEAD"):  # but for the config, which is looked for by itself

        def of_layers(request: httpx.Request) -> httpx.Response | None:
            known = {layer["digest"] for layer in old}
            return answer(request) if request.url.path.rpartition("/")[2] in known else None

        old = json.loads(world.registry.tags["1.0"][1])["layers"]
        world.registry.answers[step] = of_layers
    else:
        world.registry.answers[step] = answer
    image = opened(tar_of(docker20(a=changed(b"another"))))
    world.push("1.1", image)
    assert len([asked for asked in world.registry.asked if asked.startswith("POST")]) == 3
    assert {status for status, _, _ in world.done().values()} == {"Pushed"}


def test_a_config_in_another_place_is_read_without_the_credential(
    world: World, opened: Open
) -> None:
    world.push("1.0", opened(tar_of(docker20(a=IMAGE))))
    world.earlier = ["1.0"]

    def elsewhere(request: httpx.Request) -> httpx.Response:
        if request.url.host == HOST:
            return httpx.Response(307, headers={"Location": "https://storage.example/blobs/c"})
        assert "authorization" not in request.headers
        return httpx.Response(200, content=IMAGE.config)

    world.registry.answers["GET blobs"] = elsewhere
    world.push("1.1", opened(tar_of(docker20(a=changed(b"another")))))
    assert "Reused" in {status for status, _, _ in world.done().values()}


def test_layers_of_zstd_are_not_taken_from_earlier_images(world: World, opened: Open) -> None:
    """Docker before 23 cannot read them, and this archive has none."""
    kind = f"{OCI}.layer.v1.tar+zstd"
    manifest, blobs = manifest_of(IMAGE, pack=zstd.compress, layer_type=kind)
    world.push("1.0", opened(tar_of(layout_of(index_of(entry_of(manifest)), blobs))))
    world.earlier = ["1.0"]
    world.push("1.1", opened(tar_of(docker20(a=IMAGE))))
    layers = json.loads(world.registry.tags["1.1"][1])["layers"]
    assert {layer["mediaType"].rpartition(".")[2] for layer in layers} == {"gzip"}


@pytest.mark.parametrize("layout", [docker20, containerd])
def test_a_registry_that_lies_about_its_blobs_is_sent_all_of_them(
    world: World, opened: Open, layout: Callable[..., Files]
) -> None:
    world.push("1.0", opened(tar_of(layout(a=IMAGE))))
    world.earlier = ["1.0"]
    world.registry.blobs = {IMAGE.id: IMAGE.config}
    world.registry.answers["HEAD blobs"] = lambda _: httpx.Response(200)
    world.push("1.1", opened(tar_of(layout(a=IMAGE))))
    assert len([asked for asked in world.registry.asked if asked.startswith("POST")]) == 3
    named = json.loads(world.registry.tags["1.1"][1])
    assert {layer["digest"] for layer in named["layers"]} <= set(world.registry.blobs)


def test_no_more_is_read_of_earlier_images_than_is_needed(world: World, opened: Open) -> None:
    world.push("1.0", opened(tar_of(docker20(a=IMAGE))))
    world.earlier = ["1.0", "0.9", "0.8"]
    world.push("1.1", opened(tar_of(docker20(a=IMAGE))))
    assert [asked for asked in world.registry.asked if "manifests/0" in asked] == []


def test_an_archive_of_compressed_layers_needs_no_earlier_images(
    world: World, opened: Open
) -> None:
    world.earlier = ["1.0"]
    world.push("1.1", opened(tar_of(containerd(a=IMAGE))))
    assert [asked for asked in world.registry.asked if asked.startswith("GET")] == []


# Images of all kinds.


@given(
    sizes=st.lists(st.sampled_from([0, 1, 511, 1 << 20, (1 << 20) + 1, 3 << 20]), max_size=6),
    repeated=st.integers(0, 3),
)
def test_any_image_arrives_as_it_is(sizes: list[int], repeated: int) -> None:
    """Empty layers, the same layer twice, layers smaller and larger than a chunk."""
    layers = [NOISE[:size] for size in sizes] + [b"again"] * repeated
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "image.tar")
        path.write_bytes(tar_of(archive_of(layers)))
        with opened_archive(ArchiveSource(path), "linux/amd64") as image:
            world = World(HttpRegistry(), image)
            world.push()
    named = json.loads(world.registry.tags["1.0"][1])["layers"]
    assert [unpacked(world, layer) for layer in named] == layers
    assert world.registry.uploads == {}


def archive_of(layers: list[bytes]) -> Files:
    """Return a Docker archive whose layers have just these bytes; the same ones are one file."""
    diff_ids = [f"sha256:{sha(layer)}" for layer in layers]
    config = Image((), config_extra={"rootfs": {"type": "layers", "diff_ids": diff_ids}}).config
    entry = {"Config": "c", "RepoTags": None, "Layers": diff_ids}
    return {
        "manifest.json": document([entry]),
        "c": config,
        **dict(zip(diff_ids, layers, strict=True)),
    }


def test_an_image_of_127_layers_arrives(world: World, opened: Open) -> None:
    layers = [str(number).encode() * 100 for number in range(127)]
    world.push(image=opened(tar_of(archive_of(layers))))
    named = json.loads(world.registry.tags["1.0"][1])["layers"]
    assert [unpacked(world, layer) for layer in named] == layers


def test_sparse_and_huge_files_in_a_layer_are_its_bytes(world: World, opened: Open) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        info = tarfile.TarInfo("zeros")
        info.size = 9 << 20
        tar.addfile(info, io.BytesIO(bytes(9 << 20)))
        sparse = tarfile.TarInfo("sparse")
        sparse.type = tarfile.GNUTYPE_SPARSE
        tar.addfile(sparse)
    world.push(image=opened(tar_of(archive_of([out.getvalue()]))))
    [layer] = json.loads(world.registry.tags["1.0"][1])["layers"]
    assert unpacked(world, layer) == out.getvalue()
    assert layer["size"] < 100_000
