"""Parameters: the kinds of their values, their names, and the origins of their values."""

import math
import os
from collections.abc import Sequence
from typing import Any, Final

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

_MAX_SHOWN_CHARACTERS: Final = 80


class _Number(click.FloatRange):
    """A number from `min` to `max`."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number; NaN, which no range keeps out, is none."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


class Seconds(_Number):
    """A number of seconds from `min` to `max`."""

    name = "number of seconds"


class Gibibytes(_Number):
    """A number of GiB from `min` to `max`."""

    name = "number of GiB"


class Line(click.types.StringParamType):
    """One of several texts; where they come from a variable, each has a line of its own."""

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """Return the lines that are not empty."""
        return [line for _, line in numbered_lines(rv)]


def numbered_lines(text: str) -> list[tuple[int, str]]:
    """Return the lines of a variable that are not empty, without the space around, each numbered.

    Line feeds end lines, and nothing else: `str.splitlines` would also cut a value at U+2028.
    """
    lines = enumerate((line.strip(" \t\r") for line in text.split("\n")), 1)
    return [(number, line) for number, line in lines if line]


def key_of(parameter: click.Parameter) -> str:
    """Return the plain name of a parameter, as in `fail-on`."""
    return max(parameter.opts, key=len).removeprefix("--")


def variable_in_use(parameter: click.Parameter) -> str:
    """Return the variable of the environment that has a parameter's value, empty if none has."""
    names = [parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar or ()
    return next((name for name in names if os.environ.get(name)), "")


def variable_that_sets(context: click.Context, parameter: click.Parameter) -> str:
    """Return the variable that set a parameter, empty where something else did."""
    source = context.get_parameter_source(str(parameter.name))
    return variable_in_use(parameter) if source is ParameterSource.ENVIRONMENT else ""


def places_of(
    context: click.Context, parameter: click.Parameter, values: Sequence[str]
) -> list[str]:
    """Return the words for each of a parameter's `values` in a message.

    A line of a variable is named by its number, because it may be a line of a secret; a long text
    by its length.
    """
    variable = variable_that_sets(context, parameter)
    if variable:
        return [f"Line {number}" for number, _ in numbered_lines(os.environ[variable])]
    return [
        repr(value)
        if len(value) <= _MAX_SHOWN_CHARACTERS and "\n" not in value
        else f"A value of {len(value)} characters"
        for value in values
    ]


def complete_file(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell complete the path of a file, and directories on the way to it."""
    return [CompletionItem(incomplete, type="file")]


def complete_directory(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell complete the path of a directory."""
    return [CompletionItem(incomplete, type="dir")]
