"""What parameters are called, and where their values are from."""

import os

import click


def key_of(parameter: click.Parameter) -> str:
    """Return what a parameter is called without the signs around it, as in `fail-on`."""
    return max(parameter.opts, key=len).removeprefix("--")


def variable_in_use(parameter: click.Parameter) -> str:
    """Return the variable of the environment that a parameter's value is from, empty if none."""
    names = [parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar or ()
    return next((name for name in names if os.environ.get(name)), "")
