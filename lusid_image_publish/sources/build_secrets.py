"""Keeping secrets out of an image that is built: its arguments, its labels and its context.

Build arguments and labels are in the image's history and configuration, which everybody who can
pull it can read. So is each file that the builder is given and a `COPY` takes.
"""

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from docker.utils.build import exclude_paths
from docker.utils.fnmatch import fnmatchcase

from lusid_image_publish import redact
from lusid_image_publish.environment import secrets_in, variable_holds_secret
from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.sources.build_recipe import BuildOptions, BuildRecipe
from lusid_image_publish.sources.builder import Builder

_OF_PROXIES: Final = re.compile(r"(https?|ftp|all|no)_proxy", re.IGNORECASE)
_USER_IN_URL: Final = re.compile(r"//[^/@\s]*@")
_UNCERTAIN: Final = re.compile(r"[^\w /.*?,@#%=:~-]|\*\*[^/]|[^/]\*\*|(^|/)\.\.(/|$)")
WHO_READS_IT: Final = "Everybody who can pull the image can read its build arguments and labels."
_HINT: Final = (
    "Leave it out. A build that needs a secret takes one of its own by a secret mount: run `docker "
    "buildx build --secret` first, and give the image's name as SOURCE."
)


def refuse_secret_options(options: BuildOptions, environ: Mapping[str, str]) -> None:
    """Raise `ConfigurationError` for a build argument or a label that is a secret, or has one.

    `environ` is where a build argument without a value is taken from.
    """
    for secret in secrets_in(environ):
        redact.register(secret)
    for name, value in options.build_args.items():
        if variable_holds_secret(name) or _has_secret(
            name, environ.get(name, "") if value is None else value
        ):
            raise ConfigurationError(
                f"The build argument {name} is a secret.", cause=WHO_READS_IT, hint=_HINT
            )
    for name, value in options.labels.items():
        if _has_secret(name, value):
            raise ConfigurationError(
                f"The label {name} has a secret.", cause=WHO_READS_IT, hint="Leave it out."
            )


def _has_secret(name: str, value: str) -> bool:
    if _OF_PROXIES.fullmatch(name):  # builders keep these out of the image, with their passwords
        value = _USER_IN_URL.sub("//", value)
    return redact.has_secret(f"{name}={value}")


def refuse_secret_files(source: BuildRecipe, builder: Builder, files: Iterable[Path]) -> None:
    """Raise `ConfigurationError` when `builder` would be given one of `files`, which hold secrets.

    A file that is not there is none. A hard link to one is the file itself, a copy is not.
    """
    for file in files:
        for inside in _places_of(file, source.context):
            if not _is_left_out(inside, source, builder):
                ignore_file = _ignore_file(source, builder)
                raise ConfigurationError(
                    f"The build context has a file with secrets: {source.context / inside}.",
                    cause=f"The builder is given each file that {ignore_file} does not exclude, "
                    "and everybody who can pull the image can read what it copies.",
                    hint=f"Add the line {inside.as_posix()} to the end of {ignore_file}, or move "
                    "the file out of the context.",
                )


def _places_of(file: Path, context: Path) -> Iterator[Path]:
    """Yield the paths inside `context` that are `file`; a symbolic link to it is sent as a link."""
    try:
        real = file.resolve(strict=True)
        status = real.stat()
        folders = [folder for folder in real.parents if folder.samefile(context)]
    except (OSError, RuntimeError):
        return
    if status.st_nlink > 1:
        yield from _hard_links(status, context)
    for folder in folders:
        yield real.relative_to(folder)


def _hard_links(status: os.stat_result, context: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(context):
        for name in names:
            found = Path(folder, name)
            with suppress(OSError):
                if os.path.samestat(found.lstat(), status):
                    yield found.relative_to(context)


def _ignore_file(source: BuildRecipe, builder: Builder) -> Path:
    """Return the file that says what `builder` is not given; it need not be there.

    docker-py reads the context's for an engine's own builder, whatever that reads afterwards.
    """
    own = source.dockerfile.with_name(f"{source.dockerfile.name}.dockerignore")
    return own if builder.buildx and own.is_file() else source.context / ".dockerignore"


def _is_left_out(inside: Path, source: BuildRecipe, builder: Builder) -> bool:
    ignore_file = _ignore_file(source, builder)
    try:
        text = ignore_file.read_bytes().decode(errors="replace")
    except OSError:
        return False
    if builder.buildx:
        return _buildkit_excludes(inside.as_posix(), text.removeprefix("\ufeff").split("\n"))
    lines = [line.strip() for line in text.splitlines()]
    patterns = [line for line in lines if line and not line.startswith("#")]
    return str(inside) not in exclude_paths(str(source.context), patterns)


def _buildkit_excludes(path: str, lines: Iterable[str]) -> bool:
    """Return whether BuildKit excludes `path` for certain: the last line counts that matches.

    That may match a folder that `path` is in. A pattern that docker-py and BuildKit read in
    different ways excludes nothing here, and includes all where it begins with `!`.
    """
    parts = path.split("/")
    places = ["/".join(parts[: number + 1]) for number in range(len(parts))]
    is_excluded = False
    for line in lines:
        pattern = "" if line.startswith("#") else line.strip()
        is_exception = pattern.startswith("!")
        pattern = pattern.removeprefix("!").strip()
        if not pattern:
            continue
        if _UNCERTAIN.search(pattern):
            is_excluded = is_excluded and not is_exception
            continue
        pattern = posixpath.normpath(pattern).lstrip("/")
        if any(fnmatchcase(place, pattern) for place in places):
            is_excluded = not is_exception
    return is_excluded
