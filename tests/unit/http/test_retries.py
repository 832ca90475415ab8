"""The pauses between retries."""

import random
import time

import httpx
import pytest

from lusid_image_publish.config import Settings
from lusid_image_publish.http.network import OutOfTimeError
from lusid_image_publish.http.retries import retry_policy
from lusid_image_publish.waiting import Deadline, within

SETTINGS = Settings.from_values(scheduler_url="https://foo.example")
BUSY = httpx.Response(503, headers={"Retry-After": "50"})


def test_a_pause_leaves_time_for_the_attempt_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    policy = retry_policy(SETTINGS, retry_safe=True).increment()
    policy.sleep(BUSY)
    with within(Deadline(3, clock=lambda: 0.0)):
        policy.sleep(BUSY)
    assert pauses == pytest.approx([50, 2.7])


def test_the_retries_outlast_a_short_outage_however_the_dice_fall(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(random, "uniform", lambda low, _high: low)
    policy = retry_policy(SETTINGS, retry_safe=True)
    for _ in range(3):
        policy = policy.increment()
        policy.sleep(httpx.ConnectError("refused"))
    assert pauses == [0.5, 1, 2]


def test_nothing_is_sent_again_when_the_time_is_over() -> None:
    policy = retry_policy(SETTINGS, retry_safe=True)
    late = httpx.ReadTimeout("late")
    assert policy.is_retryable_exception(late)
    late.__cause__ = OutOfTimeError()
    assert not policy.is_retryable_exception(late)
