"""The scan as a gate: the commands against a local Scheduler whose scans are set."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from lusid_image_publish.errors import ExitCode
from lusid_image_publish.local_scheduler.server import LocalScheduler, LocalSchedulerSettings
from lusid_image_publish.scan.status import ENDED
from tests.integration.parts import Job, command_environment, interrupt_at, run, start
from tests.integration.stage import Api
from tests.unit.scan.examples import PUBLISHED

FOUND = {
    "vulnerabilities": [
        {"name": "CVE-2026-1", "severity": "Critical", "package": "zlib", "version": "1.2"},
        {
            "name": "CVE-2026-2",
            "severity": "High",
            "package": "openssl",
            "version": "3.0.1",
            "fixVersion": "3.0.2",
            "links": ["https://example.com/CVE-2026-2"],
        },
        {"name": "CVE-2026-3", "severity": "Low", "package": "bash", "version": "5.1"},
    ],
    "summary": {"total": 3, "critical": 1, "high": 1, "low": 1, "fixable": 1},
}


@contextmanager
def scheduler_with(
    folder: Path, volume: str, found: dict[str, Any] | None = None, **settings: Any
) -> Iterator[LocalScheduler]:
    """Run a Scheduler; each image's scan has `found`, or nothing."""
    if found is not None:
        file = folder / "findings.json"
        file.write_text(json.dumps(found))
        settings["scan_findings"] = file
    chosen = LocalSchedulerSettings(volume=volume, **({"scan_delay": 0} | settings))
    with LocalScheduler(chosen) as scheduler:
        yield scheduler


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory, module_volume: str) -> Iterator[LocalScheduler]:
    """A Scheduler that finds the same three vulnerabilities in every image."""
    with scheduler_with(tmp_path_factory.mktemp("findings"), module_volume, FOUND) as scheduler:
        yield scheduler


def publish(scheduler: LocalScheduler, job: Job, name: str, *options: str) -> Any:
    environ = command_environment(**scheduler.environment())
    return run("publish", str(job.folder), name, *options, cwd=job.folder, environ=environ)


@pytest.mark.usefixtures("clean_engine")
def test_a_breach_fails_and_the_image_stays_published(
    bad: LocalScheduler, job: Job, repository: str
) -> None:
    done = publish(
        bad, job, f"{repository}:1.0", "--fail-on", "high", "--latest", "--report", "json"
    )
    assert done.returncode == ExitCode.SCAN_GATE
    assert Api(bad).tags(repository) == {"1.0": done.stdout.strip()}, "the tag latest was not moved"
    assert "is in LUSID and stays there" in done.stderr
    assert "1 critical, 1 high where --fail-on high allows none" in done.stderr
    assert "critical: CVE-2026-1 in zlib 1.2, without a fix" in done.stderr
    report = json.loads((job.folder / "lusid-publish-report.json").read_text())
    assert report["digest"] == done.stdout.strip()
    assert report["scan"]["outcome"] == "breached"
    assert report["latest"] is None


@pytest.mark.usefixtures("clean_engine")
def test_without_a_policy_a_run_says_what_was_found_and_moves_latest(
    bad: LocalScheduler, job: Job, repository: str
) -> None:
    name = f"{repository}:1.0"
    done = publish(bad, job, name, "--latest", "--output", "json", "--report", "text")
    assert done.returncode == 0
    found = "found 1 critical, 1 high, 1 low, no policy set; 1 with a fix"
    assert f"    the scan {found}" in done.stderr
    assert (
        (job.folder / "lusid-publish-report.txt")
        .read_text()
        .startswith(f"{name} is in LUSID; its scan {found}.")
    )
    document = json.loads(done.stdout)
    assert (document["scan"]["outcome"], document["latest"]) == ("no-policy", "moved")
    environ = command_environment(**bad.environment())
    looked = run("images", "scan", name, cwd=job.folder, environ=environ)
    assert looked.returncode == 0
    assert looked.stdout.startswith(f"{name} is in LUSID; its scan {found}.")
    passed = run("images", "scan", name, "--max", "critical=1", cwd=job.folder, environ=environ)
    assert f"{name} is in LUSID; its scan passed: found 1 critical" in passed.stdout


@pytest.mark.usefixtures("clean_engine")
def test_the_published_example_breaks_no_gate_for_critical_and_one_for_high(
    tmp_path: Path, module_volume: str, job: Job, repository: str
) -> None:
    name = f"{repository}:1.0"
    example = {key: PUBLISHED[key] for key in ("severity", "summary", "vulnerabilities")}
    with scheduler_with(tmp_path, module_volume, example) as scheduler:
        done = publish(scheduler, job, name, "--fail-on", "critical")
        assert done.returncode == 0
        assert "the scan passed: found 1 high; 1 with a fix" in done.stderr
        assert "LUSID's overall severity is critical" in done.stderr
        assert publish(scheduler, job, name, "--fail-on", "high").returncode == ExitCode.SCAN_GATE
        options = ("--fail-on", "high", "--ignore", "CVE-2012-113462")
        assert publish(scheduler, job, name, *options).returncode == 0


