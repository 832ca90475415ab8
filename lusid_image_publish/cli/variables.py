"""Parameters that variables of the environment can set, as a CI does it."""

from collections.abc import Callable
from typing import Any, Final

import click
from click.core import ParameterSource

from lusid_image_publish.cli.parameters import key_of, variable_in_use
from lusid_image_publish.cli.sections import SectionedCommand

_NOT_HERE: Final = {"quiet", "version"}


def variable_of(key: str) -> str:
    """Return the variable that sets a parameter of lusid-publish."""
    return f"LUSID_PUBLISH_{key.upper().replace('-', '_')}"


class CommandWithVariables(SectionedCommand):
    """A command each of whose parameters has a variable; one that is empty counts as not set.

    Flags take true and false, --verbose a number, what may be repeated a line for each value.
    """

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.take_variables(variable_of)

    def take_variables(self, *kinds: Callable[[str], str], called: str = "") -> None:
        """Let variables set the parameters: those that `kinds` return for their keys, best first.

        `called` says what a parameter is called in messages, with `{key}` for its key; without it
        the variable is named beside the option.
        """
        self._called = called
        for parameter in self.params:
            if parameter.name not in _NOT_HERE:
                parameter.envvar = [variable(key_of(parameter)) for variable in kinds]

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
            name = f"{wrong.get_error_hint(ctx)} ({variable_in_use(wrong)})"
        else:
            return error
        if isinstance(error, click.MissingParameter):
            return click.UsageError(f"The {name} is not given.", ctx)
        is_flag = isinstance(wrong, click.Option) and wrong.is_bool_flag
        message = "It is neither true nor false." if is_flag else error.message
        return click.BadParameter(message, ctx, wrong, name)
