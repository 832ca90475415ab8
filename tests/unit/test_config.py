"""Where settings come from, and which wins."""

from pathlib import Path
from typing import Any

import pytest

from lusid_image_publish.config import ConfigurationOptions, Settings, load_settings
from lusid_image_publish.errors import AuthenticationError, ConfigurationError
from lusid_image_publish.redact import Secret
from tests.unit.settings import OAUTH, URL, given, write_secrets


def test_the_environment_alone_is_enough() -> None:
    settings = load_settings({}, {"FBN_SCHEDULER_URL": URL + "/", "FBN_ACCESS_TOKEN": "t0ken"})
    assert settings.scheduler_url == URL
    assert settings.access_token == Secret("t0ken")
    assert settings.origins["access_token"] == "environment variable FBN_ACCESS_TOKEN"


@pytest.mark.parametrize("name", ["FBN_LUSID_SCHEDULER_API_URL", "FBN_SCHEDULER_API_URL"])
def test_older_names_of_the_url_work(name: str) -> None:
    assert load_settings({}, {name: URL}).scheduler_url == URL


def test_the_environment_wins_over_a_secrets_json_that_is_found() -> None:
    path = write_secrets({"api": {"schedulerUrl": URL, "username": "from file", "clientId": "c"}})
    environ = {"FBN_SCHEDULER_URL": "https://other", "FBN_USERNAME": "env"}
    settings = load_settings({}, environ)
    assert (settings.scheduler_url, settings.username) == ("https://other", "env")
    assert settings.origins["client_id"] == "secrets.json (api.clientId)"
    named = load_settings({}, environ, secrets_file=path)
    assert (named.scheduler_url, named.username) == (URL, "from file")


def test_the_token_file_wins_over_both() -> None:
    write_secrets({"api": {"schedulerUrl": URL, "accessToken": "in the json"}})
    Path("token").write_text("in the file")
    settings = load_settings({}, {"FBN_ACCESS_TOKEN": "env", "FBN_ACCESS_TOKEN_FILE": "token"})
    assert settings.access_token is None
    assert settings.access_token_file == Path("token")


def test_the_command_line_wins_over_all() -> None:
    write_secrets({"api": {"schedulerUrl": "https://in.json"}})
    settings = load_settings(given(scheduler_url=URL), {"FBN_SCHEDULER_URL": "https://env"})
    assert settings.scheduler_url == URL
    assert settings.origins["scheduler_url"] == "somewhere"


def test_all_of_secrets_json_is_read() -> None:
    ca = Path("ca.pem")
    ca.touch()
    path = write_secrets(
        {
            "api": {
                "lusid_schedulerUrl": URL,
                "tokenUrl": "https://foo.okta.com/oauth2/abc",
                "username": "me",
                "password": "pass word",
                "clientId": "client",
                "clientSecret": "hush hush",
                "applicationName": "mine",
                "clientCertificate": str(ca),
                "totalTimeoutMs": 1,
                "connectTimeoutMs": 2,
                "readTimeoutMs": 0,
                "rateLimitRetries": 0,
            },
            "proxy": {"address": "http://proxy:8080", "username": "p", "password": "pw pw"},
        },
        Path("elsewhere.json"),
    )
    assert load_settings({}, {}, secrets_file=path) == Settings(
        scheduler_url=URL,
        token_url="https://foo.okta.com/oauth2/abc/v1/token",
        username="me",
        password=Secret("pass word"),
        client_id="client",
        client_secret=Secret("hush hush"),
        app_name="mine",
        ca_bundle=ca,
        proxy_address="http://proxy:8080",
        proxy_username="p",
        proxy_password=Secret("pw pw"),
        total_timeout_ms=1,
        connect_timeout_ms=2,
        read_timeout_ms=0,
        rate_limit_retries=0,
    )


def test_the_scheduler_is_beside_the_api_that_secrets_json_names() -> None:
    write_secrets({"api": {"apiUrl": "https://foo.lusid.com/api"}})
    assert load_settings({}, {}).scheduler_url == URL


def test_an_empty_variable_is_not_set() -> None:
    settings = load_settings({}, {"FBN_SCHEDULER_URL": URL, "FBN_PROXY_ADDRESS": " "})
    assert settings.proxy_address is None


def test_describe_hides_secrets_and_names_the_origin() -> None:
    settings = load_settings({}, {"FBN_SCHEDULER_URL": URL, **OAUTH})
    rows = {name: (value, origin) for name, value, origin in settings.describe()}
    assert rows["password"] == ("***", "environment variable FBN_PASSWORD")
    assert rows["rate_limit_retries"] == ("2", "default")
    assert "pass word" not in repr(settings)


