"""The names of parameters, and the origins of their values."""

import os
from collections.abc import Sequence
from typing import Final

import click
from click.core import ParameterSource

from lusid_image_publish.cli.types import numbered_lines

_MAX_SHOWN_CHARACTERS: Final = 80


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
