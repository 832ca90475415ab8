"""Signals are held back until the end of a block, and none is lost."""

import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from lusid_image_publish.interrupts import DeferredSignals
from lusid_image_publish.system import ENDING_SIGNALS


@pytest.fixture
def came() -> Iterator[list[int]]:
    """Collect what comes through; SIGTERM raises as well."""
    numbers: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        numbers.append(number)
        if number == signal.SIGTERM:
            raise KeyboardInterrupt

    former = {number: signal.signal(number, handle) for number in ENDING_SIGNALS}
    yield numbers
    for number, handler in former.items():
        signal.signal(number, handler)


def test_a_signal_comes_through_at_the_end(came: list[int]) -> None:
    with DeferredSignals():
        signal.raise_signal(signal.SIGINT)
        assert came == []
    assert came == [signal.SIGINT]


def test_a_signal_that_came_before_comes_through_where_signals_are_allowed(
    came: list[int],
) -> None:
    done = False
    with pytest.raises(KeyboardInterrupt), DeferredSignals() as signals:  # noqa: PT012  # the order counts
        signal.raise_signal(signal.SIGTERM)
        try:
            with signals.allowed():
                done = True
        finally:
            signal.raise_signal(signal.SIGINT)
            assert came == [signal.SIGTERM]
    assert came == [signal.SIGTERM, signal.SIGINT]
    assert not done


def test_signals_act_at_once_where_signals_are_allowed(came: list[int]) -> None:
    with DeferredSignals() as signals, signals.allowed():
        signal.raise_signal(signal.SIGINT)
        assert came == [signal.SIGINT]


def test_handlers_are_as_they_were_before(came: list[int]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with DeferredSignals() as signals:
        assert signal.getsignal(signal.SIGINT) != before
        with signals.allowed():
            assert signal.getsignal(signal.SIGINT) == before
    assert signal.getsignal(signal.SIGINT) == before
    assert came == []


def test_what_is_ignored_stays_ignored() -> None:
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with DeferredSignals():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, former)


def test_another_thread_has_nothing_to_hold_back() -> None:
    reached = []

    def work() -> None:
        with DeferredSignals() as signals, signals.allowed():
            reached.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert reached == [True]
