"""What each format promises to its readers, and that its files are recognised."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lusid_image_publish.names import ImageName
from lusid_image_publish.reports import sarif as sarif_report
from lusid_image_publish.reports.formats import FORMATS, is_own_report
from lusid_image_publish.reports.outputs import outputs_of_name, render_outputs
from lusid_image_publish.scan.verdict import Ignore, ScanPolicy, Severity
from tests.unit.reports.contents import (
    DIGEST,
    FOUND,
    looked_at,
    many,
    published,
    scanned,
    unscanned,
)
from tests.unit.reports.gitlab_rules import broken_rules

MIB = 1 << 20


def sarif(found: list[dict[str, Any]], policy: ScanPolicy | None = None) -> dict[str, Any]:
    run: dict[str, Any] = json.loads(
        FORMATS["sarif"].render(published(scanned(found, policy or ScanPolicy())))
    )["runs"][0]
    return run


def gitlab(found: list[dict[str, Any]], policy: ScanPolicy | None = None) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(
        FORMATS["gitlab"].render(published(scanned(found, policy or ScanPolicy())))
    )
    return report


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_a_publication_whose_scan_was_not_waited_for(form: str) -> None:
    shown = FORMATS[form].render(published(None))
    assert DIGEST in shown
    if form == "json":
        assert json.loads(shown)["scan"] is None
    else:
        assert "this run did not wait for its scan" in shown


@pytest.mark.parametrize("form", ["sarif", "gitlab"])
def test_a_format_of_scans_refuses_to_say_that_nothing_was_found(form: str) -> None:
    with pytest.raises(ValueError, match="scan"):
        FORMATS[form].render(published(None))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("tolerated", [True, False])
def test_no_scan_is_not_a_clean_one(form: str, *, tolerated: bool) -> None:
    shown = FORMATS[form].render(published(unscanned(tolerated=tolerated)))
    if form == "annotations":
        assert json.loads(shown) == {}
        return
    assert "UNSUPPORTED_IMAGE" in shown
    document = json.loads(shown) if form in {"json", "sarif", "gitlab"} else {}
    if form == "json":
        assert document["scan"]["outcome"] == "unavailable"
        assert document["scan"]["tolerated"] is tolerated
        assert document["scan"]["error"]["exitCode"] == 10
    if form == "sarif":
        assert document["runs"][0]["invocations"][0]["executionSuccessful"] is False
    if form == "gitlab":
        assert document["scan"]["status"] == "failure"
        assert document["scan"]["messages"][0]["level"] == ("warn" if tolerated else "fatal")
        assert broken_rules(document) == []
    if form in {"text", "markdown"}:
        assert "there is no scan result" in shown


@pytest.mark.parametrize("form", FORMATS)
def test_an_image_that_was_there_before(form: str) -> None:
    shown = FORMATS[form].render(looked_at(scanned(FOUND)))
    assert ("LUSID_IMAGE_CRITICAL=1" if form == "dotenv" else "CVE-2026-1234") in shown
    if form == "json":
        assert set(json.loads(shown)) & {"outcome", "reference", "latest"} == set()


REPORTS_WITH_WORDS = [form for form in FORMATS if form != "dotenv"]


@pytest.mark.parametrize("form", REPORTS_WITH_WORDS)
def test_without_a_policy_a_report_says_what_was_found_and_not_that_it_passed(form: str) -> None:
    shown = FORMATS[form].render(published(scanned(FOUND, ScanPolicy())))
    assert "passed" not in shown
    if form == "json":
        assert json.loads(shown)["scan"]["outcome"] == "no-policy"
        return
    found = "1 critical, 2 high, 1 medium, 1 negligible, 1 unknown"
    fixes = "" if form == "markdown" else "; 2 with a fix"  # a column of its table says it
    assert f"scan found {found}, no policy set{fixes}" in shown


@pytest.mark.parametrize("form", REPORTS_WITH_WORDS)
def test_with_a_policy_a_report_says_that_the_scan_passed(form: str) -> None:
    policy = ScanPolicy(limits={Severity.CRITICAL: 1})
    shown = FORMATS[form].render(looked_at(scanned(FOUND[:1], policy)))
    if form == "json":
        assert json.loads(shown)["scan"]["outcome"] == "passed"
        return
    fixes = "" if form == "markdown" else "; 1 with a fix"
    assert f"scan passed: found 1 critical{fixes}" in shown


@pytest.mark.parametrize("form", ["text", "markdown", "sarif", "gitlab"])
def test_a_scan_that_found_nothing_passed_only_with_a_policy(form: str) -> None:
    assert "scan found nothing, no policy set" in FORMATS[form].render(
        published(scanned([], ScanPolicy()))
    )
    policy = ScanPolicy(fail_on=Severity.LOW)
    assert "scan passed: found nothing" in FORMATS[form].render(published(scanned([], policy)))


def test_the_document_has_what_the_scan_found() -> None:
    scan = json.loads(FORMATS["json"].render(published(scanned(FOUND))))["scan"]
    assert scan["outcome"] == "breached"
    assert scan["error"]["exitCode"] == 9
    assert [item["id"] for item in scan["vulnerabilities"]][:2] == [
        "CVE-2026-1234",
        "GHSA-xxxx-yyyy",
    ]
    assert scan["counts"]["high"] == {"found": 2, "fixable": 1, "ignored": 1, "counted": 1}
    assert scan["breaches"][0]["counted"] == 2
    [ignored] = [item["ignored"] for item in scan["vulnerabilities"] if item["ignored"]]
    assert ignored == {
        "id": "CVE-2026-2222",
        "reason": "our job reads no archives",
        "expires": "2027-01-31",
    }


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (12_000, "x"),
        (4000, "x" * 5000),
        (3000, "|" * 5000),
        (3000, "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 5000),
        (3000, "\N{GRINNING FACE}" * 5000),
    ],
    ids=["many", "long", "replaced", "three bytes", "four bytes"],
)
def test_markdown_stays_below_a_mebibyte_and_says_what_was_cut(number: int, text: str) -> None:
    words = dict.fromkeys(("package", "version", "fixVersion", "description"), text)
    found = many(number, **words)
    policy = ScanPolicy(ignores=[Ignore(f"unused-{index}", text[:300]) for index in range(2000)])
    shown = FORMATS["markdown"].render(published(scanned(found, policy)))
    assert len(shown.encode()) < MIB
    assert f" of {number} are shown" in shown
    assert "and " in shown.partition("Ignored but not found")[2]
    assert "| critical | [`" in shown
    assert "| unknown | [`" not in shown, "the worst are kept"


def test_no_row_of_markdown_is_made_that_has_no_room() -> None:
    text = "x" * 1_000_000
    found = many(12_000, package=text, version=text, description=text)
    shown = FORMATS["markdown"].render(published(scanned(found, ScanPolicy())))
    assert len(shown.encode()) < MIB
    assert " of 12000 are shown" in shown


def test_markdown_that_has_room_for_all_cuts_nothing() -> None:
    shown = FORMATS["markdown"].render(published(scanned(many(100), ScanPolicy())))
    assert shown.count("| [`CVE-2026-") == 100
    assert "are shown" not in shown


def test_sarif_has_a_rule_for_each_vulnerability_in_a_package() -> None:
    twice = [FOUND[0], FOUND[0] | {"version": "1.1"}, FOUND[0] | {"package": "libssl"}]
    run = sarif(twice)
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["CVE-2026-1234-libssl", "CVE-2026-1234-openssl"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert rules[0]["helpUri"] == "https://example.com/CVE-2026-1234"
    assert run["automationDetails"]["id"] == "lusid-publish/hello-job/"


@pytest.mark.parametrize(
    ("word", "level", "score"),
    [
        ("Critical", "error", "9.5"),
        ("High", "error", "8.0"),
        ("Medium", "warning", "5.5"),
        ("Low", "note", "2.0"),
        ("Unheard", "note", None),
    ],
)
def test_sarif_severities_are_those_of_github(word: str, level: str, score: str | None) -> None:
    run = sarif([FOUND[0] | {"severity": word}])
    [rule] = run["tool"]["driver"]["rules"]
    assert rule["properties"].get("security-severity") == score
    assert [result["level"] for result in run["results"]] == [level]


def marks(found: list[dict[str, Any]], change: Callable[[dict[str, Any]], None]) -> list[str]:
    """Return the properties that distinguish GitHub's alerts."""
    scan = scanned(found, ScanPolicy())
    content = published(scan)
    document = json.loads(FORMATS["sarif"].render(content))
    change(document)
    results = document["runs"][0]["results"]
    return [result["partialFingerprints"]["primaryLocationLineHash"] for result in results]


