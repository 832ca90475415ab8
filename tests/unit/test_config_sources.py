"""Which source wins, and where a secret may go."""

import itertools
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st

from lusid_image_publish.config import Settings, load_settings, unread_secrets_file
from lusid_image_publish.config_sources import is_lusid_url
from lusid_image_publish.errors import ConfigurationError

LUSID: Final = "https://foo.lusid.com/scheduler2"
ELSEWHERE: Final = "https://evil.example.com/scheduler2"
NAMED: Final = Path("named.json")
SOURCES: Final = ("caller", "named file", "environment", "found file", "project")
"""The strongest first."""
KEYS: Final = {
    "scheduler_url": ("FBN_SCHEDULER_URL", "api", "schedulerUrl"),
    "access_token": ("FBN_ACCESS_TOKEN", "api", "accessToken"),
    "token_url": ("FBN_TOKEN_URL", "api", "tokenUrl"),
    "username": ("FBN_USERNAME", "api", "username"),
    "password": ("FBN_PASSWORD", "api", "password"),
    "client_id": ("FBN_CLIENT_ID", "api", "clientId"),
    "client_secret": ("FBN_CLIENT_SECRET", "api", "clientSecret"),
    "ca_bundle": ("FBN_CLIENT_CERTIFICATE", "api", "clientCertificate"),
    "proxy_address": ("FBN_PROXY_ADDRESS", "proxy", "address"),
    "proxy_password": ("FBN_PROXY_PASSWORD", "proxy", "password"),
}
SIGN_IN: Final = {
    "token_url": "https://foo.okta.com/oauth2/x/v1/token",
    "username": "me",
    "password": "pass word",
    "client_id": "client",
    "client_secret": "hush hush",
}
PLACES: Final = {
    "scheduler_url": ELSEWHERE,
    "token_url": "https://evil.example.com/token",
    "proxy_address": "http://evil.example.com:8080",
    "ca_bundle": "ca.pem",
}


def loaded(settings: dict[str, dict[str, str]], **environ: str) -> Settings:
    """Return what these settings by source come to; named and found file do not go together."""
    Path("ca.pem").touch()
    for source, path in (("named file", NAMED), ("found file", Path("secrets.json"))):
        document: dict[str, Any] = {}
        for name, value in settings.get(source, {}).items():
            _, section, key = KEYS[name]
            document.setdefault(section, {})[key] = value
        path.unlink(missing_ok=True)
        if document:
            path.write_text(json.dumps(document))
    return load_settings(
        {name: (value, "--option") for name, value in settings.get("caller", {}).items()},
        environ | {KEYS[name][0]: value for name, value in settings.get("environment", {}).items()},
        secrets_file=NAMED if settings.get("named file") else None,
        defaults={
            name: (value, ".lusid-publish.toml")
            for name, value in settings.get("project", {}).items()
        },
    )


