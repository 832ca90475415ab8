"""Waiting with a bound: deadlines, polling, and a watchdog for streams.

Clock and sleep are parameters, so that a test can wait an hour in no time.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Final, Self, TypeVar

T = TypeVar("T")
Clock = Callable[[], float]
Sleep = Callable[[float], None]
LAST_LOOK_SECONDS: Final = 10.0


def monotonic() -> float:
    """Return seconds that only go forward, of the clock that `time` has when this is called."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait, with the `sleep` that `time` has when this is called."""
    time.sleep(seconds)


class Deadline:
    """A point in time after which nothing waits any longer.

    `seconds` counts from now; `clock` returns seconds and only goes forward.
    """

    def __init__(self, seconds: float, *, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._seconds = seconds
        self._end = clock() + seconds

    def restart(self) -> None:
        """Start again from now."""
        self._end = self._clock() + self._seconds

    def remaining(self) -> float:
        """Return the seconds that are left, never less than 0."""
        return max(0.0, self._end - self._clock())

    def passed(self) -> bool:
        """Return whether the time is over."""
        return self.remaining() == 0


_DEADLINES: Final[ContextVar[tuple[Deadline, ...]]] = ContextVar("deadlines", default=())
# A context variable, because the sockets are read by httpcore, which passes no argument on to them.


@contextmanager
def within(deadline: Deadline) -> Iterator[None]:
    """End all HTTP requests of the block by `deadline`, and by the deadlines of outer blocks."""
    outer = _DEADLINES.set((*_DEADLINES.get(), deadline))
    try:
        yield
    finally:
        _DEADLINES.reset(outer)


def time_left() -> float:
    """Return the seconds until the first deadline of `within`, infinite when there is none."""
    return min((deadline.remaining() for deadline in _DEADLINES.get()), default=float("inf"))


def quick_then_patient(
    *, first: float = 0.15, quick_for: float = 15.0, factor: float = 1.25, longest: float = 5.0
) -> Iterator[float]:
    """Yield the pauses between polls, in seconds, without end.

    They are `first` for `quick_for` seconds, because most waits are short and somebody is watching,
    then grow by `factor` up to `longest`, to avoid seven requests a second for minutes.
    """
    for _ in range(round(quick_for / first)):
        yield first
    pause = first
    while True:
        pause = min(pause * factor, longest)
        yield pause


def poll(
    look: Callable[[], T | None],
    *,
    deadline: Deadline,
    pauses: Iterable[float],
    sleep: Sleep = sleep,
) -> T | None:
    """Call `look` until it returns something, and return that; None when the deadline passed.

    `look` is called at least once, and again after the last pause. All its HTTP requests end
    `LAST_LOOK_SECONDS` after the deadline at the latest.
    """
    with within(Deadline(deadline.remaining() + LAST_LOOK_SECONDS)):
        for pause in pauses:
            last = deadline.passed()
            found = look()
            if found is not None or last:
                return found
            sleep(min(pause, deadline.remaining()))
    return None


class Watchdog:
    """Calls `end` when `deadline` passes or the stream falls silent; a context manager.

    `end` is called in another thread. `idle` is in seconds and counts from each `touch()`: an
    engine that reports nothing while it pushes has until the deadline. `reason` says why `end` was
    called, and is empty until then. (A read timeout is not enough: it cannot distinguish an engine
    that never reports progress, Podman, from one that has stopped, and a trickle never ends.)
    """

    def __init__(
        self,
        end: Callable[[], None],
        deadline: Deadline,
        *,
        idle: float,
        clock: Clock = monotonic,
    ) -> None:
        self.reason = ""
        self._end = end
        self._deadline = deadline
        self._idle = idle
        self._clock = clock
        self._silent_since: float | None = None
        self._is_over = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self._thread.join()

    def touch(self) -> None:
        """Start the idle time again."""
        with self._changed:
            self._silent_since = self._clock()
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while not self._is_over:
                idle, total = self._remaining()
                if min(idle, total) <= 0:
                    self.reason = (
                        f"no progress for {self._idle:g} seconds"
                        if idle <= 0
                        else "it did not finish in time"
                    )
                    with suppress(OSError, ValueError, RuntimeError):  # the stream ended by itself
                        self._end()
                    return
                self._changed.wait(min(idle, total))

    def _remaining(self) -> tuple[float, float]:
        """Return the seconds that are left of the idle time and in total."""
        if self._silent_since is None:
            return threading.TIMEOUT_MAX, self._deadline.remaining()
        return self._silent_since + self._idle - self._clock(), self._deadline.remaining()
