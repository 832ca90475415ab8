"""What an operation on a socket may take: its own time-out, or what a deadline leaves."""

import httpcore
import pytest

from lusid_image_publish.http.network import OutOfTimeError, _BoundedStream
from lusid_image_publish.waiting import Deadline, within

LARGE = bytes(200_000)


class Wire(httpcore.NetworkStream):
    """A connection that reports its timeout, and is slow to read."""

    def __init__(self) -> None:
        self.timeouts: list[float | None] = []
        self.now = 100.0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.timeouts.append(timeout)
        raise httpcore.ReadTimeout(f"no {max_bytes} bytes came")

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.timeouts.append(timeout)
        self.now += len(buffer) / 65_536

    def clock(self) -> float:
        return self.now


class PlainWire(Wire):
    """A connection without TLS, whose socket takes as long, or has the error `fault`."""

    fault: OSError | None = None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        raise AssertionError((buffer, timeout))

    def get_extra_info(self, info: str) -> object:
        return self if info == "socket" else None

    def settimeout(self, timeout: float | None) -> None:
        self.timeouts.append(timeout)

    def sendall(self, part: bytes) -> None:
        if self.fault:
            raise self.fault
        super().write(part, self.timeouts.pop())


@pytest.mark.parametrize(
    ("timeout", "left", "waited"),
    [(60.0, 5.0, 5.0), (None, 5.0, 5.0)],
)
def test_a_deadline_that_comes_first_is_what_ends_a_read(
    timeout: float | None, left: float, waited: float
) -> None:
    wire = Wire()
    with (
        within(Deadline(left, clock=wire.clock)),
        pytest.raises(OutOfTimeError),
    ):
        _BoundedStream(wire).read(1, timeout)
    assert wire.timeouts == [waited]


def test_a_time_out_that_comes_first_stays_what_it_is() -> None:
    wire = Wire()
    with within(Deadline(60, clock=wire.clock)), pytest.raises(httpcore.ReadTimeout):
        _BoundedStream(wire).read(1, 5)
    assert wire.timeouts == [5]


def test_without_a_deadline_nothing_changes() -> None:
    wire = Wire()
    with pytest.raises(httpcore.ReadTimeout):
        _BoundedStream(wire).read(1, None)
    assert wire.timeouts == [None]


def test_nothing_is_read_when_the_time_is_over() -> None:
    wire = Wire()
    with within(Deadline(0, clock=wire.clock)), pytest.raises(OutOfTimeError):
        _BoundedStream(wire).read(1, 5)
    assert wire.timeouts == []


def test_the_outer_deadline_holds_too_and_none_after_its_block() -> None:
    wire = Wire()
    stream = _BoundedStream(wire)
    with (
        within(Deadline(3, clock=wire.clock)),
        within(Deadline(60, clock=wire.clock)),
        pytest.raises(OutOfTimeError),
    ):
        stream.read(1, 10)
    with pytest.raises(httpcore.ReadTimeout):
        stream.read(1, 10)
    assert wire.timeouts == [3, 10]


@pytest.mark.parametrize("wire", [Wire(), PlainWire()], ids=["TLS", "plain"])
def test_a_large_write_has_one_deadline_and_not_one_for_each_part(wire: Wire) -> None:
    with within(Deadline(2, clock=wire.clock)), pytest.raises(OutOfTimeError):
        _BoundedStream(wire).write(LARGE, 60)
    assert wire.timeouts == [2, 1]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (TimeoutError("timed out"), httpcore.WriteTimeout),
        (ConnectionResetError("reset by peer"), httpcore.WriteError),
    ],
)
def test_a_socket_that_does_not_take_it_is_an_error_of_the_write(
    fault: OSError, expected: type[Exception]
) -> None:
    wire = PlainWire()
    wire.fault = fault
    with pytest.raises(expected, match=str(fault)):
        _BoundedStream(wire).write(LARGE, 60)


def test_a_socket_that_is_slow_until_the_deadline_is_out_of_time() -> None:
    wire = PlainWire()
    wire.fault = TimeoutError("timed out")
    with within(Deadline(2, clock=wire.clock)), pytest.raises(OutOfTimeError):
        _BoundedStream(wire).write(LARGE, 60)
