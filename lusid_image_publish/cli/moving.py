"""What moves while something takes its time: bars and a spinner on a terminal, lines elsewhere."""

from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

from lusid_image_publish.progress import DownloadProgress, LayerProgress

if TYPE_CHECKING:
    from rich.progress import TaskID

_PART: Final = 100_000_000  # bytes between two lines about a download whose size is not known


class View(Protocol):
    """Where it is shown."""

    @property
    def is_live(self) -> bool:
        """Whether somebody looks on, so that something may move."""

    def say(self, text: str) -> None:
        """Write one line."""


class Transfers:
    """The layers of one push, or one download."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._last_status: dict[str, str] = {}
        self._last_part = 0
        self._bars: _Bars | None = None

    def show(self, event: LayerProgress) -> None:
        """Show one layer of a push: a bar, or a line when it changes."""
        if self._view.is_live:
            self._bar(event.layer, f"{event.layer} {event.status}", event.current, event.total)
        elif self._last_status.get(event.layer) != event.status:
            self._last_status[event.layer] = event.status
            if event.status not in {"Preparing", "Waiting"}:
                size = f" ({event.total / 1e6:.1f} MB)" if event.total else ""
                self._view.say(f"    {event.layer}: {event.status}{size}")

    def show_download(self, event: DownloadProgress) -> None:
        """Show a download: a bar, or a line now and then."""
        if self._view.is_live:
            self._bar("download", "Downloading", event.current, event.total)
            return
        if event.total and event.total < _PART:
            return  # it will be over before anybody wonders
        part = event.current * 10 // event.total if event.total else event.current // _PART
        if part != self._last_part:
            self._last_part = part
            of_total = f" of {event.total / 1e6:.1f}" if event.total else ""
            self._view.say(f"    {event.current / 1e6:.1f}{of_total} MB")

    def close(self) -> None:
        """Take the bars away."""
        self._last_status.clear()
        self._last_part = 0
        if self._bars:
            self._bars.__exit__(None, None, None)
            self._bars = None

    def _bar(self, name: str, text: str, current: int | None, total: int | None) -> None:
        self._bars = self._bars or _Bars().__enter__()
        self._bars.show(name, text, current, total)


class Spinner:
    """One line that moves while something is waited for, with the time that it takes."""

    def __init__(self) -> None:
        # As for the bars: only a wait on a terminal needs it.
        from rich.console import Console as RichConsole  # noqa: PLC0415
        from rich.progress import (  # noqa: PLC0415
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )

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
        """Show what is waited for."""
        self._progress.update(self._task, description=text)

    def stop(self) -> None:
        """Take the line away."""
        self._progress.stop()


class _Bars:
    """One bar for each thing that moves, on a terminal."""

    def __init__(self) -> None:
        # rich takes a fifth of a second to import, and only a push on a terminal needs it.
        from rich.console import Console as RichConsole  # noqa: PLC0415
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TransferSpeedColumn,
        )

        self._progress: Progress = Progress(
            TextColumn("    {task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=RichConsole(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, name: str, text: str, current: int | None, total: int | None) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(text, total=None)
        # `current` may exceed `total`, and neither need be there.
        most = max(total or 0, current or 0) or None
        self._progress.update(self._tasks[name], description=text, completed=current, total=most)
