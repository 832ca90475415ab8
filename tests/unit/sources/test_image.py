"""The platform of an image, and the command that builds it for another one."""

from pathlib import Path

import pytest

from lusid_image_publish.errors import PlatformError
from lusid_image_publish.platforms import platform_error
from lusid_image_publish.sources.build_recipe import BuildOptions
from lusid_image_publish.sources.dockerfile_source import DockerfileSource
from lusid_image_publish.sources.engine_source import EngineSource
from lusid_image_publish.sources.image import ZSTD_LAYERS
from lusid_image_publish.sources.source import ImageRequest
from tests.images import engine_image

IMAGE_ID, DIGEST = ("sha256:" + digit * 64 for digit in "1a")


@pytest.mark.parametrize("platform", ["linux/arm64", "linux/arm64/v8"])
def test_a_variant_is_covered_where_none_is_wanted(platform: str) -> None:
    image = engine_image(IMAGE_ID, "linux/arm64/v8", 1, frozenset())
    EngineSource("job:ci").require_platform(image, ImageRequest(name="job:1.0", platform=platform))


def wrong(reference: str) -> PlatformError:
    image = engine_image(IMAGE_ID, "linux/arm64", 1, frozenset())
    with pytest.raises(PlatformError, match=r"linux/arm64, not for linux/amd64") as caught:
        EngineSource(reference).require_platform(image, ImageRequest(name="job:1.0"))
    return caught.value


def test_the_command_that_builds_it_right_is_shown() -> None:
    command = "docker build --platform linux/amd64 -t"
    assert f"{command} job:ci ." in wrong("job:ci").hint
    assert f"{command} job:1.0 ." in wrong(IMAGE_ID).hint
    assert f"{command} job:1.0 ." in wrong(IMAGE_ID[7:19]).hint
    assert f"{command} job:1.0 ." in wrong(f"job@{DIGEST}").hint


def test_a_dockerfile_that_names_a_platform_is_reported(tmp_path: Path) -> None:
    source = DockerfileSource(tmp_path / "my Dockerfile", tmp_path, BuildOptions())
    image = engine_image(IMAGE_ID, "linux/arm64", 1, frozenset())
    with pytest.raises(PlatformError, match="is for linux/arm64, not for") as caught:
        source.require_platform(image, ImageRequest(name="job:1.0"))
    assert f"-f '{tmp_path}/my Dockerfile' {tmp_path}" in caught.value.hint
    assert "--no-cache" in caught.value.hint


@pytest.mark.parametrize(
    ("layers", "has_zstd", "words"),
    [
        (None, False, []),
        (1, False, []),
        (125, False, []),
        (126, False, ["The image has 126 layers, and Docker cannot run more than 125"]),
        (0, False, ["The image has no layers"]),
        (2, True, [ZSTD_LAYERS]),
        (200, True, ["The image has 200 layers", ZSTD_LAYERS]),
    ],
)
def test_what_may_not_run_is_doubted(
    layers: int | None, words: list[str], *, has_zstd: bool
) -> None:
    image = engine_image(
        IMAGE_ID, "linux/amd64", 1, frozenset(), layers=layers, has_zstd_layers=has_zstd
    )
    doubts = list(image.doubts())
    assert len(doubts) == len(words)
    assert all(doubt.startswith(word) for doubt, word in zip(doubts, words, strict=True))


@pytest.mark.parametrize(
    ("found", "message", "cause"),
    [
        (["linux/arm64"], "is for linux/arm64, not for linux/amd64", "OTHER"),
        (["linux/s390x", "linux/arm64"], "is for linux/arm64, linux/s390x, not", "OTHER"),
        ([""], "its config has no os and no architecture", "left it out"),
        (["linux/"], "its config has no architecture", "left it out"),
        (["/amd64"], "its config has no os", "left it out"),
        (
            ["linux/x86_64"],
            "is for linux/x86_64, not",
            "x86_64 is not a name that Docker knows; use amd64.",
        ),
        (["Linux/AMD64"], "is for Linux/AMD64, not", "Linux is not a name"),
        (["linux/aarch64"], "is for linux/aarch64, not", "use arm64. OTHER"),
        (
            ["linux/amd46"],
            "is for linux/amd46, not",
            "amd46 is not a name that Docker knows. OTHER",
        ),
        (["linux/arm64/v8"], "is for linux/arm64/v8, not", "OTHER"),
        (["\x1b[31m/x"], "\N{REPLACEMENT CHARACTER}", "is not a name"),
    ],
)
def test_why_an_image_is_for_another_platform_is_said(
    found: list[str], message: str, cause: str
) -> None:
    error = platform_error(found, "linux/amd64", cause="OTHER", hint="Build it.")
    assert message in error.message
    assert cause in error.cause
    assert error.hint
    assert error.message.isprintable()


def test_an_image_that_is_only_spelled_otherwise_need_not_be_built_for_another_machine() -> None:
    error = platform_error(["linux/x86_64"], "linux/amd64", cause="OTHER", hint="Build it.")
    assert error.hint == "Set linux and amd64 in the tool that built the image."
