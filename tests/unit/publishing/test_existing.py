"""Whether what LUSID has is this image, with a registry and instructions that are scripted."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from lusid_image_publish.errors import (
    AccessDeniedError,
    EngineError,
    LusidPublishError,
    NotFoundError,
    PushError,
    ServerError,
    ServiceError,
    TagExistsError,
    UnexpectedAnswerError,
)
from lusid_image_publish.names import ImageName, ImageReference
from lusid_image_publish.progress import Event, Warned
from lusid_image_publish.publishing import existing
from lusid_image_publish.publishing.existing import (
    find,
    find_in_list,
    is_the_same,
    look_up,
    require_no_image,
)
from lusid_image_publish.publishing.run import Policy, Run
from lusid_image_publish.redact import Secret
from lusid_image_publish.registry.session import INDEX_TYPES, Manifest
from lusid_image_publish.scheduler.instructions import PushInstructions
from lusid_image_publish.scheduler.models import Image, ImageSummary, Tag
from lusid_image_publish.sources.image import LocalImage

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


# What is believed of an answer.


@dataclass
class Service:
    """Answers `get_image` and both lists, or raises what they raise."""

    image: Image | ServiceError
    listed: list[ImageSummary] | ServiceError = field(default_factory=list)
    repositories: ServiceError | None = None
    asked: list[str] = field(default_factory=list)

    def get_image(self, name: str) -> Image:
        self.asked.append(f"get_image {name}")
        if isinstance(self.image, ServiceError):
            raise self.image
        return self.image

    def iter_images(self, name: str) -> list[ImageSummary]:
        self.asked.append(f"list_images {name}")
        if isinstance(self.listed, ServiceError):
            raise self.listed
        return self.listed

    def list_repositories(self, **_: object) -> None:
        self.asked.append("list_repositories")
        if self.repositories:
            raise self.repositories

    def run(self) -> Run:
        nothing, name = cast("Any", None), ImageName("job", "1.0")
        return Run(name=name, engine=nothing, images=cast("Any", self), settings=nothing)


def image(name: str | None = "job", *tags: str) -> Image:
    return Image(name=name, digest=DIGEST, tags=[Tag(name=tag) for tag in tags])


def summary(name: str | None, *tags: str, digest: str = DIGEST) -> ImageSummary:
    return ImageSummary(name=name, digest=digest, tags=[Tag(name=tag) for tag in tags])


def not_found(*, is_lusids_own: bool) -> NotFoundError:
    error = NotFoundError("HTTP 404", operation="get_image")
    error.is_lusids_own = is_lusids_own
    return error


@pytest.mark.parametrize("name", ["job", "foo/job", "job:1.0"])
def test_an_answer_about_this_name_and_tag_is_believed(name: str) -> None:
    service = Service(image(name, "latest", "1.0"))
    assert find(service.run()) is service.image
    assert service.asked == ["get_image job:1.0"], "and costs one request"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (image("other", "1.0"), r"other \(1\.0\)"),
        (image("ob", "1.0"), "ob"),
        (image("job", "2.0", "latest"), r"job \(2\.0, latest\)"),
        (Image(), r"an image without a name \(no tags\)"),
        (Image(digest=DIGEST), "an image without a name"),
        (image("\x1b[31mother", "1.0"), "other"),
    ],
)
@pytest.mark.parametrize("ask", [find, look_up])
def test_an_answer_about_something_else_is_an_error(ask: Any, answer: Image, words: str) -> None:
    with pytest.raises(
        UnexpectedAnswerError, match=f"not about job:1.0, but about .*{words}"
    ) as it:
        ask(Service(answer, [summary("job", "1.0", digest=OTHER)]).run())
    assert it.value.message.isprintable()
    assert it.value.hint


@pytest.mark.parametrize("answer", [image("job"), image(None, "1.0"), image(None), Image()])
@pytest.mark.parametrize("listed", [summary("job", "1.0"), ImageSummary(tags=[Tag(name="1.0")])])
def test_an_answer_that_leaves_out_the_name_or_the_tag_is_an_error(
    answer: Image, listed: ImageSummary
) -> None:
    with pytest.raises(UnexpectedAnswerError):
        find(Service(answer, [listed]).run())


def test_a_list_may_leave_the_names_out_and_may_not_be_of_another_repository() -> None:
    ours, other = summary(None, "1.0"), summary(None, "2.0")
    assert find_in_list(Service(image(), [other, ours]).run()) == [ours]
    with pytest.raises(UnexpectedAnswerError, match=r"list_images is not about .* other \(2\.0\)"):
        find_in_list(Service(image(), [ours, summary("other", "2.0")]).run())


def test_an_image_without_a_digest_is_an_error_where_it_is_to_be_compared(world: World) -> None:
    nothing = Image(name="job", tags=[Tag(name="1.0")])
    with pytest.raises(UnexpectedAnswerError, match="has no digest for job"):
        is_the_same(nothing, CLASSIC, world.run())


def test_lusid_s_own_404_is_believed() -> None:
    service = Service(not_found(is_lusids_own=True))
    assert look_up(service.run()) is None
    assert service.asked == ["get_image job:1.0"]


def test_of_another_404_the_list_of_repositories_decides() -> None:
    assert look_up(Service(not_found(is_lusids_own=False)).run()) is None
    refused_here = AccessDeniedError("HTTP 403", code=186)
    service = Service(not_found(is_lusids_own=False), repositories=refused_here)
    assert look_up(service.run()) is None, "a Scheduler that does not show its list is one, too"


@pytest.mark.parametrize(
    "error",
    [
        NotFoundError("There is no Images API"),
        AccessDeniedError("HTTP 403"),
        UnexpectedAnswerError("HTML"),
        ServerError("HTTP 502"),
    ],
)
def test_what_is_no_scheduler_ends_the_run(error: LusidPublishError) -> None:
    assert isinstance(error, ServiceError)
    service = Service(not_found(is_lusids_own=False), repositories=error)
    with pytest.raises(type(error)) as caught:
        look_up(service.run())
    assert caught.value is error
