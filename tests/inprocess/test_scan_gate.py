"""Scans in process: what is waited for, held against the policy, and reported."""

import json
from typing import Any

import pytest

from lusid_image_publish.errors import ExitCode
from lusid_image_publish.scan.status import ENDED
from tests.faults import OTHER_DIGEST
from tests.inprocess.message_scenes import FINDINGS
from tests.inprocess.network import json_answer, problem, scripted
from tests.inprocess.stage import MakeStage, Stage

FOUND: dict[str, Any] = {
    "severity": "Critical",
    "vulnerabilities": [
        *FINDINGS["vulnerabilities"],
        {"name": "CVE-2026-3", "severity": "Low", "package": "bash", "version": "5.1"},
    ],
    "summary": {"total": 3, "critical": 1, "high": 1, "low": 1, "fixable": 1},
}


@pytest.fixture
def bad(make_stage: MakeStage) -> Stage:
    """A domain that finds the same three vulnerabilities in every image."""
    stage = make_stage(findings=FOUND)
    stage.hold("job:ci")
    return stage


def test_a_breach_fails_and_the_image_stays_published(bad: Stage) -> None:
    ended = bad.publish(
        "job:ci", "job:1.0", "--fail-on", "high", "--latest", "--report", "json"
    ).require(
        ExitCode.SCAN_GATE,
        "is in LUSID and stays there",
        "1 critical, 1 high where --fail-on high allows none",
        "critical: CVE-2026-1 in zlib 1.2, without a fix",
    )
    assert bad.tags("job") == {"1.0": ended.stdout.strip()}, "the tag latest was not moved"
    report = json.loads((bad.folder / "lusid-publish-report.json").read_text())
    assert report["digest"] == ended.stdout.strip()
    assert (report["scan"]["outcome"], report["latest"]) == ("breached", None)


def test_without_a_policy_a_run_says_what_was_found_and_moves_latest(bad: Stage) -> None:
    options = ("--latest", "--output", "json", "--report", "text")
    found = "found 1 critical, 1 high, 1 low, no policy set; 1 with a fix"
    ended = bad.publish("job:ci", "job:1.0", *options).require(0, f"    the scan {found}")
    report = (bad.folder / "lusid-publish-report.txt").read_text()
    assert report.startswith(f"job:1.0 is in LUSID; its scan {found}.")
    document = json.loads(ended.stdout)
    assert (document["scan"]["outcome"], document["latest"]) == ("no-policy", "moved")


@pytest.mark.parametrize(("policy", "outcome"), [("verify", "unchanged"), ("skip", "skipped")])
def test_a_run_again_gives_the_same_verdict_without_a_push(
    bad: Stage, policy: str, outcome: str
) -> None:
    first = bad.publish("job:ci", "job:1.0").require(0)
    changed = bad.registry.changes()
    options = ("--if-exists", policy, "--max", "critical=0", "--output", "json")
    again = bad.publish("job:ci", "job:1.0", *options).require(ExitCode.SCAN_GATE)
    document = json.loads(again.stdout)
    assert (document["outcome"], document["digest"]) == (outcome, first.stdout.strip())
    assert document["scan"]["error"]["exitCode"] == ExitCode.SCAN_GATE
    assert bad.registry.changes() == changed


def test_what_the_policy_allows_passes(bad: Stage) -> None:
    (bad.folder / ".lusid-publish.toml").write_text(
        'fail-on = "medium"\n[[ignore]]\nid = "CVE-2026-1"\nreason = "not reachable"\n'
        "expires = 2999-01-01\n"
    )
    bad.publish("job:ci", "job:1.0").require(ExitCode.SCAN_GATE)
    bad.publish("job:ci", "job:1.0", "--ignore", "cve-2026-2", "--latest").require(
        0, "2 ignored: CVE-2026-1, CVE-2026-2"
    )
    assert set(bad.tags("job")) == {"1.0", "latest"}
    bad.publish("job:ci", "job:1.0", "--fail-on", "none").require(0)
    bad.publish("job:ci", "job:1.0", "--fixable-only", "--ignore", "CVE-2026-2").require(0)


def test_an_image_that_is_there_is_scanned_too(bad: Stage) -> None:
    bad.publish("job:ci", "job:1.0", "--wait-for", "visible").require(0)
    shown = bad.run("images", "scan", "job:1.0").require(0)
    for word in ("CVE-2026-1", "CVE-2026-2", "3.0.2"):
        assert word in shown.stdout
    options = ("--fail-on", "critical", "--output", "json", "--report", "sarif=here.sarif")
    gated = bad.run("images", "scan", "job:1.0", *options).require(ExitCode.SCAN_GATE)
    assert json.loads(gated.stdout)["scan"]["outcome"] == "breached"
    assert json.loads((bad.folder / "here.sarif").read_text())["version"] == "2.1.0"
    passed = bad.run("images", "scan", "job:1.0", "--max", "critical=1").require(0)
    assert "job:1.0 is in LUSID; its scan passed: found 1 critical" in passed.stdout
    assert bad.run("images", "scan", "job:2.0").require(ExitCode.SERVICE).stdout == ""


