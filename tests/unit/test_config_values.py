"""Values in a form that other programs leave are used or refused in plain words."""

from typing import Final

import pytest

from lusid_image_publish.config import SECRET_VARIABLES, load_settings
from lusid_image_publish.errors import AuthenticationError, ConfigurationError
from lusid_image_publish.redact import Secret
from tests.unit.older_tools import BASES, SCHEDULER, SIGN_IN, refused, said, write


def test_the_older_name_of_the_token_is_a_secret_too() -> None:
    environ = {"FBN_SCHEDULER_URL": SCHEDULER, "FBN_LUSID_ACCESS_TOKEN": "t0ken"}
    assert load_settings({}, environ).access_token == Secret("t0ken")
    assert "FBN_LUSID_ACCESS_TOKEN" in SECRET_VARIABLES
    newer = load_settings({}, environ | {"FBN_ACCESS_TOKEN": "newer"})
    assert newer.access_token == Secret("newer")


QUOTED: Final = ['"{}"', "'{}'", "\u201c{}\u201d", '"{}" # mine', "`{}`"]


@pytest.mark.parametrize("quotes", QUOTED)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FBN_ACCESS_TOKEN", "t0ken-t0ken"),
        ("FBN_LUSID_ACCESS_TOKEN", "t0ken-t0ken"),
        ("FBN_CLIENT_SECRET", "t0ken-t0ken"),
        ("FBN_CLIENT_ID", "t0ken-t0ken"),
        ("FBN_USERNAME", "t0ken-t0ken"),
        ("FBN_SCHEDULER_URL", SCHEDULER),
        ("FBN_TOKEN_URL", SIGN_IN["tokenUrl"]),
        ("FBN_PROXY_ADDRESS", "http://proxy:8080"),
        ("FBN_ACCESS_TOKEN_FILE", "token"),
        *BASES.items(),
    ],
)
def test_a_value_in_quotes_is_refused(name: str, value: str, quotes: str) -> None:
    environ = {name: quotes.format(value)}
    if name not in BASES:
        environ = {"FBN_SCHEDULER_URL": SCHEDULER} | environ
    error = refused(environ)
    assert isinstance(error, ConfigurationError)
    assert error.message == f"{name} is in quotes."
    assert "t0ken-t0ken" not in said(error)


@pytest.mark.parametrize(
    ("origin", "subject"),
    [
        ("command line --scheduler-url", "--scheduler-url is"),
        ("input scheduler-url", "The input scheduler-url is"),
        ("named.json (api.schedulerUrl)", "api.schedulerUrl in named.json is"),
        ("the caller", "The Scheduler URL is"),
    ],
)
def test_the_place_of_a_value_in_quotes_is_named(origin: str, subject: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"scheduler_url": (f'"{SCHEDULER}"', origin)}, {})
    assert caught.value.message == f"{subject} in quotes."


def test_a_password_may_be_in_quotes() -> None:
    settings = load_settings({}, {"FBN_SCHEDULER_URL": SCHEDULER, "FBN_PASSWORD": '"pass"'})
    assert settings.password == Secret('"pass"')


@pytest.mark.parametrize("word", ["Bearer ", "bearer\t", "BEARER  "])
def test_a_token_with_the_word_bearer_is_refused(word: str) -> None:
    error = refused({"FBN_SCHEDULER_URL": SCHEDULER, "FBN_ACCESS_TOKEN": f"{word}t0ken-t0ken"})
    assert isinstance(error, ConfigurationError)
    assert error.message == "FBN_ACCESS_TOKEN begins with the word Bearer."
    assert "t0ken-t0ken" not in said(error)


def test_blanks_around_values_of_a_file_are_not_used_and_those_of_a_password_are() -> None:
    values = {"schedulerUrl": f" {SCHEDULER}\n", "accessToken": " t0ken\n", "applicationName": " "}
    write({"api": values})
    settings = load_settings({}, {})
    assert settings.scheduler_url == SCHEDULER
    assert settings.access_token == Secret("t0ken")
    assert settings.app_name is None
    path = write({"api": {"schedulerUrl": SCHEDULER, "password": " pass "}})
    assert load_settings({}, {}, secrets_file=path).password == Secret(" pass ")


@pytest.mark.parametrize(
    ("url", "placeholder"),
    [
        ("https://<domain>.lusid.com/scheduler2", "<domain>"),
        ("https://<your-domain>.lusid.com", "<your-domain>"),
        ("https://{domain}.lusid.com/scheduler2", "{domain}"),
        ("https://your-domain.lusid.com/scheduler2", "your-domain"),
        ("https://YOUR_DOMAIN.lusid.com/scheduler2", "YOUR_DOMAIN"),
        ("https://acme.lusid.com/<path>", "<path>"),
    ],
)
@pytest.mark.parametrize("name", ["FBN_SCHEDULER_URL", "FBN_TOKEN_URL", "FBN_PROXY_ADDRESS"])
def test_a_placeholder_in_a_url_is_refused(name: str, url: str, placeholder: str) -> None:
    error = refused({"FBN_SCHEDULER_URL": SCHEDULER} | {name: url})
    assert isinstance(error, ConfigurationError)
    assert error.message == f"{name} still has the placeholder {placeholder}."
    if name == "FBN_SCHEDULER_URL":
        assert "https://acme.lusid.com/scheduler2" in error.hint


@pytest.mark.parametrize("name", BASES)
def test_a_placeholder_in_the_url_of_lusid_is_refused(name: str) -> None:
    error = refused({name: BASES[name].replace("acme", "<domain>")})
    assert error.message == f"{name} still has the placeholder <domain>."


@pytest.mark.parametrize("path", ["", "/", "/api", "/api/"])
def test_the_url_of_lusid_is_refused_as_that_of_the_scheduler(path: str) -> None:
    error = refused({"FBN_SCHEDULER_URL": f"https://acme.lusid.com{path}"})
    assert isinstance(error, ConfigurationError)
    assert error.message == "FBN_SCHEDULER_URL is the URL of LUSID, not of its Scheduler."
    assert SCHEDULER in error.hint


def test_a_password_in_a_url_is_not_taken_for_a_placeholder() -> None:
    error = refused({"FBN_SCHEDULER_URL": "https://me:<hushhush>@acme.lusid.com"})
    assert "hushhush" not in said(error)


def test_missing_credentials_are_an_error_of_their_own() -> None:
    assert isinstance(refused({"FBN_BASE_URL": "https://acme.lusid.com"}), AuthenticationError)
