"""Show a command's output: the result on stdout, everything else on stderr, no secret on either.

On a terminal a push shows one bar per layer; elsewhere a line for each change of a layer. In a
known CI, the log has its sections and annotations.
"""

import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import Final, Literal

import click
from click.exceptions import NoArgsIsHelpError

from lusid_image_publish.ci.ci_platform import CiPlatform, Level
from lusid_image_publish.cli.folding import fold
from lusid_image_publish.cli.moving import Moving
from lusid_image_publish.cli.usage import usage_text
from lusid_image_publish.errors import BuildError, ExitCode, JobRunError, LusidPublishError
from lusid_image_publish.interrupts import DeferredSignals
from lusid_image_publish.progress import (
    Arrived,
    BreakingFinding,
    BuildOutput,
    DownloadProgress,
    Event,
    JobOutput,
    LayerDone,
    LayerProgress,
    Note,
    StepDone,
    StepStarted,
    Waiting,
    Warned,
)
from lusid_image_publish.text import RedactingFormatter, line_of, printable

DEBUG_VERBOSITY: Final = 2
"""The verbosity that shows everything."""

_DEBUG_FORM: Final = "    %(levelname)s %(name)s: %(message)s"
_TITLE: Final = "LUSID"
_PACKAGE: Final = "lusid_image_publish"
_SERVICE: Final = r"(?:\b[Tt]he )?(?<![\w./\\-])LUSID(?: Scheduler)?(?![\w/\\-]| domain)"
"""The service in a sentence of this package, not in a path or a name."""
Annotates = Literal["breaking", "all", "none"]

_MOVING: Final = (Waiting, LayerProgress, LayerDone, DownloadProgress)
_RETRIES: Final = "httpx_retries"  # it logs headers that it cannot read


