"""A report for GitHub code scanning: SARIF 2.1.0, as far as GitHub reads it.

One rule for each vulnerability in a package, one result for each finding. Ignored findings are not
results, because GitHub would open alerts for them, but notifications. GitHub accepts at most 25,000
results of a run; the report has the worst.
"""

import hashlib
import urllib.parse
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

from lusid_image_publish import __version__
from lusid_image_publish.redact import redact
from lusid_image_publish.reports.content import ReportContent
from lusid_image_publish.reports.document import dump_json
from lusid_image_publish.reports.words import (
    NOTHING,
    Shown,
    advisories_of,
    harmless,
    ignore_notes,
    known,
    problems,
    utc_stamp,
)
from lusid_image_publish.scan.descriptions import describe
from lusid_image_publish.scan.verdict import Finding, Severity
from lusid_image_publish.scheduler.models import ScanReport

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_HOME: Final = "https://pypi.org/project/lusid-image-publish/"
_MAX_RESULTS: Final = 25_000
_MAX_DESCRIPTION_CHARACTERS: Final = 1000  # GitHub shows 1024

_SCORES: Final = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
    Severity.NEGLIGIBLE: "0.1",
}
"""`security-severity`, within GitHub's bounds of the word; LUSID gives no score. Without a score
GitHub uses the level as the severity, which is right for an unknown one."""

_Object = dict[str, Any]
_BRACKETS: Final = str.maketrans("[]{}", "()()")

_LEVELS: Final = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
}


def render(content: ReportContent) -> str:
    """Return the report; the alerts point to `content.location`.

    Raises `ValueError` without a scan: GitHub would close all alerts.
    """
    if content.scan is None:
        raise ValueError("there is no SARIF report without a scan")
    verdict = content.scan.verdict
    found = [finding for finding in verdict.findings if not finding.ignored] if verdict else []
    rules, results = _rules_and_results(found[:_MAX_RESULTS], content)
    driver = {
        "name": "lusid-publish",
        "semanticVersion": __version__,
        "informationUri": _HOME,
        "rules": rules,
    }
    invocation = {
        "executionSuccessful": verdict is not None,
        **_times(content.scan.report),
        "toolExecutionNotifications": list(_notifications(content, len(found))),
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "automationDetails": {"id": f"lusid-publish/{content.result.name.repository}/"},
        "results": results,
        "properties": {
            "image": str(content.result.name),
            "digest": _shown(content.result.digest),
        },
        "columnKind": "utf16CodeUnits",
    }
    return dump_json({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _rules_and_results(
    findings: Sequence[Finding], content: ReportContent
) -> tuple[list[_Object], list[_Object]]:
    rules: dict[str, _Object] = {}
    indexes: dict[str, int] = {}
    shown = cache(_shown)  # thousands of findings share a few packages
    location = _location(content.location)
    seen: Counter[str] = Counter()
    results: list[_Object] = []
    for finding in findings:
        name = f"{shown(finding.id, 100)}-{shown(finding.package, 100)}"
        if name not in rules:
            indexes[name] = len(rules)
            rules[name] = _rule(name, finding, shown)
        fingerprint = _fingerprint(finding, content.result.name.repository)
        seen[fingerprint] += 1
        mark = f"{fingerprint}:{seen[fingerprint]}"
        results.append(
            {
                "ruleId": name,
                "ruleIndex": indexes[name],
                "level": _LEVELS.get(finding.severity, "note"),
                "message": {"text": _message(finding, str(content.result.name), shown)},
                "locations": [location],
                "partialFingerprints": {"primaryLocationLineHash": mark},
            }
        )
    return list(rules.values()), results


def _shown(text: str, longest: int = 200) -> str:
    """Return a foreign text without links and placeholders of SARIF."""
    return harmless(text, longest).translate(_BRACKETS)


def _rule(name: str, finding: Finding, shown: Shown) -> _Object:
    title = _title(finding, shown)
    text = shown(finding.description, _MAX_DESCRIPTION_CHARACTERS)
    about = title if text == NOTHING else text
    links = advisories_of(finding)
    help_text = f"{_sentence(about)} Severity: {finding.severity}. {_fix_text(finding, shown)}"
    score = _SCORES.get(finding.severity)
    properties: _Object = {
        "tags": ["security", "vulnerability", str(finding.severity)],
        "precision": "very-high",
    }
    return {
        "id": name,
        "name": "ImageVulnerability",
        "shortDescription": {"text": f"{title}."},
        "fullDescription": {"text": _sentence(about)},
        **({"helpUri": links[0]} if links else {}),
        "help": {"text": " ".join([help_text, *links[:5]])},
        "defaultConfiguration": {"level": _LEVELS.get(finding.severity, "note")},
        "properties": properties | ({"security-severity": score} if score else {}),
    }


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _title(finding: Finding, shown: Shown) -> str:
    return f"{shown(finding.id, 100)} in {shown(finding.package, 100)}"


def _message(finding: Finding, image: str, shown: Shown) -> str:
    package = f"{shown(finding.package, 100)} {shown(finding.version, 100)}"
    return (
        f"{shown(finding.id, 100)} ({finding.severity}) in {package} of the image {image}. "
        f"{_fix_text(finding, shown)}"
    )


def _fix_text(finding: Finding, shown: Shown) -> str:
    if finding.has_fix:
        return f"It is fixed in {shown(finding.fix_version, 100)}."
    return "There is no fixed version yet."


def _location(path: str) -> _Object:
    region = {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2}
    location = {"uri": urllib.parse.quote(redact(path), errors="replace"), "uriBaseId": "%SRCROOT%"}
    return {"physicalLocation": {"artifactLocation": location, "region": region}}


def _fingerprint(finding: Finding, repository: str) -> str:
    """Return a mark of the finding that is the same for every tag and digest."""
    parts = (repository, finding.id, finding.package, finding.version)
    text = "\0".join(parts).encode(errors="replace")
    return hashlib.sha256(text).hexdigest()[:32]


def _notifications(content: ReportContent, found: int) -> Iterator[_Object]:
    scan = content.scan
    if scan is None or scan.verdict is None:
        for problem in problems(content):
            yield _notification("error", problem)
        return
    yield _notification("note", f"The scan {describe(scan.verdict)}.")
    if found > _MAX_RESULTS:
        yield _notification(
            "warning", f"Only the worst {_MAX_RESULTS} of {found} findings are shown."
        )
    for is_over, text in ignore_notes(scan.verdict, _MAX_RESULTS):
        yield _notification("warning" if is_over else "note", text)


def _notification(level: str, text: str) -> _Object:
    return {"level": level, "message": {"text": _shown(text, 500)}}


def _times(report: ScanReport | None) -> dict[str, str]:
    """Return when the scan began and ended, without a beginning that is after the end."""
    began = known(report.start_time) if report else None
    ended = known(report.end_time) if report else None
    if began and ended and began > ended:
        began = None
    times = {"startTimeUtc": began, "endTimeUtc": ended}
    return {name: f"{utc_stamp(moment)}Z" for name, moment in times.items() if moment}
