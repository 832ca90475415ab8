"""Which server the settings of FINBOURNE's tools name, and what else of them is refused."""

from typing import Any, Final

import pytest

from lusid_image_publish.config import load_settings
from lusid_image_publish.redact import Secret
from tests.unit.older_tools import BASES, OTHER, SCHEDULER, refused, said, write

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


def test_the_first_of_two_urls_of_the_scheduler_is_used_and_the_other_remarked_on() -> None:
    names = ("FBN_SCHEDULER_URL", "FBN_LUSID_SCHEDULER_API_URL")
    environ = dict(zip(names, (SCHEDULER, EVIL), strict=True))
    settings = load_settings({}, environ)
    assert settings.scheduler_url == SCHEDULER
    [remark] = settings.remarks
    assert remark.startswith(f"environment variable {names[1]} is not used: it points to evil")
    caller = {"scheduler_url": (SCHEDULER, "--scheduler-url")}
    assert load_settings(caller, environ).remarks == ()
    same = dict.fromkeys(names, f"{SCHEDULER}/")
    assert load_settings({}, same).remarks == ()
    write({"api": {"schedulerUrl": SCHEDULER, "lusid_schedulerUrl": EVIL}})
    settings = load_settings({}, {})
    assert settings.scheduler_url == SCHEDULER
    assert "api.lusid_schedulerUrl" in settings.remarks[0]


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
        ("$(MY.TOKEN)", "a variable that was not expanded: $(MY.TOKEN)"),  # Azure
        ("${{ secrets.TOKEN }}", "a variable that was not expanded: ${{ secrets.TOKEN }}"),
    ],
)
def test_a_placeholder_for_a_token_is_refused(token: str, words: str) -> None:
    error = refused({"FBN_SCHEDULER_URL": SCHEDULER, "FBN_ACCESS_TOKEN": token})
    assert words in error.message


def test_a_token_with_a_dollar_in_it_is_not_shown() -> None:
    found = load_settings({}, {"FBN_SCHEDULER_URL": SCHEDULER, "FBN_ACCESS_TOKEN": "abc$Defghij"})
    assert found.access_token == Secret("abc$Defghij")


@pytest.mark.parametrize("path", ["/app", "/app/", "/app/home"])
def test_the_address_of_the_web_page_is_refused(path: str) -> None:
    error = refused({"FBN_SCHEDULER_URL": f"https://acme.lusid.com{path}"})
    assert error.message == "FBN_SCHEDULER_URL is the address of LUSID's web page."
    assert SCHEDULER in error.hint


def test_only_the_quotes_of_a_variable_are_explained_by_tools_that_keep_them() -> None:
    assert "GitLab" in refused({"FBN_BASE_URL": f'"{OTHER}"'}).cause
    write({"api": {"schedulerUrl": f"'{SCHEDULER}'"}})
    assert "GitLab" not in refused({}).cause
