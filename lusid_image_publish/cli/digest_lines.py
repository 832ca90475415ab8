"""Lines with digests on a terminal, which breaks lines anywhere: a digest is to stay whole."""

import re
from typing import Final

import click

_DIGEST: Final = re.compile(r" (\(?sha256:[0-9a-f]{64}\S*)")
_INDENT: Final = " " * 4


def keep_digests_whole(line: str, columns: int) -> str:
    """Return `line` with a line break before each digest that `columns` would cut in two.

    The digest can then be copied as it is. One that is longer than a line is left alone.
    """
    shown, begin, column = "", 0, 0
    for match in _DIGEST.finditer(line):
        text = click.unstyle(line[begin : match.start()])
        column += len(text)
        shown += line[begin : match.start()]
        length = len(match[1])
        if column + 1 + length > columns and len(_INDENT) + length <= columns:
            shown, column = f"{shown}\n{_INDENT}{match[1]}", len(_INDENT) + length
        else:
            shown, column = shown + match[0], column + len(match[0])
        begin = match.end()
    return shown + line[begin:]
