"""What rich draws on a terminal: bars, a spinner, and tables that fit its width."""

from collections.abc import Iterable, Sequence

from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from lusid_image_publish.reports.table import (
    MAX_CELL_CHARACTERS,
    NUMBER_COLUMNS,
    WHOLE_COLUMNS,
    Row,
)
from lusid_image_publish.text import plain


class Spinner:
    """One line that moves during a wait, with the time so far."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("   "),
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=RichConsole(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("", total=None)
        self._progress.start()

    def show(self, text: str) -> None:
        """Show the state of the wait."""
        self._progress.update(self._task, description=text)

    def stop(self) -> None:
        """Remove the line."""
        self._progress.stop()


class Bars:
    """One bar for each thing that moves, on a terminal."""

    def __init__(self) -> None:
        self._progress: Progress = Progress(
            TextColumn("    {task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=RichConsole(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}
        self._progress.start()

    def stop(self) -> None:
        """End the bars, and leave them as they are."""
        self._progress.stop()

    def show(self, name: str, text: str, current: int | None, total: int | None) -> None:
        """Show a bar; a new `name` gets a new one."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(text, total=None)
        # `current` may exceed `total`, and neither need be there.
        most = max(total or 0, current or 0) or None
        self._progress.update(self._tasks[name], description=text, completed=current, total=most)


def print_table(columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a table to stdout; texts go through `plain`, and none is markup."""
    table = Table(box=None, pad_edge=False, show_header=any(columns), header_style="bold")
    for column in columns:
        justify = "right" if column in NUMBER_COLUMNS else "left"
        whole = column in WHOLE_COLUMNS
        table.add_column(column, justify=justify, overflow="fold", no_wrap=whole)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(Text(plain(cell, longest=MAX_CELL_CHARACTERS)) for cell in row))
    RichConsole(highlight=False).print(table)
