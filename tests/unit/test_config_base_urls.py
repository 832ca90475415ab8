"""The Scheduler is found from the URL of LUSID that other tools use, or the error names it."""

from pathlib import Path
from typing import Final

import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st

from lusid_image_publish.config import load_settings
from lusid_image_publish.config_base_urls import read_base_url, scheduler_url_of
from lusid_image_publish.config_given import Strength
from lusid_image_publish.errors import ConfigurationError
from tests.unit.older_tools import BASES, OTHER, SCHEDULER, refused, said, write


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


@pytest.mark.parametrize("name", BASES)
def test_the_url_of_the_scheduler_itself_is_used_before_that_of_lusid(name: str) -> None:
    for variable in ("FBN_SCHEDULER_URL", "FBN_LUSID_SCHEDULER_API_URL", "FBN_SCHEDULER_API_URL"):
        settings = load_settings({}, {name: OTHER, variable: SCHEDULER})
        assert settings.scheduler_url == SCHEDULER
        assert settings.origins["scheduler_url"] == f"environment variable {variable}"
        [remark] = settings.remarks
        assert name in remark
        assert "other.lusid.com" in remark


def test_a_server_with_its_usual_port_is_the_same_server() -> None:
    bases = {"FBN_BASE_URL": "https://ACME.lusid.com:443", "LUSID_ENV": "https://acme.lusid.com"}
    host = load_settings({}, bases).scheduler_url.removesuffix("/scheduler2")
    assert host == "https://ACME.lusid.com:443"
    with pytest.raises(ConfigurationError, match="Two LUSID servers"):
        load_settings({}, bases | {"LUSID_ENV": "https://acme.lusid.com:8443"})


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


@any_of(st.text(max_size=30), st.sampled_from([*BASES, "baseUrl", "apiUrl", "lusidUrl"]))
def test_any_text_can_be_the_url_of_lusid(text: str, name: str) -> None:
    for url in (text, f"https://{text}", f"https://{text}.lusid.com{text}", f"'{text}'"):
        found = scheduler_url_of(url)
        assert found == url or found.endswith("/scheduler2")
        base = read_base_url(name, url, "a file", Strength.ENVIRONMENT)
        assert base.error is None or base.error.hint
