"""What the commands of lusid-images and lusid-jobs share: options, and shell completion."""

from collections.abc import Callable

import click

from lusid_image_publish.cli import publish
from lusid_image_publish.cli.command import COMMAND_SETTINGS
from lusid_image_publish.cli.completion import SHELLS, scripts_for
from lusid_image_publish.cli.connection_options import connection_options, local_option
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.options import Command, add_options, output_option, output_options


def list_options(example: str) -> Callable[[Command], Command]:
    """Add --filter, --sort-by and --limit, which are the client's parameters, and how to show.

    `example` is one of a filter.
    """
    options = (
        click.option(
            "--filter",
            metavar="EXPRESSION",
            help=f'Show what this is true for: LUSID\'s filter language, as in "{example}".',
        ),
        click.option(
            "--sort-by",
            metavar="FIELD",
            multiple=True,
            help="Sort by this field, with a - before it descending; may be repeated.",
        ),
        click.option(
            "--limit",
            metavar="NUMBER",
            type=int,
            help="Show as many at most, 1 to 5000; with --all, ask for as many at a time.",
        ),
        click.option("--all", "everything", is_flag=True, help="Show all pages, not the first."),
        output_option,
    )
    return lambda command: add_options(command, options)


def shared_options(function: Command) -> Command:
    """Add the options that all these commands have; they come last in each help."""
    with_connection = connection_options(output_options(function), keys_of=publish.command)
    return local_option("Ask a Scheduler started here for this run.")(with_connection)


def add_completion(group: click.Group, program: str) -> None:
    """Add `completion` to a program; it is about all programs of this package."""
    text = f"""Print the script that makes a shell complete all lusid- commands.

    \b
    bash:  echo 'eval "$({program} completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$({program} completion zsh)"' >> ~/.zshrc
    fish:  {program} completion fish > ~/.config/fish/conf.d/lusid.fish

    It completes lusid-publish, lusid-images, lusid-jobs and lusid-scheduler-local: options, paths,
    images of the local engine, and the images, jobs and runs of the LUSID that the environment is
    configured for.
    """

    @group.command(help=text, context_settings=COMMAND_SETTINGS)
    @click.argument("shell", type=click.Choice(SHELLS))
    def completion(shell: str) -> None:
        console.answer(scripts_for(shell, group))
