"""Secrets stay out of what is printed."""

import base64
import logging
import urllib.parse

import pytest

from lusid_image_publish import redact as module
from lusid_image_publish.redact import RedactingFormatter, Secret, plain, redact, register_pair

TOKEN = "s3cr&t/with+odd=chars"


@pytest.mark.parametrize("show", [str, repr, "{}".format, "%s".__mod__])
def test_a_secret_prints_as_stars(show: object) -> None:
    assert callable(show)
    assert TOKEN not in show(Secret(TOKEN))
    assert "***" in show(Secret(TOKEN))


@pytest.mark.parametrize(
    "form",
    [
        TOKEN,
        urllib.parse.quote(TOKEN, safe=""),
        urllib.parse.quote_plus(TOKEN),
        base64.b64encode(TOKEN.encode()).decode(),
        base64.b64encode(TOKEN.encode()).decode().rstrip("="),
    ],
)
def test_every_form_in_which_a_secret_travels_is_hidden(form: str) -> None:
    Secret(TOKEN)
    assert redact(f"before {form} after") == "before *** after"


def test_a_basic_credential_is_hidden_as_it_is_on_the_wire() -> None:
    register_pair("AWS", TOKEN)
    header = base64.b64encode(f"AWS:{TOKEN}".encode()).decode()
    assert redact(f"Authorization: Basic {header}") == "Authorization: Basic ***"


def test_a_secret_inside_another_is_hidden_whole() -> None:
    Secret("abcdef")
    Secret("abcdefghij")
    assert redact("abcdefghij") == "***"


@pytest.mark.parametrize("short", ["", "a", "abc"])
def test_what_is_too_short_to_be_a_secret_hides_no_words(short: str) -> None:
    Secret(short)
    assert redact("a abc alphabet") == "a abc alphabet"


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


def test_bytes_that_are_no_utf_8_are_hidden_too() -> None:
    secret = b"hunter2-\xff\xfe".decode(errors="surrogateescape")
    assert redact(f"it is {Secret(secret).reveal()}") == "it is ***"


def test_who_is_told_of_secrets_is_told_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(module, "_learners", [told.append])
    Secret(TOKEN)
    Secret(TOKEN)
    register_pair("me", "another one")
    assert told == [TOKEN, "another one", "me:another one"]


@pytest.mark.parametrize("text", ["::error::x", " ::error::x", "a ##[add-path]/x", "##vso[x]y"])
def test_no_foreign_text_is_a_command(text: str) -> None:
    shown = plain(text)
    assert not shown.startswith("::")
    assert "##[" not in shown
    assert "##vso[" not in shown
