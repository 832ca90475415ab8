"""The end of a classic build: an image's id, or a failure."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker import DockerClient

from lusid_image_publish.errors import BuildError
from lusid_image_publish.sources.build import _builder_failed, _reported_digests, build_image
from lusid_image_publish.sources.build_recipe import BuildOptions
from lusid_image_publish.sources.builder import Builder
from lusid_image_publish.sources.dockerfile_source import DockerfileSource
from lusid_image_publish.sources.source import ImageRequest


def test_a_build_that_ends_without_an_image_is_not_taken_for_the_last_one(tmp_path: Path) -> None:
    def build(**_: object) -> Iterator[dict[str, Any]]:
        yield {"stream": "Step 1/2 : FROM scratch"}

    api = SimpleNamespace(hooks={"response": []}, build=build)
    engine = SimpleNamespace(api=api, version=dict)
    source = DockerfileSource(tmp_path / "Dockerfile", tmp_path, BuildOptions())
    with pytest.raises(BuildError, match="failed") as caught:
        build_image(
            source, Builder(), ImageRequest(name="job:1.0", engine=cast("DockerClient", engine))
        )
    assert "neither an image nor an error" in caught.value.cause


@pytest.mark.parametrize(
    ("cause", "is_builder"),
    [
        ("ERROR: failed to build: context deadline exceeded", True),
        ("ERROR: failed to list workers: Unavailable: connection error", True),
        (
            "ERROR: failed to resolve source metadata for r:5/x: connect: connection refused",
            False,
        ),
        ('ERROR: process "/bin/sh -c echo connection refused" did not complete', False),
    ],
)
def test_a_builder_s_failure_is_distinguished_from_the_build_s(
    cause: str, *, is_builder: bool
) -> None:
    assert _builder_failed(cause) is is_builder


@pytest.mark.parametrize(
    ("metadata", "digests"),
    [
        ("", []),
        ("[]", []),
        ("null", []),
        ('{"containerimage.digest": 5, "containerimage.config.digest": "sha256:1"}', ["sha256:1"]),
    ],
)
def test_what_buildx_reports_is_read_with_care(metadata: str, digests: list[str]) -> None:
    assert _reported_digests(metadata) == digests


def failure_with_buildkit(folder: Path) -> BuildError:
    """Return what a build raises whose `docker` is looked for in `folder`."""
    with pytest.raises(BuildError, match="failed") as caught:
        build_image(
            DockerfileSource(folder / "Dockerfile", folder, BuildOptions()),
            Builder("default", "docker"),
            ImageRequest(
                name="job:1.0",
                engine=cast("DockerClient", SimpleNamespace()),
                environ=dict(os.environ) | {"PATH": str(folder)},
            ),
        )
    return caught.value


@pytest.mark.skipif(sys.platform == "win32", reason="Windows looks for commands beside PATH too")
def test_a_docker_command_that_is_gone_is_a_failed_build(tmp_path: Path) -> None:
    error = failure_with_buildkit(tmp_path)
    assert "Cannot run the `docker` command" in error.cause
    assert "docker version" in error.hint


def test_no_room_for_temporary_files_is_a_failed_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    error = failure_with_buildkit(tmp_path)
    assert "none" in error.cause
    assert "TMPDIR" in error.hint
