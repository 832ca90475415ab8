"""What the engines' events mean; each stream is one that was recorded from a real engine."""

from collections.abc import Iterator
from typing import Any, cast

import docker.errors
import pytest
import requests
import urllib3.exceptions
from docker import DockerClient

from lusid_image_publish.errors import PushError
from lusid_image_publish.images.docker_daemon import LocalImage
from lusid_image_publish.names import ImageReference
from lusid_image_publish.progress import Event, LayerProgress, Warned
from lusid_image_publish.push.docker_daemon import push_image
from lusid_image_publish.redact import Secret

DIGEST = "sha256:" + "b9" * 32
TARGET = ImageReference("127.0.0.1:5056", "eng/job", "1.0")
IMAGE = LocalImage("sha256:" + "1" * 64, "linux/amd64", 1, frozenset())
REFERS = {"status": "The push refers to repository [127.0.0.1:5056/eng/job]"}
PUSHING = {
    "status": "Pushing",
    "progressDetail": {"current": 33792, "total": 300018},
    "progress": "[=====>    ]  33.79kB/300kB",
    "id": "5e6245e59d79",
}
PUSHED = {"status": "Pushed", "progressDetail": {}, "id": "5e6245e59d79"}
LINE = {"status": f"1.0: digest: {DIGEST} size: 527"}
AUX = {"Tag": "1.0", "Digest": DIGEST, "Size": 527}

GOOD: dict[str, list[dict[str, Any]]] = {
    "Docker, graphdriver": [REFERS, PUSHING, PUSHED, LINE, {"progressDetail": {}, "aux": AUX}],
    "Docker, containerd store": [REFERS, PUSHING, PUSHED, LINE],
    "Podman 5": [REFERS, LINE],
    "Podman 6": [REFERS, {**LINE, "aux": AUX}],
    "aux of another shape": [LINE, {"aux": {"manifestPushedInsteadOfIndex": True}}],
    "total missing": [{**PUSHING, "progressDetail": {"current": 1024}}, LINE],
    "detail null": [{**PUSHING, "progressDetail": None}, LINE],
}


class FakeApi:
    """The part of docker-py's low-level client that a push uses, over a few tags in memory."""

    def __init__(self, events: Iterator[dict[str, Any]], tags: dict[str, str]) -> None:
        self.hooks: dict[str, list[object]] = {"response": []}
        self.events = events
        self.tags = tags
        self.credential: object = None

    def push(self, repository: str, *, tag: str, auth_config: object, **_: object) -> Any:
        assert self.tags[f"{repository}:{tag}"] == IMAGE.id
        self.credential = auth_config
        return self.events

    def tag(self, image: str, repository: str, tag: str) -> None:
        self.tags[f"{repository}:{tag}"] = image

    def remove_image(self, reference: str, *, noprune: bool) -> None:
        assert noprune
        del self.tags[reference]


class FakeImages:
    def __init__(self, tags: dict[str, str]) -> None:
        self.tags = tags

    def get(self, reference: str) -> Any:
        image_id = self.tags.get(reference, reference)
        if image_id not in {*self.tags.values(), IMAGE.id}:
            raise docker.errors.ImageNotFound("no such image")
        names = [name for name, image in self.tags.items() if image == image_id]
        return type("FakeImage", (), {"id": image_id, "attrs": {"RepoTags": names}})


class FakeEngine:
    def __init__(
        self, events: Iterator[dict[str, Any]], tags: dict[str, str] | None = None
    ) -> None:
        self.tags = {"job:1.0": IMAGE.id} if tags is None else tags
        self.api = FakeApi(events, self.tags)
        self.images = FakeImages(self.tags)

    def push(self, seen: list[Event] | None = None) -> str:
        seen = [] if seen is None else seen
        return push_image(
            cast("DockerClient", self),
            IMAGE,
            TARGET,
            username="AWS",
            password=Secret("t0ken"),
            listener=seen.append,
        ).digest


