"""Where the commands start: they handle Ctrl-C from the first line, also during the imports."""

import gc
import signal
from importlib import import_module
from typing import NoReturn


def lusid_publish() -> NoReturn:
    """Run `lusid-publish`."""
    _run_main("publish")


def lusid_images() -> NoReturn:
    """Run `lusid-images`."""
    _run_main("images")


def lusid_scheduler_local() -> NoReturn:
    """Run `lusid-scheduler-local`."""
    _run_main("local")


def _run_main(module: str) -> NoReturn:
    """Let Ctrl-C end the process until the command handles it itself, and run the command."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()  # nothing is garbage yet, and to look for it takes a tenth of the time
    # Ctrl-C can come during the import, which takes its time.
    command = import_module(f"lusid_image_publish.cli.{module}")
    gc.enable()
    command.main()
    raise AssertionError  # main() exits
