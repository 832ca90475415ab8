"""Which findings are annotated on GitHub."""

import pytest

from lusid_image_publish.ci.github import GitHub
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.outcome import annotate_findings
from lusid_image_publish.errors import ScanGateError
from lusid_image_publish.scan.verdict import Ignore, ScanPolicy, Severity, judge
from tests.github_runner import Runner
from tests.unit.reports.contents import FOUND, MADE, many, report_of


@pytest.fixture
def on_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "ci", GitHub({}))


@pytest.mark.usefixtures("on_github")
def test_findings_are_annotated_worst_first(capsys: pytest.CaptureFixture[str]) -> None:
    policy = ScanPolicy(fail_on=Severity.CRITICAL, ignores=[Ignore("CVE-2026-2222")])
    annotate_findings(judge(report_of(FOUND), policy, MADE.date()), "all")
    runner = Runner().read(capsys.readouterr().err)
    assert [(level, title) for level, title, _ in runner.annotations] == [
        ("error", "critical: CVE-2026-1234"),
        ("warning", "high: GHSA-xxxx-yyyy"),
        ("notice", "medium: CVE-2026-3333"),
    ]
    assert runner.annotations[0][2] == "critical: CVE-2026-1234 in openssl 3.0.1, fixed in 3.0.2"


@pytest.mark.usefixtures("on_github")
def test_only_findings_that_break_the_policy_are_annotated_by_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    annotate_findings(judge(report_of(FOUND), ScanPolicy(), MADE.date()), console.annotates)
    assert capsys.readouterr().err == "", "nothing breaks a policy that is not set"
    policy = ScanPolicy(fail_on=Severity.CRITICAL)
    annotate_findings(judge(report_of(FOUND), policy, MADE.date()), console.annotates)
    runner = Runner().read(capsys.readouterr().err)
    assert [title for _, title, _ in runner.annotations] == ["critical: CVE-2026-1234"]


@pytest.mark.usefixtures("on_github")
def test_no_finding_is_annotated_where_none_is_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    policy = ScanPolicy(fail_on=Severity.LOW)
    annotate_findings(judge(report_of(FOUND), policy, MADE.date()), "none")
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("on_github")
def test_of_many_findings_the_worst_are_annotated_and_the_end_has_room(
    capsys: pytest.CaptureFixture[str],
) -> None:
    verdict = judge(report_of(many(200)), ScanPolicy(fail_on=Severity.LOW), MADE.date())
    annotate_findings(verdict, "breaking")
    console.show_error(ScanGateError("It is bad."))
    runner = Runner().read(capsys.readouterr().err)
    assert len(runner.annotations) == 10
    assert all(title.startswith("critical: ") for _, title, _ in runner.annotations[:9])
    assert runner.of_level("error")[-1][1] == "It is bad."


@pytest.mark.usefixtures("on_github")
def test_hostile_findings_annotate_nothing_but_themselves(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hostile = "x::y,title=z\n::add-mask::a\r##[error]b"
    found = [FOUND[0] | {"name": hostile, "package": hostile, "fixVersion": hostile}]
    verdict = judge(report_of(found), ScanPolicy(fail_on=Severity.LOW), MADE.date())
    annotate_findings(verdict, "breaking")
    runner = Runner().read(capsys.readouterr().err)
    assert runner.acted == ["error"]
    assert runner.annotations[0][1].startswith("critical: x::y,title=z")
