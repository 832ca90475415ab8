"""What SOURCE means."""

import tarfile
from pathlib import Path

import pytest

from lusid_image_publish.errors import ConfigurationError, SourceError
from lusid_image_publish.images.source import (
    BuildOptions,
    DockerfileSource,
    EngineSource,
    find_source,
)


@pytest.fixture
def dockerfile(tmp_path: Path) -> Path:
    folder = tmp_path / "job"
    folder.mkdir()
    file = folder / "Dockerfile"
    file.write_text("FROM scratch\n")
    return file


def test_a_dockerfile_is_built_in_its_own_directory(dockerfile: Path) -> None:
    source = find_source("job/Dockerfile")
    assert source == DockerfileSource(dockerfile, dockerfile.parent, BuildOptions())


def test_a_directory_means_the_dockerfile_in_it(dockerfile: Path) -> None:
    source = find_source("job")
    assert isinstance(source, DockerfileSource)
    assert source.dockerfile == dockerfile


def test_a_path_wins_over_an_image_of_that_name(dockerfile: Path) -> None:
    (dockerfile.parent.parent / "job:1").write_text("FROM scratch\n")
    assert isinstance(find_source("job:1"), DockerfileSource)


def test_another_context_can_be_named(dockerfile: Path, tmp_path: Path) -> None:
    source = find_source(str(dockerfile), BuildOptions(context=Path()))
    assert isinstance(source, DockerfileSource)
    assert source.context == tmp_path


@pytest.mark.parametrize("text", ["job:1", "registry.example.com/team/job:1", "sha256:abc", "abc1"])
def test_what_is_no_path_is_an_image_of_the_engine(text: str) -> None:
    assert find_source(text) == EngineSource(text)


@pytest.mark.parametrize(
    "text", ["./job:1", "../x", "/x/y", "~/x", "gone/Dockerfile", "Dockerfile"]
)
def test_what_looks_like_a_path_must_exist(text: str) -> None:
    with pytest.raises(SourceError, match="no file or directory"):
        find_source(text)


def test_a_directory_without_a_dockerfile_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no Dockerfile in"):
        find_source(str(tmp_path))


def test_an_archive_is_told_from_a_dockerfile(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "image.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("x"))
    with pytest.raises(SourceError) as caught:
        find_source("image.tar")
    assert "docker load" in caught.value.hint


def test_a_context_that_is_no_directory_is_refused(dockerfile: Path) -> None:
    with pytest.raises(SourceError, match="not a directory"):
        find_source("job", BuildOptions(context=dockerfile))


def test_build_options_for_an_image_are_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match="not a path"):
        find_source("job:1", BuildOptions(no_cache=True))


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_source_is_told(text: str) -> None:
    with pytest.raises(SourceError, match="SOURCE is empty"):
        find_source(text)
