"""Parameters that variables of the environment can set, as a CI does it."""

from collections.abc import Callable
from typing import Any, Final

import click
from click.core import ParameterSource

from lusid_image_publish.cli.project_file import key_of
from lusid_image_publish.cli.sections import SectionedCommand

_NOT_HERE: Final = {"version"}


def variable_of(key: str) -> str:
    """Return the variable that sets a parameter of lusid-publish."""
    return f"LUSID_PUBLISH_{key.upper().replace('-', '_')}"


class CommandWithVariables(SectionedCommand):
    """A command each of whose parameters has a variable; one that is empty counts as not set.

    Flags take true and false, what may be repeated takes a line for each value.
    """

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.take_variables(variable_of)

    def take_variables(self, variable: Callable[[str], str], *, called: str = "") -> None:
        """Let the parameters be set by the variables that `variable` returns for their keys.

        `called` says what a parameter is called in messages, with `{key}` for its key; without it
        the variable is named beside the option.
        """
        self._called = called
        for parameter in self.params:
            if parameter.name not in _NOT_HERE:
                parameter.envvar = variable(key_of(parameter))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; an error names the variable that a value came from."""
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as error:
            raise self._told(error, ctx) from error

    def _told(self, error: click.BadParameter, ctx: click.Context) -> click.UsageError:
        """Return `error` with what the parameter is called where its value came from."""
        wrong = error.param
        if wrong is None:
            return error
        if self._called:
            name = self._called.format(key=key_of(wrong))
        elif ctx.get_parameter_source(wrong.name) is ParameterSource.ENVIRONMENT:
            name = f"{wrong.get_error_hint(ctx)} ({wrong.envvar})"
        else:
            return error
        if isinstance(error, click.MissingParameter):
            return click.UsageError(f"The {name} is not given.", ctx)
        is_flag = isinstance(wrong, click.Option) and wrong.is_bool_flag
        message = "It is neither true nor false." if is_flag else error.message
        return click.BadParameter(message, ctx, wrong, name)
