"""A clock that goes forward when somebody waits, and takes no time for it."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest


class FakeClock:
    """`time.monotonic` and `time.sleep` of a test; `now` gives UTC that goes forward with them.

    `pauses` are the seconds that were slept. `on_sleep` is called before each pause.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = datetime.now(UTC)
        self._seconds = 1000.0
        self.pauses: list[float] = []
        self.on_sleep: Callable[[], object] = lambda: None

    def monotonic(self) -> float:
        """Return the seconds."""
        return self._seconds

    def now(self) -> datetime:
        """Return the time of day."""
        return self._began + timedelta(seconds=self._seconds - 1000.0)

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        with self._lock:
            self._seconds += seconds

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass, as a pause."""
        self.on_sleep()
        self.pauses.append(seconds)
        self.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        """Let so many seconds pass, as a pause between an asynchronous client's retries."""
        self.sleep(seconds)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Be the clock of `time`, but not for the local Schedulers of other tests.

        Their event loops would wait for a time that comes long after this clock has gone.
        """
        real = time.monotonic

        def monotonic() -> float:
            is_other = threading.current_thread().name == "local-scheduler"
            return real() if is_other else self.monotonic()

        patch.setattr(time, "monotonic", monotonic)
        patch.setattr(time, "sleep", self.sleep)
        patch.setattr("httpx_retries.retry.asyncio", SimpleNamespace(sleep=self.asleep))
