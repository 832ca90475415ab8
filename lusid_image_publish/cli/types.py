"""Kinds of values that options take."""

import math
from collections.abc import Sequence
from typing import Any

import click


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
