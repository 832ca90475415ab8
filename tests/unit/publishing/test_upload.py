"""The push and what is done about its failures, with a small engine and a scripted registry."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from lusid_image_publish.credential import Credential
from lusid_image_publish.errors import (
    EngineError,
    IndexPushedError,
    InstructionsError,
    PushDeniedError,
    PushError,
    PushInterruptedError,
    TagExistsError,
    UnsafePlaceError,
)
from lusid_image_publish.names import ImageName, ImageReference
from lusid_image_publish.progress import (
    Event,
    LayerProgress,
    Listener,
    StepDone,
    StepStarted,
    Warned,
)
from lusid_image_publish.publishing.lusid_tag import LusidTag
from lusid_image_publish.publishing.policy import Limits, Policy
from lusid_image_publish.publishing.run import Run
from lusid_image_publish.publishing.upload import Upload
from lusid_image_publish.redact import Secret
from lusid_image_publish.registry.failures import denied_error, interrupted_error
from lusid_image_publish.registry.registry_tag import RegistryTag
from lusid_image_publish.registry.session import INDEX_TYPES, RegistryLayer, RegistryManifest
from lusid_image_publish.scheduler.instructions import PushInstructions
from lusid_image_publish.sources.engine_image import EngineImage
from lusid_image_publish.sources.image import ZSTD_LAYERS, EarlierTags, LocalImage
from lusid_image_publish.waiting import Deadline
from tests.fake_engine import IMAGE_ID, Answer, End, FakeEngine, running
from tests.images import NO_ENGINE, engine_image
from tests.unit.publishing.scripted import ScriptedTag
from tests.unit.registry.engine_shapes import DIGEST, LINE, REFERS, layer

TARGET = ImageReference("127.0.0.1:5056", "eng/job", "1.0")
IMAGE = engine_image(IMAGE_ID, "linux/amd64", 1, frozenset())
V2S2 = "application/vnd.docker.distribution.manifest.v2+json"
OURS = RegistryManifest(DIGEST, V2S2, IMAGE_ID)
OTHER = RegistryManifest("sha256:" + "0" * 64, V2S2, "sha256:" + "2" * 64)
UNREACHABLE = PushError("this machine does not reach the registry")

Sight = RegistryManifest | PushError | None


class Elsewhere(EngineImage):
    """An image whose config the engine no longer returns."""

    @property
    def config_digest(self) -> str:
        raise EngineError("the engine is gone")


class Compressed(EngineImage):
    """An image of a containerd store, known by a manifest with uncompressed layers."""

    @property
    def config_digest(self) -> str:
        return IMAGE_ID


def failing(words: str) -> Answer:
    return Answer(({"errorDetail": {"message": words}},))


EOF, DENIED = failing("unexpected EOF"), failing("unauthorized: no")
PUSHING = f"Pushing to {TARGET}"
GOOD, SILENT = Answer((LINE,)), Answer()


@dataclass
class World:
    """An engine whose pushes are answered in turn, and a registry that shows things in turn."""

    engine: FakeEngine
    sights: list[Sight] = field(default_factory=list)
    refusal: PushError | None = None
    renewed: int = 0
    lifetime: timedelta = timedelta(hours=1)
    pauses: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def instructions(self, lifetime: timedelta | None = None) -> PushInstructions:
        expires = datetime.now(UTC) + (self.lifetime if lifetime is None else lifetime)
        return PushInstructions(TARGET, Credential("AWS", Secret("t0ken")), None, expires)

    def renew(self) -> PushInstructions:
        self.renewed += 1
        return self.instructions(timedelta(hours=1) if self.lifetime else None)

    def tag(self, reference: ImageReference, credential: Credential) -> RegistryTag:
        return ScriptedTag(reference, credential, self.look, lambda: self.refusal)

    def look(self) -> RegistryManifest | None:
        sight = self.sights.pop(0) if len(self.sights) > 1 else self.sights[0]
        if isinstance(sight, PushError):
            raise sight
        return sight

    def listen(self, event: Event) -> None:
        if isinstance(event, Warned):
            self.said.append(event.text)
        elif isinstance(event, StepStarted | StepDone):
            self.steps.append(event.text)

    def push(
        self,
        answers: list[Answer],
        sights: list[Sight],
        *,
        replaces: bool = False,
        image: LocalImage = IMAGE,
        **limits: Any,
    ) -> str:
        self.engine.answers = list(answers)
        self.sights = list(sights)
        if isinstance(image, EngineImage):
            image = replace(image, engine=self.engine.client)
        lusid = LusidTag(
            name=ImageName("job", "1.0"),
            images=cast("Any", None),
            limits=Limits(**limits),
            listener=self.listen,
            sleep=self.pauses.append,
        )
        run = Run(lusid=lusid, registries=cast("Any", self))
        return Upload(
            image, self.instructions(), run, renew=self.renew, policy=Policy(force=replaces)
        )()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(FakeEngine(), tmp_path) as engine:
        yield World(engine)


def pushes(world: World) -> int:
    return len(world.engine.pushes())


def test_a_push_is_looked_at_before_and_after(world: World) -> None:
    assert world.push([GOOD], [None, OURS]) == DIGEST
    assert (pushes(world), world.said) == (1, [])


def test_layers_of_zstd_are_warned_of_once(world: World) -> None:
    zstd = replace(OURS, layers=(RegistryLayer("", 1, "application/x+zstd"),))
    world.push([GOOD], [None, zstd])
    assert world.said == [ZSTD_LAYERS]
    world.said.clear()
    world.push([GOOD], [None, zstd], image=replace(IMAGE, has_zstd_layers=True))
    assert world.said == [], "it was said when the archive was read"


def test_what_the_registry_has_already_is_not_pushed(world: World) -> None:
    assert world.push([], [OURS]) == DIGEST
    assert pushes(world) == 0


def test_another_image_under_the_tag_is_not_pushed_over(world: World) -> None:
    with pytest.raises(TagExistsError):
        world.push([GOOD], [OTHER])
    assert pushes(world) == 0
    assert world.push([GOOD], [OTHER, OURS], replaces=True) == DIGEST


def test_a_registry_that_cannot_be_asked_is_only_a_warning(world: World) -> None:
    assert world.push([GOOD], [UNREACHABLE]) == DIGEST
    assert "Cannot verify" in world.said[0]


def test_an_engine_does_not_push_to_a_registry_that_sends_it_to_this_machine(world: World) -> None:
    with pytest.raises(UnsafePlaceError):
        world.push([GOOD], [UnsafePlaceError("its tokens come from 127.0.0.1")])
    assert pushes(world) == 0


@pytest.mark.parametrize("kind", ["engine", "archive"])
def test_a_registry_that_has_no_tag_after_the_push_is_pushed_to_again(
    world: World, kind: str
) -> None:
    image: LocalImage = IMAGE if kind == "engine" else archived()
    assert world.push([GOOD, GOOD], [None, None, OURS], image=image) == DIGEST
    assert "404 for the tag" in world.said[0]
    with pytest.raises(PushInterruptedError, match="404 for the tag") as caught:
        world.push([GOOD], [None], image=image, push_retries=2)
    assert caught.value.exit_code == 7
    assert "delay" in caught.value.cause


@pytest.mark.parametrize("media_type", INDEX_TYPES)
def test_an_index_is_an_error_with_its_cure(world: World, media_type: str) -> None:
    with pytest.raises(IndexPushedError, match="is an index") as caught:
        world.push([GOOD], [None, RegistryManifest(DIGEST, media_type, "")])
    assert "--provenance=false" in caught.value.hint
    assert caught.value.exit_code == 7


def test_an_index_that_is_there_already_is_an_error_too(world: World) -> None:
    index = engine_image(DIGEST, "linux/amd64", 1, frozenset({DIGEST}))
    with pytest.raises(IndexPushedError):
        world.push([], [RegistryManifest(DIGEST, INDEX_TYPES[1], "")], image=index)


def test_what_the_engine_pushed_must_be_this_image(world: World) -> None:
    with pytest.raises(TagExistsError):
        world.push([GOOD], [None, OTHER])
    assert world.push([GOOD, GOOD], [OTHER, OTHER, OURS], replaces=True) == DIGEST
    assert "Another job" in world.said[0]


def test_an_image_that_cannot_be_compared_is_left_to_lusid(world: World) -> None:
    image = Elsewhere(IMAGE_ID, "linux/amd64", 1, frozenset({IMAGE_ID}), engine=NO_ENGINE)
    assert world.push([GOOD], [None, OTHER], image=image) == DIGEST
    assert "Cannot verify that the registry has this image: the engine is gone" in world.said[0]


@pytest.mark.parametrize("replaces", [False, True])
def test_a_push_that_fails_where_the_image_cannot_be_compared_is_still_retried(
    world: World, *, replaces: bool
) -> None:
    image = Elsewhere(IMAGE_ID, "linux/amd64", 1, frozenset({IMAGE_ID}), engine=NO_ENGINE)
    pushed = world.push([EOF, GOOD], [None, OTHER, OURS], image=image, replaces=replaces)
    assert pushed == DIGEST
    assert pushes(world) == 2


def test_an_existing_image_that_cannot_be_compared_is_pushed_over_by_force_alone(
    world: World,
) -> None:
    image = Elsewhere(IMAGE_ID, "linux/amd64", 1, frozenset({IMAGE_ID}), engine=NO_ENGINE)
    with pytest.raises(TagExistsError, match="cannot be determined"):
        world.push([GOOD], [OTHER], image=image)
    assert pushes(world) == 0
    assert world.push([GOOD], [OTHER, OURS], image=image, replaces=True) == DIGEST


def test_a_failure_that_nobody_knows_is_temporary_if_the_registry_says_so(world: World) -> None:
    world.refusal = interrupted_error("HTTP 429")
    with pytest.raises(PushInterruptedError, match="429"):
        world.push([failing("hm")], [None], push_retries=1)
    assert pushes(world) == 2


def test_a_layer_that_was_compressed_for_the_push_leaves_the_config_as_it_was(world: World) -> None:
    image = Compressed(DIGEST, "linux/amd64", 1, frozenset({IMAGE_ID}), engine=NO_ENGINE)
    assert world.push([GOOD], [None, OURS], image=image) == DIGEST
    with pytest.raises(TagExistsError):
        world.push([GOOD], [None, OTHER], image=image)


@pytest.mark.parametrize("answer", [SILENT, EOF, DENIED, failing("who knows")])
def test_the_registry_knows_better_than_a_failure(world: World, answer: Answer) -> None:
    assert world.push([answer], [None, OURS]) == DIGEST
    assert pushes(world) == 1
    assert "nevertheless" in world.said[0]


def test_a_stream_that_proves_nothing_is_tried_again(world: World) -> None:
    assert world.push([SILENT, GOOD], [None, None, OURS]) == DIGEST
    assert "cannot be verified" in world.said[0]
    with pytest.raises(PushInterruptedError, match="neither a digest nor an error"):
        world.push([SILENT], [None], push_retries=0)


def test_what_may_pass_is_tried_again_with_longer_pauses(world: World) -> None:
    with pytest.raises(PushInterruptedError):
        world.push([EOF], [None], push_retries=4)
    assert pushes(world) == 5
    assert [round(pause - 0.5) for pause in world.pauses] == [1, 2, 4, 8]
    assert all(pause >= least for pause, least in zip(world.pauses, (1, 2, 4, 8), strict=True))
    assert "retry 1 of 4" in world.said[0]


def test_nothing_is_tried_again_after_the_time(world: World) -> None:
    with pytest.raises(PushInterruptedError):
        world.push([EOF], [None], push_timeout=3)
    assert sum(world.pauses) < 6
    assert pushes(world) <= 3


def test_what_does_not_pass_is_not_tried_again(world: World) -> None:
    with pytest.raises(PushError) as caught:
        world.push([failing("tag invalid: immutable")], [None])
    assert type(caught.value) is PushError
    assert (pushes(world), world.renewed) == (1, 0)


@pytest.mark.parametrize(
    ("seen", "times"), [(interrupted_error("429"), 4), (denied_error("401"), 2), (UNREACHABLE, 1)]
)
def test_the_registry_says_what_unknown_words_mean(
    world: World, seen: PushError, times: int
) -> None:
    with pytest.raises(PushError) as caught:
        world.push([failing("hm")], [None, seen])
    assert type(caught.value) is type(seen)
    assert pushes(world) == times


HIDDEN = failing("error from registry: denied\ndenied")


@pytest.mark.parametrize(
    ("refusal", "kind", "times"),
    [
        (denied_error("HTTP 403"), PushDeniedError, 2),
        (interrupted_error("HTTP 500"), PushInterruptedError, 4),
        (PushError("HTTP 400"), PushError, 1),
        (None, PushInterruptedError, 4),
    ],
)
def test_one_look_at_the_registry_decides_what_a_hidden_status_was(
    world: World, refusal: PushError | None, kind: type[PushError], times: int
) -> None:
    world.refusal = refusal
    with pytest.raises(PushError) as caught:
        world.push([HIDDEN], [None])
    assert type(caught.value) is kind
    assert pushes(world) == times
    assert (refusal.message if refusal else "error from registry") in caught.value.message
    assert "other sources" not in caught.value.cause


def test_a_hidden_status_that_was_temporary_is_outlived(world: World) -> None:
    assert world.push([HIDDEN, GOOD], [None, None, OURS]) == DIGEST


def test_a_denial_while_the_registry_fails_is_a_temporary_failure(world: World) -> None:
    world.refusal = interrupted_error("HTTP 503")
    with pytest.raises(PushInterruptedError, match="HTTP 503"):
        world.push([DENIED], [None], push_retries=1)
    assert (pushes(world), world.renewed) == (2, 0)


def test_what_took_too_long_has_the_registry_s_refusal_as_its_message(world: World) -> None:
    stuck = Answer((REFERS, layer("Pushing")), end=End.SILENCE)
    world.refusal = PushError("HTTP 400, NAME_INVALID", hint="another name")
    with pytest.raises(PushError, match="NAME_INVALID") as caught:
        world.push([stuck], [None], push_idle_timeout=0.1, push_retries=0)
    assert type(caught.value) is PushError
    world.refusal = None
    with pytest.raises(PushInterruptedError, match="was stopped"):
        world.push([stuck], [None], push_idle_timeout=0.1, push_retries=0)


def test_a_refused_credential_is_requested_again_once(world: World) -> None:
    assert world.push([DENIED, GOOD], [None, None, None, OURS]) == DIGEST
    assert (world.renewed, world.pauses) == (1, [])
    assert world.steps[:3] == [
        PUSHING,
        "not pushed yet: the registry refused the credential",
        PUSHING,
    ]
    with pytest.raises(PushDeniedError) as caught:
        world.push([DENIED], [None])
    assert world.renewed == 2
    assert "refuses this push" in caught.value.cause


def test_instructions_that_expired_are_requested_again(world: World) -> None:
    world.lifetime = timedelta(seconds=-1)
    assert world.push([GOOD], [None, OURS]) == DIGEST
    assert world.renewed == 1
    assert world.steps[:3] == [PUSHING, "not pushed yet: the credential has expired", PUSHING]


@dataclass(frozen=True)
class Archived(LocalImage):
    """An image that is not the engine's; sending it raises `errors` in turn, and then succeeds."""

    errors: list[PushError] = field(default_factory=list)
    calls: list[tuple[RegistryTag, float, float]] = field(default_factory=list)
    push_explains_itself: ClassVar[bool] = True

    def verify(self) -> None:
        pass

    def send_to(
        self,
        tag: RegistryTag,
        *,
        deadline: Deadline,
        idle: float,
        listener: Listener,
        earlier_tags: EarlierTags,  # noqa: ARG002  # as `LocalImage` has it
    ) -> str:
        listener(LayerProgress("layer", "Pushing"))
        self.calls.append((tag, idle, deadline.remaining()))
        if self.errors:
            raise self.errors.pop(0)
        return DIGEST