@pytest.mark.usefixtures("clean_engine")
def test_a_run_again_gives_the_same_verdict_without_a_push(
    bad: LocalScheduler, job: Job, repository: str
) -> None:
    name = f"{repository}:1.0"
    first = publish(bad, job, name)
    assert first.returncode == 0
    for option, outcome in (("verify", "unchanged"), ("skip", "skipped")):
        options = ("--if-exists", option, "--max", "critical=0", "--output", "json")
        again = publish(bad, job, name, *options)
        assert again.returncode == ExitCode.SCAN_GATE
        document = json.loads(again.stdout)
        assert (document["outcome"], document["digest"]) == (outcome, first.stdout.strip())
        assert document["scan"]["error"]["exitCode"] == ExitCode.SCAN_GATE


@pytest.mark.usefixtures("clean_engine")
def test_what_the_policy_allows_passes(bad: LocalScheduler, job: Job, repository: str) -> None:
    name = f"{repository}:1.0"
    (job.folder / ".lusid-publish.toml").write_text(
        """
        fail-on = "medium"
        [[ignore]]
        id = "CVE-2026-1"
        reason = "not reachable"
        expires = 2999-01-01
        """
    )
    assert publish(bad, job, name).returncode == ExitCode.SCAN_GATE
    done = publish(bad, job, name, "--ignore", "cve-2026-2", "--latest")
    assert done.returncode == 0
    assert "2 ignored: CVE-2026-1, CVE-2026-2" in done.stderr
    assert set(Api(bad).tags(repository)) == {"1.0", "latest"}
    assert publish(bad, job, name, "--fail-on", "none").returncode == 0
    unlisted = publish(bad, job, name, "--fixable-only", "--ignore", "CVE-2026-2")
    assert unlisted.returncode == 0


@pytest.mark.usefixtures("clean_engine")
def test_an_image_that_is_there_is_scanned_too(
    bad: LocalScheduler, job: Job, repository: str
) -> None:
    name = f"{repository}:1.0"
    assert publish(bad, job, name, "--wait-for", "visible").returncode == 0
    environ = command_environment(**bad.environment())

    def scan(*options: str) -> Any:
        return run("images", "scan", *options, cwd=job.folder, environ=environ)

    shown = scan(name)
    assert shown.returncode == 0
    assert [
        word for word in ("CVE-2026-1", "CVE-2026-2", "3.0.2") if word not in shown.stdout
    ] == []
    gated = scan(name, "--fail-on", "critical", "--output", "json", "--report", "sarif=here.sarif")
    assert gated.returncode == ExitCode.SCAN_GATE
    assert json.loads(gated.stdout)["scan"]["outcome"] == "breached"
    assert json.loads((job.folder / "here.sarif").read_text())["version"] == "2.1.0"
    missing = scan(f"{repository}:2.0")
    assert missing.returncode == ExitCode.SERVICE
    assert missing.stdout == ""


@pytest.mark.usefixtures("clean_engine")
def test_every_end_without_findings(
    tmp_path: Path, module_volume: str, job: Job, repository: str
) -> None:
    name = f"{repository}:1.0"
    for word in ENDED:
        with scheduler_with(tmp_path, module_volume, scan_status=word) as scheduler:
            done = publish(scheduler, job, name, "--report", "gitlab")
            assert done.returncode == ExitCode.SCAN_UNAVAILABLE
            assert word in done.stderr
            assert Api(scheduler).tags(repository) == {"1.0": done.stdout.strip()}
            report = json.loads((job.folder / "gl-container-scanning-report.json").read_text())
            assert report["scan"]["status"] == "failure"
            accepted = publish(scheduler, job, name, "--if-unscannable", "warn")
            assert accepted.returncode == 0
            assert f"warning: {name} is in LUSID" in accepted.stderr


@pytest.mark.usefixtures("clean_engine")
def test_a_status_that_goes_on_is_waited_for_to_the_end_of_the_time(
    tmp_path: Path, module_volume: str, job: Job, repository: str
) -> None:
    name = f"{repository}:1.0"
    for word, words in (
        ("", "not started"),
        ("PENDING", "pending"),
        ("IN_PROGRESS", "in progress"),
        ("DREAMING", "status DREAMING"),
        ("ACTIVE", "the findings are not available yet"),
    ):
        with scheduler_with(
            tmp_path, module_volume, scan_status=word, scan_delay=86400
        ) as scheduler:
            options = ("--scan-timeout", "1", "--if-unscannable", "warn")
            done = publish(scheduler, job, name, *options)
            assert done.returncode == ExitCode.SCAN_UNAVAILABLE
            assert f"last state: {words}" in done.stderr.replace("ACTIVE, but ", "")
            assert done.stdout.strip() == Api(scheduler).tags(repository)["1.0"]
            visible = publish(scheduler, job, name, "--wait-for", "visible")
            assert (visible.returncode, visible.stdout) == (0, done.stdout)


