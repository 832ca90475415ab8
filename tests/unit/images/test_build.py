"""The end of a classic build: an image's id, or a failure."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker import DockerClient

from lusid_image_publish.errors import BuildError
from lusid_image_publish.images.build import build_image
from lusid_image_publish.images.builder import Builder
from lusid_image_publish.images.source import BuildOptions, DockerfileSource


def test_a_build_that_ends_without_an_image_is_not_taken_for_the_last_one(tmp_path: Path) -> None:
    def build(**_: object) -> Iterator[dict[str, Any]]:
        yield {"stream": "Step 1/2 : FROM scratch"}

    api = SimpleNamespace(hooks={"response": []}, build=build)
    engine = SimpleNamespace(api=api, version=dict)
    source = DockerfileSource(tmp_path / "Dockerfile", tmp_path, BuildOptions())
    with pytest.raises(BuildError, match="failed") as caught:
        build_image(
            cast("DockerClient", engine),
            source,
            builder=Builder(),
            tag="job:1.0",
            platform="linux/amd64",
            environ={},
        )
    assert "without an image" in caught.value.cause
