"""Whether what LUSID has is this image, with a service and a registry that are scripted."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from lusid_image_publish.config import Settings
from lusid_image_publish.credential import Credential
from lusid_image_publish.errors import (
    AccessDeniedError,
    BadRequestError,
    EngineError,
    PushError,
    TagExistsError,
    UnexpectedAnswerError,
)
from lusid_image_publish.names import ImageName, ImageReference
from lusid_image_publish.progress import Event, Warned
from lusid_image_publish.publishing.claim import claim_tag, existing_is_image, require_no_image
from lusid_image_publish.publishing.lusid_tag import LusidTag
from lusid_image_publish.publishing.policy import Policy
from lusid_image_publish.publishing.run import Run
from lusid_image_publish.registry.registry_tag import RegistryTag
from lusid_image_publish.registry.session import INDEX_TYPES, RegistryManifest
from lusid_image_publish.scheduler.models import Image, ListedImage, Tag, UploadImageInstructions
from lusid_image_publish.sources.engine_image import EngineImage
from lusid_image_publish.sources.image import LocalImage
from tests.images import NO_ENGINE, engine_image
from tests.unit.publishing.scripted import ScriptedTag, instructions_for

NAME = ImageName("job", "1.0")
SETTINGS = Settings.from_values(scheduler_url="http://127.0.0.1:8080")
ID, DIGEST, OTHER = ("sha256:" + digit * 64 for digit in "123")
V2S2 = "application/vnd.docker.distribution.manifest.v2+json"
CLASSIC = engine_image(ID, "linux/amd64", 1, frozenset())
PUSHED_BEFORE = engine_image(ID, "linux/amd64", 1, frozenset({DIGEST}))
CONTAINERD = engine_image(DIGEST, "linux/amd64", 1, frozenset({DIGEST}), may_be_index=True)


class Elsewhere(EngineImage):
    """An image of a containerd store whose config the engine no longer returns."""

    @property
    def config_digest(self) -> str:
        raise EngineError("the engine is gone", cause="of the tests")


LISTED = ListedImage(name="job", digest=DIGEST)


@dataclass
class World:
    """What the registry shows, or how it fails; `looks` counts. LUSID shows `found`."""

    sight: RegistryManifest | Exception | None = None
    refusal: Exception | None = None
    found: Image = LISTED
    looks: int = 0
    said: list[str] = field(default_factory=list)
    settings: Settings = SETTINGS

    def upload_image(self, name: str) -> UploadImageInstructions:
        if self.refusal:
            raise self.refusal
        return instructions_for(name)

    def get_image(self, _name: str) -> Image:
        return self.found

    def tag(self, reference: ImageReference, credential: Credential) -> RegistryTag:
        assert str(reference) == "127.0.0.1:5000/foo/job:1.0"
        return ScriptedTag(reference, credential, self.look)

    def look(self) -> RegistryManifest | None:
        self.looks += 1
        if isinstance(self.sight, Exception):
            raise self.sight
        return self.sight

    def listen(self, event: Event) -> None:
        if isinstance(event, Warned):
            self.said.append(event.text)

    def run(self) -> Run:
        name = ImageName("job", "1.0")
        lusid = LusidTag(name=name, images=cast("Any", self), listener=self.listen)
        return Run(lusid=lusid, registries=cast("Any", self))

    def same(self, image: LocalImage, sight: RegistryManifest | Exception | None = None) -> bool:
        self.sight = sight
        return existing_is_image(LISTED, image, self.run())


@pytest.fixture
def world() -> World:
    return World()


def test_a_digest_that_the_engine_pushed_itself_needs_no_look(world: World) -> None:
    assert world.same(PUSHED_BEFORE)
    assert world.looks == 0


def test_the_config_decides_where_the_engine_does_not_know_the_digest(world: World) -> None:
    assert world.same(CLASSIC, RegistryManifest(DIGEST, V2S2, ID))
    assert not world.same(CLASSIC, RegistryManifest(DIGEST, V2S2, OTHER))


@pytest.mark.parametrize("sight", [None, RegistryManifest(OTHER, V2S2, ID)])
def test_what_the_registry_has_otherwise_than_lusid_is_no_proof(
    world: World, sight: RegistryManifest | None
) -> None:
    assert not world.same(CLASSIC, sight)


@pytest.mark.parametrize("image", [CLASSIC, CONTAINERD])
@pytest.mark.parametrize("media_type", INDEX_TYPES)
def test_an_index_is_never_unchanged(world: World, image: LocalImage, media_type: str) -> None:
    with pytest.raises(TagExistsError, match="is an index") as caught:
        world.same(image, RegistryManifest(DIGEST, media_type, ""))
    assert "--provenance=false" in caught.value.hint


def test_a_manifest_of_the_containerd_store_is_looked_at(world: World) -> None:
    assert world.same(CONTAINERD, RegistryManifest(DIGEST, V2S2, ID))
    assert (world.looks, world.said) == (1, [])
    assert world.same(CONTAINERD, PushError("not reached"))
    assert "not reached" in world.said[0]


@pytest.mark.parametrize("failure", [PushError("not reached"), AccessDeniedError("no")])
def test_what_cannot_be_compared_is_reported(world: World, failure: Exception) -> None:
    if isinstance(failure, AccessDeniedError):
        world.refusal = failure
    with pytest.raises(TagExistsError, match="cannot be determined") as caught:
        world.same(CLASSIC, failure)
    assert "--force" in caught.value.hint


def test_an_engine_that_does_not_tell_the_config_leaves_it_open(world: World) -> None:
    image = Elsewhere(OTHER, "linux/amd64", 1, frozenset({OTHER}), engine=NO_ENGINE)
    with pytest.raises(TagExistsError, match="cannot be determined") as caught:
        world.same(image, RegistryManifest(DIGEST, V2S2, ID))
    assert "other sources" not in caught.value.cause
    assert world.same(Elsewhere(OTHER, "linux/amd64", 1, frozenset({DIGEST}), engine=NO_ENGINE))


@pytest.mark.parametrize("policy", ["verify", "skip"])
def test_an_image_that_is_there_may_be(policy: Any) -> None:
    require_no_image(LISTED, NAME, Policy(if_exists=policy))
    require_no_image(None, NAME, Policy(if_exists="fail"))


def test_an_image_that_is_there_may_not_be() -> None:
    with pytest.raises(TagExistsError, match="already exists"):
        require_no_image(LISTED, NAME, Policy(if_exists="fail"))


def test_a_tag_taken_meanwhile_by_an_image_without_a_digest_is_an_error(world: World) -> None:
    world.refusal = BadRequestError("the tag exists")
    world.found = Image(name="job", tags=[Tag(name="1.0")])
    with pytest.raises(UnexpectedAnswerError, match="has no digest for job"):
        claim_tag(CLASSIC, world.run(), Policy())
