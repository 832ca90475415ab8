"""Jobs at the same time: their results and events, and what ends them."""

import threading
from functools import partial

import pytest

from lusid_image_publish import parallel
from lusid_image_publish.parallel import Report, StoppedError, run_together
from lusid_image_publish.progress import Event, Note, ignore
from lusid_image_publish.waiting import Deadline, time_left, within


def wait_for(flag: threading.Event, report: Report) -> None:
    """Report until `flag` is set, as a job does that works."""
    while not flag.wait(0.001):
        report(Note("working"))


def test_results_come_in_the_order_of_the_jobs() -> None:
    first_may_end = threading.Event()

    def first(_: Report) -> int:
        assert first_may_end.wait(10)
        return 1

    def second(_: Report) -> int:
        first_may_end.set()
        return 2

    assert run_together([first, second], ignore, threads=2) == [1, 2]
    assert run_together([], ignore, threads=2) == []


def test_no_more_jobs_run_at_a_time_than_are_allowed() -> None:
    running, most = [], []

    def job(report: Report) -> None:
        running.append(1)
        most.append(len(running))
        report(Note("x"))
        running.pop()

    run_together([job] * 30, ignore, threads=3)
    assert max(most) <= 3


def test_events_are_heard_in_the_calling_thread() -> None:
    heard: list[tuple[str, threading.Thread]] = []

    def listen(event: Event) -> None:
        assert isinstance(event, Note)
        heard.append((event.text, threading.current_thread()))

    def job(text: str, report: Report) -> None:
        report(Note(text))

    run_together([partial(job, "a"), partial(job, "b")], listen, threads=2)
    assert sorted(heard) == [(text, threading.current_thread()) for text in "ab"]


@pytest.mark.parametrize("kind", [ValueError, IndexError, KeyboardInterrupt])
def test_a_failure_ends_the_others_and_is_raised(kind: type[BaseException]) -> None:
    ended = threading.Event()

    def works(report: Report) -> None:
        try:
            wait_for(threading.Event(), report)
        except StoppedError:
            ended.set()
            raise

    def fails(_: Report) -> None:
        raise kind("on purpose")

    never = threading.Event()
    with pytest.raises(kind, match="on purpose"):
        run_together([works, fails, lambda _: never.set()], ignore, threads=2)
    assert ended.is_set()
    assert not never.is_set()


def test_a_listener_that_raises_ends_the_jobs() -> None:
    def listen(_: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_together([partial(wait_for, threading.Event())] * 2, listen, threads=2)


def test_after_a_passing_failure_the_work_that_was_begun_comes_to_its_end() -> None:
    failed, done = threading.Event(), threading.Event()

    def works(report: Report) -> None:
        wait_for(failed, report)
        report(Note("still"))
        done.set()

    def fails(_: Report) -> None:
        failed.set()
        raise TimeoutError("passing")

    with pytest.raises(TimeoutError, match="passing"):
        run_together([works, fails], ignore, threads=2, passing=TimeoutError)
    assert done.is_set()


def test_what_does_not_pass_is_raised_rather_than_what_does() -> None:
    failed = threading.Event()

    def passes(_: Report) -> None:
        failed.set()
        raise TimeoutError("passing")

    def fails(report: Report) -> None:
        wait_for(failed, report)
        raise ValueError("for good")

    with pytest.raises(ValueError, match="for good"):
        run_together([fails, passes], ignore, threads=2, passing=TimeoutError)


def test_the_deadlines_of_the_caller_hold_for_the_jobs() -> None:
    with within(Deadline(60)):
        assert run_together([lambda _: time_left() <= 60], ignore, threads=1) == [True]
    assert run_together([lambda _: time_left()], ignore, threads=1) == [float("inf")]


def test_a_job_that_does_not_end_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_MAX_ENDING_SECONDS", 0.05)
    over = threading.Event()

    def hangs(_: Report) -> None:
        over.wait(60)

    def fails(_: Report) -> None:
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        run_together([hangs, fails], ignore, threads=2)
    over.set()
