"""SOURCE as a person types it: a Dockerfile, a directory with one, or an image in the engine."""

import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lusid_image_publish.errors import ConfigurationError, SourceError

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


@dataclass(frozen=True)
class EngineSource:
    """An image that the local engine has, under a reference or an id."""

    reference: str


@dataclass(frozen=True)
class ArchiveSource:
    """An image in an archive, which needs no engine.

    `path` is a tar, which may be compressed, or a directory that is an OCI image layout.
    """

    path: Path


Source = DockerfileSource | EngineSource


def find_source(text: str, options: BuildOptions | None = None) -> Source:
    """Return what `text` means: a path that exists wins, anything else is an image in the engine.

    Raises `SourceError` when it is neither a Dockerfile nor possibly an image, and
    `ConfigurationError` when build options are given for an image that is not built.
    """
    options = options or BuildOptions()
    if not text.strip():
        raise SourceError(
            "SOURCE is empty.",
            cause="A variable that it is made from has no value, perhaps.",
            hint="Name a Dockerfile, a directory with one, or an image of the local engine.",
        )
    try:
        path = Path(text).expanduser()
        if path.exists():
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
            cause=f"Paths count from {Path.cwd()}.",
            hint="Name a Dockerfile, a directory with one, or an image of the local engine.",
        )
    if options != BuildOptions():
        raise ConfigurationError(
            f"Build options are given, but {text} is not a path.",
            cause="An image of the local engine is published as it is.",
            hint="Name a Dockerfile or a directory, or leave the build options out.",
        )
    return EngineSource(text)


def _dockerfile_source(path: Path, options: BuildOptions) -> DockerfileSource:
    dockerfile = path / "Dockerfile" if path.is_dir() else path
    if not dockerfile.is_file():
        raise SourceError(
            f"There is no Dockerfile in {path}.",
            cause="The file has another name, or is in another directory.",
            hint=f"Name the file itself, for example {path / 'build.Dockerfile'}, and the "
            "directory with --context.",
        )
    if tarfile.is_tarfile(dockerfile):
        raise SourceError(
            f"{path} is an archive, not a Dockerfile.",
            hint=f"Load it with `docker load -i {path}` and name the image that this prints.",
        )
    context = options.context or dockerfile.parent
    if not context.is_dir():
        raise SourceError(
            f"The build context {context} is not a directory.", hint="Correct --context."
        )
    return DockerfileSource(dockerfile.resolve(), context.resolve(), options)


def _looks_like_path(text: str) -> bool:
    return bool(re.match(r"[./~]|[A-Za-z]:[\\/]", text)) or text.lower().endswith("dockerfile")
