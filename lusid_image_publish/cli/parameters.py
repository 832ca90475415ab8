"""What parameters are called, and where their values are from."""

import os
from collections.abc import Sequence
from typing import Final

import click
from click.core import ParameterSource

from lusid_image_publish.cli.types import numbered_lines

_LONGEST_SHOWN: Final = 80


def key_of(parameter: click.Parameter) -> str:
    """Return what a parameter is called without the signs around it, as in `fail-on`."""
    return max(parameter.opts, key=len).removeprefix("--")


def variable_in_use(parameter: click.Parameter) -> str:
    """Return the variable of the environment that a parameter's value is from, empty if none."""
    names = [parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar or ()
    return next((name for name in names if os.environ.get(name)), "")


def variable_that_sets(context: click.Context, parameter: click.Parameter) -> str:
    """Return the variable that set a parameter, empty where something else did."""
    source = context.get_parameter_source(str(parameter.name))
    return variable_in_use(parameter) if source is ParameterSource.ENVIRONMENT else ""


def places_of(
    context: click.Context, parameter: click.Parameter, values: Sequence[str]
) -> list[str]:
    """Return what to call each of a parameter's `values` in a message.

    A line of a variable is called by its number: it may be a line of a secret. So is a long text
    by its length.
    """
    variable = variable_that_sets(context, parameter)
    if variable:
        return [f"Line {number}" for number, _ in numbered_lines(os.environ[variable])]
    return [
        repr(value)
        if len(value) <= _LONGEST_SHOWN and "\n" not in value
        else f"A value of {len(value)} characters"
        for value in values
    ]
