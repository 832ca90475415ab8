"""Run several jobs at a time, and deliver their events in the calling thread."""

from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from queue import SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import Final, Generic, TypeVar

from lusid_image_publish.progress import Event, Listener
from lusid_image_publish.waiting import Deadline

T = TypeVar("T")
Report = Callable[[Event], None]
Job = Callable[[Report], T]

_MAX_ENDING_SECONDS: Final = 2.0  # a thread that waits for an answer does not see that it is over


class StoppedError(Exception):
    """Another job failed, or the caller was interrupted; raised in a job when it reports."""


class _Run(Generic[T]):
    """The state that the threads share with the one that waits."""

    def __init__(self, jobs: Sequence[Job[T]]) -> None:
        self.results: list[T | None] = [None] * len(jobs)
        self.messages: SimpleQueue[Event | BaseException | None] = SimpleQueue()
        self.is_over = Flag()
        self._waiting = deque(enumerate(jobs))

    def work(self) -> None:
        """Do jobs until none is left; put None for the end, or what ended them."""
        try:
            while (found := self._next_job()) and not self.is_over.is_set():
                number, job = found
                self.results[number] = job(self._report)
            self.messages.put(None)
        except BaseException as error:  # noqa: BLE001  # it is raised where the caller waits
            self.messages.put(error)

    def begin_no_more(self) -> None:
        """Leave the jobs that wait."""
        self._waiting.clear()

    def _next_job(self) -> tuple[int, Job[T]] | None:
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def _report(self, event: Event) -> None:
        if self.is_over.is_set():
            raise StoppedError
        self.messages.put(event)


def run_together(
    jobs: Sequence[Job[T]],
    listener: Listener,
    *,
    threads: int,
    passing: type[Exception] | tuple[()] = (),
) -> list[T]:
    """Run `jobs`, at most `threads` at a time, and return their results in order.

    Each job gets a function to report events; `listener` receives them in the calling thread. When
    a job fails or `listener` raises, the other jobs end at their next report, and the error is
    raised. After an error of the class `passing`, no new job is started, but running jobs finish,
    so that their work is not lost; then that error is raised, unless one of them fails with an
    error of another class. The deadlines of `within` apply to the jobs.
    """
    run = _Run(jobs)
    workers: list[Thread] = []
    failure: Exception | None = None
    try:
        for _ in range(min(threads, len(jobs))):
            workers.append(Thread(target=copy_context().run, args=(run.work,), daemon=True))
            workers[-1].start()
        running = len(workers)
        while running:
            message = run.messages.get()
            if message is None:
                running -= 1
            elif isinstance(message, passing):
                running -= 1
                failure = failure or message
                run.begin_no_more()
            elif isinstance(message, BaseException):
                raise message
            else:
                listener(message)
        if failure:
            raise failure
    finally:
        run.is_over.set()
        deadline = Deadline(_MAX_ENDING_SECONDS)
        for worker in workers:
            if worker.ident:  # it was started
                worker.join(deadline.remaining())
    return [*run.results]  # type: ignore[list-item]  # none is left when no job failed
