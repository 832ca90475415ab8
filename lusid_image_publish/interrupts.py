"""Defer signals during a clean-up."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

from lusid_image_publish.system import ENDING_SIGNALS


class DeferredSignals:
    """Defers the signals that end a command until the end of the block; a context manager.

    Deferred signals are raised at the end, or where they are `allowed`. Python runs signal handlers
    only in the main thread, so other threads defer nothing.
    """

    def __init__(self) -> None:
        self._handlers: dict[signal.Signals, Any] = {}
        self._deferred: list[int] = []

    def __enter__(self) -> Self:
        self._defer()
        return self

    def __exit__(self, *_: object) -> None:
        self._allow()

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Allow signals during the block."""
        try:
            self._allow()
            yield
        finally:
            self._defer()

    def _defer(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in ENDING_SIGNALS:
            handler = signal.getsignal(number)
            if handler is not None:  # None: not one that Python installed
                self._handlers[number] = handler
                signal.signal(number, self._record)

    def _allow(self) -> None:
        while self._handlers:
            signal.signal(*self._handlers.popitem())
        while self._deferred:
            signal.raise_signal(self._deferred.pop(0))

    def _record(self, number: int, _frame: FrameType | None) -> None:
        self._deferred.append(number)
