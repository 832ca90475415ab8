"""What doctor finds, in which order, and what it asks the engine and LUSID for."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NoReturn

import httpx
import pytest

from lusid_image_publish import doctor
from lusid_image_publish.config import Settings, load_settings
from lusid_image_publish.doctor import CheckResult, examine, exit_code_of
from lusid_image_publish.errors import AuthenticationError, EngineError, MissingCredentialsError
from lusid_image_publish.scheduler.client import ImagesClient
from tests.archives import Files, Image, docker20, tar_of
from tests.fake_engine import FakeEngine, running
from tests.systems import NEEDS_SCRIPTS

URL = "https://foo.lusid.com/scheduler2"
TOKEN = "tests-access-token"
Configure = Callable[[], AbstractContextManager[Settings]]


class Lusid:
    """An Images API; `statuses` are those of its answers by path, 200 where there is none."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.statuses = {"/api/images/job:1.0": 404}
        self.image = {"name": "job", "tags": [{"name": "1.0"}]}

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/scheduler2")
        self.asked.append((request.method, path))
        content: object = {"values": []} if path == "/api/images/repository" else self.image
        status = self.statuses.get(path, 200)
        return httpx.Response(status, json=content if status == 200 else {"code": 1})


@pytest.fixture
def lusid(monkeypatch: pytest.MonkeyPatch) -> Lusid:
    lusid = Lusid()

    def client(settings: Settings) -> ImagesClient:
        transport = httpx.MockTransport(lusid.answer)
        http = httpx.Client(transport=transport, base_url=settings.scheduler_url)
        return ImagesClient.from_httpx(http)

    monkeypatch.setattr(doctor, "ImagesClient", client)
    return lusid


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    with running(FakeEngine(), tmp_path) as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.url)
        engine.asked.clear()
        yield engine


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    # docker-py leaves a socket open where it finds nobody, and opens none for an address like this.
    monkeypatch.setenv("DOCKER_HOST", "nowhere://")


def configured(**variables: str) -> Configure:
    """Return what loads the settings of these variables, by default of a URL and a token."""
    environ = {f"FBN_{name}": value for name, value in variables.items()}
    usual = {"FBN_SCHEDULER_URL": URL, "FBN_ACCESS_TOKEN": TOKEN}
    return lambda: nullcontext(load_settings(environ=usual | environ))


def found(
    source: str | None = None,
    name: str | None = None,
    settings: Configure = configured(),  # noqa: B008  # it has no state
    *,
    environ: Mapping[str, str] = {"PATH": "/none"},
) -> list[CheckResult]:
    return [*examine(source, name, settings, platform="linux/amd64", environ=environ)]


def states(findings: list[CheckResult]) -> list[str]:
    """Return state and check of each finding, of the configuration its failures alone."""
    return [
        f"{finding.state} {finding.check}"
        for finding in findings
        if finding.check != "configuration" or finding.state != "ok"
    ]


def program(folder: Path, content: str) -> str:
    """Have a `docker` command in `folder`; return a PATH that leads to it."""
    file = folder / "docker"
    file.write_text(content)
    file.chmod(0o755)
    return str(folder)


def test_the_engine_and_lusid_are_only_read(engine: FakeEngine, lusid: Lusid) -> None:
    findings = found("job:1.0", "job:1.0")
    assert states(findings) == [
        "ok engine",
        "warning builder",
        "ok source",
        "ok platform",
        "ok name",
        "ok LUSID",
        "ok credentials",
        "ok permission",
        "ok tag",
    ]
    assert exit_code_of(findings) == 0
    assert {asked.method for asked in engine.asked} == {"GET"}
    assert lusid.asked == [("GET", "/api/images/repository"), ("GET", "/api/images/job:1.0")]


def test_each_finding_is_given_before_the_next_is_looked_for(
    engine: FakeEngine, lusid: Lusid
) -> None:
    findings = examine(None, None, configured(), platform="linux/amd64", environ={})
    assert next(findings).check == "engine"
    assert engine.asked
    assert lusid.asked == []
    assert [finding.check for finding in findings][-1] == "permission"


@pytest.mark.usefixtures("no_engine")
def test_what_depends_on_a_failure_is_left_out(lusid: Lusid) -> None:
    lusid.statuses["/api/images/repository"] = 401
    findings = found("job:1.0", "Job:1.0")
    assert states(findings) == [
        "failed engine",
        "failed name",
        "failed credentials",
    ]
    assert [f.slug for f in findings if f.error] == ["engine", "invalid-name", "authentication"]
    assert exit_code_of(findings) == EngineError.exit_code