@pytest.mark.parametrize("events", GOOD.values(), ids=GOOD.keys())
def test_every_engine_s_digest_is_read(events: list[dict[str, Any]]) -> None:
    engine = FakeEngine(iter(events))
    assert engine.push() == DIGEST
    assert engine.api.credential == {"username": "AWS", "password": "t0ken"}


def test_progress_is_passed_on() -> None:
    seen: list[Event] = []
    FakeEngine(iter(GOOD["Docker, graphdriver"])).push(seen)
    assert seen == [
        LayerProgress("5e6245e59d79", "Pushing", 33792, 300018),
        LayerProgress("5e6245e59d79", "Pushed"),
    ]


def raising(error: Exception) -> Iterator[dict[str, Any]]:
    yield REFERS
    raise error


def podman_5() -> KeyError:
    """Return the bare KeyError that docker-py makes of Podman's 500, with what it hides."""
    response = requests.Response()
    response._content = b'{"errorDetail":{"message":"authentication required"}}'
    error = KeyError("message")
    error.__context__ = requests.HTTPError(response=response)
    return error


DENIED = "did not accept the credential"
BAD: dict[str, tuple[Iterator[dict[str, Any]], str]] = {
    "errorDetail": (iter([REFERS, {"errorDetail": {"message": "unauthorized: x"}}]), DENIED),
    "flat error": (iter([{"error": "denied: no"}]), DENIED),
    "error after a digest": (iter([LINE, {"errorDetail": {"message": "EOF"}}]), "network"),
    "plain HTTP": (
        iter([{"error": "http: server gave HTTP response to HTTPS client"}]),
        "expects HTTPS",
    ),
    "no digest": (iter([REFERS, PUSHING, PUSHED]), "ended early"),
    "nothing at all": (iter([]), "ended early"),
    "a digest that is none": (iter([{"status": "1.0: digest: sha256:abc size: 1"}]), "ended early"),
    "Podman 5": (raising(podman_5()), DENIED),
    "HTTP error": (raising(docker.errors.APIError("500 Server Error", explanation="boom")), ""),
    "time-out in a stream": (raising(urllib3.exceptions.ReadTimeoutError(None, "", "slow")), ""),  # type: ignore[arg-type]  # no pool is needed for the text
    "connection lost": (raising(requests.ConnectionError("gone")), "network"),
}


@pytest.mark.parametrize(("events", "cause"), BAD.values(), ids=BAD.keys())
def test_everything_else_is_a_failure(events: Iterator[dict[str, Any]], cause: str) -> None:
    engine = FakeEngine(events)
    with pytest.raises(PushError) as caught:
        engine.push()
    assert cause in caught.value.cause
    assert caught.value.hint
    assert engine.tags == {"job:1.0": IMAGE.id}, "the temporary tag is taken away"
    assert engine.api.hooks == {"response": []}


def test_a_tag_of_the_person_s_own_is_put_back() -> None:
    tags = {"job:1.0": IMAGE.id, str(TARGET): "sha256:" + "2" * 64}
    engine = FakeEngine(iter([LINE]), dict(tags))
    engine.push()
    assert engine.tags == tags


def test_an_image_without_another_name_keeps_the_tag_rather_than_being_deleted() -> None:
    seen: list[Event] = []
    engine = FakeEngine(iter([LINE]), {})
    engine.push(seen)
    assert engine.tags == {str(TARGET): IMAGE.id}
    assert [event for event in seen if isinstance(event, Warned)]


def test_ctrl_c_takes_the_temporary_tag_away() -> None:
    def interrupted() -> Iterator[dict[str, Any]]:
        yield PUSHING
        raise KeyboardInterrupt

    engine = FakeEngine(interrupted())
    with pytest.raises(KeyboardInterrupt):
        engine.push()
    assert engine.tags == {"job:1.0": IMAGE.id}
