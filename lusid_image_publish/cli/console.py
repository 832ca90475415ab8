"""What a person sees: the answer on stdout, everything else on stderr, no secret on either.

On a terminal a push shows one bar per layer; elsewhere, a line each time a layer changes.
"""

import logging
import sys
import traceback
from collections.abc import Iterable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import click

from lusid_image_publish.errors import BuildError, LusidPublishError, OutputError
from lusid_image_publish.progress import (
    BuildOutput,
    DownloadProgress,
    Event,
    LayerProgress,
    Note,
    StepDone,
    StepStarted,
    Waiting,
    Warned,
)
from lusid_image_publish.redact import RedactingFormatter, redact

if TYPE_CHECKING:
    from rich.progress import TaskID

_DEBUG: Final = 2
_PART: Final = 100_000_000  # bytes between two lines about a download whose size is not known
_PACKAGE: Final = "lusid_image_publish"
_RETRIES: Final = "httpx_retries"  # it logs headers that it cannot read


class Console:
    """Shows events and errors. `verbosity` is 0, 1 (`-v`) or 2 (`-vv`); -1 is `--quiet`."""

    def __init__(self) -> None:
        self.verbosity = 0
        self._last_step: StepStarted | None = None
        self._transfers = _Transfers(self)
        self._spinner: _Spinner | None = None

    def set_verbosity(self, verbosity: int) -> None:
        """Show more or less, the package's own log records included."""
        self.verbosity = verbosity
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(RedactingFormatter("    %(levelname)s %(name)s: %(message)s"))
        for name in (_PACKAGE, _RETRIES):
            logger = logging.getLogger(name)
            logger.handlers = [handler]
            logger.propagate = False
            logger.setLevel(logging.WARNING)
        if verbosity >= _DEBUG:
            logging.getLogger(_PACKAGE).setLevel(logging.DEBUG)

    def answer(self, text: str) -> None:
        """Write the answer, a digest and never a secret, to stdout. Raises `OutputError`."""
        try:
            click.echo(text)
        except BrokenPipeError:
            raise  # whoever reads has gone, and misses nothing
        except OSError as error:
            raise output_error(error) from error

    def say(self, text: str, **style: bool | str) -> None:
        """Write one line for a person to stderr."""
        click.secho(redact(text), err=True, **style)  # type: ignore[arg-type]  # click's own names

    def remark(self, text: str) -> None:
        """Write one line that `--quiet` takes away."""
        if self.verbosity >= 0:
            self.say(text)

    def listen(self, event: Event) -> None:
        """Show what the library reports."""
        if not isinstance(event, LayerProgress | DownloadProgress | Waiting):
            self.close()
        if isinstance(event, StepStarted):
            self._last_step = event
        elif isinstance(event, StepDone) and self._last_step:
            self._last_step = replace(self._last_step, if_failed="")
        if self.verbosity < 0 and not isinstance(event, Warned):
            return
        match event:
            case StepStarted(text):
                self.say(f"==> {text}", bold=True)
            case StepDone(text) | Note(text):
                self.say(f"    {text}")
            case Warned(text):
                self.say(f"warning: {text}", fg="yellow")
            case BuildOutput(line):
                self.say(f"    | {line}", dim=True)
            case Waiting() | LayerProgress() | DownloadProgress():
                self._move(event)

    def close(self) -> None:
        """Take away what moves."""
        self._transfers.close()
        if self._spinner:
            self._spinner.stop()
            self._spinner = None

    def _move(self, event: Waiting | LayerProgress | DownloadProgress) -> None:
        match event:
            case Waiting(text):
                self._wait(text)
            case LayerProgress():
                self._transfers.show(event)
            case DownloadProgress():
                self._transfers.show_download(event)

    def _wait(self, text: str) -> None:
        if not sys.stderr.isatty():
            self.say(f"    {text}")
            return
        self._transfers.close()
        self._spinner = self._spinner or _Spinner()
        self._spinner.show(redact(text))

    def show_error(self, error: LusidPublishError) -> None:
        """Show what happened, the likely cause and the next step; a traceback with `-vv` only."""
        self.close()
        if isinstance(error, BuildError) and self.verbosity < 0:
            for line in error.log:
                self.say(f"    | {line}")
        self._show_traceback(error)
        for label, text in error.diagnostics():
            self.say(f"{label}: {text}", **({"fg": "red"} if label == "Error" else {}))
        if self._last_step and self._last_step.if_failed:
            self.say(f"Now: {self._last_step.if_failed}")

    def show_interruption(self, signal_name: str) -> None:
        """Say what was broken off, and what is so now."""
        self.close()
        step = self._last_step
        self.say(f"Interrupted by {signal_name}" + (f": {step.text}." if step else "."), fg="red")
        if step and step.if_interrupted:
            self.say(step.if_interrupted)

    def show_bug(self, error: Exception) -> None:
        """Say that this is our fault, and what to report."""
        self.close()
        self._show_traceback(error)
        self.say(f"Error: unexpected {type(error).__name__}: {error}", fg="red")
        self.say("Likely cause: a bug in this program.")
        self.say("Next step: run again with -vv and report what it shows.")

    def _show_traceback(self, error: BaseException) -> None:
        if self.verbosity >= _DEBUG:
            for part in traceback.format_exception(error):
                self.say(part.rstrip("\n"))


def output_error(error: OSError) -> OutputError:
    """Return the error for a stdout that does not take what is written."""
    return OutputError(
        "The answer cannot be written to stdout.",
        cause=f"{error}.",
        hint="Make room, or send it somewhere else.",
    )


class _Transfers:
    """The layers of one push, or one download."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last_status: dict[str, str] = {}
        self._last_part = 0
        self._bars: _Bars | None = None

    def show(self, event: LayerProgress) -> None:
        if sys.stderr.isatty():
            self._bar(event.layer, f"{event.layer} {event.status}", event.current, event.total)
        elif self._last_status.get(event.layer) != event.status:
            self._last_status[event.layer] = event.status
            if event.status not in {"Preparing", "Waiting"}:
                size = f" ({event.total / 1e6:.1f} MB)" if event.total else ""
                self._console.say(f"    {event.layer}: {event.status}{size}")

    def show_download(self, event: DownloadProgress) -> None:
        if sys.stderr.isatty():
            self._bar("download", "Downloading", event.current, event.total)
            return
        if event.total and event.total < _PART:
            return  # it will be over before anybody wonders
        part = event.current * 10 // event.total if event.total else event.current // _PART
        if part != self._last_part:
            self._last_part = part
            of_total = f" of {event.total / 1e6:.1f}" if event.total else ""
            self._console.say(f"    {event.current / 1e6:.1f}{of_total} MB")

    def close(self) -> None:
        self._last_status.clear()
        self._last_part = 0
        if self._bars:
            self._bars.__exit__(None, None, None)
            self._bars = None

    def _bar(self, name: str, text: str, current: int | None, total: int | None) -> None:
        self._bars = self._bars or _Bars().__enter__()
        self._bars.show(name, text, current, total)


class _Spinner:
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
        self._progress.update(self._task, description=text)

    def stop(self) -> None:
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


def show_settings(console: Console, rows: Iterable[tuple[str, str, str]]) -> None:
    """Show each setting, its value and where that came from."""
    for name, value, origin in rows:
        console.say(f"    {name} = {value}  ({origin})")


console = Console()
