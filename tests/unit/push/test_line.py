"""The connections of a push: they end with its time, whoever waits for them."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lusid_image_publish.push.line import Line
from lusid_image_publish.waiting import Deadline


@dataclass
class Stream:
    """What httpcore tells of a connection."""

    ours: socket.socket

    def get_extra_info(self, name: str) -> object:
        return {"socket": self.ours}[name]


@pytest.fixture
def pair() -> Iterator[tuple[Stream, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        yield Stream(ours), theirs


def connected(line: Line, stream: Stream, event: str = "connection.connect_tcp.complete") -> None:
    line.extensions["trace"](event, {"return_value": stream})


@pytest.mark.parametrize("event", ["connection.connect_tcp.complete", "proxy.start_tls.complete"])
@pytest.mark.parametrize(
    ("seconds", "idle", "why"),
    [(0.05, 60, "its time was over"), (60, 0.05, "it was silent for 0.05 seconds")],
)
def test_who_waits_for_an_answer_is_woken(
    pair: tuple[Stream, socket.socket], event: str, seconds: float, idle: float, why: str
) -> None:
    stream, _ = pair
    with Line(Deadline(seconds), idle=idle) as line:
        connected(line, stream, event)
        assert stream.ours.recv(1) == b""
        assert line.ended == why


def test_a_connection_that_comes_too_late_is_ended_at_once(
    pair: tuple[Stream, socket.socket],
) -> None:
    stream, _ = pair
    with Line(Deadline(0), idle=60) as line:
        while not line.ended:
            pass
        connected(line, stream)
        assert stream.ours.recv(1) == b""


def test_a_connection_that_ended_by_itself_is_no_matter(pair: tuple[Stream, socket.socket]) -> None:
    stream, theirs = pair
    with Line(Deadline(0.05), idle=60) as line:
        connected(line, stream)
        stream.ours.close()
        while not line.ended:
            pass
    assert theirs.recv(1) == b""


def test_other_events_and_other_ends_are_left_alone(pair: tuple[Stream, socket.socket]) -> None:
    stream, theirs = pair
    with Line(Deadline(60), idle=60) as line:
        line.extensions["trace"]("http11.send_request_body.started", {"request": None})
        connected(line, stream)
        line.fed()
    assert line.ended == ""
    theirs.send(b"x")
    assert stream.ours.recv(1) == b"x"
