"""Parse SOURCE and NAME:TAG as typed by the user."""

import os
import re
import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lusid_image_publish.archives.foreign import (
    STDIN,
    is_dockerfile,
    is_named_as_archive,
    not_an_image_error,
    recognise_folder,
)
from lusid_image_publish.archives.tars import BEGINNING_BYTES, begins_as_tar
from lusid_image_publish.errors import ConfigurationError, InvalidNameError, SourceError
from lusid_image_publish.names import ImageName, find_unexpanded
from lusid_image_publish.sources.archive_source import ArchiveSource
from lusid_image_publish.sources.build_recipe import BuildOptions
from lusid_image_publish.sources.source import Source

if TYPE_CHECKING:  # see `_sources_of_an_engine`
    from lusid_image_publish.sources.dockerfile_source import DockerfileSource
    from lusid_image_publish.sources.engine_source import EngineSource

_STDIN_NAMES: Final = ("-", "/dev/stdin", "/dev/fd/0")
_KINDS: Final = (
    "Give a Dockerfile, a directory with one, an image of the local engine, or an image archive."
)
_LAYOUT: Final = ("oci-layout", "index.json", "blobs")


def find_source(
    text: str, options: BuildOptions | None = None, *, image: str | None = None
) -> Source:
    """Return the source that `text` names: an existing path, else an image of the engine.

    A file that begins like a tar, or is compressed, is an archive; so is a directory that is an OCI
    image layout without a Dockerfile, a pipe, and `-`, which is stdin. `image` chooses one of the
    images in an archive. Raises `SourceError` if `text` cannot be an image, and
    `ConfigurationError` for build options of an image that is not built, or `image` for one that is
    not in an archive.
    """
    options = options or BuildOptions()
    source = _find(text, options, image)
    if source.is_built:
        _refuse_choice(image, f"{text} is a Dockerfile")
    elif not source.needs_engine:
        _refuse_build_options(options, f"{text} is an image archive", "an archive")
    else:
        _refuse_build_options(options, f"{text} is not a path", "the local engine")
        _refuse_choice(image, f"{text} is not a path")
    return source


def _find(text: str, options: BuildOptions, image: str | None) -> Source:
    if not text.strip():
        raise SourceError(
            "SOURCE is empty.",
            cause="It probably comes from a variable that is not set.",
            hint=_KINDS,
        )
    try:
        path = Path(text).expanduser()
        if text in _STDIN_NAMES:
            _require_no_terminal()
            return ArchiveSource(STDIN, image)
        if path.is_dir():
            return _source_in_folder(path, options, image)
        if path.exists():
            return _source_in_file(path, options, image)
    except (OSError, RuntimeError, ValueError) as error:
        raise SourceError(
            f"{text[:200]!r} cannot be read.",
            cause=str(error),
            hint="Correct the path or its permissions.",
        ) from error
    if unexpanded := find_unexpanded(text):
        raise SourceError(
            f"SOURCE contains a variable that was not expanded: {unexpanded.text}",
            cause=unexpanded.cause,
            hint=unexpanded.hint,
        )
    if looks_like_path(text):
        raise SourceError(
            f"There is no file or directory {text}.",
            cause=f"Paths are relative to {_here()}. In CI, the job that creates it may not have "
            "uploaded it as an artifact, or this job may not have downloaded the artifact.",
            hint=_KINDS,
        )
    _, engine_source = _sources_of_an_engine()
    return engine_source(text)


def _source_in_folder(path: Path, options: BuildOptions, image: str | None) -> Source:
    if (path / "Dockerfile").is_file():
        return _dockerfile_source(path / "Dockerfile", options)
    names = sorted(child.name for child in path.iterdir())
    there = [name for name in _LAYOUT if name in names]
    if "oci-layout" in there or there == ["index.json", "blobs"]:
        return ArchiveSource(path.resolve(), image)
    if foreign := recognise_folder(names):
        raise SourceError(
            f"{path} is not an image: it is {foreign.what}.",
            cause=foreign.cause,
            hint=foreign.hint,
        )
    is_meant = re.compile("dockerfile|containerfile", re.IGNORECASE)
    meant = (name for name in names if is_meant.search(name) or is_named_as_archive(name))
    other = next(meant, "build.Dockerfile")
    raise SourceError(
        f"There is no Dockerfile in {path.resolve()}.",
        cause="The file has another name, or is in another directory.",
        hint=f"Give the file itself, for example {path / other}. If the build context of a "
        "Dockerfile is another directory, add --context.",
    )


