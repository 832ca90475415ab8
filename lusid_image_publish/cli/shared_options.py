"""What lusid-images and lusid-jobs share: the options of lists, and shell completion."""

from collections.abc import Callable
from typing import Final

import click

from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.options import Command, add_options, output_option
from lusid_image_publish.cli.start import import_quickly

_SHELLS: Final = ("bash", "zsh", "fish")


def list_options(example: str) -> Callable[[Command], Command]:
    """Add the options of a list; --filter, --sort-by and --limit are the client's parameters.

    `example` is a filter for the help.
    """
    options = (
        click.option(
            "--filter",
            metavar="EXPRESSION",
            help=f'Show only entries that match this LUSID filter, such as "{example}".',
        ),
        click.option(
            "--sort-by",
            metavar="FIELD",
            multiple=True,
            help="Sort by this field; a leading - sorts in descending order. Can be repeated.",
        ),
        click.option(
            "--limit",
            metavar="NUMBER",
            type=int,
            help="Show at most NUMBER entries, 1 to 5000; with --all, fetch NUMBER per request.",
        ),
        click.option(
            "--all", "everything", is_flag=True, help="Show all pages, not only the first."
        ),
        output_option,
    )
    return lambda command: add_options(command, options)


def add_completion(group: click.Group, program: str) -> None:
    """Add `completion` to a program; its script completes all programs of this package."""
    text = f"""Print a shell completion script.

    To enable completion for all lusid- commands in new shells:

    \b
    bash:
      echo 'eval "$({program} completion bash)"' >> ~/.bashrc
    zsh:
      echo 'eval "$({program} completion zsh)"' >> ~/.zshrc
    fish:
      {program} completion fish > ~/.config/fish/conf.d/lusid.fish

    SOURCE is completed with paths and the images of the local engine. Images, jobs and runs are
    read from LUSID, with the configuration in the environment.
    """

    @group.command(help=text)
    @click.argument("shell", type=click.Choice(_SHELLS))
    def completion(shell: str) -> None:
        console.answer(import_quickly("completion_shells").scripts_for(shell, group))
