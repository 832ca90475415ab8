"""The public publish() in process: values in, a value or an error out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lusid_image_publish import Policy, PublishResult, Settings, errors, publish
from lusid_image_publish.names import ImageReference
from lusid_image_publish.progress import Arrived, Event, StepStarted
from lusid_image_publish.publishing.policy import Limits
from lusid_image_publish.redact import Secret
from lusid_image_publish.scheduler.async_client import AsyncImagesClient
from tests.faults import Fault
from tests.inprocess.command import sockets_left_open
from tests.inprocess.network import problem, scripted
from tests.inprocess.stage import REGISTRY, Stage


def published(
    stage: Stage, source: str = "job:ci", name: str = "job:1.0", **options: Any
) -> PublishResult:
    """Publish with the stage's settings and engine."""
    return publish(source, name, engine=stage.engine.client, settings=settings(stage), **options)


def settings(stage: Stage, **values: Any) -> Settings:
    """Return the stage's settings."""
    url = stage.environ["FBN_SCHEDULER_URL"]
    token = stage.environ["FBN_ACCESS_TOKEN"]
    return Settings(scheduler_url=url, access_token=Secret(token), **values)


def test_the_result_says_what_is_in_lusid(stage: Stage) -> None:
    image_id = stage.hold("job:ci")
    heard: list[Event] = []
    result = published(stage, policy=Policy(latest=True), listener=heard.append)
    digest = stage.tags("job")["1.0"]
    assert (str(result.name), result.outcome, result.digest) == ("job:1.0", "published", digest)
    assert (result.image_id, result.platform) == (image_id, "linux/amd64")
    assert result.reference == ImageReference(REGISTRY, "foo/job", "1.0")
    assert (result.latest, stage.tags("job")["latest"]) == ("moved", digest)
    assert result.size
    assert result.push_time
    assert result.scan
    assert (result.scan.outcome, result.scan.failure()) == ("no-policy", None)
    assert Arrived(digest, is_pushed=True) in heard
    assert sum(isinstance(event, StepStarted) for event in heard) >= 6
    again = published(stage, policy=Policy(scan=None))
    assert (again.outcome, again.digest, again.scan) == ("unchanged", digest, None)
    assert (again.reference, again.latest) == (None, None)


def test_the_environment_has_settings_and_engine(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.hold("job:ci")
    for name, value in stage.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(stage.folder)
    assert publish("job:ci", "job:1.0").digest == stage.tags("job")["1.0"]
    archive = stage.archive("job:ci")
    monkeypatch.setenv("DOCKER_HOST", stage.without_engine["DOCKER_HOST"])
    assert publish(archive, "job:1.0").outcome == "unchanged"
    with sockets_left_open(), pytest.raises(errors.EngineError):
        publish("job:ci", "job:1.0")


@pytest.mark.parametrize(
    ("source", "name", "error"),
    [
        ("job:ci", "Job", errors.InvalidNameError),
        ("", "job:1.0", errors.SourceError),
        ("./absent", "job:1.0", errors.SourceError),
        ("absent:image", "job:1.0", errors.SourceError),
        ("arm:ci", "job:1.0", errors.PlatformError),
    ],
)
def test_what_is_wrong_here_is_raised(
    stage: Stage, source: str, name: str, error: type[errors.LusidPublishError]
) -> None:
    stage.hold("arm:ci", b"arm", platform="linux/arm64")
    with pytest.raises(error) as raised:
        published(stage, source, name)
    assert raised.value.hint
    stage.require_nothing_was_pushed()


def test_what_lusid_and_the_registry_refuse_is_raised(stage: Stage) -> None:
    stage.hold("job:ci")
    stage.lusid.instead = scripted("POST", "/api/images$", problem(403))
    with pytest.raises(errors.AccessDeniedError):
        published(stage)
    stage.lusid.instead = lambda _: None
    stage.registry.fault, stage.registry.always = Fault.FORBIDDEN, True
    stage.registry.at = lambda asked, _: asked.method == "PUT"
    with pytest.raises(errors.PushDeniedError):
        published(stage)
    stage.registry.fault = None
    published(stage)
    stage.hold("other:ci", b"other")
    with pytest.raises(errors.TagExistsError):
        published(stage, "other:ci")
    with pytest.raises(errors.TagExistsError):
        published(stage, policy=Policy(if_exists="fail"))
    assert published(stage, "other:ci", policy=Policy(if_exists="skip")).outcome == "skipped"


def test_limits_bound_the_waits(stage: Stage) -> None:
    stage.hold("job:ci")
    stage.lusid.instead = scripted("GET", "/repository/job$", problem(404))
    began = stage.clock.monotonic()
    with pytest.raises(errors.WaitTimeoutError):
        published(stage, limits=Limits(wait_timeout=100, poll_interval=7))
    assert 100 <= stage.clock.monotonic() - began < 115
    assert set(stage.clock.pauses[:10]) == {7}


@contextmanager
def _no_waiting(stage: Stage) -> Iterator[None]:
    before = len(stage.clock.pauses)
    yield
    assert len(stage.clock.pauses) == before


@pytest.mark.anyio
async def test_the_asynchronous_client_has_the_same_answers(stage: Stage) -> None:
    stage.hold("job:ci")
    digest = published(stage).digest
    with _no_waiting(stage):
        async with AsyncImagesClient(settings(stage)) as images:
            assert (await images.get_image("job:1.0")).digest == digest
            listed = [image.digest async for image in images.iter_images("job")]
            assert listed == [digest]
            names = [repository.name async for repository in images.iter_repositories()]
            assert names == ["job"]
            file = stage.folder / "async.tar"
            assert (await images.download_image("job:1.0", file)).digest == digest
            assert (
                "docker push"
                in (await images.upload_image("job:2.0")).push_versioned_docker_image_command
            )
            assert "deleted" in await images.delete_image("job:1.0")
            with pytest.raises(errors.NotFoundError):
                await images.get_image("job:1.0")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
