"""The examples for other CIs, run as those run them, against a local Scheduler."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest
import yaml
from docker import DockerClient

from lusid_image_publish.errors import ExitCode
from lusid_image_publish.local_scheduler.server import LocalScheduler, LocalSchedulerSettings
from lusid_image_publish.reports.outputs import OUTPUTS, variable_of_output
from tests.integration.leaks import find_secrets
from tests.integration.other_cis import (
    ALL,
    COMMIT,
    EXAMPLES,
    REFERENCE,
    Azure,
    Bitbucket,
    Checkout,
    Ci,
    CircleCi,
    Outcome,
    in_container,
)
from tests.integration.parts import ENGINE_SOCKET, ROOT, Job
from tests.integration.stage import Api

PAGE = ROOT / "docs/ci/others.md"
SOFTENED = "|| test $? = 9"
PUBLISH = "Publish to LUSID"
USE = "Use the published image"
each_ci = pytest.mark.parametrize("ci", ALL, ids=lambda ci: type(ci).__name__)
SOFT = {"Azure", "Jenkins"}
"""CIs in which a job can continue with a warning."""
_MOVES = re.compile(r"\r(?!\n)|\x1b\[[0-9?;]*[A-HJKhl]")


@pytest.fixture(scope="module")
def lusid(module_volume: str) -> Iterator[LocalScheduler]:
    settings = LocalSchedulerSettings(volume=module_volume, scan_delay=0)
    with LocalScheduler(settings) as running:
        yield running


@pytest.fixture(scope="module")
def bad(module_volume: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalScheduler]:
    """A Scheduler whose scans find something."""
    findings = tmp_path_factory.mktemp("findings") / "findings.json"
    found = [{"name": "CVE-2026-1", "severity": "Critical", "package": "zlib"}]
    findings.write_text(json.dumps({"vulnerabilities": found}))
    settings = LocalSchedulerSettings(volume=module_volume, scan_delay=0, scan_findings=findings)
    with LocalScheduler(settings) as running:
        yield running


@pytest.fixture
def checkout(action: str, job: Job, repository: str, clean_engine: DockerClient) -> Checkout:
    assert clean_engine.ping()
    return Checkout(job.folder, repository, action, {}, {})


def at(checkout: Checkout, scheduler: LocalScheduler) -> Checkout:
    """Return the checkout with the CI's settings and its secret."""
    environ = scheduler.environment()
    url, token = ({name: environ[name]} for name in ("FBN_SCHEDULER_URL", "FBN_ACCESS_TOKEN"))
    return replace(checkout, settings=url, secret=token)


def shown(outcome: Outcome) -> str:
    """Return all that the CI shows."""
    return "".join(outcome.logs.values())


@each_ci
def test_without_the_secret_nothing_is_published(
    ci: Ci, checkout: Checkout, lusid: LocalScheduler
) -> None:
    """Not even with a secrets.json that a pull request has added."""
    given = at(checkout, lusid)
    secrets = {"api": {"accessToken": lusid.access_token.reveal()}}
    (checkout.folder / "secrets.json").write_text(json.dumps(secrets))
    outcome = ci.run(replace(given, secret={}))
    # Azure leaves the macro as it is.
    code = ExitCode.USAGE if isinstance(ci, Azure) else ExitCode.AUTHENTICATION
    assert (outcome.result, outcome.code) == ("failed", code), shown(outcome)
    assert USE not in outcome.logs
    assert Api(lusid).tags(checkout.job) == {}


@each_ci
def test_a_failed_build_publishes_nothing(
    ci: Ci, checkout: Checkout, lusid: LocalScheduler
) -> None:
    (checkout.folder / "Dockerfile").write_text("FROM scratch\nCOPY missing /\n")
    outcome = ci.run(at(checkout, lusid))
    assert outcome.result == "failed"
    assert PUBLISH not in outcome.logs


@each_ci
def test_a_broken_gate_is_soft_where_the_ci_has_warnings(
    ci: Ci, checkout: Checkout, bad: LocalScheduler
) -> None:
    outcome = ci.run(at(checkout, bad))
    log = outcome.logs[PUBLISH]
    assert "CVE-2026-1" in log, shown(outcome)
    if type(ci).__name__ in SOFT:
        assert outcome.result == "warning"
        assert f"{checkout.job}:{COMMIT}@sha256:" in outcome.logs[USE]
    else:
        assert (outcome.result, outcome.code) == ("failed", ExitCode.SCAN_GATE)
        assert USE not in outcome.logs
    [report] = [text for name, text in outcome.kept.items() if name.endswith(".md")]
    assert "CVE-2026-1" in report


