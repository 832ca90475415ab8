"""Fold lines on a terminal, which breaks them anywhere: words, digests and commands stay whole."""

import re
from typing import Final

import click

_WORD: Final = r" ((?:`[^`]*`|\S)+)"  # compiled on first use: --help folds nothing
"""A word, or a command in backticks, with the blank before it."""
_INDENT: Final = " " * 4
_FOREIGN: Final = f"{_INDENT}| "
"""How a line of a builder or a job begins, which is shown as it came."""


def fold(line: str, columns: int) -> str:
    """Return `line` with a line break before each word that `columns` would cut in two.

    What is whole can be copied. A word that is longer than a line is left to the terminal.
    """
    if len(line) <= columns or click.unstyle(line).startswith(_FOREIGN):
        return line
    shown, begin, column = "", 0, 0
    for match in re.finditer(_WORD, line):
        before = line[begin : match.start()]
        word, length = match[1], len(click.unstyle(match[1]))
        column += len(click.unstyle(before))
        if column + 1 + length > columns and len(_INDENT) + length <= columns and column:
            shown, column = f"{shown}{before}\n{_INDENT}{word}", len(_INDENT) + length
        else:
            shown, column = f"{shown}{before} {word}", column + 1 + length
        begin = match.end()
    return shown + line[begin:]
