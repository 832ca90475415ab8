"""The standard streams as other systems have them; tests/contract has those of processes."""

import io
import os
import sys
from collections.abc import Callable

import pytest

from lusid_image_publish.cli import streams

Written = Callable[[str, str], bytes]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    """Return what a stdout of an encoding takes when a text is written to it."""
    monkeypatch.delenv("PYTHONIOENCODING", raising=False)

    def write(text: str, encoding: str) -> bytes:
        taken = io.BytesIO()
        monkeypatch.setattr(sys, "stderr", io.StringIO())
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(taken, encoding, newline="\r\n"))
        streams.open_standard_streams()
        sys.stdout.write(text)
        sys.stdout.flush()
        return taken.getvalue()

    return write


def test_on_windows_a_script_gets_utf_8_and_no_carriage_returns(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "IS_WINDOWS", True)
    assert written("é\n", "cp1252") == b"\xc3\xa9\n"


def test_on_windows_an_encoding_that_was_chosen_stays(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "IS_WINDOWS", True)
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    assert written("é\n", "cp1252") == b"\xe9\n"


def test_elsewhere_the_encoding_stays_and_what_it_lacks_is_escaped(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "IS_WINDOWS", False)
    text = "é\N{RIGHTWARDS ARROW}\N{GRINNING FACE}\udcff\n"
    assert written(text, "cp1252") == b"\xe9\\u2192\\ud83d\\ude00\\udcff\n"


def test_an_encoding_of_ascii_alone_becomes_utf_8(written: Written) -> None:
    assert written("é", "ANSI_X3.4-1968") == "é".encode()


def test_of_a_raw_stream_no_part_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    raw = io.FileIO(writing, "w")
    given = io.TextIOWrapper(raw, "utf-8", write_through=True)  # as PYTHONUNBUFFERED makes it
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(sys, "stdout", given)
    streams.open_standard_streams()
    assert isinstance(sys.stdout.buffer, io.BufferedWriter)
    sys.stdout.write("answer")
    sys.stdout.flush()
    given.close()
    with os.fdopen(reading, "rb") as file:
        assert file.read() == b"answer"
