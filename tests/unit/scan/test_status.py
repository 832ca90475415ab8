"""How far a scan is: every word of the service, in both of its places."""

from typing import Any

import pytest

from lusid_image_publish.scan.status import ENDED, ScanProgress, read_progress
from lusid_image_publish.scheduler.models import ImageSummary, ScanReport

ZEROS = {"total": 0, "critical": 0}
CLEAN = {"status": "Success", "summary": ZEROS, "vulnerabilities": []}
FINDING = {"name": "CVE-1", "severity": "High"}


def look(
    report: dict[str, Any] | None, status: str | None = None, summary: dict[str, Any] | None = None
) -> ScanProgress:
    """Return the progress by `get_image`'s report and what `list_images` says."""
    entry = ImageSummary.model_validate({"scanStatus": status, "scanSummary": summary})
    return read_progress(ScanReport.model_validate(report or {}), entry)


@pytest.mark.parametrize("word", ENDED)
@pytest.mark.parametrize("report", [None, CLEAN, {"status": "Success"}])
def test_an_end_without_findings_wins_over_everything(
    word: str, report: dict[str, Any] | None
) -> None:
    progress = look(report, word, ZEROS)
    assert progress.has_failed
    assert progress.status == word
    assert progress.report is None
    assert ENDED[word]


@pytest.mark.parametrize("word", ENDED)
def test_an_end_may_be_in_the_report_in_other_letters(word: str) -> None:
    assert look({"status": word.replace("_", " ").title()}, "COMPLETE", ZEROS).has_failed


@pytest.mark.parametrize("word", [None, "", "PENDING", "IN_PROGRESS", "In progress", "InProgress"])
def test_what_goes_on_is_waited_for(word: str | None) -> None:
    progress = look(None, word, {})
    assert not progress.has_failed
    assert progress.report is None
    assert progress.is_known


@pytest.mark.parametrize("word", ["PENDING", "IN_PROGRESS", "QUEUED"])
def test_a_report_is_not_believed_while_the_list_says_that_it_goes_on(word: str) -> None:
    assert look(CLEAN, word, ZEROS).report is None


def test_an_unknown_word_is_waited_for_and_said() -> None:
    progress = look(CLEAN, "Re-Scanning", {})
    assert progress.status == "RE_SCANNING"
    assert not progress.is_known
    assert progress.report is None
    assert not progress.has_failed


@pytest.mark.parametrize("word", ["COMPLETE", "ACTIVE", "complete", "Success"])
@pytest.mark.parametrize("summary", [None, {}])
def test_done_is_not_done_without_findings_or_figures(
    word: str, summary: dict[str, Any] | None
) -> None:
    reports: list[dict[str, Any] | None] = [None, {"status": ""}, {"vulnerabilities": []}]
    reports += [{"summary": {}}, {"summary": {"fixable": 0}}, {"severity": "Critical"}]
    for report in reports:
        progress = look(report, word, summary)
        assert progress.report is None
        assert "not available yet" in progress.text


@pytest.mark.parametrize("word", ["COMPLETE", "ACTIVE"])
def test_done_with_figures_in_the_list_alone(word: str) -> None:
    progress = look(None, word, {"high": 2})
    assert progress.report is not None
    assert progress.report.summary is not None
    assert progress.report.summary.high == 2


@pytest.mark.parametrize(
    "report",
    [
        {"status": "Success", "severity": "Critical", "vulnerabilities": []},
        {"status": "Success", "severity": "Critical", "summary": {}},
        {"status": "Success", "summary": {"high": None}, "vulnerabilities": [FINDING]},
    ],
)
def test_a_report_without_figures_has_those_of_the_list(report: dict[str, Any]) -> None:
    figures = {"critical": 0, "high": 2}
    found = look(report, "COMPLETE", figures).report
    assert found == ScanReport.model_validate(report | {"summary": figures})


def test_a_report_with_figures_keeps_them() -> None:
    found = look(CLEAN | {"summary": {"high": 1}}, "COMPLETE", {"high": 3}).report
    assert found == ScanReport.model_validate(CLEAN | {"summary": {"high": 1}})


@pytest.mark.parametrize("word", [None, "", "COMPLETE", "ACTIVE"])
@pytest.mark.parametrize(
    "report",
    [
        CLEAN,
        {"status": "Success", "vulnerabilities": []},
        {"status": "Success", "summary": ZEROS},
        {"status": "COMPLETE", "vulnerabilities": [FINDING]},
    ],
)
def test_done_with_a_report(word: str | None, report: dict[str, Any]) -> None:
    assert look(report, word, {}).report == ScanReport.model_validate(report)


def test_a_report_without_a_word_is_done_when_it_has_an_end() -> None:
    report = {"summary": ZEROS, "vulnerabilities": [FINDING]}
    assert look(report).report is None
    assert look(report | {"endTime": "0001-01-01T00:00:00.0000000+00:00"}).report is None
    assert look(report | {"endTime": "2026-01-30T17:15:58.6730000+00:00"}).report is not None
    assert look(report, "COMPLETE", {}).report is not None


def test_without_a_word_in_the_list_the_report_decides() -> None:
    assert look(CLEAN).report is not None
    assert look(None).report is None


def test_a_hostile_word_is_shown_in_one_plain_line() -> None:
    progress = look(None, "\x1b[31mevil\n::error::" + "x" * 10_000, {})
    assert progress.text.isprintable()
    assert len(progress.text) < 100