@pytest.mark.usefixtures("clean_engine")
def test_complete_is_not_taken_for_complete_before_the_findings_are_there(
    tmp_path: Path, module_volume: str, job: Job, repository: str
) -> None:
    with scheduler_with(
        tmp_path, module_volume, FOUND, scan_status="COMPLETE", scan_delay=6
    ) as scheduler:
        done = publish(scheduler, job, f"{repository}:1.0", "--fail-on", "critical")
    assert done.returncode == ExitCode.SCAN_GATE
    assert "COMPLETE, but the findings are not available yet" in done.stderr


@pytest.mark.usefixtures("clean_engine")
def test_each_state_is_one_line(
    tmp_path: Path, module_volume: str, job: Job, repository: str
) -> None:
    with scheduler_with(tmp_path, module_volume, scan_delay=6) as scheduler:
        done = publish(scheduler, job, f"{repository}:1.0")
    assert done.returncode == 0
    lines = done.stderr.partition("==> Waiting for the scan")[2].splitlines()[1:]
    assert lines.pop().startswith("Published")
    assert lines[-1] == "    the scan found nothing, no policy set"
    assert len(lines) == len(set(lines)) <= 4
    assert "    in progress" in lines


@pytest.mark.usefixtures("clean_engine")
def test_an_interrupted_wait_says_that_the_image_is_there(
    tmp_path: Path, module_volume: str, job: Job, repository: str
) -> None:
    with scheduler_with(tmp_path, module_volume, scan_delay=86400) as scheduler:
        environ = command_environment(**scheduler.environment())
        process = start(
            "publish", str(job.folder), f"{repository}:1.0", cwd=job.folder, environ=environ
        )
        code, seen = interrupt_at(process, "==> Waiting for the scan")
        digest = Api(scheduler).tags(repository)["1.0"]
    assert code == ExitCode.INTERRUPTED
    assert f"{repository}:1.0 is in LUSID with {digest}." in seen


@pytest.mark.usefixtures("clean_engine")
def test_a_report_that_cannot_be_written_takes_nothing_else_away(
    bad: LocalScheduler, job: Job, repository: str
) -> None:
    options = ("--report", "text=/dev/full", "--report", "markdown")
    done = publish(bad, job, f"{repository}:1.0", *options)
    assert done.returncode == ExitCode.OUTPUT
    assert "/dev/full" in done.stderr
    assert (job.folder / "lusid-publish-report.md").exists()
    gated = publish(bad, job, f"{repository}:1.0", *options, "--fail-on", "low")
    assert gated.returncode == ExitCode.SCAN_GATE
    assert "/dev/full" in gated.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("--wait-for", "visible", "--fail-on", "high"),
        ("--wait-for", "visible", "--report", "sarif"),
        ("--fail-on", "terrible"),
        ("--max", "high"),
        ("--max", "high=-1"),
        ("--report", "yaml"),
        ("--report", "json=no/such/folder/x"),
        ("--report", "json=-"),
        ("--report", "json=a", "--report", "text=a"),
        ("--scan-timeout", "nan"),
        ("--ignore", " "),
        ("--config", "missing.toml"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_done(
    scheduler: LocalScheduler, job: Job, repository: str, options: tuple[str, ...]
) -> None:
    done = publish(scheduler, job, f"{repository}:1.0", *options)
    assert done.returncode == ExitCode.USAGE
    assert done.stdout == ""
    assert "==>" not in done.stderr
    assert "Traceback" not in done.stderr
    assert Api(scheduler).tags(repository) == {}


def test_a_dry_run_writes_no_report_and_says_so(
    scheduler: LocalScheduler, job: Job, repository: str, clean_engine: DockerClient
) -> None:
    done = publish(scheduler, job, f"{repository}:1.0", "--dry-run", "--report", "json")
    assert done.returncode == 0
    assert "a dry run writes no reports" in done.stderr
    assert not list(job.folder.glob("*.json"))
    assert clean_engine.images.get(f"{repository}:1.0").id


def test_a_dry_run_says_what_the_scan_may_find(
    scheduler: LocalScheduler, job: Job, repository: str, clean_engine: DockerClient
) -> None:
    options = ("--dry-run", "--fail-on", "high", "--max", "low=3")
    done = publish(scheduler, job, f"{repository}:1.0", *options)
    assert done.returncode == 0
    assert "wait for its scan, and fail on anything high or worse or more than 3 low" in done.stdout
    without = publish(scheduler, job, f"{repository}:1.0", "--dry-run")
    assert "wait for its scan; no policy set" in without.stdout
    assert clean_engine.images.get(f"{repository}:1.0").id
