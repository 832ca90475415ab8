"""Show progress: bars and a spinner on a terminal, lines elsewhere."""

from types import ModuleType
from typing import TYPE_CHECKING, Final

from lusid_image_publish.progress import DownloadProgress, LayerDone, LayerProgress

if TYPE_CHECKING:
    from lusid_image_publish.cli.console import Console
    from lusid_image_publish.cli.terminal import Bars, Spinner

_PART_BYTES: Final = 100_000_000  # between two lines about a download of unknown size


_UNSAID: Final = {"Preparing", "Waiting", "Checking"}
"""Statuses of a layer that soon change, so they get no line in a log."""


class Moving:
    """The layers of one push, one download, or one wait."""

    def __init__(self, view: "Console") -> None:
        self._view = view
        self._last_status: dict[str, str] = {}
        self._last_part = 0
        self._bars: Bars | None = None
        self._spinner: Spinner | None = None

    def show(self, event: LayerProgress) -> None:
        """Show one layer of a push: a bar, or a line if its status changes."""
        if self._view.is_live:
            self._bar(event.layer, f"{event.layer} {event.status}", event.current, event.total)
        elif self._last_status.get(event.layer) != event.status:
            self._last_status[event.layer] = event.status
            if event.status not in _UNSAID:
                size = f" ({event.total / 1e6:.1f} MB)" if event.total else ""
                self._view.say(f"    {event.layer}: {event.status}{size}")

    def show_done(self, event: LayerDone) -> None:
        """Show that a layer of an archive is in the registry, and how much was sent for it."""
        if not event.layer:  # the config
            return
        size = f"{event.size / 1e6:.1f} MB"
        sent = f"{size}, {event.sent / 1e6:.1f} MB sent" if event.sent else size
        if self._view.is_live:
            text = f", {event.sent / 1e6:.1f} MB sent" if event.sent else ""
            name = event.layer
            self._bar(name, f"{name} {event.status}{text}", event.size, event.size)
        else:
            self._view.say(f"    {event.layer}: {event.status} ({sent})")

    def show_download(self, event: DownloadProgress) -> None:
        """Show a download: a bar, or a line now and then."""
        if self._view.is_live:
            self._bar("download", "Downloading", event.current, event.total)
            return
        if event.total and event.total < _PART_BYTES:
            return  # it takes only a moment
        part = event.current * 10 // event.total if event.total else event.current // _PART_BYTES
        if part != self._last_part:
            self._last_part = part
            of_total = f" of {event.total / 1e6:.1f}" if event.total else ""
            self._view.say(f"    {event.current / 1e6:.1f}{of_total} MB")

    def show_wait(self, text: str) -> None:
        """Show the state of a wait: a spinner, or a line."""
        if not self._view.is_live:
            self._view.say(f"    {text}")
            return
        self._close_bars()
        self._spinner = self._spinner or import_terminal().Spinner()
        self._spinner.show(text)

    def close(self) -> None:
        """Remove bars and spinner."""
        self._close_bars()
        if self._spinner:
            self._spinner.stop()
            self._spinner = None

    def _close_bars(self) -> None:
        self._last_status.clear()
        self._last_part = 0
        if self._bars:
            self._bars.stop()
            self._bars = None

    def _bar(self, name: str, text: str, current: int | None, total: int | None) -> None:
        self._bars = self._bars or import_terminal().Bars()
        self._bars.show(name, text, current, total)


def import_terminal() -> ModuleType:
    """Return `cli.terminal`."""
    # rich takes a fifth of a second to import, and only a terminal needs it.
    from lusid_image_publish.cli import terminal  # noqa: PLC0415

    return terminal
