"""Tables that fit the width of a terminal.

A narrow terminal gets shorter dates and digests first. Then texts wrap at blanks, and columns move
to a second line of their row. A date, a digest, an id, a link or a number stays in one piece.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from lusid_image_publish.reports.table import NUMBER_COLUMNS, Row, clean_rows, width_of
from lusid_image_publish.reports.words import NOTHING

_DATE_COLUMNS: Final = {"PUSHED", "UPDATED", "CREATED", "BEGAN"}
_TIME_COLUMNS: Final = {"BEGAN"}
"""Dates that keep the time of day: the runs of a job may be minutes apart."""

_WHOLE_COLUMNS: Final = {
    *NUMBER_COLUMNS,
    *_DATE_COLUMNS,
    "RUN",
    "DIGEST",
    "TOOK",
    "TTL",
    "INCLUDED",
}
_STATUS_COLUMNS: Final = {"SCAN"}
"""Words with underscores, after which they may wrap."""

_ZONE: Final = " UTC"
_DAY_CHARACTERS: Final = len("2026-11-30")
_ALGORITHM: Final = "sha256:"
_INDENT: Final = "  "
_WIDE_GAP_CHARACTERS: Final = 2
_NARROW_GAP_CHARACTERS: Final = 1
_WIDE_TEXT_CHARACTERS: Final = 24
"""A column of text of this width may wrap before others are made shorter for it."""

_LEAST_TEXT_CHARACTERS: Final = 16
"""A column of text of this width may wrap before the gaps are made narrower for it."""

_MAX_LABEL_CHARACTERS: Final = 30
"""A label, whose column has no name, wraps only if it is longer."""

_WORD: Final = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d(?: UTC)?\S*|[(]?\d[\d.]* (?:[kMG]?B|s|bytes)\b\S*|\S+"
)
"""A date and a number with its unit are one word."""

_JOINT: Final = re.compile(r"(?<=[/:_,=@-])(?!(?<=[0-9].)[0-9])")
"""Where a name wraps that is longer than its column: not within a date, a time or a number."""

_UNBROKEN: Final = re.compile(r"[0-9a-fA-F]{12}|://| ")
"""In the word is a digest, an id or a link, which a person copies; or it is a date."""


@dataclass(frozen=True)
class _Column:
    """One column; `cells` begins with its header."""

    name: str
    cells: Sequence[str]
    is_last: bool = False

    @cached_property
    def width(self) -> int:
        return max(map(width_of, self.cells))

    @cached_property
    def word_width(self) -> int:
        return max(
            (width_of(word) for cell in self.cells for word in _WORD.findall(cell)), default=0
        )

    @cached_property
    def is_whole(self) -> bool:
        """Whether its cells do not wrap."""
        is_label = not self.name and not self.is_last and self.width <= _MAX_LABEL_CHARACTERS
        return is_label or self.name in _WHOLE_COLUMNS

    def comfortable_width(self, characters: int = _LEAST_TEXT_CHARACTERS) -> int:
        """Return the least width in which it is easy to read: for texts `characters` at least."""
        return self.width if self.is_whole else max(self.word_width, min(self.width, characters))

    @cached_property
    def least_width(self) -> int:
        """The least width in which no name is broken."""
        if self.name not in _STATUS_COLUMNS:
            return self.width if self.is_whole else self.word_width
        return max(width_of(part) for cell in self.cells for part in _JOINT.split(cell))

    @property
    def broken_width(self) -> int:
        """The width where names must be broken."""
        return self.width if self.is_whole else min(self.least_width, _LEAST_TEXT_CHARACTERS)

    def aligned(self, text: str, width: int) -> str:
        blanks = " " * (width - width_of(text))
        return blanks + text if self.name in NUMBER_COLUMNS else text + blanks


@dataclass(frozen=True)
class _Group:
    """Columns beside each other, in `room` columns of a terminal."""

    columns: Sequence[_Column]
    room: int
    gap: int = _WIDE_GAP_CHARACTERS
    indent: str = ""

    def is_comfortable(self, characters: int = _LEAST_TEXT_CHARACTERS) -> bool:
        return self._spare(column.comfortable_width(characters) for column in self.columns) >= 0

    def is_possible(self) -> bool:
        return self._spare(column.least_width for column in self.columns) >= 0

    def _spare(self, widths: Iterable[int]) -> int:
        gaps = self.gap * (len(self.columns) - 1)
        return self.room - len(self.indent) - gaps - sum(widths)

    def widths(self) -> list[int]:
        """Return how wide each column is: as wide as its cells where there is room for that."""
        for narrow in (
            [column.comfortable_width() for column in self.columns],
            [column.least_width for column in self.columns],
            [column.broken_width for column in self.columns],
        ):
            if self._spare(narrow) >= 0:
                break
        return self._shared(narrow)

    def _shared(self, narrow: list[int]) -> list[int]:
        """Return `narrow` with the same share of the spare room for each that needs more."""
        spare = max(self._spare(narrow), 0)
        wanted = [(column.width - narrow[at], at) for at, column in enumerate(self.columns)]
        widths = list(narrow)
        for served, (want, at) in enumerate(sorted(wanted)):
            share = min(want, spare // (len(wanted) - served))
            widths[at] += share
            spare -= share
        return widths

    def blocks(self) -> Iterator[str]:
        """Yield the header and each row, as lines; of a second line without a value nothing."""
        widths = self.widths()
        for row in zip(*(column.cells for column in self.columns), strict=True):
            is_empty = self.indent and all(cell == NOTHING for cell in row)
            yield "" if is_empty else "\n".join(self._lines(row, widths))

    def _lines(self, row: Row, widths: Sequence[int]) -> list[str]:
        cells = [wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
        last = cells[-1]
        if len(cells) > 1 and width_of(last[0]) > widths[-1]:
            last.insert(0, "")  # it does not fit beside the others, but below them
        height = max(map(len, cells))
        filled = [[*lines, *[""] * (height - len(lines))] for lines in cells]
        return [self._line(texts, widths) for texts in zip(*filled, strict=True)]

    def _line(self, texts: Row, widths: Sequence[int]) -> str:
        if not any(texts[:-1]) and width_of(texts[-1]) > widths[-1]:
            return (_INDENT if width_of(_INDENT + texts[-1]) <= self.room else "") + texts[-1]
        shown = map(_Column.aligned, self.columns, texts, widths)
        return (self.indent + (" " * self.gap).join(shown)).rstrip()


def fitted_table(
    columns: Sequence[str], rows: Iterable[Row], *, width: int, below: Collection[str] = ()
) -> tuple[str, str]:
    """Return the header and the rows of a table, as lines for a terminal of `width` columns.

    `below` names the columns that move to a second line of each row where there is no room for
    them. The header is empty if no column has a name. A line is longer than `width` only if it has
    a piece that is, as a digest.
    """
    cells = zip(*[columns, *clean_rows(rows)], strict=True)
    table = [
        _Column(name, texts, is_last=at == len(columns))
        for at, (name, texts) in enumerate(zip(columns, cells, strict=True), start=1)
    ]
    groups = _fitting(table, width, below)
    blocks = zip(*(group.blocks() for group in groups), strict=True)
    header, *lines = ("\n".join(filter(None, block)) for block in blocks)
    return header if any(columns) else "", "\n".join(lines)


def _fitting(table: list[_Column], room: int, below: Collection[str]) -> list[_Group]:
    """Return the first layout that fits, the fullest first; else the last one."""
    group = _Group(table, room)
    for shorten in (_without_zone, _without_algorithm, _without_time):
        if group.is_comfortable(_WIDE_TEXT_CHARACTERS):
            return [group]
        group = replace(group, columns=[shorten(column) for column in group.columns])
    if group.is_comfortable():
        return [group]
    if any(column.name for column in table):
        group = replace(group, gap=_NARROW_GAP_CHARACTERS)
    beside = [column for column in group.columns if column.name not in below]
    moved = [column for column in group.columns if column.name in below]
    if group.is_possible() or not moved or not beside:
        return [group]
    groups = (_Group(beside, room), _Group(moved, room, indent=_INDENT))
    return [
        each if each.is_comfortable() else replace(each, gap=_NARROW_GAP_CHARACTERS)
        for each in groups
    ]


def _without_zone(column: _Column) -> _Column:
    """Return a column of dates with their time zone in the header."""
    if column.name not in _DATE_COLUMNS:
        return column
    header, *dates = column.cells
    return replace(column, cells=[f"{header} (UTC)", *(date.removesuffix(_ZONE) for date in dates)])


def _without_algorithm(column: _Column) -> _Column:
    """Return a column of digests as Docker shows an image's id."""
    if column.name != "DIGEST":
        return column
    return replace(column, cells=[cell.removeprefix(_ALGORITHM) for cell in column.cells])


def _without_time(column: _Column) -> _Column:
    """Return a column of dates as days."""
    if column.name not in _DATE_COLUMNS - _TIME_COLUMNS:
        return column
    return replace(
        column, cells=[column.name, *(cell[:_DAY_CHARACTERS] for cell in column.cells[1:])]
    )


def wrapped(text: str, width: int) -> list[str]:
    """Return the lines of a text; only a piece that cannot be broken is longer than `width`."""
    if width_of(text) <= width:
        return [text]
    lines = [""]
    for word in _WORD.findall(text):
        for number, piece in enumerate(_pieces(word, width)):
            joint = " " if lines[-1] and not number else ""
            if lines[-1] and width_of(lines[-1] + joint + piece) > width:
                lines.append(piece)
            else:
                lines[-1] += joint + piece
    return lines


def _pieces(word: str, width: int) -> Iterator[str]:
    """Yield what a word may be broken into."""
    if width_of(word) <= width or _UNBROKEN.search(word):
        yield word
        return
    for part in _JOINT.split(word):
        if width_of(part) <= width:
            yield part
        else:
            yield from part  # letter by letter: nothing else helps
