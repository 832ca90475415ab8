"""Shell completion: options by click, names and tags from the LUSID that is configured."""

import logging
import os
import re
from contextlib import suppress
from threading import Thread
from typing import Final, Literal

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from lusid_image_publish.names import ImageName, JobId

Kind = Literal["repository", "image", "job"]
"""What a name names."""

SHELLS: Final = ("bash", "zsh", "fish")

_WAIT_SECONDS: Final = 3.0
_HARMLESS: Final = re.compile(r"[A-Za-z0-9._:/-]*")

_BASH: Final = """\
%(complete_func)s() {
    local IFS=$'\\n' line="${COMP_LINE:0:COMP_POINT}" word kept="" reply type value
    word="${line##*[[:space:]]}"
    # bash splits NAME:TAG into several words and replaces only the last.
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
    """Bash, with names that have a colon: it splits the line as it was typed."""

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor, and the word at it."""
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
    if kind is None:  # pragma: no cover - SHELLS has all of them
        raise AssertionError
    variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
    return kind(command, {}, program, variable).source()


class RepositoryNameType(click.ParamType[str]):
    """The name of a repository, completed from LUSID: in a few seconds or not at all, silently."""

    name = "name"
    kind: Kind = "repository"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin with `incomplete`."""
        # To complete an option needs no client.
        from lusid_image_publish.cli.completion_run import find_names  # noqa: PLC0415

        del param
        logging.disable(logging.CRITICAL)
        found: list[str] = []

        def ask() -> None:
            with suppress(Exception):  # a prompt has no place for an error
                found.extend(find_names(ctx, incomplete, self.kind))

        worker = Thread(target=ask, daemon=True)
        worker.start()
        worker.join(_WAIT_SECONDS)
        return [
            CompletionItem(name)
            for name in list(found)
            # A shell acts on special characters: a name has none of them.
            if name.startswith(incomplete) and _HARMLESS.fullmatch(name)
        ]


class ImageNameType(RepositoryNameType):
    """A NAME:TAG; the tags are completed as soon as the repository is unique."""

    name = "name:tag"
    kind = "image"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name if it is valid: nothing starts for an invalid one."""
        del param, ctx
        return str(ImageName.parse(value))


class JobIdType(RepositoryNameType):
    """SCOPE/CODE of a job."""

    name = "scope/code"
    kind = "job"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the identifier if it is valid: nothing starts for an invalid one."""
        del param, ctx
        return str(JobId.parse(value))
