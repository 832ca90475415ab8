"""How every command begins and ends: one place that catches, and one that exits."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from lusid_image_publish.cli.console import console
from lusid_image_publish.errors import ExitCode, LusidPublishError


class Terminated(KeyboardInterrupt):
    """SIGTERM, which a CI sends to cancel a job: cleaned up after as Ctrl-C is."""


def run(command: click.Command) -> NoReturn:
    """Run `command` and exit with the code that its outcome has."""
    signal.signal(signal.SIGTERM, _terminate)
    _open_standard_streams()
    code = _outcome(command)
    try:
        sys.stdout.flush()
    except OSError:  # told already; Python would tell it again at the end, in its own way
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _open_standard_streams() -> None:
    """Let nobody be surprised by a stream that was closed before we began: Python has None then."""
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115, PTH123  # open to the end
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def _outcome(command: click.Command) -> ExitCode:
    console.set_verbosity(0)
    try:
        # Outside standalone mode click hands over what it would have exited with, from --help say.
        return ExitCode(command.main(standalone_mode=False) or ExitCode.DONE)
    except click.Abort as error:
        return _interrupted(error.__context__)
    except KeyboardInterrupt as error:
        return _interrupted(error)
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except LusidPublishError as error:
        console.show_error(error)
        return error.exit_code
    except SystemExit as leaving:
        # click ends a completion so, with 0, and with 1 what the reader of stdout did not wait for.
        if leaving.code == 1:
            return ExitCode.BROKEN_PIPE
        raise
    except Exception as error:  # noqa: BLE001  # the last line of defence against a traceback
        console.show_bug(error)
        return ExitCode.BUG


def _interrupted(error: BaseException | None) -> ExitCode:
    terminated = isinstance(error, Terminated)
    console.show_interruption("SIGTERM" if terminated else "Ctrl-C (SIGINT)")
    return ExitCode.TERMINATED if terminated else ExitCode.INTERRUPTED