def archived(*errors: PushError) -> Archived:
    return Archived(IMAGE_ID, "linux/amd64", 1, frozenset(), errors=list(errors))


@pytest.mark.parametrize(
    ("errors", "sights", "calls", "renewed"),
    [
        ((), [None, OURS], 1, 0),
        ((interrupted_error("EOF"),), [None, None, OURS], 2, 0),
        ((denied_error("401"),), [None, None, None, OURS], 2, 1),
        ((PushError("DIGEST_INVALID"),), [None, OURS], 1, 0),
    ],
)
def test_an_archive_is_pushed_without_an_engine_by_the_same_rules(
    world: World,
    errors: tuple[PushError, ...],
    sights: list[Sight],
    calls: int,
    renewed: int,
) -> None:
    image = archived(*errors)
    pushed = world.push([], sights, image=image, push_idle_timeout=7)
    assert pushed == DIGEST
    assert (len(image.calls), world.renewed, pushes(world)) == (calls, renewed, 0)
    tag, idle, seconds = image.calls[0]
    assert (tag.reference, tag.credential) == (TARGET, Credential("AWS", Secret("t0ken")))
    assert (idle, seconds > 3000) == (7, True)


def test_an_archive_s_other_failures_are_told(world: World) -> None:
    with pytest.raises(PushError, match="TAG_INVALID"):
        world.push([], [None], image=archived(PushError("TAG_INVALID")))


def test_instructions_that_come_expired_are_an_error(world: World) -> None:
    world.lifetime = timedelta(0)
    with pytest.raises(InstructionsError, match="expired"):
        world.push([GOOD], [None])
    assert (world.renewed, pushes(world)) == (1, 0)
