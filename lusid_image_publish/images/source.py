"""SOURCE as a person types it: a Dockerfile, an image in the engine, or an image in an archive."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lusid_image_publish.errors import ConfigurationError, SourceError
from lusid_image_publish.tars import looks_like_tar

DEFAULT_PLATFORM = "linux/amd64"
"""The platform that LUSID's jobs run on."""


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What `docker build` can be told, under the names of its options.

    `context` is a directory, by default the Dockerfile's own. `build_args` and `labels` map names
    to values; a build argument whose value is None is taken from the environment, as Docker does.
    """

    context: Path | None = None
    build_args: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    no_cache: bool = False
    pull: bool = False


@dataclass(frozen=True)
class DockerfileSource:
    """An image that is to be built. Both paths exist."""

    dockerfile: Path
    context: Path
    options: BuildOptions

    def __str__(self) -> str:
        return str(self.dockerfile)


@dataclass(frozen=True)
class EngineSource:
    """An image that the local engine has, under a reference or an id."""

    reference: str

    def __str__(self) -> str:
        return self.reference


@dataclass(frozen=True)
class ArchiveSource:
    """An image in an archive, which needs no engine.

    `path` is a tar, which may be compressed, or a directory that is an OCI image layout.
    """

    path: Path

    def __str__(self) -> str:
        return str(self.path)


Source = DockerfileSource | EngineSource | ArchiveSource

_KINDS: Final = (
    "Name a Dockerfile, a directory with one, an image of the local engine, or an image archive."
)


def find_source(text: str, options: BuildOptions | None = None) -> Source:
    """Return what `text` means: a path that exists wins, anything else is an image in the engine.

    A file that begins as a tar does, or is compressed, is an archive; so is a directory that is an
    OCI image layout and has no Dockerfile. Raises `SourceError` for what can be no image, and
    `ConfigurationError` when build options are given for an image that is not built.
    """
    options = options or BuildOptions()
    if not text.strip():
        raise SourceError(
            "SOURCE is empty.",
            cause="A variable that it is made from has no value, perhaps.",
            hint=_KINDS,
        )
    try:
        path = Path(text).expanduser()
        if path.exists():
            if _is_archive(path):
                _refuse_build_options(options, f"{text} is an image archive", "an archive")
                return ArchiveSource(path.resolve())
            return _dockerfile_source(path, options)
    except (OSError, RuntimeError, ValueError) as error:
        raise SourceError(
            f"{text[:200]!r} cannot be read.",
            cause=str(error),
            hint="Correct the path or its mode.",
        ) from error
    if _looks_like_path(text):
        raise SourceError(
            f"There is no file or directory {text}.",
            cause=f"Paths count from {Path.cwd()}. In a CI, the job that makes it may not have "
            "left it as an artifact, or this one not have fetched that.",
            hint=_KINDS,
        )
    _refuse_build_options(options, f"{text} is not a path", "the local engine")
    return EngineSource(text)


def _refuse_build_options(options: BuildOptions, why: str, place: str) -> None:
    if options != BuildOptions():
        raise ConfigurationError(
            f"Build options are given, but {why}.",
            cause=f"An image of {place} is published as it is.",
            hint="Name a Dockerfile or a directory, or leave the build options out.",
        )


def _is_archive(path: Path) -> bool:
    if path.is_dir():
        names = ("oci-layout", "index.json")
        is_layout = all((path / name).is_file() for name in names)
        return is_layout and not (path / "Dockerfile").exists()
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return looks_like_tar(file)


def _dockerfile_source(path: Path, options: BuildOptions) -> DockerfileSource:
    dockerfile = path / "Dockerfile" if path.is_dir() else path
    if not dockerfile.is_file():
        raise SourceError(
            f"There is no Dockerfile in {path}.",
            cause="The file has another name, or is in another directory.",
            hint=f"Name the file itself, for example {path / 'build.Dockerfile'}, and the "
            "directory with --context.",
        )
    context = options.context or dockerfile.parent
    if not context.is_dir():
        raise SourceError(
            f"The build context {context} is not a directory.", hint="Correct --context."
        )
    return DockerfileSource(dockerfile.resolve(), context.resolve(), options)


def _looks_like_path(text: str) -> bool:
    begins = re.match(r"[./~]|[A-Za-z]:[\\/]", text)
    ends = re.search(r"dockerfile$|\.(tar|tgz|tar\.\w+)$", text, re.IGNORECASE)
    return bool(begins or ends)