@pytest.mark.usefixtures("no_engine")
def test_an_archive_needs_no_engine(lusid: Lusid, tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(tar_of(docker20(a=Image())))
    findings = found("image.tar", "job:1.0")
    assert states(findings)[:3] == ["ok source", "ok platform", "ok name"]
    assert states(findings)[-1] == "ok tag"
    assert Image().id in findings[0].text
    assert exit_code_of(findings) == 0
    assert {method for method, _ in lusid.asked} == {"GET"}


@pytest.mark.usefixtures("no_engine", "lusid")
@pytest.mark.parametrize(
    ("image", "change", "check", "slug"),
    [
        (Image(), {"manifest.json": b"{"}, "source", "source"),
        (Image(platform="linux/arm64"), {}, "platform", "platform"),
    ],
)
def test_what_is_wrong_with_an_archive_is_reported(
    image: Image, change: Files, check: str, slug: str, tmp_path: Path
) -> None:
    (tmp_path / "image.tar").write_bytes(tar_of(docker20(a=image) | change))
    first = found("image.tar", "job:1.0")[0]
    assert (first.state, first.check, first.slug, first.exit_code) == ("failed", check, slug, 6)
    assert first.hint


@pytest.mark.usefixtures("no_engine")
@pytest.mark.parametrize(
    ("path", "status", "last"),
    [
        ("/api/images/repository", 403, "failed permission"),
        ("/api/images/repository", 404, "failed LUSID"),
        ("/api/images/repository", 429, "failed LUSID"),
        ("/api/images/job:1.0", 200, "warning tag"),
        ("/api/images/job:1.0", 403, "failed tag"),
    ],
)
def test_an_answer_of_lusid_belongs_to_one_check(
    lusid: Lusid, path: str, status: int, last: str
) -> None:
    lusid.statuses[path] = status
    assert states(found(None, "job:1.0"))[-1] == last


@pytest.mark.usefixtures("no_engine")
def test_an_image_that_is_another_is_not_taken_for_the_tag(lusid: Lusid) -> None:
    lusid.statuses["/api/images/job:1.0"] = 200
    lusid.image["name"] = "other"
    last = found(None, "job:1.0")[-1]
    assert (last.state, last.check, last.exit_code) == ("failed", "tag", 4)
    assert "is about other (1.0), not about job:1.0" in last.text


@pytest.mark.usefixtures("no_engine")
def test_what_is_configured_is_said_before_what_is_missing() -> None:
    incomplete = configured(ACCESS_TOKEN="", USERNAME="me", PASSWORD="tests-password")
    texts = [f.text for f in found(settings=incomplete) if f.check == "configuration"]
    assert texts == [
        f"scheduler_url = {URL}  (environment variable FBN_SCHEDULER_URL)",
        "username = me  (environment variable FBN_USERNAME)",
        "password = ***  (environment variable FBN_PASSWORD)",
        "The LUSID credentials are incomplete.",
    ]
    assert found(settings=incomplete)[-1].slug == MissingCredentialsError.slug


@pytest.mark.usefixtures("no_engine")
def test_a_ca_bundle_that_is_none_is_a_failure_of_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "authorities.pem"
    file.write_text("no certificate")
    last = found(settings=configured(CLIENT_CERTIFICATE=str(file)))[-1]
    assert (last.check, last.slug) == ("configuration", "configuration")
    assert "does not contain certificate authorities" in last.text


@pytest.mark.usefixtures("no_engine", "lusid")
@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://foo.lusid.com/scheduler2", ["failed configuration"]),
        ("http://localhost:8080/scheduler2", []),
        (URL, []),
    ],
)
def test_http_is_for_this_machine_alone(url: str, warned: list[str]) -> None:
    findings = found(settings=configured(SCHEDULER_URL=url))
    assert [state for state in states(findings) if state.endswith("configuration")] == warned


@pytest.mark.usefixtures("no_engine", "lusid")
def test_http_that_is_allowed_is_a_warning() -> None:
    overrides = {"allow_http": ("true", "tests"), "token_url": ("http://foo.okta.com/", "tests")}
    environ = {"FBN_SCHEDULER_URL": "http://foo.lusid.com", "FBN_ACCESS_TOKEN": TOKEN}
    findings = found(settings=lambda: nullcontext(load_settings(overrides, environ)))
    warnings = [f for f in findings if f.check == "configuration" and f.state == "warning"]
    assert [f.text.split()[1] for f in warnings] == ["Scheduler", "token"]
    assert all("--allow-http" in f.cause and f.hint for f in warnings)


OWN = """#!/bin/sh
printf 'Name:   default\\nDriver: docker\\n\\nNodes:\\nName: default\\nEndpoint: default\\n'
"""
REMOTE = """#!/bin/sh
printf 'Name: far\\nDriver: remote\\n\\nNodes:\\nEndpoint: tcp://far:1\\nStatus: %s\\n' "$STATUS"
"""


@NEEDS_SCRIPTS
@pytest.mark.usefixtures("engine", "lusid")
@pytest.mark.parametrize(
    ("content", "environ", "state"),
    [
        (OWN, {}, "ok builder"),
        (REMOTE, {"STATUS": "running"}, "ok builder"),
        (REMOTE, {"STATUS": "inactive"}, "failed builder"),
        ("#!/bin/sh\n", {}, "failed builder"),
        ("#!/bin/sh\nexit 1\n", {}, "warning builder"),
        ("#!/bin/sh\n", {"DOCKER_BUILDKIT": "0"}, "warning builder"),
        ("no program", {}, "failed builder"),
        ("no program", {"DOCKER_BUILDKIT": "0"}, "warning builder"),
    ],
)
def test_the_docker_command_is_asked_for_buildx(
    content: str, environ: dict[str, str], state: str, tmp_path: Path
) -> None:
    findings = found(environ={"PATH": program(tmp_path, content)} | environ)
    assert states(findings)[1] == state
    assert all(finding.hint for finding in findings if finding.state == "failed")


@pytest.mark.usefixtures("no_engine")
def test_what_nobody_foresaw_is_a_finding_too() -> None:
    def broken() -> NoReturn:
        raise RuntimeError("of the tests")

    findings = found(settings=broken)
    last = findings[-1]
    assert (last.check, last.state, last.exit_code) == ("configuration", "failed", 1)
    assert last.text == "unexpected RuntimeError: of the tests"
    assert "-vv" in last.hint


def test_the_first_failure_has_the_exit_code() -> None:
    failures = [
        CheckResult("x", "failed", "", error=e("")) for e in (EngineError, AuthenticationError)
    ]
    fine = [CheckResult("x", "ok", ""), CheckResult("x", "warning", "")]
    assert exit_code_of([*fine, *failures]) == EngineError.exit_code
    assert exit_code_of([*fine, *reversed(failures)]) == AuthenticationError.exit_code
    assert exit_code_of(fine) == 0
