"""An image that is here, wherever it is kept, and the platform that it is for."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lusid_image_publish.errors import PlatformError
from lusid_image_publish.images.source import DockerfileSource, EngineSource


@dataclass(frozen=True)
class LocalImage:
    """An image of the local engine, or one in an archive, which is an `ArchiveImage`.

    `id` is what the engine or the archive knows it by: the digest of the image's config, or of its
    manifest or index where an engine uses the containerd image store. `platform` is
    `os/architecture[/variant]`; of an index it is that of the image in it that was asked for.
    `size` is in bytes, unpacked or compressed, as it is kept. `digests` are those of the manifests
    that it is known by here. `may_be_index` says that one of them may be an index's, because the
    engine does not say what it is.
    """

    id: str
    platform: str
    size: int
    digests: frozenset[str]
    may_be_index: bool = False

    @property
    def config_digest(self) -> str:
        """The digest of the image's config: the same wherever the image is kept."""
        return self.id


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
    command = shlex.join(["docker", "build", "--platform", platform, *words])
    raise PlatformError(
        f"The image is for {image.platform or 'an unknown platform'}, not for {platform}.",
        cause=cause,
        hint=hint + command,
    )


def platform_of(parts: Mapping[str, Any]) -> str:
    """Return the platform that `os`, `architecture` and `variant` of `parts` name."""
    found = [parts.get(name) for name in ("os", "architecture", "variant")]
    return "/".join(str(part) for part in found if part)


def covers(wanted: str, found: str) -> bool:
    """Return whether `found` is `wanted`, or a variant of it where none is wanted."""
    return f"{found}/".startswith(f"{wanted}/")