def test_sarif_tells_findings_apart_and_knows_them_again() -> None:
    again = [FOUND[0], dict(FOUND[0]), FOUND[0] | {"version": "1.1"}, *FOUND[1:], *ALIKE]
    first = marks(again, lambda _: None)
    assert len(set(first)) == len(again)
    assert sorted(marks(again[::-1], lambda _: None)) == sorted(first)


def test_sarif_and_gitlab_leave_out_what_is_ignored_and_say_so() -> None:
    policy = ScanPolicy(ignores=[Ignore("CVE-2026-1234", "accepted by us")])
    run = sarif(FOUND, policy)
    assert "CVE-2026-1234" not in json.dumps(run["results"])
    _, note = run["invocations"][0]["toolExecutionNotifications"]
    assert "CVE-2026-1234 in openssl is ignored: accepted by us" in note["message"]["text"]
    report = gitlab(FOUND, policy)
    assert "CVE-2026-1234" not in json.dumps(report["vulnerabilities"])
    assert "accepted by us" in report["scan"]["messages"][1]["value"]


def test_gitlab_s_links_begin_with_the_findings_that_break_the_policy() -> None:
    content = published(scanned(many(60), ScanPolicy(limits={Severity.LOW: 0})))
    [links] = json.loads(FORMATS["annotations"].render(content)).values()
    words = [link["external_link"]["label"].partition(":")[0] for link in links]
    assert words == ["low"] * 10 + ["critical"] * 10


