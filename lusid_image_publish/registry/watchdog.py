"""Ending a conversation that lasts or is silent for too long.

A read time-out alone does neither: it cannot tell an engine that never reports progress (Podman)
from one that has stopped to, and a stream that says something now and then would never end.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

from lusid_image_publish.waiting import Clock, Deadline, monotonic

_NEVER: Final = threading.TIMEOUT_MAX


class Watchdog:
    """Calls `end` when `deadline` passes or there is silence; a context manager.

    `end` is called in another thread. `idle` is in seconds and counts from each `fed()`, the first
    one included: an engine that says nothing while it pushes has until the deadline. `bark` is the
    reason when `end` was called, empty when it was not.
    """

    def __init__(
        self,
        end: Callable[[], None],
        deadline: Deadline,
        *,
        idle: float,
        clock: Clock = monotonic,
    ) -> None:
        self.bark = ""
        self._end = end
        self._deadline = deadline
        self._idle = idle
        self._clock = clock
        self._silent_since: float | None = None
        self._over = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._over = True
            self._changed.notify()
        self._thread.join()

    def fed(self) -> None:
        """Take note that something goes on."""
        with self._changed:
            self._silent_since = self._clock()
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while not self._over:
                silence, whole = self._left()
                if min(silence, whole) <= 0:
                    self.bark = (
                        f"it was silent for {self._idle:g} seconds"
                        if silence <= 0
                        else "its time was over"
                    )
                    with suppress(OSError, ValueError, RuntimeError):  # it has ended, or cannot be
                        self._end()
                    return
                self._changed.wait(min(silence, whole))

    def _left(self) -> tuple[float, float]:
        """Return the seconds that are left of the silence that is borne, and of all."""
        if self._silent_since is None:
            return _NEVER, self._deadline.remaining()
        return self._silent_since + self._idle - self._clock(), self._deadline.remaining()
