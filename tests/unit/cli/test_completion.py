"""A shell waits for names for a few seconds at most."""

import logging
import warnings
from collections.abc import Iterator
from threading import Event
from types import SimpleNamespace

import click
import pytest

from lusid_image_publish.cli import completion
from lusid_image_publish.cli.completion import RepositoryNameType


@pytest.fixture(autouse=True)
def _messages_again() -> Iterator[None]:
    """Let later tests have the log and the warnings, which a completion turns off."""
    with warnings.catch_warnings():
        yield
    logging.disable(logging.NOTSET)


def completed() -> list[str]:
    command = click.Command("command")
    items = RepositoryNameType().shell_complete(click.Context(command), click.Option(["--x"]), "j")
    return [item.value for item in items]


def find_with(monkeypatch: pytest.MonkeyPatch, find: object) -> None:
    found = SimpleNamespace(find_names=find)
    monkeypatch.setattr(completion, "import_quickly", lambda _: found)


def test_a_lusid_that_hangs_delays_no_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Event()

    def hang(*_: object) -> list[str]:
        answer.wait(20)
        return ["job"]

    find_with(monkeypatch, hang)
    monkeypatch.setattr(completion, "_WAIT_SECONDS", 0.01)
    try:
        assert completed() == []
    finally:
        answer.set()


def test_an_error_offers_nothing_and_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> list[str]:
        logging.getLogger("lusid_image_publish").critical("the log of a failure")
        warnings.warn("a warning", stacklevel=1)
        raise ValueError

    find_with(monkeypatch, fail)
    assert completed() == []
    assert capfd.readouterr() == ("", "")
