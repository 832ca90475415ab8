"""Each form of secrets.json that FINBOURNE's tools read works, or the error names it."""

from typing import Any, Final

import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st

from lusid_image_publish.config import Settings, load_settings
from lusid_image_publish.errors import LusidPublishError
from lusid_image_publish.redact import Secret
from tests.unit.older_tools import OTHER, SCHEDULER, SIGN_IN, refused, said, write


def forms(values: dict[str, Any], proxy: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        "api": {"api": values, "proxy": proxy},
        "profiles": {"profiles": {"default": values, "proxy": proxy}},
        "flat": {**values, "proxy": proxy},
    }


@pytest.mark.parametrize("form", ["api", "profiles", "flat"])
@pytest.mark.parametrize(
    "url",
    [
        {"baseUrl": "https://acme.lusid.com"},
        {"apiUrl": "https://acme.lusid.com/api"},
        {"lusidUrl": "https://acme.lusid.com/api"},
        {"schedulerUrl": SCHEDULER},
        {"lusid_schedulerUrl": SCHEDULER},
    ],
)
def test_each_form_of_secrets_json_is_read(form: str, url: dict[str, str]) -> None:
    proxy = {"address": "http://proxy:8080", "username": "p", "password": "pw pw"}
    path = write(forms(SIGN_IN | url, proxy)[form])
    settings = load_settings({}, {}, secrets_file=path)
    assert settings == Settings(
        scheduler_url=SCHEDULER,
        token_url=SIGN_IN["tokenUrl"],
        username="me",
        password=Secret("pass word"),
        client_id="client",
        client_secret=Secret("hush hush"),
        proxy_address="http://proxy:8080",
        proxy_username="p",
        proxy_password=Secret("pw pw"),
    )
    shown = {"api": "api.", "profiles": "profiles.default.", "flat": ""}[form]
    assert settings.origins["username"] == f"secrets.json ({shown}username)"


def test_the_images_url_of_the_first_docker_setup_is_read() -> None:
    write({**SIGN_IN, "apiUrl": "https://x", "schedulerUrl": f"{SCHEDULER}/api/images"})
    assert load_settings({}, {}).scheduler_url == SCHEDULER


def test_fbn_profile_chooses_the_profile() -> None:
    default, ci = ({"baseUrl": f"https://{name}.lusid.com"} for name in ("default", "ci"))
    write({"profiles": {"default": default, "ci": ci}})
    assert load_settings({}, {}).scheduler_url == "https://default.lusid.com/scheduler2"
    settings = load_settings({}, {"FBN_PROFILE": "ci"})
    assert settings.scheduler_url == "https://ci.lusid.com/scheduler2"
    assert settings.origins["scheduler_url"] == "LUSID's URL in secrets.json (profiles.ci.baseUrl)"


def test_two_forms_in_one_file_are_not_mixed() -> None:
    api = {"schedulerUrl": SCHEDULER}
    profile = {"baseUrl": OTHER, "accessToken": "t0ken"}
    write({"api": api, "profiles": {"default": profile}, "tokenUrl": "https://x"})
    settings = load_settings({}, {})
    assert (settings.scheduler_url, settings.access_token) == (SCHEDULER, None)
    settings = load_settings({}, {"FBN_PROFILE": "default"})
    assert settings.scheduler_url == f"{OTHER}/scheduler2"
    assert settings.access_token


def test_a_secrets_json_of_another_program_is_not_taken_for_lusids() -> None:
    write({"username": "root", "password": "of a database", "SECRET_KEY": "hush hush"})
    settings = load_settings({}, {"FBN_BASE_URL": "https://acme.lusid.com"})
    assert (settings.username, settings.password) == (None, None)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"SECRET_KEY": "hush hush", "database": {"password": "hush hush"}},
        {"profiles": {"other": {"accessToken": "hush hush"}}},
        {"profiles": ["hush hush"]},
        {"profiles": {"default": "hush hush"}},
        {"api": {"token": "hush hush", "url": "hush hush"}},
        {"a": {"b": {"c": {"d": {"accessToken": "hush hush"}}}}},
    ],
)
def test_a_file_with_nothing_usable_is_named_with_its_keys(document: dict[str, Any]) -> None:
    write(document)
    for environ, code in (({}, 2), ({"FBN_SCHEDULER_URL": SCHEDULER}, 3)):
        error = refused(environ)
        assert error.exit_code == code
        assert "secrets.json" in error.cause
        for key in document:
            assert key in error.cause
        for expected in ("api.accessToken", "profiles.default.baseUrl"):
            assert expected in error.cause
        assert "hush hush" not in said(error)


def test_the_keys_that_are_shown_are_few_short_and_clean() -> None:
    write({f"key {n}\x1b[2J##[error]": "x" for n in range(1000)} | {"k" * 10_000: 1})
    error = refused({})
    assert len(error.cause) < 2000
    assert "1001" in error.cause
    assert error.cause.isprintable()
    assert "##[" not in error.cause


def test_a_file_that_is_used_is_not_remarked_on() -> None:
    write({"api": {"applicationName": "mine"}})
    assert load_settings({}, {"FBN_SCHEDULER_URL": SCHEDULER}).remarks == ()


def test_the_variable_of_a_secrets_file_elsewhere_is_named() -> None:
    for environ in ({}, {"FBN_SCHEDULER_URL": SCHEDULER}):
        error = refused(environ | {"FBN_SECRETS_PATH": "/somewhere/secrets.json"})
        assert "FBN_SECRETS_PATH" in error.cause
        assert "--secrets-file" in error.cause


VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from(["default", "apiUrl"]), inner)
    ),
    max_leaves=5,
)
KEYS: Final = st.sampled_from(
    ["api", "profiles", "proxy", "apiUrl", "tokenUrl", "accessToken", "password"]
)


@any_of(st.dictionaries(KEYS | st.text(max_size=8), VALUES), st.sampled_from(["", "default", "x"]))
def test_any_document_is_used_or_refused_without_its_values(
    document: dict[str, Any], profile: str
) -> None:
    document["token"] = "hush hush"
    write(document)
    error: LusidPublishError | None = None
    try:
        load_settings({}, {"FBN_PROFILE": profile}).require_credentials()
    except LusidPublishError as raised:
        error = raised
    assert error is None or (error.hint and "hush hush" not in said(error))
