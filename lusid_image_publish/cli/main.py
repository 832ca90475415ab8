"""Start and end every command: the only place that catches errors and exits."""

import errno
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import NoReturn

import click

from lusid_image_publish.ci.ci_platform import CiPlatform
from lusid_image_publish.ci.detect import detect_ci
from lusid_image_publish.cli.console import DEBUG_VERBOSITY, console
from lusid_image_publish.cli.start import import_quickly
from lusid_image_publish.cli.streams import (
    NoReaderError,
    close_standard_streams,
    open_standard_streams,
)
from lusid_image_publish.errors import ConfigurationError, ExitCode, LusidPublishError
from lusid_image_publish.system import ENDING_SIGNALS

_CLEAN_UP_SECONDS = 10.0
_SIGNALS = {
    "SIGINT": ("Ctrl-C (SIGINT)", ExitCode.INTERRUPTED),
    "SIGBREAK": ("Ctrl-Break (SIGBREAK)", ExitCode.INTERRUPTED),
    "SIGTERM": ("SIGTERM", ExitCode.TERMINATED),
    "SIGHUP": ("SIGHUP", ExitCode.HUNG_UP),
}
_COMPLETION = re.compile(r"_LUSID_\w+_COMPLETE")
_NO_COMPLETION = ConfigurationError(
    "The shell requested a completion in an unknown format.",
    cause="The variable that ends in _COMPLETE supports only bash, zsh and fish.",
    hint="Unset it, or see `lusid-images completion --help`.",
)


class Interrupted(KeyboardInterrupt):
    """A signal to stop: from the user, a CI that cancels a job, or a closed terminal."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = signal.Signals(number)


def run(
    command: click.Command,
    *,
    settings: Mapping[str, tuple[str, str]] | None = None,
    ci: CiPlatform | None = None,
) -> NoReturn:
    """Run `command` and exit with the code of its outcome.

    `settings` are as strong as options: by name, each with its origin. `ci` is the current CI, None
    to detect it.
    """
    open_standard_streams()
    console.ci = ci or detect_ci(os.environ)
    code = _outcome(command, settings)
    _handle_signals(signal.SIG_DFL)  # nothing is left to clean up
    console.finish()
    close_standard_streams()
    sys.exit(code)


def _handle_signals(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    for number in ENDING_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a shell's background job
            signal.signal(number, handler)


def _interrupter() -> Callable[[int, FrameType | None], None]:
    """Return a signal handler that raises, and ignores further signals during the clean-up.

    A CI sends a second signal a few seconds after the first, and users press Ctrl-C twice.
    """
    last = -_CLEAN_UP_SECONDS

    def interrupt(number: int, _frame: FrameType | None) -> None:
        nonlocal last
        if time.monotonic() - last >= _CLEAN_UP_SECONDS:
            last = time.monotonic()
            raise Interrupted(number)

    return interrupt


def _outcome(command: click.Command, settings: Mapping[str, tuple[str, str]] | None) -> ExitCode:
    console.set_verbosity(DEBUG_VERBOSITY if console.ci.is_debugged else 0)
    try:
        _handle_signals(_interrupter())
        if _is_completing():
            import_quickly("completion_shells")  # click finds its classes then
        # Outside standalone mode click returns its exit code, for example after --help.
        # On Windows it would expand variables and patterns, in values too.
        done = command.main(standalone_mode=False, windows_expand_args=False, obj=settings)
        return ExitCode(done or ExitCode.DONE)
    except click.Abort as error:
        return _interrupted(error.__context__)
    except KeyboardInterrupt as error:
        return _interrupted(error)
    except click.ClickException as error:
        console.show_usage_error(error)
        return ExitCode.USAGE
    except LusidPublishError as error:
        console.show_error(error)
        return error.exit_code
    except NoReaderError:
        return ExitCode.BROKEN_PIPE
    except SystemExit as leaving:
        return _exited_by_click(leaving)
    except Exception as error:  # noqa: BLE001  # the last defence against a traceback
        return _unexpected(error)


def _unexpected(error: Exception) -> ExitCode:
    if isinstance(error, OSError) and isinstance(error.__context__, KeyboardInterrupt):
        return _interrupted(error.__context__)  # click could not end the line on stderr
    if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}:
        limited = ConfigurationError(
            "This command has reached the limit of open files.",
            cause=str(error),
            hint="Raise the limit, for example with `ulimit -n 1024`.",
        )
        console.show_error(limited)
        return limited.exit_code
    console.show_bug(error)
    return ExitCode.BUG


def _exited_by_click(leaving: SystemExit) -> ExitCode:
    """Return the code for an exit of click: from a completion, or a stderr without a reader."""
    if not leaving.code:
        return ExitCode.DONE
    if not _is_completing():
        return ExitCode.BROKEN_PIPE
    console.show_error(_NO_COMPLETION)
    return _NO_COMPLETION.exit_code


def _is_completing() -> bool:
    """Return whether a shell asks for completions."""
    return any(map(_COMPLETION.fullmatch, os.environ))


def _interrupted(error: BaseException | None) -> ExitCode:
    number = error.number if isinstance(error, Interrupted) else signal.SIGINT
    name, code = _SIGNALS[number.name]
    console.show_interruption(name)
    return code
