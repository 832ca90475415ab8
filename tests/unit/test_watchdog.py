"""A stream is ended when it is silent or lasts for too long, and not otherwise."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from lusid_image_publish.waiting import Deadline, Watchdog
from tests.fake_engine import Answer, End, FakeEngine, running
from tests.unit.registry.engine_shapes import LINE, REFERS, layer

LAYER = layer("Pushing", current=1024)


@contextmanager
def stream(folder: Path, answer: Answer) -> Iterator[requests.Response]:
    with running(FakeEngine(answer), folder) as engine:
        api = engine.client.api
        url = f"{api.base_url}/v1.41/images/eng/job/push"
        with api.post(url, params={"tag": "1.0"}, stream=True, timeout=5) as response:
            yield response


def lines_until_the_end(
    response: requests.Response, watchdog: Watchdog, *, touching: bool = True
) -> list[bytes]:
    """Return what came until the stream ended or was ended."""
    lines = []
    try:
        for line in response.iter_content(chunk_size=None):
            lines.append(line)
            if touching:
                watchdog.touch()
    except requests.RequestException:
        assert watchdog.reason
    return lines


def test_a_silent_stream_is_ended_at_the_deadline(tmp_path: Path) -> None:
    with (
        stream(tmp_path, Answer((REFERS,), end=End.SILENCE)) as response,
        Watchdog(response.raw.shutdown, Deadline(1), idle=60) as watchdog,
    ):
        assert len(lines_until_the_end(response, watchdog)) == 1
    assert watchdog.reason == "it did not finish in time"


def test_silence_ends_a_stream_that_had_begun_to_report(tmp_path: Path) -> None:
    with (
        stream(tmp_path, Answer((LAYER, LAYER), end=End.SILENCE)) as response,
        Watchdog(response.raw.shutdown, Deadline(60), idle=1) as watchdog,
    ):
        assert len(lines_until_the_end(response, watchdog)) == 2
    assert watchdog.reason == "no progress for 1 seconds"


def test_silence_counts_only_once_there_was_progress(tmp_path: Path) -> None:
    with (
        stream(tmp_path, Answer((REFERS,), end=End.SILENCE)) as response,
        Watchdog(response.raw.shutdown, Deadline(0.3), idle=0.05) as watchdog,
    ):
        lines_until_the_end(response, watchdog, touching=False)
    assert watchdog.reason == "it did not finish in time"


def test_a_trickle_is_no_silence_and_does_not_outlive_the_deadline(tmp_path: Path) -> None:
    retrying = layer("Retrying in 5 seconds")
    with (
        stream(tmp_path, Answer((retrying,), end=End.FOR_EVER)) as response,
        Watchdog(response.raw.shutdown, Deadline(1.2), idle=1) as watchdog,
    ):
        assert len(lines_until_the_end(response, watchdog)) > 2
    assert watchdog.reason == "it did not finish in time"


def test_a_stream_that_ends_in_time_is_left_alone(tmp_path: Path) -> None:
    with (
        stream(tmp_path, Answer((REFERS, LAYER, LINE))) as response,
        Watchdog(response.raw.shutdown, Deadline(60), idle=60) as watchdog,
    ):
        assert len(lines_until_the_end(response, watchdog)) == 3
    assert watchdog.reason == ""


def test_what_follows_the_block_is_not_watched(tmp_path: Path) -> None:
    with stream(tmp_path, Answer((LAYER,), end=End.SILENCE)) as response:
        with Watchdog(response.raw.shutdown, Deadline(0.05), idle=0.05) as watchdog:
            pass
        time.sleep(0.1)
    assert watchdog.reason == ""


def test_an_exception_in_the_block_ends_the_watch(tmp_path: Path) -> None:
    with (
        stream(tmp_path, Answer((LAYER,), end=End.SILENCE)) as response,
        pytest.raises(KeyboardInterrupt),
        Watchdog(response.raw.shutdown, Deadline(60), idle=60) as watchdog,
    ):
        raise KeyboardInterrupt
    assert watchdog.reason == ""
