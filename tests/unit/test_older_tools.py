"""The configuration that people have from FINBOURNE's other tools works, or the error names it.

The names and forms are those that the tools read: docker-setup.sh of FINBOURNE's example job, also
its first version, fbnconfig, finbourne-sdk, lusid-sdk and the scheduler SDKs.
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st

from lusid_image_publish.config import SECRET_VARIABLES, Settings, load_settings
from lusid_image_publish.config_base_urls import read_base_url, scheduler_url_of
from lusid_image_publish.config_given import Strength
from lusid_image_publish.errors import AuthenticationError, ConfigurationError, LusidPublishError
from lusid_image_publish.redact import Secret

SCHEDULER: Final = "https://acme.lusid.com/scheduler2"
OTHER: Final = "https://other.lusid.com"
BASES: Final = {
    "FBN_BASE_URL": "https://acme.lusid.com",
    "FBN_BASE_API_URL": "https://acme.lusid.com",
    "LUSID_ENV": "https://acme.lusid.com",
    "FBN_LUSID_API_URL": "https://acme.lusid.com/api",
    "FBN_LUSID_URL": "https://acme.lusid.com/api",
}
SIGN_IN: Final = {
    "tokenUrl": "https://acme.okta.com/oauth2/abc/v1/token",
    "username": "me",
    "password": "pass word",
    "clientId": "client",
    "clientSecret": "hush hush",
}


def write(document: object, path: Path = Path("secrets.json")) -> Path:
    path.write_text(json.dumps(document))
    return path


def refused(environ: dict[str, str], **options: Any) -> LusidPublishError:
    """Return the error of settings that cannot be used, or lack credentials."""
    with pytest.raises(LusidPublishError) as caught:
        load_settings({}, environ, **options).require_credentials()
    assert caught.value.hint
    return caught.value


def said(error: LusidPublishError) -> str:
    return f"{error.diagnostics()} {error.__context__!r}"


# The URL of LUSID says where the Scheduler is.


@pytest.mark.parametrize("name", BASES)
def test_the_scheduler_is_found_from_the_url_of_lusid(name: str) -> None:
    settings = load_settings({}, {name: BASES[name]})
    assert settings.scheduler_url == SCHEDULER
    assert settings.origins["scheduler_url"] == f"LUSID's URL in environment variable {name}"


@pytest.mark.parametrize("path", ["", "/", "/api", "/api/", "/scheduler2", "/scheduler2/"])
@pytest.mark.parametrize("name", BASES)
def test_the_end_of_the_url_does_not_matter(name: str, path: str) -> None:
    url = f"https://acme.lusid.com{path}"
    assert load_settings({}, {name: url}).scheduler_url == SCHEDULER


@pytest.mark.parametrize(
    ("name", "url", "expected"),
    [
        ("FBN_BASE_URL", "https://lusid.example.com", "https://lusid.example.com/scheduler2"),
        ("LUSID_ENV", "https://gw.example.com/x", "https://gw.example.com/x/scheduler2"),
        ("LUSID_ENV", "http://127.0.0.1:8080", "http://127.0.0.1:8080/scheduler2"),
        (
            "FBN_LUSID_API_URL",
            "https://gw.example.com/x/api",
            "https://gw.example.com/x/scheduler2",
        ),
        ("FBN_LUSID_URL", "http://localhost:8080/api", "http://localhost:8080/scheduler2"),
    ],
)
def test_another_host_is_taken_where_the_tool_itself_asks_there(
    name: str, url: str, expected: str
) -> None:
    assert load_settings({}, {name: url}).scheduler_url == expected


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("LUSID_ENV", "prod"),
        ("FBN_BASE_URL", "acme.lusid.com"),
        ("FBN_BASE_URL", "https://acme.lusid.com/app/home"),
        ("FBN_BASE_URL", "https://acme.lusid.com?x=1"),
        ("FBN_LUSID_URL", "https://gw.example.com/api"),
    ],
)
def test_a_url_that_does_not_say_where_is_named_where_the_scheduler_is_missing(
    name: str, url: str
) -> None:
    error = refused({name: url})
    assert error.exit_code == 2
    assert error.message.startswith(f"{name} ")
    assert error.cause.startswith(f"Set in the environment variable {name}.")
    assert load_settings({}, {name: url, "FBN_SCHEDULER_URL": SCHEDULER}).scheduler_url == SCHEDULER


UNUSABLE: Final = {
    "FBN_BASE_URL": "https://acme.lusid.com/app/home",
    "FBN_BASE_API_URL": "lusid.corp.example",
    "FBN_LUSID_URL": "https://lusid.corp.example/api",
    "LUSID_ENV": "acme",
    "FBN_LUSID_API_URL": "https://acme.lusid.com/api?x=1",
}
EVIL: Final = "https://evil.lusid.com/scheduler2"


@pytest.mark.parametrize("ci", [{}, {"CI": "true"}])
@pytest.mark.parametrize("name", UNUSABLE)
def test_a_url_that_cannot_be_used_does_not_leave_the_choice_to_a_weaker_source(
    name: str, ci: dict[str, str]
) -> None:
    environ = {name: UNUSABLE[name], "FBN_ACCESS_TOKEN": "t0ken", **ci}
    project = {"scheduler_url": (EVIL, ".lusid-publish.toml (scheduler-url)")}
    assert refused(environ, defaults=project).message.startswith(f"{name} ")
    for document in ({"schedulerUrl": EVIL}, {"baseUrl": "https://evil.lusid.com"}):
        path = write({"api": document})
        if not ci:
            assert refused(environ).message.startswith(f"{name} ")
        assert load_settings({}, environ, secrets_file=path).scheduler_url == EVIL
    named = load_settings({}, environ, defaults=project, defaults_are_named=True)
    assert named.scheduler_url == EVIL
    chosen = load_settings({"scheduler_url": (SCHEDULER, "--scheduler-url")}, environ)
    assert chosen.scheduler_url == SCHEDULER
    assert any(name in remark for remark in chosen.remarks)


@pytest.mark.parametrize("url", UNUSABLE.values())
def test_a_url_that_cannot_be_used_is_refused_in_a_secrets_file_too(url: str) -> None:
    path = write({"api": {"lusidUrl": url, "accessToken": "t0ken"}})
    project = {"scheduler_url": (EVIL, ".lusid-publish.toml (scheduler-url)")}
    assert "api.lusidUrl in secrets.json" in refused({}, defaults=project).message
    environ = {"FBN_BASE_URL": "https://acme.lusid.com"}
    assert load_settings({}, environ).scheduler_url == SCHEDULER
    assert refused(environ, secrets_file=path).exit_code == 2


def test_a_url_that_cannot_be_used_beside_another_host_is_two_servers() -> None:
    environ = {"FBN_BASE_URL": "https://other.lusid.com/app", "LUSID_ENV": "https://acme.lusid.com"}
    assert refused(environ).message.startswith("Two LUSID servers are set")
    environ["FBN_BASE_URL"] = "acme"
    assert refused(environ).message.startswith("FBN_BASE_URL is not")
    for harmless in ("https://acme.lusid.com/app", "acme.lusid.com", " "):
        environ["FBN_BASE_URL"] = harmless
        assert load_settings({}, environ).scheduler_url == SCHEDULER


def test_the_reason_that_a_url_of_lusid_cannot_be_used_is_named() -> None:
    for name, words in (
        ("FBN_BASE_URL", "is the address of LUSID's web page."),
        ("FBN_BASE_API_URL", "lacks https://."),
        ("FBN_LUSID_URL", "does not show where the Scheduler is: lusid.corp.example is not"),
        ("LUSID_ENV", "is not an http:// or https:// URL."),
        ("FBN_LUSID_API_URL", "has a query or a fragment"),
    ):
        assert f"{name} {words}" in refused({name: UNUSABLE[name]}).message


def test_two_urls_of_the_scheduler_with_different_hosts_are_refused() -> None:
    names = ("FBN_SCHEDULER_URL", "FBN_LUSID_SCHEDULER_API_URL")
    environ = dict(zip(names, (SCHEDULER, EVIL), strict=True))
    error = refused(environ)
    assert error.message.startswith("Two LUSID servers are set")
    for word in names:
        assert word in error.cause
    caller = {"scheduler_url": (SCHEDULER, "--scheduler-url")}
    assert load_settings(caller, environ).scheduler_url == SCHEDULER
    write({"api": {"schedulerUrl": SCHEDULER, "lusid_schedulerUrl": EVIL}})
    assert refused({}).message.startswith("Two LUSID servers are set")
    same = dict.fromkeys(names, f"{SCHEDULER}/")
    assert load_settings({}, same).scheduler_url == SCHEDULER


def test_each_url_of_lusid_that_is_not_used_is_remarked_on() -> None:
    write({"api": {"apiUrl": "https://third.lusid.com/api"}})
    environ = {"FBN_SCHEDULER_URL": SCHEDULER, "FBN_BASE_URL": OTHER, "LUSID_ENV": "prod"}
    remarks = load_settings({}, environ | {"FBN_LUSID_URL": "https://acme.lusid.com"}).remarks
    assert [name for name in (*BASES, "api.apiUrl") if name in " ".join(remarks)] == [
        "FBN_BASE_URL",
        "LUSID_ENV",
        "api.apiUrl",
    ]
    assert "LUSID_ENV is not an http:// or https:// URL." in " ".join(remarks)


def test_a_url_of_lusid_that_is_not_used_is_not_why_credentials_are_missing() -> None:
    error = refused({"FBN_SCHEDULER_URL": SCHEDULER, "FBN_BASE_URL": OTHER})
    assert error.exit_code == 3
    assert "FBN_BASE_URL" not in error.cause


@pytest.mark.parametrize("name", BASES)
def test_the_url_of_the_scheduler_itself_is_used_before_that_of_lusid(name: str) -> None:
    for variable in ("FBN_SCHEDULER_URL", "FBN_LUSID_SCHEDULER_API_URL", "FBN_SCHEDULER_API_URL"):
        settings = load_settings({}, {name: OTHER, variable: SCHEDULER})
        assert settings.scheduler_url == SCHEDULER
        assert settings.origins["scheduler_url"] == f"environment variable {variable}"
        [remark] = settings.remarks
        assert name in remark
        assert "other.lusid.com" in remark


def test_two_domains_are_refused_with_both_names() -> None:
    error = refused({"FBN_BASE_URL": "https://acme.lusid.com", "LUSID_ENV": OTHER})
    assert error.exit_code == 2
    for word in ("FBN_BASE_URL", "LUSID_ENV", "acme.lusid.com", "other.lusid.com"):
        assert word in f"{error.message} {error.cause}"
    assert "FBN_SCHEDULER_URL" in error.hint
    write({"api": {"schedulerUrl": SCHEDULER}})
    assert "FBN_BASE_URL" in refused({"FBN_BASE_URL": BASES["LUSID_ENV"], "LUSID_ENV": OTHER}).cause
    same = {
        "FBN_BASE_URL": "https://acme.lusid.com/",
        "FBN_LUSID_URL": "https://ACME.lusid.com/api",
    }
    assert load_settings({}, same).scheduler_url == SCHEDULER


def test_the_stronger_source_gives_the_url_of_lusid() -> None:
    path = write({"api": {"apiUrl": "https://acme.lusid.com/api"}})
    assert load_settings({}, {"FBN_BASE_URL": OTHER}).scheduler_url == f"{OTHER}/scheduler2"
    named = load_settings({}, {"FBN_BASE_URL": OTHER}, secrets_file=path)
    assert named.scheduler_url == SCHEDULER
    assert named.origins["scheduler_url"] == "LUSID's URL in secrets.json (api.apiUrl)"
    caller = {"scheduler_url": (SCHEDULER, "--scheduler-url")}
    assert load_settings(caller, {"FBN_BASE_URL": OTHER}).scheduler_url == SCHEDULER


# A secret goes only to a place that its own source or a stronger one named.


def test_a_found_file_cannot_lead_a_token_away_with_the_url_of_lusid() -> None:
    write({"api": {"apiUrl": "https://evil.example.com/api"}})
    error = refused({"FBN_ACCESS_TOKEN": "t0ken"})
    assert "weaker source" in error.message
    assert "LUSID's URL in secrets.json (api.apiUrl)" in error.cause
    write({"profiles": {"default": {"baseUrl": "https://evil.example.com"}}})
    assert "weaker source" in refused({"FBN_ACCESS_TOKEN": "t0ken"}).message


def test_a_found_file_cannot_lead_a_token_to_another_domain_than_its_source_names() -> None:
    write({"api": {"schedulerUrl": f"{OTHER}/scheduler2"}})
    environ = {"FBN_ACCESS_TOKEN": "t0ken", "FBN_BASE_URL": "https://acme.lusid.com"}
    error = refused(environ)
    assert error.exit_code == 2
    for word in ("FBN_BASE_URL", "secrets.json (api.schedulerUrl)", "access token"):
        assert word in f"{error.message} {error.cause}"
    assert "t0ken" not in said(error)
    settings = load_settings({}, environ, secrets_file=Path("secrets.json"))
    assert settings.scheduler_url == f"{OTHER}/scheduler2"
    del environ["FBN_ACCESS_TOKEN"]
    with pytest.raises(ConfigurationError, match="Two LUSID servers are set"):
        load_settings({"access_token": ("t0ken", "input access-token")}, environ)


def test_a_file_with_its_own_credentials_keeps_its_own_url() -> None:
    write({"api": {"schedulerUrl": f"{OTHER}/scheduler2", "accessToken": "t0ken"}})
    settings = load_settings({}, {"FBN_LUSID_API_URL": "https://acme.lusid.com/api"})
    assert settings.scheduler_url == f"{OTHER}/scheduler2"


def test_a_place_that_two_sources_name_is_as_strong_as_the_stronger() -> None:
    write({"api": {"schedulerUrl": "https://gw.example.com/scheduler2"}})
    environ = {"FBN_ACCESS_TOKEN": "t0ken", "FBN_BASE_URL": "https://gw.example.com"}
    assert load_settings({}, environ).scheduler_url == "https://gw.example.com/scheduler2"
    environ["FBN_BASE_URL"] = "http://gw.example.com"
    assert refused(environ).exit_code == 2


HOSTS: Final = ("acme.lusid.com", "other.lusid.com", "evil.example.com")
SOURCES: Final = ("project", "file", "environment", "caller")
NAMED: Final = st.dictionaries(st.sampled_from(SOURCES), st.sampled_from(HOSTS))


@any_of(NAMED, NAMED, st.sampled_from(SOURCES), st.booleans())
def test_a_token_goes_to_a_host_of_its_own_source_or_a_stronger_one(
    explicit: dict[str, str],
    bases: dict[str, str],
    source: str,
    is_named: bool,  # noqa: FBT001
) -> None:
    order = ("project", "environment", "file", "caller") if is_named else SOURCES
    schedulers = {where: f"https://{host}/scheduler2" for where, host in explicit.items()}
    lusid = {where: f"https://{host}" for where, host in bases.items()}
    token = {source: "t0ken"}
    document = {
        "schedulerUrl": schedulers.get("file"),
        "baseUrl": lusid.get("file"),
        "accessToken": token.get("file"),
    }
    path = write({"api": document})
    environ = {
        "FBN_SCHEDULER_URL": schedulers.get("environment", ""),
        "FBN_BASE_URL": lusid.get("environment", ""),
        "FBN_ACCESS_TOKEN": token.get("environment", ""),
    }
    options = {"scheduler_url": schedulers, "access_token": token}
    overrides, defaults = (
        {name: (values[where], where) for name, values in options.items() if where in values}
        for where in ("caller", "project")
    )
    try:
        settings = load_settings(
            overrides, environ, defaults=defaults, secrets_file=path if is_named else None
        )
    except ConfigurationError:
        return
    host = settings.scheduler_url.removeprefix("https://").removesuffix("/scheduler2")
    strong = order[order.index(source) :]
    named = {explicit.get(where) for where in strong} | {
        bases.get(where) for where in strong if where in {"file", "environment"}
    }
    assert host in named if named - {None} else host.endswith(".lusid.com")


# The forms of secrets.json.


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


@pytest.mark.parametrize("others", [{}, {"api": {"schedulerUrl": SCHEDULER}}, {"apiUrl": OTHER}])
def test_a_profile_that_the_file_does_not_have_is_refused(others: dict[str, Any]) -> None:
    profile = {"baseUrl": OTHER, "accessToken": "hush hush"}
    profiles = {"default": profile, "ci": profile, "k" * 60: profile, "proxy": {"username": "me"}}
    write({"profiles": profiles} | others)
    error = refused({"FBN_PROFILE": "gone"})
    assert error.exit_code == 2
    assert error.message == "secrets.json does not have the profile gone."
    assert "FBN_PROFILE" in error.cause
    assert error.hint.endswith("Its profiles: default, ci, kkkkkkkk....")
    error = refused({"FBN_PROFILE": "proxy"})
    assert error.message == "FBN_PROFILE is proxy, which is not a profile of secrets.json."
    assert error.cause
    write({"profiles": {"ci": "hush hush"}} | others)
    error = refused({"FBN_PROFILE": "ci"})
    assert "hush hush" not in said(error)
    assert error.cause == "It is a string, not an object."


def test_a_file_without_profiles_is_read_whatever_fbn_profile_says() -> None:
    write({"api": {"schedulerUrl": SCHEDULER}})
    assert load_settings({}, {"FBN_PROFILE": "ci"}).scheduler_url == SCHEDULER


def test_the_forms_have_an_order() -> None:
    urls = {name: f"https://{name}.lusid.com" for name in ("ci", "api", "default", "top")}
    forms: list[tuple[str, dict[str, Any]]] = [
        ("api", {"api": {"baseUrl": urls["api"]}}),
        ("default", {"profiles": {name: {"baseUrl": urls[name]} for name in ("default", "ci")}}),
        ("top", {"baseUrl": urls["top"]}),
    ]
    for first in range(len(forms)):
        document: dict[str, Any] = {}
        for _, form in forms[first:]:
            document |= form
        write(document)
        expected = f"{urls[forms[first][0]]}/scheduler2"
        assert load_settings({}, {}).scheduler_url == expected
        if "profiles" in document:
            named = load_settings({}, {"FBN_PROFILE": "ci"}).scheduler_url
            assert named == "https://ci.lusid.com/scheduler2"


API_URL: Final = "https://acme.lusid.com/api"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (
            {"api": {"apiUrl": API_URL, "AccessToken": "hush hush"}},
            "secrets.json has no accessToken under api; not used: api.AccessToken (did you mean a",
        ),
        (
            {"api": {"apiUrl": API_URL}, "accessToken": "hush hush"},
            "under api; not used: accessToken (did you mean api.accessToken?).",
        ),
        (
            {"profiles": {"default": {"baseUrl": API_URL, "access_token": "hush hush"}}},
            "under profiles.default; not used: profiles.default.access_token (did you mean",
        ),
        ({"apiUrl": API_URL, "token": "hush hush"}, "at the top level; not used: token."),
        ({"api": {"apiUrl": API_URL, "t0ken" * 9: 1}}, "not used: api.t0kent0k...."),
        ({"api": {"apiUrl": API_URL} | {f"x{n}": 1 for n in range(99)}}, "x11 and others."),
    ],
)
def test_the_keys_of_a_half_wrong_file_are_named(document: dict[str, Any], words: str) -> None:
    write(document)
    error = refused({})
    assert error.exit_code == 3
    assert words in error.cause
    assert "hush hush" not in said(error)


def test_unused_keys_of_a_file_with_credentials_are_remarked_on() -> None:
    api = {"schedulerUrl": SCHEDULER, "accessToken": "t0ken", "driveUrl": "https://x"}
    write({"api": api, "proxy": {"adress": "http://proxy"}, "profiles": {}})
    assert load_settings({}, {}).remarks == (
        "secrets.json: not used: api.driveUrl, proxy.adress (did you mean address?), profiles.",
    )


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


@any_of(st.text(max_size=30), st.sampled_from([*BASES, "baseUrl", "apiUrl", "lusidUrl"]))
def test_any_text_can_be_the_url_of_lusid(text: str, name: str) -> None:
    for url in (text, f"https://{text}", f"https://{text}.lusid.com{text}", f"'{text}'"):
        found = scheduler_url_of(url)
        assert found == url or found.endswith("/scheduler2")
        base = read_base_url(name, url, "a file", Strength.ENVIRONMENT)
        assert base.error is None or base.error.hint


# Other names and values.


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


@pytest.mark.parametrize("variable", ["${DOMAIN}", "{{ domain }}", "$DOMAIN", "${{ vars.DOMAIN }}"])
@pytest.mark.parametrize("name", ["FBN_SCHEDULER_URL", "FBN_TOKEN_URL", "FBN_PROXY_ADDRESS"])
def test_a_variable_that_was_not_expanded_is_refused(name: str, variable: str) -> None:
    url = f"https://{variable}.lusid.com/scheduler2"
    error = refused({"FBN_SCHEDULER_URL": SCHEDULER} | {name: url})
    assert error.message == f"{name} has a variable that was not expanded: {variable}"


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("...", "placeholder ..."),
        ("<your token>", "placeholder <your token>"),
        ("$MY_TOKEN", "a variable that was not expanded: $MY_TOKEN"),
        ("${{ secrets.TOKEN }}", "a variable that was not expanded: ${{ secrets.TOKEN }}"),
    ],
)
def test_a_placeholder_for_a_token_is_refused(token: str, words: str) -> None:
    error = refused({"FBN_SCHEDULER_URL": SCHEDULER, "FBN_ACCESS_TOKEN": token})
    assert words in error.message


def test_a_token_with_a_dollar_in_it_is_not_shown() -> None:
    found = load_settings({}, {"FBN_SCHEDULER_URL": SCHEDULER, "FBN_ACCESS_TOKEN": "abc$Defghij"})
    assert found.access_token == Secret("abc$Defghij")


@pytest.mark.parametrize("name", BASES)
def test_a_placeholder_in_the_url_of_lusid_is_refused(name: str) -> None:
    error = refused({name: BASES[name].replace("acme", "<domain>")})
    assert error.message == f"{name} still has the placeholder <domain>."


@pytest.mark.parametrize("path", ["/app", "/app/", "/app/home"])
def test_the_address_of_the_web_page_is_refused(path: str) -> None:
    error = refused({"FBN_SCHEDULER_URL": f"https://acme.lusid.com{path}"})
    assert error.message == "FBN_SCHEDULER_URL is the address of LUSID's web page."
    assert SCHEDULER in error.hint


def test_only_the_quotes_of_a_variable_are_explained_by_tools_that_keep_them() -> None:
    assert "GitLab" in refused({"FBN_BASE_URL": f'"{OTHER}"'}).cause
    write({"api": {"schedulerUrl": f"'{SCHEDULER}'"}})
    assert "GitLab" not in refused({}).cause


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
