"""Waiting ends."""

import itertools

import pytest

from lusid_image_publish.waiting import (
    LAST_LOOK_SECONDS,
    Deadline,
    poll,
    quick_then_patient,
    time_left,
    within,
)


class FakeTime:
    """A clock that only a sleep moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def test_poll_returns_what_it_waited_for() -> None:
    time = FakeTime()
    answers = iter([None, None, "here"])
    found = poll(
        lambda: next(answers),
        deadline=Deadline(10, clock=time.clock),
        pauses=itertools.repeat(1.0),
        sleep=time.sleep,
    )
    assert found == "here"
    assert time.pauses == [1.0, 1.0]


def test_poll_gives_up_at_the_deadline_after_a_last_look() -> None:
    time = FakeTime()
    looks: list[float] = []
    found = poll(
        lambda: looks.append(time.now),
        deadline=Deadline(2.5, clock=time.clock),
        pauses=itertools.repeat(1.0),
        sleep=time.sleep,
    )
    assert found is None
    assert looks == [100.0, 101.0, 102.0, 102.5]


def test_poll_looks_once_even_without_time() -> None:
    time = FakeTime()
    found = poll(
        lambda: "here",
        deadline=Deadline(0, clock=time.clock),
        pauses=itertools.repeat(1.0),
        sleep=time.sleep,
    )
    assert found == "here"


def test_requests_of_a_look_have_what_is_left_and_a_last_moment() -> None:
    time = FakeTime()
    found = poll(
        time_left,
        deadline=Deadline(5, clock=time.clock),
        pauses=itertools.repeat(1.0),
        sleep=time.sleep,
    )
    assert found
    assert LAST_LOOK_SECONDS < found <= 5 + LAST_LOOK_SECONDS
    assert time_left() == float("inf")


def test_the_deadline_that_comes_first_is_what_is_left() -> None:
    time = FakeTime()
    inner, outer = Deadline(9, clock=time.clock), Deadline(12, clock=time.clock)
    with within(outer), within(inner):
        assert time_left() == 9
        time.now += 8
        inner.restart()
        assert time_left() == 4
    assert time_left() == float("inf")


def test_a_deadline_ends_with_its_block_however_that_ends() -> None:
    with pytest.raises(KeyError), within(Deadline(0)):
        raise KeyError
    assert time_left() == float("inf")


def test_pauses_are_short_first_and_never_longer_than_asked() -> None:
    pauses = list(itertools.islice(quick_then_patient(quick_for=1.0, longest=2.0), 20))
    assert pauses[:6] == [0.15] * 6
    assert pauses == sorted(pauses)
    assert pauses[-1] == 2.0