def _source_in_file(path: Path, options: BuildOptions, image: str | None) -> Source:
    kind = path.stat().st_mode
    if stat.S_ISFIFO(kind):
        return ArchiveSource(path, image)  # a pipe has no other path, whatever it is resolved to
    if not stat.S_ISREG(kind):
        raise SourceError(
            f"{path} is a {'socket' if stat.S_ISSOCK(kind) else 'device'}, not a file.",
            cause="An image can come only from a file, a directory or a pipe.",
            hint=_KINDS,
        )
    with path.open("rb") as file:
        beginning = file.read(BEGINNING_BYTES)
    if begins_as_tar(beginning):
        return ArchiveSource(path.resolve(), image)
    if is_dockerfile(beginning) and not is_named_as_archive(path.name):
        return _dockerfile_source(path, options)
    raise not_an_image_error(path, beginning)


def _require_no_terminal() -> None:
    if os.isatty(0):
        raise SourceError(
            "SOURCE is stdin, but stdin is a terminal.",
            cause="Nothing is piped into this command.",
            hint="Pipe an archive into it: `docker save NAME:TAG | lusid-publish - NAME:TAG`.",
        )


def _refuse_choice(image: str | None, why: str) -> None:
    if image is not None:
        raise ConfigurationError(
            f"--image is given, but {why}.",
            cause="--image chooses one of several images in an archive.",
            hint="Remove --image.",
        )


def _refuse_build_options(options: BuildOptions, why: str, place: str) -> None:
    if options != BuildOptions():
        raise ConfigurationError(
            f"Build options are given, but {why}.",
            cause=f"An image from {place} is published as it is, without a build.",
            hint="Give a Dockerfile or a directory, or remove the build options.",
        )


def _dockerfile_source(dockerfile: Path, options: BuildOptions) -> Source:
    with dockerfile.open("rb") as file:
        beginning = file.read(BEGINNING_BYTES)
    if not is_dockerfile(beginning):
        raise not_an_image_error(dockerfile, beginning)
    context = Path(options.context or dockerfile.parent)
    if not context.is_dir():
        raise SourceError(
            f"The build context {context} is not a directory.", hint="Correct --context."
        )
    dockerfile_source, _ = _sources_of_an_engine()
    return dockerfile_source(dockerfile.resolve(), context.resolve(), options)


def _sources_of_an_engine() -> "tuple[type[DockerfileSource], type[EngineSource]]":
    # docker-py takes long to import, and an archive needs none.
    from lusid_image_publish.sources import dockerfile_source, engine_source  # noqa: PLC0415

    return dockerfile_source.DockerfileSource, engine_source.EngineSource


def _here() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return "a directory that was removed"


def looks_like_path(text: str) -> bool:
    """Return whether `text` can only be a path, for example of a Dockerfile or an archive."""
    begins = re.match(r"[./~]|[A-Za-z]:[\\/]|.*\\", text)
    return bool(begins or text.lower().endswith("dockerfile")) or is_named_as_archive(text)


def parse_name(text: str, source: str) -> ImageName:
    """Parse NAME:TAG; `source` is the SOURCE given with it.

    Raises `InvalidNameError`, also if the two are swapped.
    """
    try:
        return ImageName.parse(text)
    except InvalidNameError as error:
        if _is_path(source) or not _is_path(text):
            raise
        raise InvalidNameError(
            "SOURCE and NAME:TAG are swapped.",
            cause=f"{text!r} is a path, and {source!r} is not.",
            hint="Swap them. "
            f"SOURCE comes first: `lusid-publish {shlex.quote(text)} {shlex.quote(source)}`.",
        ) from error


def _is_path(text: str) -> bool:
    try:
        return bool(text) and (looks_like_path(text) or Path(text).exists())
    except (OSError, ValueError):  # too long, or with a NUL
        return False
