"""Options that the commands of lusid-images and lusid-jobs share: lists, and how to reach LUSID."""

from collections.abc import Callable

import click

from lusid_image_publish.cli import publish
from lusid_image_publish.cli.connection_options import connection_options, local_option
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
