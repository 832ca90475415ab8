"""The platform of an image, and the command that builds it for another one."""

from pathlib import Path

import pytest

from lusid_image_publish.errors import PlatformError
from lusid_image_publish.images.local import LocalImage, require_platform
from lusid_image_publish.images.source import BuildOptions, DockerfileSource, EngineSource

IMAGE_ID, DIGEST = ("sha256:" + digit * 64 for digit in "1a")


@pytest.mark.parametrize("platform", ["linux/arm64", "linux/arm64/v8"])
def test_a_variant_is_covered_where_none_is_wanted(platform: str) -> None:
    image = LocalImage(IMAGE_ID, "linux/arm64/v8", 1, frozenset())
    require_platform(image, platform, EngineSource("job:ci"), "job:1.0")


def wrong(reference: str) -> PlatformError:
    image = LocalImage(IMAGE_ID, "linux/arm64", 1, frozenset())
    with pytest.raises(PlatformError, match=r"linux/arm64, not for linux/amd64") as caught:
        require_platform(image, "linux/amd64", EngineSource(reference), "job:1.0")
    return caught.value


def test_the_command_that_builds_it_right_is_shown() -> None:
    command = "docker build --platform linux/amd64 -t"
    assert f"{command} job:ci ." in wrong("job:ci").hint
    assert f"{command} job:1.0 ." in wrong(IMAGE_ID).hint
    assert f"{command} job:1.0 ." in wrong(IMAGE_ID[7:19]).hint
    assert f"{command} job:1.0 ." in wrong(f"job@{DIGEST}").hint


def test_a_dockerfile_that_names_a_platform_is_told(tmp_path: Path) -> None:
    source = DockerfileSource(tmp_path / "my Dockerfile", tmp_path, BuildOptions())
    image = LocalImage(IMAGE_ID, "linux/arm64", 1, frozenset())
    with pytest.raises(PlatformError, match="is for linux/arm64, not for") as caught:
        require_platform(image, "linux/amd64", source, "job:1.0")
    assert f"-f '{tmp_path}/my Dockerfile' {tmp_path}" in caught.value.hint
    assert "--no-cache" in caught.value.hint
