"""An image that is here, wherever it is kept, and the platform that it is for."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lusid_image_publish.errors import PlatformError
from lusid_image_publish.images.source import DockerfileSource, EngineSource
from lusid_image_publish.redact import plain
from lusid_image_publish.system import shell_words

_MOST_LAYERS: Final = 125
"""Layers that Docker mounts on top of each other: with one more it says "max depth exceeded"."""

ZSTD_LAYERS: Final = (
    "It has layers that are compressed with zstd: Docker before 23 cannot run it, nor can what "
    "builds on that. Compress them with gzip where older engines run the job."
)

_SYSTEMS: Final = {
    *("aix", "android", "darwin", "freebsd", "illumos", "linux", "netbsd", "openbsd", "windows"),
}
_ARCHITECTURES: Final = {
    *("386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64"),
    *("ppc64le", "riscv64", "s390x", "wasm"),
}
"""The names that images have for what they run on: those of Go (image-spec, config.md)."""

_PARTS: Final = ("os", "architecture")
_KNOWN: Final = (_SYSTEMS, _ARCHITECTURES)
_OTHER_NAMES: Final = {
    **dict.fromkeys(("x86_64", "x86-64", "x64"), "amd64"),
    **dict.fromkeys(("aarch64", "arm64v8"), "arm64"),
    **dict.fromkeys(("i386", "i486", "i586", "i686", "x86"), "386"),
    **dict.fromkeys(("armhf", "armel", "armv7", "armv7l"), "arm"),
    "macos": "darwin",
}


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


def platform_error(found: Iterable[str], platform: str, *, cause: str, hint: str) -> PlatformError:
    """Return the error for an image that is for none but the platforms `found`.

    They are as `platform_of` gives them. `cause` and `hint` are those for another kind of machine:
    what an image leaves out, or spells as Go does not, has its own.
    """
    given = sorted(set(found))
    shown = ", ".join(plain(each) for each in given if each) or "an unknown platform"
    message = f"The image is for {shown}, not for {platform}."
    if len(given) == 1:
        parts = [*given[0].split("/"), ""][:2]
        if missing := [name for name, part in zip(_PARTS, parts, strict=True) if not part]:
            words = " and no ".join(missing)
            return PlatformError(
                f"The image does not say what it is for: its config has no {words}.",
                cause="The tool that made the image left it out.",
                hint=f"Let that tool set os and architecture for {platform}, and build it again.",
            )
        named = [_go_name(part, known) for part, known in zip(parts, _KNOWN, strict=True)]
        misspelt = [
            f"{plain(part)} is not a name that Docker knows{f': {name} is' if name else ''}."
            for part, name in zip(parts, named, strict=True)
            if part != name
        ]
        if misspelt:
            if covers(platform, "/".join(named)):
                hint = f"Let the tool that made the image write {' and '.join(named)}."
                cause = ""
            return PlatformError(message, cause=" ".join([*misspelt, cause]).strip(), hint=hint)
    return PlatformError(message, cause=cause, hint=hint)


def _go_name(word: str, known: Container[str]) -> str:
    """Return what Go calls an operating system or an architecture, empty when that is not known."""
    name = _OTHER_NAMES.get(word.lower(), word.lower())
    return name if name in known else ""


def platform_of(parts: Mapping[str, Any]) -> str:
    """Return `os/architecture[/variant]` as `parts` name them, empty where they name none.

    What is missing of the first two is empty, as in `linux/`.
    """
    system, architecture, variant = (
        str(parts.get(name) or "") for name in ("os", "architecture", "variant")
    )
    if not (system or architecture or variant):
        return ""
    return f"{system}/{architecture}" + (f"/{variant}" if variant else "")


def covers(wanted: str, found: str) -> bool:
    """Return whether `found` is `wanted`, or a variant of it where none is wanted."""
    return f"{found}/".startswith(f"{wanted}/")
