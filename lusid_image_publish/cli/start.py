"""Where the commands start: they handle Ctrl-C from the first line, also during the imports."""

import signal
from typing import NoReturn


def lusid_publish() -> NoReturn:
    """Run `lusid-publish`."""
    _end_at_once()
    from lusid_image_publish.cli.publish import main  # noqa: PLC0415

    main()


def lusid_images() -> NoReturn:
    """Run `lusid-images`."""
    _end_at_once()
    from lusid_image_publish.cli.images import main  # noqa: PLC0415

    main()


def lusid_scheduler_local() -> NoReturn:
    """Run `lusid-scheduler-local`."""
    _end_at_once()
    from lusid_image_publish.cli.local import main  # noqa: PLC0415

    main()


def _end_at_once() -> None:
    """Let Ctrl-C end the process, until the command handles it itself."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
