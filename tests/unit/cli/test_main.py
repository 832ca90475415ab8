"""How a command ends."""

import errno
import signal
from collections.abc import Iterator

import click
import pytest

from lusid_image_publish.ci.ci_platform import CiPlatform
from lusid_image_publish.ci.github import GitHub
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.main import run
from lusid_image_publish.errors import ExitCode
from lusid_image_publish.progress import BuildOutput, StepStarted
from lusid_image_publish.system import ENDING_SIGNALS
from tests.github_runner import Runner


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(console, "ci", CiPlatform())
    monkeypatch.setattr(console, "verbosity", 0)
    handlers = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@click.command()
def talk() -> None:
    """Say something in the midst of a step, and end."""
    console.listen(StepStarted("Building", has_output=True))
    console.listen(BuildOutput("::error::x"))


def test_the_log_of_a_ci_is_left_as_it_was(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["talk"])
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with pytest.raises(SystemExit) as ended:
        run(talk)
    assert ended.value.code == 0
    runner = Runner().read(capsys.readouterr().err)
    assert runner.acted == ["group", "stop-commands", "endgroup"]
    assert runner.stopped == ""


def test_a_ci_that_is_given_is_not_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["talk"])
    given = GitHub({})
    with pytest.raises(SystemExit):
        run(talk, ci=given)
    assert console.ci is given


@click.command()
def open_files() -> None:
    """Open more files than the system allows."""
    raise OSError(errno.EMFILE, "Too many open files", "a.py")


def test_a_limit_of_open_files_is_not_a_bug(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["open-files"])
    with pytest.raises(SystemExit) as ended:
        run(open_files)
    assert ended.value.code == ExitCode.USAGE
    said = capsys.readouterr().err
    assert "ulimit -n" in said
    assert "Too many open files" in said
