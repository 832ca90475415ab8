"""What rich draws on a terminal: bars and a spinner, one line each."""

from typing import Final

from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column
from rich.text import Text

from lusid_image_publish.reports.words import human_size

_INDENT: Final = "    "
_MIN_BAR_CHARACTERS: Final = 4
_MAX_BAR_CHARACTERS: Final = 40
_BESIDE_BAR_CHARACTERS: Final = len(
    f"{_INDENT}0123456789ab Pushed, 999.9 MB sent  999.9/999.9 MB 999.9 MB/s"
)
"""What a line of a layer has room for beside its bar."""

_UNITS: Final = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


class Spinner:
    """One line that moves during a wait, with the time so far."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("   "),
            SpinnerColumn(),
            _DescriptionColumn(),
            TimeElapsedColumn(Column(no_wrap=True)),
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
        console = RichConsole(stderr=True)
        room = console.width - _BESIDE_BAR_CHARACTERS
        self._progress: Progress = Progress(
            _DescriptionColumn(_INDENT),
            _LayerBarColumn(min(max(room, _MIN_BAR_CHARACTERS), _MAX_BAR_CHARACTERS)),
            _BytesColumn(Column(no_wrap=True)),
            _SpeedColumn(Column(no_wrap=True)),
            console=console,
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
        most = max(total or 0, current or 0) if total else None
        self._progress.update(self._tasks[name], description=text, completed=current, total=most)


class _DescriptionColumn(ProgressColumn):
    """What a task is doing. It is cut where there is no room, and never wraps."""

    def __init__(self, indent: str = "") -> None:
        super().__init__()
        self._indent = indent

    def render(self, task: Task) -> Text:
        return Text(self._indent + task.description, no_wrap=True, overflow="ellipsis")


class _LayerBarColumn(BarColumn):
    """A bar; nothing for a layer of which no bytes are known."""

    def __init__(self, width: int) -> None:
        super().__init__(width, table_column=Column(no_wrap=True))

    def render(self, task: Task) -> RenderableType:  # type: ignore[override]  # rich draws either
        return super().render(task) if task.total or task.completed else ""


class _BytesColumn(ProgressColumn):
    """What is done, `of` a total that is known: rich's own column has a question mark for one."""

    def render(self, task: Task) -> Text:
        return Text(shown_bytes(int(task.completed), int(task.total or 0)))


class _SpeedColumn(ProgressColumn):
    """How many bytes a second, while they move and it is known."""

    def render(self, task: Task) -> Text:
        speed = None if task.finished else task.speed
        return Text(f"{human_size(int(speed))}/s" if speed else "")


def shown_bytes(done: int, total: int) -> str:
    """Return `done` in the unit of `total`, which is 0 where it is unknown; empty for nothing."""
    if not total:
        return human_size(done) if done else ""
    for factor, unit in _UNITS:
        if total >= factor:
            return f"{done / factor:.1f}/{total / factor:.1f} {unit}"
    return f"{done}/{total} B"
