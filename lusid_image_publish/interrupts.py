"""Signals that come at a bad time: held back while something is cleaned up."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

from lusid_image_publish.system import ENDING_SIGNALS


class DeferredSignals:
    """Holds back the signals that end a command until the end of the block; a context manager.

    What came in the meantime is acted on at the end, or where they are `allowed`. Python runs
    signal handlers in the main thread alone, so elsewhere there is nothing to hold back.
    """

    def __init__(self) -> None:
        self._former: dict[signal.Signals, Any] = {}
        self._came: list[int] = []

    def __enter__(self) -> Self:
        self._hold()
        return self

    def __exit__(self, *_: object) -> None:
        self._lower()

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Let signals through for as long as the block lasts."""
        try:
            self._lower()
            yield
        finally:
            self._hold()

    def _hold(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in ENDING_SIGNALS:
            former = signal.getsignal(number)
            if former is not None:  # None: not one that Python installed
                self._former[number] = former
                signal.signal(number, self._keep)

    def _lower(self) -> None:
        while self._former:
            signal.signal(*self._former.popitem())
        while self._came:
            signal.raise_signal(self._came.pop(0))

    def _keep(self, number: int, _frame: FrameType | None) -> None:
        self._came.append(number)