@pytest.mark.parametrize("word", sorted(ENDED))
def test_every_end_without_findings(make_stage: MakeStage, word: str) -> None:
    stage = make_stage(scan_status=word)
    stage.hold("job:ci")
    ended = stage.publish("job:ci", "job:1.0", "--report", "gitlab", "--latest")
    ended.require(ExitCode.SCAN_UNAVAILABLE, word)
    assert stage.tags("job") == {"1.0": ended.stdout.strip()}, "the tag latest was not moved"
    report = json.loads((stage.folder / "gl-container-scanning-report.json").read_text())
    assert report["scan"]["status"] == "failure"
    allowed = stage.publish("job:ci", "job:1.0", "--if-unscannable", "warn")
    assert allowed.require(0, "warning: job:1.0 is in LUSID").stdout == ended.stdout


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("", "not started"),
        ("PENDING", "pending"),
        ("IN_PROGRESS", "in progress"),
        ("DREAMING", "status DREAMING"),
        ("ACTIVE", "ACTIVE, but the findings are not available yet"),
    ],
)
def test_a_status_that_goes_on_is_waited_for_to_the_end_of_the_time(
    make_stage: MakeStage, word: str, words: str
) -> None:
    stage = make_stage(scan_status=word, scan_delay=86400)
    stage.hold("job:ci")
    options = ("--scan-timeout", "100", "--if-unscannable", "warn")
    began = stage.clock.monotonic()
    ended = stage.publish("job:ci", "job:1.0", *options)
    ended.require(ExitCode.SCAN_UNAVAILABLE, f"last state: {words}")
    assert 100 <= stage.clock.monotonic() - began < 115
    assert ended.stdout.strip() == stage.tags("job")["1.0"]


def test_complete_is_not_complete_before_the_findings_are_there(make_stage: MakeStage) -> None:
    stage = make_stage(findings=FOUND, scan_status="COMPLETE", scan_delay=6)
    stage.hold("job:ci")
    stage.publish("job:ci", "job:1.0", "--fail-on", "critical").require(
        ExitCode.SCAN_GATE, "COMPLETE, but the findings are not available yet"
    )


def test_each_state_is_one_line(make_stage: MakeStage) -> None:
    stage = make_stage(scan_delay=60)
    stage.hold("job:ci")
    ended = stage.publish("job:ci", "job:1.0").require(0)
    lines = ended.stderr.partition("==> Waiting for the scan")[2].splitlines()[1:]
    assert lines.pop().startswith("Published job:1.0")
    assert lines[-1] == "    the scan found nothing, no policy set"
    assert len(lines) == len(set(lines)) == 4
    assert 60 <= sum(stage.clock.pauses) < 66


def test_another_image_under_the_tag_during_the_scan(make_stage: MakeStage) -> None:
    stage = make_stage(scan_delay=600)
    stage.hold("job:ci")
    other = json_answer({"name": "job", "digest": OTHER_DIGEST, "tags": [{"name": "1.0"}]})
    answers = scripted("GET", "%3A1.0$", None, None, None, other)
    stage.lusid.instead = answers
    ended = stage.publish("job:ci", "job:1.0")
    ended.require(ExitCode.PUSH, OTHER_DIGEST)
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("answer", "code"),
    [(problem(400, code=756), ExitCode.SCAN_UNAVAILABLE), (problem(403), ExitCode.SERVICE)],
)
def test_a_service_that_does_not_show_the_scan(stage: Stage, answer: Any, code: ExitCode) -> None:
    stage.hold("job:ci")
    stage.lusid.instead = scripted("GET", "%3A1.0$", None, None, answer)
    stage.publish("job:ci", "job:1.0").require(code)
    assert stage.tags("job")


def test_a_report_that_cannot_be_written_takes_nothing_else_away(bad: Stage) -> None:
    options = ("--report", "text=/dev/full", "--report", "markdown")
    bad.publish("job:ci", "job:1.0", *options).require(ExitCode.OUTPUT, "/dev/full")
    assert (bad.folder / "lusid-publish-report.md").exists()
    gated = bad.publish("job:ci", "job:1.0", *options, "--fail-on", "low")
    gated.require(ExitCode.SCAN_GATE, "/dev/full")


@pytest.mark.parametrize(
    ("form", "name", "words"),
    [
        ("json", "lusid-publish-report.json", '"outcome": "breached"'),
        ("markdown", "lusid-publish-report.md", "CVE-2026-1"),
        ("sarif", "lusid-publish.sarif", "CVE-2026-1"),
        ("text", "lusid-publish-report.txt", "CVE-2026-1"),
        ("gitlab", "gl-container-scanning-report.json", "CVE-2026-1"),
    ],
)
def test_each_form_of_report_is_written(bad: Stage, form: str, name: str, words: str) -> None:
    bad.publish("job:ci", "job:1.0", "--fail-on", "low", "--report", form)
    assert words in (bad.folder / name).read_text()


def test_a_failed_run_removes_what_an_earlier_one_wrote_and_nothing_else(bad: Stage) -> None:
    bad.publish("job:ci", "job:1.0", "--report", "json", "--report", "text=own.txt").require(0)
    (bad.folder / "own.txt").write_text("somebody else's")
    report = bad.folder / "lusid-publish-report.json"
    assert report.exists()
    options = ("--report", "json", "--report", "text=own.txt")
    bad.publish("absent:image", "job:2.0", *options).fails(6)
    assert not report.exists()
    assert (bad.folder / "own.txt").read_text() == "somebody else's"