def merged(*parts: tuple[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    settings: dict[str, dict[str, str]] = {}
    for source, values in parts:
        settings.setdefault(source, {}).update(values)
    return settings


PAIRS: Final = [
    (strong, weak)
    for strong, weak in itertools.combinations(SOURCES, 2)
    if {strong, weak} != {"named file", "found file"}  # the one that is named is the one
]


@pytest.mark.parametrize(("strong", "weak"), PAIRS)
def test_the_stronger_source_gives_a_setting(strong: str, weak: str) -> None:
    settings = loaded({strong: {"scheduler_url": LUSID}, weak: {"scheduler_url": ELSEWHERE}})
    assert settings.scheduler_url == LUSID


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("secret", ["access_token", "password"])
@pytest.mark.parametrize(("strong", "weak"), PAIRS)
def test_a_secret_does_not_go_where_a_weaker_source_says(
    strong: str, weak: str, secret: str, place: str
) -> None:
    secrets = {"access_token": "t0ken"} if secret == "access_token" else SIGN_IN
    if secret == "access_token" and place == "token_url":
        return  # nothing is sent there
    secrets = {name: value for name, value in secrets.items() if name != place}
    base = merged((strong, {"scheduler_url": LUSID} if place != "scheduler_url" else {}))
    settings = merged(*base.items(), (strong, secrets), (weak, {place: PLACES[place]}))
    with pytest.raises(ConfigurationError, match="weaker source") as caught:
        loaded(settings)
    said = str(caught.value.diagnostics())
    for source in (strong, weak):
        origin = {
            "caller": "--option",
            "named file": "named.json",
            "environment": "environment variable",
            "found file": "secrets.json",
            "project": ".lusid-publish.toml",
        }[source]
        assert origin in said
    assert "t0ken" not in said
    assert "pass word" not in said
    cure = "secrets-file" if weak == "found file" else place.replace("_", "-")
    assert f"--{cure}" in caught.value.hint


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("strong", "weak"), PAIRS)
def test_a_secret_goes_where_its_own_source_or_a_stronger_one_says(
    strong: str, weak: str, place: str
) -> None:
    secrets = {name: value for name, value in SIGN_IN.items() if name != place}
    url = {} if place == "scheduler_url" else {"scheduler_url": LUSID}
    for source in (strong, weak):
        settings = loaded(
            merged((weak, secrets), (weak, url), (source, {place: PLACES[place]})),
        )
        assert str(getattr(settings, place)) == PLACES[place]


@pytest.mark.parametrize(("strong", "weak"), PAIRS)
def test_the_scheduler_of_lusid_itself_may_come_from_anywhere(strong: str, weak: str) -> None:
    settings = loaded({strong: {"access_token": "t0ken"}, weak: {"scheduler_url": LUSID}})
    assert settings.scheduler_url == LUSID


@pytest.mark.parametrize(
    "url",
    [
        "http://foo.lusid.com/scheduler2",
        "https://lusid.com/scheduler2",
        "https://foo.lusid.com.evil.com/scheduler2",
        "https://evil.com/foo.lusid.com",
        "https://evil.com?.lusid.com",
        "https://evil.com#.lusid.com",
        "https://evil.com\\.lusid.com",
        "https://me@foo.lusid.com",
        "https://foo.lusid.com:8443/scheduler2",
        "https://foo.lusid.com:port",
        "https://.lusid.com",
        "https://foolusid.com",
        "https://[::1].lusid.com",
        "https://foo.lusid.com.",
        "https://foo%2eevil.com%2f.lusid.com",
        "//foo.lusid.com",
        "",
    ],
)
def test_what_only_looks_like_lusid_is_not(url: str) -> None:
    assert not is_lusid_url(url)


@any_of(st.text(max_size=60))
def test_any_text_can_be_asked_about(text: str) -> None:
    for url in (text, f"https://{text}", f"https://{text}.lusid.com", f"https://a.lusid.com{text}"):
        assert is_lusid_url(url) in (True, False)


def test_a_proxy_s_password_goes_to_a_proxy_of_its_own_source() -> None:
    settings = {
        "caller": {"scheduler_url": LUSID},
        "environment": {"proxy_password": "pr0xy"},
        "found file": {"proxy_address": "http://evil.example.com:8080"},
    }
    with pytest.raises(ConfigurationError, match="proxy password would go to a place") as caught:
        loaded(settings)
    assert "pr0xy" not in str(caught.value.diagnostics())


def test_credentials_of_a_weaker_source_and_of_another_kind_are_left_out() -> None:
    settings = loaded(
        {
            "environment": {"access_token": "t0ken"},
            "found file": {"scheduler_url": LUSID, **SIGN_IN},
        }
    )
    assert settings.access_token
    assert settings.password is None
    settings = loaded(
        {"caller": {"scheduler_url": LUSID, **SIGN_IN}, "environment": {"access_token": "t0ken"}}
    )
    assert settings.access_token is None
    assert settings.password


def test_of_one_source_a_token_file_is_used_before_a_token() -> None:
    Path("token").write_text("t0ken")
    settings = loaded(
        {"environment": {"scheduler_url": ELSEWHERE, "access_token": "other", **SIGN_IN}},
        FBN_ACCESS_TOKEN_FILE="token",
    )
    assert settings.access_token_file == Path("token")
    assert (settings.access_token, settings.password) == (None, None)


def test_the_error_says_which_source_is_used_and_the_file_can_be_named() -> None:
    settings = merged(
        ("environment", {"access_token": "t0ken"}), ("found file", {"scheduler_url": ELSEWHERE})
    )
    with pytest.raises(ConfigurationError) as caught:
        loaded(settings)
    assert "environment is used before a secrets.json" in caught.value.cause
    assert "--secrets-file secrets.json" in caught.value.hint
    environ = {"FBN_ACCESS_TOKEN": "t0ken"}
    named = load_settings({}, environ, secrets_file=Path("secrets.json"))
    assert named.scheduler_url == ELSEWHERE


def test_a_project_s_file_that_is_named_may_say_where_secrets_go() -> None:
    defaults = {
        name: (value, "ci.toml")
        for name, value in {"scheduler_url": ELSEWHERE, "token_url": SIGN_IN["token_url"]}.items()
    }
    environ = {KEYS[name][0]: value for name, value in SIGN_IN.items() if name != "token_url"}
    with pytest.raises(ConfigurationError, match="weaker source"):
        load_settings({}, environ, defaults=defaults)
    settings = load_settings({}, environ, defaults=defaults, defaults_are_named=True)
    assert (settings.scheduler_url, settings.token_url) == (ELSEWHERE, SIGN_IN["token_url"])
    environ["FBN_SCHEDULER_URL"] = LUSID
    assert load_settings({}, environ, defaults=defaults, defaults_are_named=True).scheduler_url == (
        LUSID
    )


CIS: Final[list[dict[str, str]]] = [
    {"GITHUB_ACTIONS": "true"},
    {"GITLAB_CI": "true"},
    {"CI": "true"},
    {"CI": "1"},
    {"TF_BUILD": "True"},
    {"JENKINS_URL": "https://jenkins"},
]


@pytest.mark.parametrize("ci", CIS)
def test_in_a_ci_a_secrets_file_must_be_named(ci: dict[str, str]) -> None:
    path = Path("secrets.json")
    path.write_text(json.dumps({"api": {"accessToken": "t0ken", "applicationName": "x"}}))
    environ = ci | {"FBN_SCHEDULER_URL": LUSID}
    settings = load_settings({}, environ)
    assert (settings.access_token, settings.app_name) == (None, None)
    assert unread_secrets_file(environ) == path
    assert load_settings({}, environ, secrets_file=path).access_token
    assert load_settings({}, {"CI": "false", "FBN_SCHEDULER_URL": LUSID}).access_token
    assert unread_secrets_file({}) is None


def test_a_secrets_file_is_not_looked_for_on_request() -> None:
    Path("secrets.json").write_text("not to be read")
    settings = load_settings({}, {"FBN_SCHEDULER_URL": LUSID}, finds_secrets_file=False)
    assert settings.scheduler_url == LUSID


VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
SECTION: Final = st.dictionaries(
    st.sampled_from(["schedulerUrl", "apiUrl", "accessToken", "password", "address", "x"])
    | st.sampled_from(["totalTimeoutMs", "rateLimitRetries", "clientCertificate", "username"]),
    VALUES,
)


@any_of(st.fixed_dictionaries({}, optional={"api": SECTION | VALUES, "proxy": SECTION | VALUES}))
def test_whatever_a_secrets_file_has_is_used_or_refused(document: dict[str, Any]) -> None:
    Path("secrets.json").write_text(json.dumps(document))
    with suppress(ConfigurationError):
        load_settings({"scheduler_url": (LUSID, "test")}, {})


@pytest.mark.parametrize(
    "text",
    [
        b'{"api": ' + b"[" * 100_000,
        b'{"api": {"accessToken": ' + b'{"a":' * 50_000,
        b'{"api": {"totalTimeoutMs": ' + b"9" * 5_000 + b"}}",
        b'{"api": {"accessToken": {"text": "hush hush"}}}',
        b'{"api": {"accessToken": ["hush hush"]}}',
        b'{"api": {"accessToken": true}}',
        b'{"api": {"totalTimeoutMs": 1e400}}',
        b'{"api": {"totalTimeoutMs": NaN}}',
        b'{"api": {"totalTimeoutMs": -1}}',
        b'{"api": {"totalTimeoutMs": "1_000"}}',
        b'{"proxy": {"address": 5}}',
        b"\xff\xfe\x00",
        b'{"api": {"applicationName": "' + b"x" * (1 << 20) + b'"}}',
    ],
)
def test_what_is_nested_huge_or_not_a_number_is_refused(text: bytes) -> None:
    Path("secrets.json").write_bytes(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"scheduler_url": (LUSID, "test")}, {})
    assert "hush hush" not in f"{caught.value.diagnostics()} {caught.value.__context__!r}"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize("path", ["pipe", "/dev/zero", "."])
def test_a_pipe_or_a_device_is_not_opened(path: str) -> None:
    os.mkfifo("pipe")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings({"scheduler_url": (LUSID, "x")}, {}, secrets_file=Path(path))
    for name in ("ca_bundle", "access_token_file"):
        with pytest.raises(ConfigurationError, match="is not a regular file"):
            load_settings({"scheduler_url": (LUSID, "x"), name: (path, "x")}, {})


@pytest.mark.parametrize("name", ["ca_bundle", "access_token_file"])
def test_a_file_that_is_too_large_is_refused(name: str) -> None:
    Path("large").write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(ConfigurationError, match="larger than 1 MiB"):
        load_settings({"scheduler_url": (LUSID, "x"), name: ("large", "x")}, {})
