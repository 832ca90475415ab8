"""Where the commands start: they handle Ctrl-C from the first line, also during the imports."""

import gc
import signal
import sys
from importlib import import_module
from types import ModuleType
from typing import Final, NoReturn

_UNUSED: Final = "httpx._main"
"""httpx's own command, which `import httpx` does without: it takes as long as all else of httpx."""


def lusid_publish() -> NoReturn:
    """Run `lusid-publish`."""
    _run_main("publish")


def lusid_images() -> NoReturn:
    """Run `lusid-images`."""
    _run_main("images")


def lusid_jobs() -> NoReturn:
    """Run `lusid-jobs`."""
    _run_main("jobs")


def lusid_scheduler_local() -> NoReturn:
    """Run `lusid-scheduler-local`."""
    _run_main("local")


def _run_main(module: str) -> NoReturn:
    """Let Ctrl-C end the process until the command handles it itself, and run the command."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        import_quickly(module).main()
    finally:
        gc.freeze()  # the last garbage collection would take a fifth of a short command
    raise AssertionError  # main() exits


def import_quickly(module: str) -> ModuleType:
    """Import a module of `cli/` without garbage collection, which saves a tenth of the time."""
    sys.modules.setdefault(_UNUSED, None)  # type: ignore[arg-type]  # then its import fails
    gc.disable()
    try:
        # In a function, because Ctrl-C can come during the import, and --help needs few modules.
        return import_module(f"lusid_image_publish.cli.{module}")
    finally:
        gc.freeze()  # a later collection need not look at what was imported
        gc.enable()
