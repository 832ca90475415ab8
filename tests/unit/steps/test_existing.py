"""Whether what LUSID has is this image, with a registry and instructions that are scripted."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from lusid_image_publish.errors import AccessDeniedError, EngineError, PushError, TagExistsError
from lusid_image_publish.images.local import LocalImage
from lusid_image_publish.names import ImageName, ImageReference
from lusid_image_publish.progress import Event, Warned
from lusid_image_publish.push.registry import INDEX_TYPES, Manifest
from lusid_image_publish.redact import Secret
from lusid_image_publish.scheduler.instructions import PushInstructions
from lusid_image_publish.scheduler.models import Image
from lusid_image_publish.steps import existing
from lusid_image_publish.steps.existing import is_the_same, require_no_image
from lusid_image_publish.steps.run import Policy, Run

ID, DIGEST, OTHER = ("sha256:" + digit * 64 for digit in "123")
V2S2 = "application/vnd.docker.distribution.manifest.v2+json"
CLASSIC = LocalImage(ID, "linux/amd64", 1, frozenset())
PUSHED_BEFORE = LocalImage(ID, "linux/amd64", 1, frozenset({DIGEST}))
CONTAINERD = LocalImage(DIGEST, "linux/amd64", 1, frozenset({DIGEST}), may_be_index=True)


class Elsewhere(LocalImage):
    """An image of a containerd store whose config the engine does not tell any more."""

    @property
    def config_digest(self) -> str:
        raise EngineError("the engine is gone", cause="of the tests")


LISTED = Image(name="job", digest=DIGEST)
TARGET = PushInstructions(
    ImageReference("127.0.0.1:5000", "foo/job", "1.0"), "AWS", Secret("t0ken"), None, None
)


@dataclass
class World:
    """What the registry shows, or how it fails; `looks` counts."""

    sight: Manifest | Exception | None = None
    refusal: Exception | None = None
    looks: int = 0
    said: list[str] = field(default_factory=list)

    def borrow(self, _: Run) -> PushInstructions:
        if self.refusal:
            raise self.refusal
        return TARGET

    def look(self, *_: object, **__: object) -> Manifest | None:
        self.looks += 1
        if isinstance(self.sight, Exception):
            raise self.sight
        return self.sight

    def listen(self, event: Event) -> None:
        if isinstance(event, Warned):
            self.said.append(event.text)

    def run(self) -> Run:
        nothing = cast("Any", None)
        name = ImageName("job", "1.0")
        return Run(
            name=name, engine=nothing, images=nothing, settings=nothing, listener=self.listen
        )

    def same(self, image: LocalImage, sight: Manifest | Exception | None = None) -> bool:
        self.sight = sight
        return is_the_same(LISTED, image, self.run())


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    found = World()
    monkeypatch.setattr(existing, "borrow_instructions", found.borrow)
    monkeypatch.setattr(existing, "read_manifest", found.look)
    return found


def test_a_digest_that_the_engine_pushed_itself_needs_no_look(world: World) -> None:
    assert world.same(PUSHED_BEFORE)
    assert world.looks == 0


def test_the_config_decides_where_the_engine_does_not_know_the_digest(world: World) -> None:
    assert world.same(CLASSIC, Manifest(DIGEST, V2S2, ID))
    assert not world.same(CLASSIC, Manifest(DIGEST, V2S2, OTHER))


@pytest.mark.parametrize("sight", [None, Manifest(OTHER, V2S2, ID)])
def test_what_the_registry_has_otherwise_than_lusid_is_no_proof(
    world: World, sight: Manifest | None
) -> None:
    assert not world.same(CLASSIC, sight)


@pytest.mark.parametrize("image", [CLASSIC, CONTAINERD])
@pytest.mark.parametrize("media_type", INDEX_TYPES)
def test_an_index_is_never_unchanged(world: World, image: LocalImage, media_type: str) -> None:
    with pytest.raises(TagExistsError, match="is an index") as caught:
        world.same(image, Manifest(DIGEST, media_type, ""))
    assert "--provenance=false" in caught.value.hint


def test_a_manifest_of_the_containerd_store_is_looked_at(world: World) -> None:
    assert world.same(CONTAINERD, Manifest(DIGEST, V2S2, ID))
    assert (world.looks, world.said) == (1, [])
    assert world.same(CONTAINERD, PushError("not reached"))
    assert "not reached" in world.said[0]


@pytest.mark.parametrize("failure", [PushError("not reached"), AccessDeniedError("no")])
def test_what_cannot_be_compared_is_told(world: World, failure: Exception) -> None:
    if isinstance(failure, AccessDeniedError):
        world.refusal = failure
    with pytest.raises(TagExistsError, match="cannot be told") as caught:
        world.same(CLASSIC, failure)
    assert "--force" in caught.value.hint


def test_an_engine_that_does_not_tell_the_config_leaves_it_open(world: World) -> None:
    image = Elsewhere(OTHER, "linux/amd64", 1, frozenset({OTHER}))
    with pytest.raises(TagExistsError, match="cannot be told") as caught:
        world.same(image, Manifest(DIGEST, V2S2, ID))
    assert "other sources" not in caught.value.cause
    assert world.same(Elsewhere(OTHER, "linux/amd64", 1, frozenset({DIGEST})))


@pytest.mark.parametrize("policy", ["verify", "skip"])
def test_an_image_that_is_there_may_be(world: World, policy: Any) -> None:
    require_no_image(LISTED, world.run(), Policy(if_exists=policy))
    require_no_image(None, world.run(), Policy(if_exists="fail"))


def test_an_image_that_is_there_may_not_be(world: World) -> None:
    with pytest.raises(TagExistsError, match="exists already"):
        require_no_image(LISTED, world.run(), Policy(if_exists="fail"))