def test_sarif_keeps_the_worst_that_github_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sarif_report._MAX_RESULTS == 25_000
    monkeypatch.setattr(sarif_report, "_MAX_RESULTS", 250)
    run = sarif(many(260))
    assert len(run["results"]) == 250
    assert len(run["tool"]["driver"]["rules"]) <= 250
    assert {result["level"] for result in run["results"][:80]} == {"error"}
    _, note = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"] == "Only the worst 250 of 260 findings are shown."


def test_sarif_names_what_is_no_longer_ignored_beside_many_ignored_findings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sarif_report, "_MAX_RESULTS", 2)
    names = [f"CVE-2026-{index}" for index in range(3)]
    expired = Ignore("CVE-2026-3", "old", date(1999, 12, 31))
    policy = ScanPolicy(ignores=[*map(Ignore, names), expired])
    _, *ignored, over = sarif(many(4), policy)["invocations"][0]["toolExecutionNotifications"]
    assert len(ignored) == 2
    assert over["level"] == "warning"
    assert over["message"]["text"].startswith("CVE-2026-3 is no longer ignored: old")


def test_sarif_points_to_the_given_file() -> None:
    content = published(scanned(FOUND))
    content = content.__class__(**{**vars(content), "location": "jobs/a b/Dockerfile"})
    run = json.loads(FORMATS["sarif"].render(content))["runs"][0]
    location = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location["uri"] == "jobs/a%20b/Dockerfile"


ALIKE = [
    {"name": "CVE-\ud800", "package": "a\0b", "version": "c"},
    {"name": "CVE-\ud801", "package": "a", "version": "b\0c"},
]
"""Findings that are not the same, until they are written."""


@pytest.mark.parametrize(
    "found",
    [FOUND, [], many(3000), [FOUND[0]] * 3, [{}], ALIKE],
    ids=["usual", "none", "many", "twice", "empty", "alike"],
)
def test_gitlab_s_rules_are_kept(found: list[dict[str, Any]]) -> None:
    report = gitlab(found)
    assert broken_rules(report) == []
    assert len(report["vulnerabilities"]) == len(found)


def test_gitlab_s_rules_can_be_broken() -> None:
    report = gitlab(FOUND)
    report["scan"]["start_time"] += "Z"
    report["vulnerabilities"][0]["severity"] = "critical"
    report["vulnerabilities"][1]["id"] = report["vulnerabilities"][2]["id"]
    assert broken_rules(report) == [
        "scan.start_time",
        "vulnerabilities: an id is there twice",
        "vulnerability.severity",
    ]


def test_gitlab_knows_findings_again_from_tag_to_tag() -> None:
    first = {item["id"] for item in gitlab(FOUND)["vulnerabilities"]}
    assert {item["id"] for item in gitlab(FOUND[::-1])["vulnerabilities"]} == first


def test_gitlab_gets_times_where_lusid_gives_none() -> None:
    never = "0001-01-01T00:00:00.0000000+00:00"
    scan = scanned(FOUND)
    assert scan.report
    for moment in (None, never):
        report = scan.report.model_validate(
            scan.report.model_dump() | {"start_time": moment, "end_time": moment}
        )
        content = published(scan.__class__(**{**vars(scan), "report": report}))
        assert broken_rules(json.loads(FORMATS["gitlab"].render(content))) == []


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("found", [FOUND, many(300)], ids=["few", "many"])
def test_what_a_run_writes_is_its_own(form: str, found: list[dict[str, object]]) -> None:
    Path("report").write_text(FORMATS[form].render(published(scanned(found))))
    assert is_own_report(Path("report"))


@pytest.mark.parametrize(
    "form",
    [form.name for form in FORMATS.values() if not form.needs_scan and form.name != "annotations"],
)
def test_a_report_without_a_scan_is_its_own(form: str) -> None:
    Path("report").write_text(FORMATS[form].render(published(None)))
    assert is_own_report(Path("report"))


def test_what_a_failed_run_writes_is_its_own() -> None:
    outputs = outputs_of_name(ImageName.parse("my-job:1.0"))
    Path("report").write_text(render_outputs(outputs))
    assert is_own_report(Path("report"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}\n",
        "Notes: my-job:1.0 is in LUSID",
        "# my-job:1.0.0 is in LUSID\n",
        '{\n  "name": "a"\n}\n',
        '{\n  "version": "15.0.7",\n  "scan": {\n    "analyzer": {\n      "id": "trivy"\n',
        '{\n  "$schema": "x",\n  "version": "2.1.0",\n  "runs": []\n}\n',
        "A=1\nLUSID_IMAGE_NAME=my-job:1.0\n",
        "\x00\xff",
    ],
)
def test_any_other_file_is_not(text: str) -> None:
    Path("other").write_text(text)
    assert not is_own_report(Path("other"))


def test_what_is_not_a_file_is_not() -> None:
    Path("folder").mkdir()
    assert not is_own_report(Path("folder"))
    assert not is_own_report(Path("none"))
