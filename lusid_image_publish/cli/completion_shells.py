"""How bash, zsh and fish ask the programs for completions.

Only a shell that completes, and the command that prints the scripts, need this module.
"""

import os
import re
from typing import Final

import click
from click.shell_completion import (
    BashComplete,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from lusid_image_publish.cli.completion_scripts import BASH, FISH, ZSH

_PROGRAMS: Final = ("lusid-publish", "lusid-images", "lusid-jobs", "lusid-scheduler-local")


class _Bash(BashComplete):
    """Bash, with names that have a colon: it splits the line as it was typed."""

    source_template = BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor, and the word at it."""
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)
        while words and re.match(r"\w+=", words[0]):  # an assignment before the command
            words.pop(0)
        incomplete = words.pop() if words and not line[-1:].isspace() else ""
        return words[1:], incomplete


class _Zsh(ZshComplete):
    """Zsh, with the value of `--option=VALUE`."""

    source_template = ZSH


class _Fish(FishComplete):
    """Fish, with the value of `--option=VALUE` and all paths that fish completes itself."""

    source_template = FISH


for _shell in (_Bash, _Zsh, _Fish):
    add_completion_class(_shell)


def scripts_for(shell: str, command: click.Command) -> str:
    """Return the script that makes `shell` complete all programs of this package.

    `command` is any of them: each program finds its own options when it is asked.
    """
    kind = get_completion_class(shell)
    if kind is None:  # pragma: no cover - SHELLS has all of them
        raise AssertionError
    scripts: list[str] = []
    for program in _PROGRAMS:
        variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
        completer = kind(command, {}, program, variable)
        # For bash click looks at its version too, and would warn once for each program.
        scripts.append(ShellComplete.source(completer) if scripts else completer.source())
    return "\n".join(scripts)
