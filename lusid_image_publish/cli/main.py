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
    sys.exit(_outcome(command))


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
    except BrokenPipeError:
        # Whoever reads stdout is gone; nothing more can be said to it, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.BUG
    except Exception as error:  # noqa: BLE001  # the last line of defence against a traceback
        console.show_bug(error)
        return ExitCode.BUG


def _interrupted(error: BaseException | None) -> ExitCode:
    terminated = isinstance(error, Terminated)
    console.show_interruption("SIGTERM" if terminated else "Ctrl-C (SIGINT)")
    return ExitCode.TERMINATED if terminated else ExitCode.INTERRUPTED
