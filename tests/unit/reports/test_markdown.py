"""What a reader sees at a glance in the summary of a CI run."""

import re
from dataclasses import replace
from typing import Literal

import pytest

from lusid_image_publish.names import ImageName
from lusid_image_publish.publishing.results import LatestOutcome
from lusid_image_publish.reports import markdown
from lusid_image_publish.scan.verdict import Ignore, ScanPolicy, Severity, judge
from tests.unit.reports.contents import (
    DIGEST,
    FOUND,
    MADE,
    many,
    published,
    report_of,
    scanned,
    unscanned,
)
from tests.unit.reports.test_hostile import tokens_of

PASSED, FAILED = "\N{WHITE HEAVY CHECK MARK}", "\N{CROSS MARK}"


def tables(shown: str) -> list[list[list[str]]]:
    """Return the cells of each table, the head first."""
    found: list[list[list[str]]] = [[]]
    for line in shown.split("\n"):
        if not line.startswith("|"):
            found.append([])
        elif not set(line) <= set("|- "):
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
    return [table for table in found if table]


def folded(shown: str) -> list[str]:
    return re.findall(r"<summary>(.*?)</summary>", shown)


@pytest.mark.parametrize(
    ("policy", "mark", "words"),
    [
        (
            ScanPolicy(),
            "",
            "found 1 critical, 2 high, 1 medium, 1 negligible, 1 unknown, no policy",
        ),
        (ScanPolicy(limits={Severity.CRITICAL: 1}), PASSED, "passed: found 1 critical, 2 high"),
        (ScanPolicy(fail_on="high"), FAILED, "breaks the policy: found 1 critical, 2 high"),
    ],
)
def test_the_first_line_is_the_outcome(policy: ScanPolicy, mark: str, words: str) -> None:
    first, *_ = markdown.render(published(scanned(FOUND, policy))).split("\n")
    name = "`hello-job:1.0.0` is in LUSID; its scan"
    assert first.startswith(f"### {mark} {name} {words}" if mark else f"### {name} {words}")


def test_without_a_policy_nothing_has_passed() -> None:
    shown = markdown.render(published(scanned(FOUND[:1], ScanPolicy())))
    assert "found 1 critical, no policy set" in shown.split("\n")[0]
    assert "passed" not in shown
    assert PASSED not in shown


@pytest.mark.parametrize("tolerated", [True, False])
def test_a_scan_without_a_result_says_why_and_what_to_do(*, tolerated: bool) -> None:
    shown = markdown.render(published(unscanned(tolerated=tolerated)))
    assert shown.startswith(f"### {FAILED} ") is not tolerated
    assert PASSED not in shown
    assert "\n- Likely cause: " in shown
    assert shown.count("Next step: ") == (0 if tolerated else 1)
    assert ("\n- `--if-unscannable` warn accepts this.\n" in shown) is tolerated


def test_a_scan_that_passed_says_what_the_policy_could_not_compare() -> None:
    shown = markdown.render(published(scanned(FOUND[-1:], ScanPolicy(fail_on="critical"))))
    assert "\n- 1 of unknown severity cannot be compared with `--fail-on` critical" in shown


def test_an_overall_severity_without_a_finding_is_shown() -> None:
    report = report_of([], severity="Critical", summary={"total": 0, "critical": 0})
    verdict = judge(report, ScanPolicy(fail_on="high"), MADE.date())
    scan = replace(scanned([]), report=report, verdict=verdict)
    assert "\n- LUSID's overall severity is critical, but it" in markdown.render(published(scan))


def test_the_counts_have_no_zeros_that_say_nothing() -> None:
    counts = tables(markdown.render(published(scanned(FOUND, ScanPolicy()))))[0]
    assert counts == [
        ["Severity", "Found", "With a fix"],
        *(["critical", "1", "1"], ["high", "2", "1"], ["medium", "1", "0"]),
        *(["negligible", "1", "0"], ["unknown", "1", "0"]),
    ]
    policy = ScanPolicy(fail_on="high", fixable_only=True, ignores=["CVE-2026-2222"])
    counts = tables(markdown.render(published(scanned(FOUND, policy))))[0]
    assert counts[0] == ["Severity", "Found", "With a fix", "Ignored", "Included"]
    assert counts[2] == ["high", "2", "1", "1", "1"]


def test_a_scan_that_found_nothing_has_no_tables_but_the_details() -> None:
    shown = markdown.render(published(scanned([], ScanPolicy())))
    assert len(tables(shown)) == 1
    assert folded(shown) == ["Details"]


