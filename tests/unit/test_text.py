"""Text from elsewhere is one harmless line."""

import logging

import pytest

from lusid_image_publish.redact import Secret
from lusid_image_publish.text import RedactingFormatter, plain

TOKEN = "s3cr&t/with+odd=chars"


def test_a_log_record_is_hidden_with_its_traceback() -> None:
    Secret(TOKEN)
    try:
        raise ValueError(TOKEN)
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, "x", 1, "got %s", (TOKEN,), (ValueError, error, error.__traceback__)
        )
    text = RedactingFormatter().format(record)
    assert "got ***" in text
    assert TOKEN not in text


def test_a_foreign_text_is_one_printable_line_without_secrets() -> None:
    Secret("s3cret-token")
    assert plain("a\n\tb  \x1b[31m\x9b\u202e s3cret-token") == "a b \ufffd[31m\ufffd\ufffd ***"
    assert plain("x" * 5000) == "x" * 2000
    assert plain("word " * 10, longest=9) == "word word"


@pytest.mark.parametrize(
    "secret", ["correct  horse  battery", "soft\u00adhyphen\u00a0blank", "a\tb\tc"]
)
def test_a_secret_is_hidden_before_a_foreign_text_is_tidied(secret: str) -> None:
    Secret(secret)
    assert plain(f"said {secret}, so") == "said ***, so"


def test_a_secret_that_was_wrapped_is_hidden_too() -> None:
    Secret("open the door")
    assert plain("said open\n  the door") == "said ***"


def test_a_text_is_cut_behind_what_is_hidden_and_not_inside() -> None:
    Secret("0123456789" * 10)
    assert plain("x" * 50 + " " + "0123456789" * 10, longest=60) == "x" * 50 + " ***"


def test_a_log_record_is_shown_without_what_a_terminal_acts_on() -> None:
    record = logging.LogRecord(
        "x", logging.WARNING, "x", 1, "got %s\nend", ("\x1b]0;hi\x07",), None
    )
    assert RedactingFormatter().format(record) == "got \ufffd]0;hi\ufffd\nend"


def test_a_foreign_text_is_no_command_to_a_ci() -> None:
    assert plain("x ##[error]y ###[z]") == "x ## [error]y ### [z]"
    assert plain("##vso[task.setvariable]") == "##vso [task.setvariable]"


@pytest.mark.parametrize("text", ["::error::x", " ::error::x", "a ##[add-path]/x", "##vso[x]y"])
def test_no_foreign_text_is_a_command(text: str) -> None:
    shown = plain(text)
    assert not shown.startswith("::")
    assert "##[" not in shown
    assert "##vso[" not in shown