@pytest.mark.parametrize("ci", [Bitbucket(), CircleCi()], ids=lambda ci: type(ci).__name__)
def test_a_gate_can_be_made_soft_without_warnings_as_the_page_says(
    ci: Ci,
    checkout: Checkout,
    bad: LocalScheduler,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert f"add `{SOFTENED}` to the command" in PAGE.read_text()
    text = (EXAMPLES / ci.file).read_text()
    (tmp_path / ci.file).write_text(re.sub(r"lusid-publish image.*", rf"\g<0> {SOFTENED}", text))
    monkeypatch.setattr("tests.integration.other_cis.EXAMPLES", tmp_path)
    outcome = ci.run(at(checkout, bad))
    assert outcome.result == "succeeded", shown(outcome)
    assert f"{checkout.job}:{COMMIT}@sha256:" in outcome.logs[USE]


def test_a_pipe_of_bitbucket_takes_variables_alone(
    checkout: Checkout, lusid: LocalScheduler, built: str
) -> None:
    [block] = re.findall(r"```yaml\n( +services: .*?)```", PAGE.read_text(), re.DOTALL)
    _, step = yaml.safe_load(block)["script"]
    assert step["pipe"] == f"docker://{REFERENCE}"
    given = at(checkout, lusid)
    known = given.settings | given.secret | Bitbucket.environ
    text = json.dumps(step["variables"]).replace("my-job", checkout.job)
    variables = json.loads(re.sub(r"\$(\w+)", lambda match: known[match[1]], text))
    assert variables["LUSID_PUBLISH_SOURCE"] == built
    done = in_container(
        given.image,
        ["lusid-publish"],
        checkout.folder,
        Bitbucket.at,
        Bitbucket.environ | variables,
        *("--volume", f"{ENGINE_SOCKET}:/var/run/docker.sock"),
    )
    assert done.returncode == ExitCode.DONE, done.stderr
    assert (
        f"LUSID_IMAGE_DIGEST={done.stdout}" in (checkout.folder / "lusid-publish.env").read_text()
    )


def test_the_image_has_what_ci_platforms_run_in_it(action: str) -> None:
    tools = "command -v bash tar gzip cat env && test -s /etc/ssl/certs/ca-certificates.crt"
    words = ["docker", "run", "--rm", "--entrypoint", "bash", action, "-ec", tools]
    assert subprocess.run(words, capture_output=True, check=False).returncode == 0


@each_ci
def test_a_later_step_knows_what_was_published(
    ci: Ci, checkout: Checkout, lusid: LocalScheduler
) -> None:
    outcome = ci.run(at(checkout, lusid))
    assert (outcome.result, outcome.code) == ("succeeded", 0), shown(outcome)
    [digest] = Api(lusid).tags(checkout.job).values()
    assert f"Jobs can now run {checkout.job}:{COMMIT}@{digest}." in outcome.logs[USE]
    [report] = [text for name, text in outcome.kept.items() if name.endswith(".md")]
    assert "its scan passed" in report
    assert find_secrets(shown(outcome) + str(outcome.kept), [lusid.access_token.reveal()]) == []


@each_ci
def test_nothing_moves_in_the_log(ci: Ci, checkout: Checkout, lusid: LocalScheduler) -> None:
    log = ci.run(at(checkout, lusid)).logs[PUBLISH]
    assert "==> Pushing" in click.unstyle(log)
    assert not _MOVES.search(log)


def test_azure_gets_each_output_as_a_variable(checkout: Checkout, lusid: LocalScheduler) -> None:
    log = Azure().run(at(checkout, lusid)).logs[PUBLISH]
    names = re.findall(r"^##vso\[task\.setvariable variable=(\w+)\]", log, re.MULTILINE)
    assert set(names) == {variable_of_output(name) for name in OUTPUTS} - {
        variable_of_output("report-path")
    }


def test_the_entrypoint_would_take_what_a_ci_runs_for_arguments(action: str) -> None:
    """Jenkins starts `cat`, and runs its commands beside it: so the example has `--entrypoint=`."""
    words = ["docker", "run", "--rm", action, "cat"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.USAGE
    assert "NAME:TAG" in done.stderr
