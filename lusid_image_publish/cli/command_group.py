"""A program with several commands, and the options that all of them take."""

from collections.abc import Sequence
from typing import Any, Final

import click

from lusid_image_publish.cli import publish
from lusid_image_publish.cli.command import HelpContext, SectionedCommand, write_options
from lusid_image_publish.cli.connection_options import connection_options, local_option
from lusid_image_publish.cli.options import Command, output_options

_WORDS: Final = f"{__name__}.words"


def common_options(function: Command) -> Command:
    """Add the options that all commands of a group take; only the group's help lists them."""
    with_connection = connection_options(output_options(function), keys_of=publish.command)
    return local_option("Use a local Scheduler, started for this run, instead of LUSID.")(
        with_connection
    )


def _declared() -> list[click.Parameter]:
    """Return the common options, without what acts on their values."""

    @click.command
    @common_options
    def command() -> None:
        """Have the options."""

    for option in command.params:
        option.callback, option.expose_value = None, False
    return command.params


_COMMON: Final = {option.name for option in _declared()}


class GroupedCommand(SectionedCommand):
    """A command of a group; its help lists its own options, and says where the common ones are."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in sections."""
        options = self.get_params(ctx)
        write_options([option for option in options if option.name not in _COMMON], ctx, formatter)
        if ctx.parent and not _COMMON.isdisjoint(option.name for option in options):
            formatter.write_paragraph()
            formatter.write_text(f"Common options: see {ctx.parent.command_path} --help")


class CommandGroup(click.Group):
    """A program whose commands take the common options after their names, or before.

    The words before a command's name become the first words after it: nothing else parses a common
    option, so its default, its variables and its completion are the command's. If an option is
    given in both places, the one after the name wins.
    """

    context_class = HelpContext
    command_class = GroupedCommand

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.params += _declared()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words before the command's name."""
        ctx.meta[_WORDS] = tuple(args)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that `args` begin with, and its own words."""
        name, command, rest = super().resolve_command(ctx, args)
        words: Sequence[str] = ctx.meta[_WORDS]
        return name, command, [*words[: len(words) - len(args)], *rest]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, the options of the program and the common ones."""
        self.format_commands(ctx, formatter)
        options = self.get_params(ctx)
        write_options([option for option in options if option.name not in _COMMON], ctx, formatter)
        common = [option for option in options if option.name in _COMMON]
        write_options(common, ctx, formatter, title="Common options")
