"""Complete names from LUSID and images of the local engine; paths are left to the shell."""

import logging
import re
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Thread
from typing import Final, Literal

import click
from click.shell_completion import CompletionItem

from lusid_image_publish.cli.parameters import complete_file
from lusid_image_publish.cli.start import import_quickly
from lusid_image_publish.names import ImageName, JobId, suggest_name

Kind = Literal["repository", "image", "job", "run"]
"""What a name names."""

_WAIT_SECONDS: Final = 3.0
# Both are compiled on first use, because most commands complete nothing.
_HARMLESS: Final = r"[A-Za-z0-9._:/-]*"
_PATH: Final = r"[./~\\]|[A-Za-z]:[\\/]"  # the beginning of what can only be a path


def _find(find: Callable[[], Iterable[str]], incomplete: str) -> list[CompletionItem]:
    """Return what `find` finds that begins with `incomplete`: in a few seconds or not at all.

    Errors and warnings are not shown, because a prompt has no place for them.
    """
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    found: list[str] = []

    def ask() -> None:
        with suppress(Exception):
            found.extend(find())

    worker = Thread(target=ask, daemon=True)
    worker.start()
    worker.join(_WAIT_SECONDS)
    return [
        CompletionItem(name)
        for name in list(found)
        # A shell acts on special characters: a name has none of them.
        if name.startswith(incomplete) and re.fullmatch(_HARMLESS, name)
    ]


def complete_source(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete SOURCE: images of the local engine, files and directories, and `-` for stdin."""
    files = complete_file(context, parameter, incomplete)
    if re.match(_PATH, incomplete):
        return files

    def find() -> Iterable[str]:
        # Late, because docker-py takes longer to import than a path takes to complete.
        names: Iterable[str] = import_quickly("completion_engine").find_images(incomplete)
        return names

    stdin = [] if incomplete else [CompletionItem("-")]
    return [*stdin, *_find(find, incomplete), *files]


def complete_new_name(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete NAME:TAG of what is published: names of LUSID, and the one that SOURCE has."""
    source = str(context.params.get("source") or "")
    own = suggest_name(source) if ":" in source and not re.match(_PATH, source) else ""
    found = ImageNameType().shell_complete(context, parameter, incomplete)
    is_new = own.startswith(incomplete) and own not in [item.value for item in found]
    return [CompletionItem(own), *found] if own and is_new else found


class RepositoryNameType(click.ParamType[str]):
    """The name of a repository, completed from LUSID: in a few seconds or not at all, silently."""

    name = "name"
    kind: Kind = "repository"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin with `incomplete`."""
        del param

        def find() -> Iterable[str]:
            # Late, because to complete an option needs no client.
            names: Iterable[str] = import_quickly("completion_run").find_names(
                ctx, incomplete, self.kind
            )
            return names

        return _find(find, incomplete)


class ImageNameType(RepositoryNameType):
    """A NAME:TAG; the tags are completed as soon as the repository is unique."""

    name = "name:tag"
    kind = "image"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name if it is valid: nothing starts for an invalid one."""
        del param, ctx
        return str(ImageName.parse(value))


class RunIdType(RepositoryNameType):
    """The id of a run; the newest are completed first."""

    name = "run-id"
    kind = "run"


class JobIdType(RepositoryNameType):
    """SCOPE/CODE of a job."""

    name = "scope/code"
    kind = "job"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the identifier if it is valid: nothing starts for an invalid one."""
        del param, ctx
        return str(JobId.parse(value))
