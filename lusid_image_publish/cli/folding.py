"""Fold lines on a terminal, which breaks them anywhere: words, digests and commands stay whole."""

import re
from typing import Final

import click

_WORD: Final = r"( *)((?:`[^`]*`|\S)+)"  # compiled on first use: --help folds nothing
"""A word, or a command in backticks, with the blanks before it."""
_FOREIGN: Final = "    | "
"""How a line of a builder or a job begins, which is shown as it came."""


def fold(line: str, columns: int, *, indent: str = " " * 4) -> str:
    """Return `line` with a line break before each word that `columns` would cut in two.

    `indent` begins each further line. What is whole can be copied. A word that is longer than a
    line is left to the terminal.
    """
    if len(line) <= columns or click.unstyle(line).startswith(_FOREIGN):
        return line
    shown, column = "", 0
    for match in re.finditer(_WORD, line):
        blanks, word = match.groups()
        length = len(click.unstyle(word))
        fits = column + len(blanks) + length <= columns
        if fits or not shown or len(indent) + length > columns:
            shown, column = f"{shown}{blanks}{word}", column + len(blanks) + length
        else:
            shown, column = f"{shown}\n{indent}{word}", len(indent) + length
    return shown
