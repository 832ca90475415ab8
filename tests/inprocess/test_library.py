"""The public publish() in process: values in, a value or an error out."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lusid_image_publish import (
    BuildOptions,
    Ignore,
    Policy,
    PublishResult,
    ScanPolicy,
    Settings,
    Severity,
    errors,
    publish,
)
from lusid_image_publish.local_scheduler.documents import wire_date
from lusid_image_publish.local_scheduler.job_documents import new_job
from lusid_image_publish.local_scheduler.job_store import JobStore
from lusid_image_publish.names import ImageReference
from lusid_image_publish.progress import Arrived, Event, StepStarted
from lusid_image_publish.publishing.policy import Limits
from lusid_image_publish.redact import Secret
from lusid_image_publish.scheduler.async_client import AsyncImagesClient
from tests.faults import Fault
from tests.inprocess.command import sockets_left_open
from tests.inprocess.network import problem, scripted
from tests.inprocess.stage import REGISTRY, MakeStage, Stage

ROOT = Path(__file__).parents[2]


def published(
    stage: Stage, source: str | Path = "job:ci", name: str = "job:1.0", **options: Any
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


@pytest.mark.filterwarnings("ignore:docker-credential-lusid-tests-absent not installed")
def test_a_build_has_the_options_of_the_command(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (stage.environ | {"DOCKER_BUILDKIT": "0"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(stage.folder)
    options = BuildOptions(build_args={"WHO": "me"}, labels={"team": "quant"}, target="wanted")
    folder = Path(stage.dockerfile())
    result = publish(folder / "Dockerfile", "job:1.0", build=options)
    assert (result.outcome, result.platform) == ("published", "linux/amd64")
    (build,) = (asked for asked in stage.engine.asked if asked.path == "/build")
    assert json.loads(build.query["buildargs"]) == {"WHO": "me"}
    assert json.loads(build.query["labels"]) == {"team": "quant"}
    assert build.query["target"] == "wanted"


@pytest.mark.filterwarnings("ignore:docker-credential-lusid-tests-absent not installed")
def test_the_first_example_of_the_document_runs(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = (ROOT / "docs/library.md").read_text(encoding="utf-8")
    example = document.partition("```python\n")[2].partition("```")[0]
    for name, value in (stage.environ | {"DOCKER_BUILDKIT": "0"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(stage.folder / stage.dockerfile())
    exec(example, {})  # noqa: S102  # our own
    assert capsys.readouterr().out == f"published {stage.tags('my-job')['1.0.0']}\n"


def test_the_example_of_jobs_runs_with_a_job_that_has_no_image(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = (ROOT / "docs/library.md").read_text(encoding="utf-8")
    example = document.partition("\n## Jobs\n")[2].partition("```python\n")[2].partition("```")[0]
    for name, value in stage.environ.items():
        monkeypatch.setenv(name, value)
    made = new_job("me", "my-job", ["date"], wire_date(stage.clock.now()))
    JobStore(stage.stored).keep_job(made)
    stage.hold("job:ci")
    published(stage, name="my-job:1.0.0")
    exec(example, {})  # noqa: S102  # our own
    assert capsys.readouterr().out.splitlines()[0] == "my-job:1.0.0 300"
    (order,) = stage.runner.orders
    assert order.words == ("date", "2026-01-31")
    assert order.image.digest == stage.tags("my-job")["1.0.0"]
    assert made.items() <= stage.job().items(), "nothing was lost"


def test_a_path_is_never_an_image_of_the_engine(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stage.folder)
    stage.hold("job:ci")
    with pytest.raises(errors.SourceError, match=r"There is no file or directory \./job:ci"):
        published(stage, Path("job:ci"))
    archive = stage.archive("job:ci")
    assert published(stage, Path(archive)).digest == stage.tags("job")["1.0"]
    assert published(stage, stage.folder / archive, image="job:ci").outcome == "unchanged"
    with pytest.raises(errors.SourceError):
        published(stage, Path(archive), image="other:ci")


def test_a_scan_that_breaks_the_policy_raises_when_it_is_asked_to(make_stage: MakeStage) -> None:
    stage = make_stage(findings={"vulnerabilities": [{"name": "CVE-1", "severity": "Critical"}]})
    stage.hold("job:ci")
    result = published(stage, policy=Policy(scan=ScanPolicy(fail_on=Severity.HIGH)))
    with pytest.raises(errors.ScanGateError, match="is in LUSID and stays there"):
        result.raise_for_scan()
    ignored = ScanPolicy(fail_on=Severity.HIGH, ignores=[Ignore("CVE-1")])
    for policy in (Policy(), Policy(scan=None), Policy(scan=ignored)):
        passed = published(stage, policy=policy)
        assert passed.raise_for_scan() is passed


def test_an_image_without_findings_raises_unless_that_is_tolerated(make_stage: MakeStage) -> None:
    stage = make_stage(scan_status="FAILED")
    stage.hold("job:ci")
    with pytest.raises(errors.ScanUnavailableError):
        published(stage).raise_for_scan()
    tolerant = Policy(scan=ScanPolicy(if_unscannable="warn"))
    result = published(stage, policy=tolerant).raise_for_scan()
    assert result.scan
    assert result.scan.outcome == "unavailable"


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