def test_describe_shows_credentials_that_are_not_used() -> None:
    environ = {"FBN_SCHEDULER_URL": URL, "FBN_ACCESS_TOKEN": "t0ken", **OAUTH}
    settings = load_settings({}, environ)
    rows = {name: (value, origin) for name, value, origin in settings.describe()}
    assert rows["password"] == (
        "***",
        "environment variable FBN_PASSWORD; not used, because the access token is",
    )
    assert rows["client_secret"] == ("***", "environment variable FBN_CLIENT_SECRET")
    assert settings.password is None
    assert set(OAUTH) <= {origin.split(";")[0].split()[-1] for _, origin in rows.values()}


def test_a_missing_url_is_reported_with_its_variable() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({}, {})
    assert "FBN_SCHEDULER_URL" in caught.value.hint


@pytest.mark.parametrize(
    "text", ["", "[]", '{"api": []}', '{"api": {"accessToken": "hush hush",}}', '"hush hush"']
)
def test_a_broken_secrets_file_is_reported_without_its_content(text: str) -> None:
    Path("secrets.json").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings({}, {"FBN_SCHEDULER_URL": URL})
    assert "secrets.json" in caught.value.message
    assert "hush hush" not in f"{caught.value.diagnostics()} {caught.value.__context__!r}"


@pytest.mark.parametrize(
    ("text", "message", "cause"),
    [
        ("", "is not a JSON object", "It is empty."),
        (" \n", "is not a JSON object", "It is empty."),
        ('{"api":\n  {"x": hush}}', "is not a JSON object", "line 2, column 9"),
        ("[]", "is not a JSON object", "It is a list, not an object."),
        ("true", "is not a JSON object", "It is true or false, not an object."),
        ("null", "is not a JSON object", "It is null, not an object."),
        ('{"api": null}', "invalid value for api", "It is null, not an object."),
        ('{"api": "hush"}', "invalid value for api", "It is a string, not an object."),
        ('{"proxy": 5}', "invalid value for proxy", "It is a number, not an object."),
        ('{"api": {"username": []}}', "invalid value for api.username", "It is a list, neither"),
    ],
)
def test_a_broken_secrets_file_is_described(text: str, message: str, cause: str) -> None:
    Path("secrets.json").write_text(text)
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_settings({}, {"FBN_SCHEDULER_URL": URL})
    assert cause in caught.value.cause
    assert '{"api": {"schedulerUrl": "..."' in caught.value.hint
    assert "hush" not in f"{caught.value.diagnostics()} {caught.value.__context__!r}"


def test_a_secrets_file_that_is_named_must_exist() -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings({}, {"FBN_SCHEDULER_URL": URL}, secrets_file=Path("gone.json"))


def test_no_credentials_at_all() -> None:
    with pytest.raises(AuthenticationError, match="no LUSID credentials"):
        load_settings({}, {"FBN_SCHEDULER_URL": URL}).require_credentials()


@pytest.mark.parametrize("missing", list(OAUTH))
def test_incomplete_credentials_name_what_is_missing(missing: str) -> None:
    environ = {"FBN_SCHEDULER_URL": URL, **OAUTH}
    del environ[missing]
    with pytest.raises(AuthenticationError) as caught:
        load_settings({}, environ).require_credentials()
    assert missing in caught.value.cause


@pytest.mark.parametrize("environ", [OAUTH, {"FBN_ACCESS_TOKEN": "t0ken"}])
def test_complete_credentials_are_accepted(environ: dict[str, str]) -> None:
    load_settings({}, {"FBN_SCHEDULER_URL": URL, **environ}).require_credentials()


