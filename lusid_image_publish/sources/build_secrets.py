"""Keep secrets out of a built image: its arguments, its labels and its context.

Anyone who can pull the image can read its build arguments and labels, in its history and config,
and every file that a `COPY` copies.
"""

import os
import posixpath
import re
import shlex
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

_PROXY_VARIABLE: Final = re.compile(r"(https?|ftp|all|no)_proxy", re.IGNORECASE)
_USER_IN_URL: Final = re.compile(r"//[^/@\s]*@")
_AMBIGUOUS_PATTERN: Final = re.compile(r"[^\w /.*?,@#%=:~-]|\*\*[^/]|[^/]\*\*|(^|/)\.\.(/|$)")
_CAUSE: Final = "Anyone who can pull the image can read its build arguments and labels."
_HINT: Final = (
    "Remove it. If the build needs a secret, use a secret mount: run `docker buildx build "
    "--secret` first, and give the image's name as SOURCE."
)


def refuse_secret_options(options: BuildOptions, environ: Mapping[str, str]) -> None:
    """Raise `ConfigurationError` for a build argument or a label with a secret.

    A build argument without a value has that of `environ`.
    """
    for secret in secrets_in(environ):
        redact.register(secret)
    for name, value in options.build_args.items():
        if variable_holds_secret(name) or _variable_has_secret(
            name, environ.get(name, "") if value is None else value
        ):
            raise ConfigurationError(
                f"The build argument {name} is a secret.", cause=_CAUSE, hint=_HINT
            )
    for name, value in options.labels.items():
        if _variable_has_secret(name, value):
            raise ConfigurationError(
                f"The label {name} contains a secret.", cause=_CAUSE, hint="Remove it."
            )


def _variable_has_secret(name: str, value: str) -> bool:
    if _PROXY_VARIABLE.fullmatch(name):  # builders keep these out of the image
        value = _USER_IN_URL.sub("//", value)
    return redact.has_secret(f"{name}={value}")


def refuse_secret_files(recipe: BuildRecipe, builder: Builder, files: Iterable[Path]) -> None:
    """Raise `ConfigurationError` if `builder` would get one of `files`, which hold secrets.

    A missing file is ignored. Hard links to a file are found, copies are not.
    """
    for file in files:
        for inside in _paths_in_context(file, recipe.context):
            if not _builder_excludes(inside, recipe, builder):
                ignore_file = _dockerignore_of(recipe, builder)
                raise ConfigurationError(
                    f"The build context contains a file with secrets: {recipe.context / inside}.",
                    cause=f"The builder gets every file that {ignore_file} does not exclude, and "
                    "everyone who can pull the image can read the files that it copies.",
                    hint=f"{_exclude_hint(inside.as_posix(), ignore_file)}, or move the file out "
                    "of the context.",
                )


def _exclude_hint(line: str, ignore_file: Path) -> str:
    with suppress(ValueError):
        ignore_file = ignore_file.relative_to(Path.cwd())
    if ignore_file.exists():
        return f"Add the line {line} to the end of {ignore_file}"
    command = f"echo {shlex.quote(line)} >> {shlex.quote(str(ignore_file))}"
    return f"Create {ignore_file} with the line {line}: `{command}`"


def _paths_in_context(file: Path, context: Path) -> Iterator[Path]:
    """Yield the paths of `file` inside `context`; a symbolic link is sent as a link."""
    try:
        real = file.resolve(strict=True)
        status = real.stat()
        folders = [folder for folder in real.parents if folder.samefile(context)]
    except (OSError, RuntimeError):
        return
    if status.st_nlink > 1:
        yield from _find_hard_links(status, context)
    for folder in folders:
        yield real.relative_to(folder)


def _find_hard_links(status: os.stat_result, context: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(context):
        for name in names:
            found = Path(folder, name)
            with suppress(OSError):
                if os.path.samestat(found.lstat(), status):
                    yield found.relative_to(context)


def _dockerignore_of(recipe: BuildRecipe, builder: Builder) -> Path:
    """Return the `.dockerignore` that `builder` reads; it may not exist.

    docker-py reads that of the context for the engine's own builder.
    """
    own = recipe.own_ignore_file if builder.buildx else None
    return own or recipe.context / ".dockerignore"


def _builder_excludes(inside: Path, recipe: BuildRecipe, builder: Builder) -> bool:
    ignore_file = _dockerignore_of(recipe, builder)
    try:
        text = ignore_file.read_bytes().decode(errors="replace")
    except OSError:
        return False
    if builder.buildx:
        return _buildkit_excludes(inside.as_posix(), text.removeprefix("\ufeff").split("\n"))
    lines = [line.strip() for line in text.splitlines()]
    patterns = [line for line in lines if line and not line.startswith("#")]
    return str(inside) not in exclude_paths(str(recipe.context), patterns)


def _buildkit_excludes(path: str, lines: Iterable[str]) -> bool:
    """Return whether BuildKit certainly excludes `path`: the last matching line decides.

    A line may match a folder of `path`. A pattern that docker-py and BuildKit read differently
    excludes nothing here, and includes everything where it begins with `!`.
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
        if _AMBIGUOUS_PATTERN.search(pattern):
            is_excluded = is_excluded and not is_exception
            continue
        pattern = posixpath.normpath(pattern).lstrip("/")
        if any(fnmatchcase(place, pattern) for place in places):
            is_excluded = not is_exception
    return is_excluded
