"""Shell completion: options by click, names and tags from the LUSID that is configured."""

import logging
import os
import re
from abc import abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from lusid_image_publish.cli.options import connection_of
from lusid_image_publish.names import ImageName

if TYPE_CHECKING:
    from lusid_image_publish.scheduler.client import ImagesClient

SHELLS: Final = ("bash", "zsh", "fish")

_PATIENCE: Final = 3.0  # seconds
_MOST: Final = 200
_HARMLESS: Final = re.compile(r"[A-Za-z0-9._:-]*")

_BASH: Final = """\
%(complete_func)s() {
    local IFS=$'\\n' line="${COMP_LINE:0:COMP_POINT}" word kept="" reply type value
    word="${line##*[[:space:]]}"
    # bash takes NAME:TAG for several words and replaces the last of them alone.
    if [[ "$COMP_WORDBREAKS" == *:* && "$word" == *:* ]]; then
        kept="${word%%"${word##*:}"}"
    fi
    COMPREPLY=()
    reply=$(env COMP_WORDS="$line" COMP_CWORD=0 %(complete_var)s=bash_complete "$1" 2>/dev/null)
    while IFS=, read -r type value; do
        case "$type" in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("${value#"$kept"}") ;;
        esac
    done <<< "$reply"
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    """Bash, with names that have a colon: the words are taken from the line as it was typed."""

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor, and the one that is being typed."""
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)
        while words and re.match(r"\w+=", words[0]):  # an assignment before the command
            words.pop(0)
        incomplete = words.pop() if words and not line[-1:].isspace() else ""
        return words[1:], incomplete


add_completion_class(_Bash)


def script_for(shell: str, command: click.Command, program: str) -> str:
    """Return the script that makes `shell` complete `program`."""
    kind = get_completion_class(shell)
    if kind is None:  # pragma: no cover - SHELLS are those that there are
        raise AssertionError
    variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
    return kind(command, {}, program, variable).source()


class _FromLusid(click.ParamType[str]):
    """A text that can be completed by asking LUSID: quickly or not at all, and without a word."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin with `incomplete`."""
        del param
        logging.disable(logging.CRITICAL)
        found: list[str] = []

        def ask() -> None:
            with suppress(Exception):  # whatever it is, a prompt is no place to tell it
                found.extend(_ask(ctx, self.candidates, incomplete))

        worker = Thread(target=ask, daemon=True)
        worker.start()
        worker.join(_PATIENCE)
        return [
            CompletionItem(name)
            for name in list(found)
            # A shell acts on what it completes: a name has nothing in it to act on.
            if name.startswith(incomplete) and _HARMLESS.fullmatch(name)
        ]

    @abstractmethod
    def candidates(self, images: "ImagesClient", incomplete: str) -> Iterable[str]:
        """Yield the names that begin with `incomplete`."""


class RepositoryNameType(_FromLusid):
    """The name of a repository."""

    name = "name"

    def candidates(self, images: "ImagesClient", incomplete: str) -> Iterable[str]:
        """Return the repositories that begin with `incomplete`."""
        from lusid_image_publish.scheduler.listing import quote  # noqa: PLC0415

        answer = images.list_repositories(
            filter=f"name startswith {quote(incomplete)}", limit=_MOST
        )
        return [repository.name for repository in answer.values if repository.name]


class ImageNameType(RepositoryNameType):
    """A NAME:TAG; the tags are shown as soon as the repository is clear."""

    name = "name:tag"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, if it is one: nothing is started for a name that is none."""
        del param, ctx
        return str(ImageName.parse(value))

    def candidates(self, images: "ImagesClient", incomplete: str) -> Iterable[str]:
        """Return the tags of one repository, or the repositories that `incomplete` may mean."""
        repository, colon, _ = incomplete.partition(":")
        if not colon:
            found = list(super().candidates(images, incomplete))
            if len(found) != 1:
                return [f"{name}:" for name in found]
            repository = found[0]
        listed = images.list_images(repository, limit=_MOST).values
        names = (f"{repository}:{tag.name}" for image in listed for tag in image.tags or ())
        return sorted(name for name in names if name.startswith(incomplete))


def _ask(
    context: click.Context,
    candidates: "Callable[[ImagesClient, str], Iterable[str]]",
    incomplete: str,
) -> list[str]:
    from lusid_image_publish.scheduler.client import ImagesClient  # noqa: PLC0415

    connection = connection_of(context, context.params)
    if connection.local:
        return []  # a Scheduler is not started for the sake of a name
    # What lies in the folder was perhaps written by others: a TAB sends nothing because of it.
    with ImagesClient(connection.given(finds_secrets_file=False)) as images:
        return list(candidates(images, incomplete))