class Console:
    """Shows events and errors. `verbosity` is 0, 1 (`-v`) or 2 (`-vv`); -1 is `--quiet`.

    `ci` is the CI that shows the log; `wording` adapts errors and warnings to it. `annotates` says
    which findings are annotated there, and `has_summary` whether a summary is written. With
    `is_local` the service is called the local Scheduler, not LUSID.
    """

    def __init__(self) -> None:
        self.verbosity = 0
        self.ci = CiPlatform()
        self.wording: Callable[[str], str] = str
        self.annotates: Annotates = "breaking"
        self.has_summary = True
        self.is_local = False
        self._last_step: StepStarted | None = None
        self._moving = Moving(self)

    def set_verbosity(self, verbosity: int) -> None:
        """Show more or less, the package's own log records included."""
        self.verbosity = verbosity
        handler = _ConsoleHandler(self)
        form = _DEBUG_FORM if verbosity >= DEBUG_VERBOSITY else "    %(message)s"
        handler.setFormatter(RedactingFormatter(form))
        for name in (_PACKAGE, _RETRIES):
            logger = logging.getLogger(name)
            logger.handlers = [handler]
            logger.propagate = False
            logger.setLevel(logging.WARNING)
        if verbosity >= DEBUG_VERBOSITY:
            logging.getLogger(_PACKAGE).setLevel(logging.DEBUG)

    def answer(self, text: str, *, head: str = "", **style: bool | str) -> None:
        """Write the result to stdout, for example a digest, never a secret; `head` has `style`.

        Raises `OutputError`, and `NoReaderError` if its reader has stopped reading.
        """
        styled = click.style(printable(head), **style) if head else ""  # type: ignore[arg-type]  # click's own names
        click.echo(styled + printable(text))

    def say(self, text: str, **style: bool | str) -> None:
        """Write one line for people to stderr, cleaned by `line_of`."""
        self._write(partial(self.ci.text, _styled(text, **style)))

    def say_lines(self, text: str) -> None:
        """Write a text of several lines, such as a traceback, to stderr."""
        for line in text.rstrip("\n").split("\n"):
            self.say(line)

    def log(self, text: str) -> None:
        """Write a log record of this package to stderr."""
        self.say_lines(self.named(text))

    def annotate(self, level: Level, title: str, text: str) -> None:
        """Show `text` as an annotation in CI; nowhere else."""
        self._write(partial(self._annotation, level, title, text))

    def _annotation(self, level: Level, title: str, text: str) -> list[str]:
        shown = "\n".join(map(line_of, text.split("\n")))
        return self.ci.annotation(level, line_of(title), shown)

    def mask(self, secret: str) -> None:
        """Tell the CI to hide a secret from now on, if it can."""
        self._write(partial(self.ci.mask, secret))

    def _write(self, make: Callable[[], list[str]]) -> bool:
        """Write the lines that `make` returns, and return whether there are any.

        A signal between them would leave the log of a CI in an unknown state. Errors of stderr are
        ignored: the exit code has the outcome.
        """
        with DeferredSignals() if self.ci.is_ci else nullcontext(), suppress(OSError):
            lines = make()
            columns = _columns_of_stderr() if self.is_live else sys.maxsize
            for line in lines:
                click.echo(fold(line, columns), err=True, color=self.ci.colours)
            return bool(lines)
        return False

    def remark(self, text: str) -> None:
        """Write one line, unless `--quiet`."""
        if self.verbosity >= 0:
            self.say(self.named(text))

    def named(self, text: str) -> str:
        """Return a text of this package with the right name of the service."""
        return re.sub(_SERVICE, _local_name, text) if self.is_local else text

    def listen(self, event: Event) -> None:
        """Show an event of the library."""
        if not isinstance(event, _MOVING):
            self.close()
        self._follow(event)
        if self._is_hidden(event):
            return
        match event:
            case StepStarted(text):
                title = line_of(self.named(text))
                self._write(partial(self.ci.begin, title, has_output=event.has_output))
            case StepDone(text):
                self.say(f"    {self.wording(self.named(text))}")
                self._write(self.ci.end)
            case Note(text):
                self.say(f"    {self.wording(self.named(text))}")
            case Warned(text):
                self.warn(text)
            case BuildOutput(line) | JobOutput(line):
                self._show_output(line)
            case Waiting() | LayerProgress() | LayerDone() | DownloadProgress():
                self._move(event)
            case Arrived():
                pass  # the steps show it

    def _is_hidden(self, event: Event) -> bool:
        """Return whether `event` is not for this log, or becomes an annotation."""
        if isinstance(event, BreakingFinding) and self.ci.has_annotations:
            return self.annotates != "none"
        return self.verbosity < 0 and not isinstance(event, Warned)

    def _show_output(self, line: str) -> None:
        """Show a line that another program wrote."""
        shown = _styled(f"    | {click.unstyle(line)}", dim=True)
        self._write(partial(self.ci.output, shown))

    def _follow(self, event: Event) -> None:
        """Remember the current step."""
        if isinstance(event, StepStarted):
            self._end_step("not finished")
            self._last_step = event
        elif isinstance(event, StepDone) and self._last_step:
            self._last_step = replace(self._last_step, if_failed="")

    def warn(self, text: str) -> None:
        """Show a warning, which does not stop the work."""
        text = self.wording(self.named(text))
        if not self._write(partial(self._annotation, "warning", _TITLE, line_of(text))):
            self.say(f"warning: {text}", fg="yellow")

    def finish(self) -> None:
        """Leave the terminal or the log as it was before."""
        self.close()
        self._write(self.ci.finish)

    def close(self) -> None:
        """Remove bars and spinners."""
        self._moving.close()

    def _move(self, event: Waiting | LayerProgress | LayerDone | DownloadProgress) -> None:
        match event:
            case Waiting(text):
                self._moving.show_wait(line_of(self.named(text)))
            case LayerProgress():
                layer, status = line_of(event.layer), line_of(event.status)
                self._moving.show(replace(event, layer=layer, status=status))
            case LayerDone():
                self._moving.show_done(event)
            case DownloadProgress():
                self._moving.show_download(event)

    @property
    def is_live(self) -> bool:
        """Whether stderr is a terminal for people, which can show moving bars."""
        return sys.stderr.isatty() and not self.ci.is_ci

    def show_error(self, error: LusidPublishError) -> None:
        """Show what happened, the likely cause and the next step; a traceback with `-vv` only."""
        self._end_step("failed")
        if isinstance(error, BuildError | JobRunError) and self.verbosity < 0:
            for line in error.log:
                self.say(f"    | {line}")
        self._show_traceback(error)
        pairs = self.diagnostics(error)
        self._show_failure(error.slug, error.exit_code, pairs)

    def diagnostics(self, error: LusidPublishError) -> list[tuple[str, str]]:
        """Return label and text of each part of `error` in the terms of the CI, and the state."""
        pairs = error.diagnostics()
        if self._last_step and self._last_step.if_failed:
            pairs.append(("Now", self._last_step.if_failed))
        return [(label, self.wording(self.named(text))) for label, text in pairs]

    def show_usage_error(self, error: click.ClickException) -> None:
        """Show an error in the command line, or in the variables or inputs used instead."""
        if isinstance(error, NoArgsIsHelpError):
            with suppress(OSError):
                error.show()
            return
        title = _failure_title("usage", ExitCode.USAGE)
        text = line_of(self.wording(usage_text(error)))
        if self._write(partial(self._annotation, "error", title, text)):
            return
        if self.wording is not str:  # a job that sets inputs has no use for the usage
            self.say(f"Error: {text}", fg="red")
            return
        with suppress(OSError):
            click.UsageError(text, getattr(error, "ctx", None)).show()

    def _show_failure(self, slug: str, code: ExitCode, pairs: list[tuple[str, str]]) -> None:
        lines = [line_of(f"{label}: {text}") for label, text in pairs]
        text = "\n".join([line_of(pairs[0][1]), *lines[1:]])
        title = _failure_title(slug, code)
        if self._write(partial(self._annotation, "error", title, text)):
            return
        self.say(lines[0], fg="red")
        for line in lines[1:]:
            self.say(line)

    def _end_step(self, result: str) -> None:
        """End a step that has no result of its own."""
        self.close()
        self._write(partial(self.ci.end, f"    {result}"))

    def show_interruption(self, signal_name: str) -> None:
        """Show which step was interrupted, and the state after it."""
        self._end_step("interrupted")
        what, *state = self.interruption() or [""]
        self.say(f"Interrupted by {signal_name}{f': {what}.' if what else '.'}", fg="red")
        for line in state:
            self.say(line)

    def interruption(self) -> list[str]:
        """Return the step that an interruption ends, and the state after it, as far as known."""
        step = self._last_step
        texts = (step.text, step.if_interrupted) if step else ()
        return [self.named(text) for text in texts if text]

    def show_bug(self, error: Exception) -> None:
        """Report a bug of this program, and what to do."""
        self._end_step("failed")
        self._show_traceback(error)
        self._show_failure(
            "bug",
            ExitCode.BUG,
            [
                ("Error", f"Unexpected {type(error).__name__}: {error}"),
                ("Likely cause", "This is a bug in this program."),
                ("Next step", "Run again with -vv, and report the output."),
            ],
        )

    def _show_traceback(self, error: BaseException) -> None:
        if self.verbosity >= DEBUG_VERBOSITY:
            shown = traceback.TracebackException.from_exception(error)
            if isinstance(error, LusidPublishError):
                shown.__notes__ = None  # they are shown below it
            self.say_lines("".join(shown.format()))


class _ConsoleHandler(logging.Handler):
    """Shows log records on the console."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.log(self.format(record).replace("\n", "\n        "))


def _styled(text: str, **style: bool | str) -> str:
    """Return one line, cleaned by `line_of`, with `style`."""
    shown = line_of(text)
    return click.style(shown, **style) if style else shown  # type: ignore[arg-type]  # click's own names


def _columns_of_stderr() -> int:
    """Return the width of the terminal at stderr; stdout may be a file. Unknown is unlimited."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or sys.maxsize
    except (OSError, ValueError):
        return sys.maxsize


def _local_name(match: re.Match[str]) -> str:
    begins = match.start() == 0 or match.string[: match.start()].endswith(". ")
    return f"{'The' if begins else 'the'} local Scheduler"


def _failure_title(slug: str, code: ExitCode) -> str:
    return f"{_TITLE}: {slug.replace('-', ' ')} (exit code {int(code)})"


def show_settings(console: Console, rows: Iterable[tuple[str, str, str]]) -> None:
    """Show each setting with its value and origin."""
    for name, value, origin in rows:
        console.say(f"    {name} = {value}  ({origin})")


console = Console()
