"""Tables for people."""

from collections.abc import Iterable, Sequence
from functools import cache, partial
from typing import Final

from rich.cells import cell_len

from lusid_image_publish.text import plain

Row = Sequence[str]

_MAX_CELL_CHARACTERS: Final = 10_000

NUMBER_COLUMNS: Final = {
    *("SIZE", "CRIT", "HIGH", "MED", "LOW", "IMAGES", "PULLS"),
    *("FOUND", "FIXABLE", "IGNORED", "INCLUDED"),
}


def table_text(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """Return a table as lines at its full width: no row is wrapped.

    rich would take half a minute for the longest scans.
    """
    lines = clean_rows(rows)
    lines = [list(columns), *lines] if any(columns) else lines
    widths = [max(map(width_of, column)) for column in zip(*lines, strict=True)]
    shown = []
    for line in lines:
        cells = []
        for name, cell, width in zip(columns, line, widths, strict=True):
            blanks = " " * (width - width_of(cell))
            cells.append(blanks + cell if name in NUMBER_COLUMNS else cell + blanks)
        shown.append("  ".join(cells).rstrip())
    return "\n".join(shown)


def clean_rows(rows: Iterable[Row]) -> list[list[str]]:
    """Return rows whose cells do nothing to a terminal."""
    # Most cells are in a column many times.
    clean = cache(partial(plain, longest=_MAX_CELL_CHARACTERS))
    return [list(map(clean, row)) for row in rows]


def width_of(cell: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return len(cell) if cell.isascii() else cell_len(cell)  # letters of Asia are wider
