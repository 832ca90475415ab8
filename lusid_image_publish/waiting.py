"""Waiting with a bound: a deadline, and polling until something is so.

Clock and sleep are parameters, so that a test can wait an hour in no time.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeVar

T = TypeVar("T")
Clock = Callable[[], float]
Sleep = Callable[[float], None]
LAST_LOOK: Final = 10.0


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
        """Let the seconds count from now again."""
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

    `first` for as long as `quick_for` (most waits end there, and a person is watching), then each
    one longer by `factor`, up to `longest` (the service should not be asked seven times a second
    for minutes).
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

    `look` is called at least once, and once more at the very end, so that what comes while the
    last pause lasts is still seen. All its HTTP requests end `LAST_LOOK` seconds after the deadline
    at the latest.
    """
    with within(Deadline(deadline.remaining() + LAST_LOOK)):
        for pause in pauses:
            last = deadline.passed()
            found = look()
            if found is not None or last:
                return found
            sleep(min(pause, deadline.remaining()))
    return None