@pytest.mark.parametrize(("number", "titles"), [(10, []), (11, ["1 more"]), (200, ["190 more"])])
def test_ten_findings_are_shown_and_the_others_are_folded(number: int, titles: list[str]) -> None:
    shown = markdown.render(published(scanned(many(number), ScanPolicy())))
    _, findings, *_ = tables(shown)
    assert len(findings) == 1 + 10
    assert folded(shown) == [*titles, "Details"]
    assert shown.count("CVE-2026-") == 2 * number, "each has its name and its link"


def test_findings_that_break_the_policy_come_first() -> None:
    shown = markdown.render(published(scanned(many(200), ScanPolicy(limits={Severity.LOW: 0}))))
    _, findings, *_ = tables(shown)
    assert {row[0] for row in findings[1:]} == {"low"}


@pytest.mark.parametrize(
    ("name", "link"),
    [
        ("CVE-2026-0001", "https://www.cve.org/CVERecord?id=CVE-2026-0001"),
        ("GHSA-23fg-wq5r-7xcv", "https://github.com/advisories/GHSA-23fg-wq5r-7xcv"),
        ("TEMP-0841856-B18BAF", None),
        ("CVE-2026-1](https://evil.example", None),
        ("cve.org/CVE-2026-0001", None),
    ],
)
def test_a_vulnerability_without_a_link_leads_to_its_public_record(
    name: str, link: str | None
) -> None:
    shown = markdown.render(published(scanned([{"name": name, "severity": "High"}], ScanPolicy())))
    links = [token.attrs["href"] for token in tokens_of(shown) if token.type == "link_open"]
    assert links == ([link] if link else [])


def test_the_duration_and_how_to_see_it_again_are_shown() -> None:
    shown = markdown.render(replace(published(scanned(FOUND)), seconds=12.34))
    assert f"\nPublished: `{DIGEST}`, 2.1 MB; the run took 12 s\n" in shown
    assert "run `lusid-images scan hello-job:1.0.0`" in shown


@pytest.mark.parametrize(
    ("outcome", "words"),
    [("unchanged", "Already in LUSID: "), ("skipped", "Left as is: ")],
)
def test_an_image_that_was_not_pushed_is_not_called_published(
    outcome: Literal["unchanged", "skipped"], words: str
) -> None:
    content = published(scanned([], ScanPolicy()))
    result = content.publication
    assert result
    content = replace(content, result=replace(result, outcome=outcome), seconds=2.0)
    shown = markdown.render(content)
    assert f"\n{words}" in shown
    assert "Published" not in shown


@pytest.mark.parametrize(
    ("latest", "words"),
    [
        ("moved", "; the tag latest was moved to it"),
        ("unchanged", "; the tag latest was already on it"),
        ("kept", "; the tag latest was not moved, because its image is newer"),
        (None, ""),
    ],
)
def test_the_tag_latest_is_not_folded(latest: LatestOutcome | None, words: str) -> None:
    content = published(scanned([], ScanPolicy()))
    result = content.publication
    assert result
    shown = markdown.render(replace(content, result=replace(result, latest=latest)))
    assert f"\nPublished: `{DIGEST}`, 2.1 MB{words}\n" in shown


def test_without_a_policy_no_policy_is_said_to_include_anything() -> None:
    report = report_of([], severity="Critical", summary={"total": 3, "critical": 3})
    for policy, words in ((ScanPolicy(), "them\n"), (ScanPolicy(fail_on="high"), "them; the ")):
        scan = replace(scanned([]), report=report, verdict=judge(report, policy, MADE.date()))
        assert f"LUSID reports 3 critical without listing {words}" in markdown.render(
            published(scan)
        )


def sentences_in_code(shown: str) -> list[str]:
    """Return the code that is not one word or a command."""
    spans = [token.content for token in tokens_of(shown) if token.type == "code_inline"]
    return [text for text in spans if " " in text and not text.startswith("lusid-images ")]


def test_no_sentence_is_in_the_font_of_code() -> None:
    policy = ScanPolicy(
        fail_on="high", ignores=[Ignore("CVE-2026-2222", "our job reads no archives")]
    )
    for content in (
        published(scanned(FOUND, policy)),
        published(unscanned()),
        published(None),
    ):
        assert sentences_in_code(markdown.render(content)) == []
    parts = [("Error", "It failed at https://a.example."), ("Next step", "Run `lusid-images get`.")]
    failed = markdown.render_failure(ImageName("job", "1"), 7, parts)
    assert sentences_in_code(failed) == []
    assert failed == (
        f"### {FAILED} Publishing `job:1` failed (exit code 7)\n\n"
        "It failed at `https://a.example`.\n\n**Next step:** Run `lusid-images get`.\n\n"
    )


def test_messages_are_in_the_terms_of_the_ci() -> None:
    content = replace(
        published(scanned(FOUND)), wording=lambda text: text.replace("--fail-on", "input fail-on")
    )
    assert "\n- 1 critical, 1 high where input fail-on high allows none\n" in markdown.render(
        content
    )
