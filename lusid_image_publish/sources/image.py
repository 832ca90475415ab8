"""An image that is here, wherever it is kept, and the platform that it is for."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lusid_image_publish.platforms import covers, platform_error
from lusid_image_publish.sources.source import DockerfileSource, EngineSource
from lusid_image_publish.system import shell_words

_MOST_LAYERS: Final = 125
"""Layers that Docker mounts on top of each other: with one more it says "max depth exceeded"."""

ZSTD_LAYERS: Final = (
    "It has layers that are compressed with zstd: Docker before 23 cannot run it, nor can what "
    "builds on that. Compress them with gzip where older engines run the job."
)


@dataclass(frozen=True)
class LocalImage:
    """An image of the local engine, or one in an archive, which is an `ArchiveImage`.

    `id` is what the engine or the archive knows it by: the digest of the image's config, or of its
    manifest or index where an engine uses the containerd image store. `platform` is
    `os/architecture[/variant]`; of an index it is that of the image in it that was asked for.
    `size` is in bytes, unpacked or compressed, as it is kept. `digests` are those of the manifests
    that it is known by here. `may_be_index` says that one of them may be an index's, because the
    engine does not say what it is. `layers` is how many there are, None where the engine does not
    say it; `has_zstd_layers` is known of archives alone.
    """

    id: str
    platform: str
    size: int
    digests: frozenset[str]
    may_be_index: bool = False
    layers: int | None = None
    has_zstd_layers: bool = False

    @property
    def config_digest(self) -> str:
        """The digest of the image's config: the same wherever the image is kept."""
        return self.id

    def doubts(self) -> Iterator[str]:
        """Yield why engines or registries may not accept this image, a sentence or two each."""
        if self.layers == 0:
            yield (
                "It has no layers: some registries are reported to refuse it, Amazon ECR among "
                "them. Copy a file into it."
            )
        if (self.layers or 0) > _MOST_LAYERS:
            yield (
                f"It has {self.layers} layers, and Docker cannot run more than {_MOST_LAYERS} "
                '("max depth exceeded") unless it has the containerd image store. Build it with '
                "fewer, for example in a second stage that copies from the first."
            )
        if self.has_zstd_layers:
            yield ZSTD_LAYERS


def require_platform(
    image: LocalImage, platform: str, source: DockerfileSource | EngineSource, name: str
) -> None:
    """Raise `PlatformError`, with the command that helps, unless `image` runs on `platform`.

    `source` is what the image was made from, and `name` what it may be called.
    """
    if covers(platform, image.platform):
        return
    if isinstance(source, DockerfileSource):
        cause = "A FROM line of the Dockerfile names a platform, or the builder took a stale layer."
        hint = "Take `--platform` out of the FROM lines. Then: "
        words = ["--no-cache", "-t", name, "-f", str(source.dockerfile), str(source.context)]
    else:
        cause = "It was built on or for another kind of machine. LUSID runs jobs on linux/amd64."
        hint = "Build it again where its Dockerfile is: "
        by_name = "@" not in source.reference and not image.id.removeprefix("sha256:").startswith(
            source.reference.removeprefix("sha256:")
        )
        words = ["-t", source.reference if by_name else name, "."]
    command = shell_words(["docker", "build", "--platform", platform, *words])
    raise platform_error([image.platform], platform, cause=cause, hint=hint + command)
