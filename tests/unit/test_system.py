"""What differs between systems; what this one lacks or has is taken away."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lusid_image_publish import system
from lusid_image_publish.system import (
    end_process_group,
    export_command,
    is_running,
    reader_left,
    shell_command,
)
from tests.systems import NEEDS_GROUPS

GENTLE = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {GENTLE}"
"""Programs: one that Ctrl-C ends, and one that it does not end."""


@pytest.fixture
def start() -> Iterator["Start"]:
    start = Start()
    yield start
    for process in start.processes:
        process.kill()
        process.wait()


class Start:
    """Starts programs, and says so when they run."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[str]] = []

    def __call__(self, code: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.processes.append(process)
        assert process.stdout
        with process.stdout as said:
            assert said.readline() == "up\n"
        return process


@NEEDS_GROUPS
@pytest.mark.parametrize(
    ("code", "number"), [(GENTLE, signal.SIGINT), (STUBBORN, signal.SIGTERM)], ids=["gentle", "not"]
)
def test_a_group_is_ended_as_gently_as_it_can_be(start: Start, code: str, number: int) -> None:
    process = start(code)
    end_process_group(process, grace=600 if code == GENTLE else 0.1)
    assert process.wait() == -number


def test_without_groups_a_process_that_does_not_end_itself_is_killed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "_HAS_PROCESS_GROUPS", False)
    process = start(GENTLE)
    end_process_group(process, grace=0.1)
    assert process.wait() != 0


def test_without_groups_a_process_has_the_time_to_end_itself(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "_HAS_PROCESS_GROUPS", False)
    process = start("print('up', flush=True)")
    end_process_group(process, grace=600)
    assert process.wait() == 0


def test_a_process_runs_until_it_has_ended(start: Start) -> None:
    process = start(GENTLE)
    assert is_running(os.getpid())
    assert is_running(process.pid)
    process.kill()
    process.wait()
    assert not is_running(process.pid)


def test_the_ending_signals_are_those_of_the_system() -> None:
    names = [number.name for number in system.ENDING_SIGNALS]
    assert names[:2] == ["SIGINT", "SIGTERM"]
    assert all(hasattr(signal, name) for name in names)


@pytest.mark.parametrize(
    ("error", "on_posix", "on_windows"),
    [
        (BrokenPipeError(errno.EPIPE, ""), True, True),
        (ConnectionResetError(errno.ECONNRESET, ""), True, True),
        (OSError(errno.EINVAL, ""), False, True),
        (OSError(errno.ENOSPC, ""), False, False),
    ],
)
def test_a_reader_that_left_is_known_by_the_error_of_the_system(
    error: OSError, on_posix: object, on_windows: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for is_windows, expected in ((False, on_posix), (True, on_windows)):
        monkeypatch.setattr(system, "IS_WINDOWS", is_windows)
        assert reader_left(error) is expected


def test_a_command_line_is_quoted_as_its_shell_does(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["docker", "build", "-f", "a b"]
    monkeypatch.setattr(system, "IS_WINDOWS", False)
    assert shell_command(words) == "docker build -f 'a b'"
    monkeypatch.setattr(system, "IS_WINDOWS", True)
    assert shell_command(words) == 'docker build -f "a b"'


def test_variables_are_set_in_the_words_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "IS_WINDOWS", False)
    assert export_command(Path("a b")) == "set -a; . 'a b'; set +a"
    monkeypatch.setattr(system, "IS_WINDOWS", True)
    assert export_command(Path("it's")).startswith("Get-Content 'it''s' | ForEach-Object {")