def test_explicit_values_are_all_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FBN_USERNAME", "of the environment")
    write_secrets({"api": {"password": "of the file"}})
    settings = Settings.from_values(
        scheduler_url=URL + "/",
        access_token=Secret("t0ken"),
        token_url="https://foo.okta.com/oauth2/abc",
        client_secret="hush hush",
        read_timeout_ms=5,
        app_name="",
    )
    assert (settings.scheduler_url, settings.read_timeout_ms) == (URL, 5)
    assert (settings.access_token, settings.client_secret) == (Secret("t0ken"), Secret("hush hush"))
    assert settings.token_url == "https://foo.okta.com/oauth2/abc/v1/token"
    assert (settings.username, settings.password, settings.app_name) == (None, None, None)
    assert settings.origins["scheduler_url"] == "the caller"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "URL of the LUSID Scheduler is not set"),
        ({"scheduler_url": "foo.lusid.com"}, "not an http"),
        ({"scheduler_url": URL, "read_timeout_ms": -1}, "whole number"),
        ({"scheduler_url": URL, "ca_bundle": "/no/such/file"}, "does not exist"),
    ],
)
def test_explicit_values_are_checked_like_any_other(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        Settings.from_values(**values)
    assert caught.value.hint


def test_the_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FBN_SCHEDULER_URL", URL)
    assert load_settings().scheduler_url == URL


def test_options_of_a_request_change_what_they_name() -> None:
    settings = Settings(scheduler_url=URL, read_timeout_ms=7)
    changed = settings.with_options(ConfigurationOptions(connect_timeout_ms=0))
    assert (changed.connect_timeout_ms, changed.read_timeout_ms) == (0, 7)
    assert settings.with_options(None) == settings


@pytest.mark.parametrize("value", [-1, 1.5, "many"])
def test_options_are_whole_numbers(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="read timeout ms must be a whole number"):
        ConfigurationOptions(read_timeout_ms=value)


HTTP = "http://foo.lusid.com/scheduler2"
REFUSED_HTTP = [
    HTTP,
    "HTTP://foo.lusid.com",
    "http://127.0.0.1.example.com/",
    "http://localhost.example.com:8080",
    "http://10.0.0.1/scheduler2",
    "http://127.1/scheduler2",
    "http://localhost./scheduler2",
    "http://[::2]/scheduler2",
]


@pytest.mark.parametrize("url", REFUSED_HTTP)
@pytest.mark.parametrize("name", ["scheduler_url", "token_url"])
def test_http_to_another_machine_is_refused_wherever_it_is_from(name: str, url: str) -> None:
    def refused(**values: Any) -> ConfigurationError:
        with pytest.raises(ConfigurationError, match="starts with http://") as caught:
            Settings.from_values(**{"scheduler_url": URL, name: url, **values})
        return caught.value

    for others in ({}, {"proxy_address": "http://127.0.0.1:3128"}, {"allow_http": False}):
        error = refused(**others)
        assert error.exit_code == 2
        assert "the caller" in error.cause
        assert "https://" in error.hint
        assert "--allow-http" in error.hint
    values: dict[str, Any] = {"scheduler_url": URL, name: url}
    assert Settings.from_values(**values, allow_http=True).allow_http
    with pytest.raises(ConfigurationError, match="starts with http://"):
        Settings(**values)
    with pytest.raises(ConfigurationError, match="starts with http://"):
        load_settings(given(scheduler_url=URL) | given(**{name: url}), {})


def test_the_refusal_of_http_names_the_place_that_the_url_is_from() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({}, {"FBN_SCHEDULER_URL": HTTP})
    assert "foo.lusid.com" in caught.value.message
    assert "environment variable FBN_SCHEDULER_URL" in caught.value.cause
    write_secrets({"api": {"tokenUrl": "http://foo.okta.com/v1/token"}})
    with pytest.raises(ConfigurationError) as caught:
        load_settings({}, {"FBN_SCHEDULER_URL": URL})
    assert "secrets.json (api.tokenUrl)" in caught.value.cause


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8080/scheduler2",
        "http://127.0.0.1:8080/scheduler2",
        "http://127.8.8.8/scheduler2",
        "http://[::1]:80/x",
    ],
)
def test_http_to_this_machine_is_allowed(url: str) -> None:
    assert Settings.from_values(scheduler_url=url, token_url=url).scheduler_url == url


def test_http_is_allowed_by_the_command_line_alone() -> None:
    settings = load_settings(given(allow_http="true"), {"FBN_SCHEDULER_URL": HTTP})
    assert (settings.scheduler_url, settings.allow_http) == (HTTP, True)
    assert not load_settings(given(allow_http="false"), {"FBN_SCHEDULER_URL": URL}).allow_http
    write_secrets({"api": {"allowHttp": True, "allow_http": True}})
    with pytest.raises(ConfigurationError, match="starts with http://"):
        load_settings({}, {"FBN_SCHEDULER_URL": HTTP, "FBN_ALLOW_HTTP": "true"})


@pytest.mark.parametrize("value", ["yes", "1", "tru"])
def test_allow_http_is_true_or_false(value: str) -> None:
    with pytest.raises(ConfigurationError, match="must be true or false"):
        load_settings(given(allow_http=value), {"FBN_SCHEDULER_URL": URL})


def test_a_secrets_file_may_be_named_by_a_string() -> None:
    path = write_secrets({"api": {"schedulerUrl": URL, "clientId": "c"}}, Path("x.json"))
    settings = load_settings({}, {}, secrets_file=str(path))
    assert settings == load_settings({}, {}, secrets_file=path)
    assert settings.origins["client_id"] == "x.json (api.clientId)"


def test_an_override_may_be_a_plain_string() -> None:
    settings = load_settings({"scheduler_url": URL, "client_id": ("c", "my file")}, {})
    assert (settings.scheduler_url, settings.client_id) == (URL, "c")
    assert settings.origins == {"scheduler_url": "the caller", "client_id": "my file"}


def test_a_setting_that_does_not_exist_is_a_type_error() -> None:
    values: Any = {"url": URL}
    with pytest.raises(TypeError, match=r"no setting url: .*scheduler_url, access_token, "):
        Settings.from_values(**values)
    with pytest.raises(TypeError, match="no setting url"):
        load_settings(values, {"FBN_SCHEDULER_URL": URL})
