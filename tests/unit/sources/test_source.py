"""Having the image of an archive: found without an engine, and let go of at the end."""

from pathlib import Path

import pytest

from lusid_image_publish.archives.archive_error import ArchiveError
from lusid_image_publish.errors import EngineError, PlatformError
from lusid_image_publish.progress import Event, StepDone, StepStarted
from lusid_image_publish.sources.archive_source import ArchiveImage, ArchiveSource
from lusid_image_publish.sources.build_recipe import BuildOptions
from lusid_image_publish.sources.dockerfile_source import DockerfileSource
from lusid_image_publish.sources.engine_source import EngineSource
from lusid_image_publish.sources.source import ImageRequest, Source
from tests.archives import Image, docker20, tar_of

IMAGE = Image()


def request(events: list[Event], platform: str = "linux/amd64") -> ImageRequest:
    return ImageRequest(name="job:1.0", platform=platform, listener=events.append)


@pytest.fixture
def source(tmp_path: Path) -> ArchiveSource:
    (tmp_path / "image.tar").write_bytes(tar_of(docker20(a=IMAGE)))
    return ArchiveSource(tmp_path / "image.tar")


def test_an_archive_for_another_platform_is_refused(source: ArchiveSource) -> None:
    events: list[Event] = []
    with pytest.raises(PlatformError), source.open_for_platform(request(events, "linux/arm64")):
        pass
    assert [type(event) for event in events] == [StepStarted]


@pytest.mark.parametrize(
    "other",
    [EngineSource("job:ci"), DockerfileSource(Path("Dockerfile"), Path(), BuildOptions())],
)
def test_what_an_engine_has_or_builds_needs_one(other: Source) -> None:
    with (
        pytest.raises(EngineError, match="needs a Docker engine"),
        other.open_for_platform(request([])),
    ):
        pass


def test_an_archive_is_open_for_as_long_as_the_block_lasts(source: ArchiveSource) -> None:
    events: list[Event] = []
    with source.open_for_platform(request(events)) as image:
        assert isinstance(image, ArchiveImage)
        assert image.id == IMAGE.id
        layer = next(iter(image.packing.layers.values()))
        assert next(layer.content.chunks())
    assert [type(event) for event in events] == [StepStarted, StepDone]
    with pytest.raises(ArchiveError, match="closed"):
        next(layer.content.chunks())
