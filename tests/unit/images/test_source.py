"""What SOURCE means."""

import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lusid_image_publish.errors import ConfigurationError, SourceError
from lusid_image_publish.images.source import (
    ArchiveSource,
    BuildOptions,
    DockerfileSource,
    EngineSource,
    find_source,
)
from tests.archives import Image, containerd, folder_of, tar_of


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


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("name", ["image.tar", "image", "Dockerfile", "job:1"])
def test_an_archive_is_known_by_its_content(
    tmp_path: Path, name: str, compress: Callable[[bytes], bytes]
) -> None:
    (tmp_path / name).write_bytes(compress(tar_of({"x": b""})))
    assert find_source(name) == ArchiveSource(tmp_path / name)


def test_a_file_that_is_called_a_tar_may_be_a_dockerfile(tmp_path: Path) -> None:
    for content in ("", "FROM scratch\n", "FROM scratch\nRUN true\n" * 100):
        (tmp_path / "image.tar").write_text(content)
        assert isinstance(find_source("image.tar"), DockerfileSource)


def test_a_directory_may_be_an_archive(tmp_path: Path) -> None:
    folder = folder_of(containerd(a=Image()), tmp_path / "layout")
    assert find_source("layout") == ArchiveSource(folder)
    (folder / "oci-layout").unlink()
    with pytest.raises(SourceError, match="no Dockerfile in"):
        find_source("layout")


def test_a_directory_with_a_dockerfile_is_no_archive(dockerfile: Path) -> None:
    folder_of(containerd(a=Image()), dockerfile.parent)
    assert isinstance(find_source("job"), DockerfileSource)


def test_a_pipe_is_no_archive(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="no Dockerfile in"):
        find_source("pipe")


def test_a_context_that_is_no_directory_is_refused(dockerfile: Path) -> None:
    with pytest.raises(SourceError, match="not a directory"):
        find_source("job", BuildOptions(context=dockerfile))


def test_build_options_for_an_image_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not a path"):
        find_source("job:1", BuildOptions(no_cache=True))
    (tmp_path / "image.tar").write_bytes(tar_of({"x": b""}))
    with pytest.raises(ConfigurationError, match=r"image\.tar is an image archive"):
        find_source("image.tar", BuildOptions(labels={"a": "b"}))
    folder_of(containerd(a=Image()), tmp_path / "layout")
    with pytest.raises(ConfigurationError, match="layout is an image archive"):
        find_source("layout", BuildOptions(context=tmp_path))


def test_a_source_is_shown_as_what_it_is(dockerfile: Path, tmp_path: Path) -> None:
    assert str(find_source("job")) == str(dockerfile)
    assert str(find_source("job:1")) == "job:1"
    assert str(ArchiveSource(tmp_path)) == str(tmp_path)


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_source_is_told(text: str) -> None:
    with pytest.raises(SourceError, match="SOURCE is empty"):
        find_source(text)
