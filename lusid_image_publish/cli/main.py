"""How every command begins and ends: one place that catches, and one that exits."""

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import NoReturn

import click

from lusid_image_publish.ci.detect import platform_of
from lusid_image_publish.ci.platform import Platform
from lusid_image_publish.cli.console import DEBUG, console, output_error
from lusid_image_publish.errors import ExitCode, LusidPublishError

_CLEANING_UP = 10.0  # seconds
_REFUSED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EBADF, errno.EIO)
_SIGNALS = {
    signal.SIGINT: ("Ctrl-C (SIGINT)", ExitCode.INTERRUPTED),
    signal.SIGTERM: ("SIGTERM", ExitCode.TERMINATED),
    signal.SIGHUP: ("SIGHUP", ExitCode.HUNG_UP),
}


class Interrupted(KeyboardInterrupt):
    """One of `_SIGNALS`: from a person, a CI that cancels a job, a terminal that was closed."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = signal.Signals(number)


def run(
    command: click.Command,
    *,
    settings: Mapping[str, tuple[str, str]] | None = None,
    platform: Platform | None = None,
) -> NoReturn:
    """Run `command` and exit with the code that its outcome has.

    `settings` are some that are given like options, by name, each with where it is from. `platform`
    is the CI that this is, None for what the environment tells.
    """
    interrupt = _interrupter()
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a shell's background job
            signal.signal(number, interrupt)
    _open_standard_streams()
    console.platform = platform or platform_of(os.environ)
    code = _outcome(command, settings)
    console.finish()
    try:
        sys.stdout.flush()
    except OSError:  # told already; Python would tell it again at the end, in its own way
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _open_standard_streams() -> None:
    """Let nobody be surprised by a stream that was closed before we began: Python has None then.

    What is written to such a stdout is refused, because it is lost.
    """
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115, PTH123  # open to the end
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123


def _interrupter() -> Callable[[int, FrameType | None], None]:
    """Return a signal handler that raises, and lets cleaning up go on undisturbed for a while.

    A CI sends a second signal a few seconds after the first, and people press Ctrl-C twice.
    """
    last = -_CLEANING_UP

    def interrupt(number: int, _frame: FrameType | None) -> None:
        nonlocal last
        if time.monotonic() - last >= _CLEANING_UP:
            last = time.monotonic()
            raise Interrupted(number)

    return interrupt


def _outcome(command: click.Command, settings: Mapping[str, tuple[str, str]] | None) -> ExitCode:
    console.set_verbosity(DEBUG if console.platform.is_debugged else 0)
    try:
        # Outside standalone mode click hands over what it would have exited with, from --help say.
        done = command.main(standalone_mode=False, obj=settings)
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
    except SystemExit as leaving:
        # click ends a completion so, with 0, and with 1 what the reader of stdout did not wait for.
        if leaving.code == 1:
            return ExitCode.BROKEN_PIPE
        raise
    except OSError as error:
        if error.errno not in _REFUSED or error.filename:
            console.show_bug(error)
            return ExitCode.BUG
        console.show_error(output_error(error))  # what click itself writes: --help, --version
        return ExitCode.OUTPUT
    except Exception as error:  # noqa: BLE001  # the last line of defence against a traceback
        console.show_bug(error)
        return ExitCode.BUG


def _interrupted(error: BaseException | None) -> ExitCode:
    number = error.number if isinstance(error, Interrupted) else signal.SIGINT
    name, code = _SIGNALS[number]
    console.show_interruption(name)
    return code
