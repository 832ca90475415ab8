"""What the value of a setting may be, and how one that cannot be used is refused."""

import httpx
import pytest

from lusid_image_publish.config import Settings, load_settings
from lusid_image_publish.config_values import set_in
from lusid_image_publish.errors import ConfigurationError
from tests.unit.settings import URL, given, write_secrets


@pytest.mark.parametrize(
    "url",
    [
        "foo.lusid.com",
        "ftp://foo",
        "https://",
        "https://a b/c",
        "https://foo:0",
        "http://[",
        "https://.lusid.com/scheduler2",  # https://${DOMAIN}.lusid.com, and DOMAIN is empty
        "https://foo..lusid.com",
        f"https://{'x' * 64}.lusid.com",
        "https://[v1.x]/",
        "https://[fe80::1%25eth0]/",
        "https://xn--/",
        "https://-foo.lusid.com",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://foo.lusid.com/\x1b[2J",
    ],
)
@pytest.mark.parametrize("name", ["scheduler_url", "proxy_address", "token_url"])
def test_a_url_that_is_none_is_refused(name: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match="is not an http"):
        load_settings(given(**{"scheduler_url": URL, name: url}), {})


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8080/x",
        "http://127.0.0.1",
        "http://[::1]:80/x",
        "https://a_b.example.com.",
        "https://xn--bcher-kva.example",
    ],
)
def test_a_url_of_a_host_is_taken(url: str) -> None:
    assert load_settings(given(scheduler_url=url), {}).scheduler_url == url
    assert httpx.URL(url).host


@pytest.mark.parametrize("name", ["FBN_ACCESS_TOKEN", "FBN_USERNAME", "FBN_PASSWORD"])
def test_what_is_no_text_is_refused_with_its_origin(name: str) -> None:
    with pytest.raises(ConfigurationError, match="is not UTF-8 text") as caught:
        load_settings({}, {"FBN_SCHEDULER_URL": URL, name: "hush\udcff\udcfe"})
    assert name in caught.value.cause
    assert "hush" not in f"{caught.value.diagnostics()} {caught.value.__context__!r}"


def test_blanks_around_what_a_header_carries_are_not_sent() -> None:
    assert load_settings(given(scheduler_url=URL, app_name=" my app "), {}).app_name == "my app"


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(given(scheduler_url="https://me:hushhush@foo.lusid.com"), {})
    assert "hushhush" not in str(caught.value.diagnostics())


@pytest.mark.parametrize("value", ["-1", "1.5", "many", "9" * 20])
def test_a_number_that_is_none_is_refused_with_its_origin(value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({}, {"FBN_SCHEDULER_URL": URL, "FBN_RATE_LIMIT_RETRIES": value})
    assert "FBN_RATE_LIMIT_RETRIES" in caught.value.cause


def test_a_ca_bundle_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        load_settings({}, {"FBN_SCHEDULER_URL": URL, "FBN_CLIENT_CERTIFICATE": "gone"})


@pytest.mark.parametrize("value", ["t0ken-t0ken", "t0ken-t0ken" * 1000, "/t0ken-t0ken/x"])
def test_a_token_in_place_of_the_path_to_its_file_is_not_shown(value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({}, {"FBN_SCHEDULER_URL": URL, "FBN_ACCESS_TOKEN_FILE": value})
    assert caught.value.message == "FBN_ACCESS_TOKEN_FILE does not name a file."
    assert "FBN_ACCESS_TOKEN" in caught.value.hint
    assert "t0ken" not in f"{caught.value.diagnostics()} {caught.value.__context__!r}"


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        ("environment variable X", "Set in the environment variable X."),
        ("LUSID's URL in environment variable X", "Set in the environment variable X."),
        ("command line --x", "Set with --x."),
        ("input x", "Set in the input x."),
        ("secrets.json (api.x)", "Set in secrets.json (api.x)."),
        ("the caller", "Set by the caller."),
    ],
)
def test_a_cause_says_where_a_value_was_set(origin: str, words: str) -> None:
    assert set_in(origin) == words


@pytest.mark.parametrize("end", ["?token=hushhush", "#hushhush", "?", "/scheduler2#"])
@pytest.mark.parametrize("name", ["scheduler_url", "proxy_address"])
def test_a_url_with_a_query_is_refused_and_not_shown(name: str, end: str) -> None:
    with pytest.raises(ConfigurationError, match="query or a fragment") as caught:
        load_settings(given(**{"scheduler_url": URL, name: f"https://foo.lusid.com{end}"}), {})
    assert "hushhush" not in str(caught.value.diagnostics())


def test_a_token_url_may_have_a_query() -> None:
    url = "https://login.example.com/token?p=policy"
    assert load_settings(given(scheduler_url=URL, token_url=url), {}).token_url == url


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_value_is_not_set_wherever_it_is_from(blank: str) -> None:
    write_secrets({"api": {"schedulerUrl": blank, "apiUrl": blank, "applicationName": blank}})
    environ = {"FBN_SCHEDULER_URL": blank, "FBN_BASE_URL": blank, "FBN_ACCESS_TOKEN_FILE": blank}
    settings = load_settings(
        given(scheduler_url=blank, app_name=blank),
        environ,
        defaults=given(scheduler_url=URL),
    )
    assert settings.scheduler_url == URL
    assert (settings.app_name, settings.access_token_file) == (None, None)
    with pytest.raises(ConfigurationError, match="is not set"):
        Settings.from_values(scheduler_url=blank)
