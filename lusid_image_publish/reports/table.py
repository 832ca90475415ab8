"""Tables for people."""

from collections.abc import Iterable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from lusid_image_publish.redact import plain

if TYPE_CHECKING:
    from rich.table import Table

Row = Sequence[str]

_MAX_CELL_CHARACTERS: Final = 10_000
_NUMBERS: Final = {
    *("SIZE", "CRIT", "HIGH", "MED", "LOW", "IMAGES", "PULLS"),
    *("FOUND", "FIXABLE", "IGNORED", "COUNTED"),
}


def build_table(columns: Sequence[str], rows: Iterable[Row]) -> "Table":
    """Return a table; nothing in it is taken for markup, and texts are what `plain` leaves."""
    # rich takes a tenth of a second to import, and only a table needs it.
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, show_header=any(columns), header_style="bold")
    for column in columns:
        justify = "right" if column in _NUMBERS else "left"
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(Text(plain(cell, longest=_MAX_CELL_CHARACTERS)) for cell in row))
    return table


def table_text(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """Return a table as lines at its full width: no row is wrapped.

    rich would take half a minute for the longest scans.
    """
    clean = cache(
        partial(plain, longest=_MAX_CELL_CHARACTERS)
    )  # most cells are in a column many times
    lines = [list(map(clean, row)) for row in rows]
    lines = [list(columns), *lines] if any(columns) else lines
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    shown = []
    for line in lines:
        cells = []
        for name, cell, width in zip(columns, line, widths, strict=True):
            blanks = " " * (width - _width(cell))
            cells.append(blanks + cell if name in _NUMBERS else cell + blanks)
        shown.append("  ".join(cells).rstrip())
    return "\n".join(shown)


def _width(cell: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if cell.isascii():
        return len(cell)
    from rich.cells import cell_len  # noqa: PLC0415  # it knows how wide letters of Asia are

    return cell_len(cell)
