"""A report for GitHub code scanning: SARIF 2.1.0, as far as GitHub reads it.

One rule for each vulnerability in a package, one result for each finding. Ignored findings are left
out, because GitHub would open alerts for them, and named in a notification. GitHub takes at most
25,000 results of a run; the report keeps the worst.
"""

import hashlib
import urllib.parse
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from lusid_image_publish import __version__
from lusid_image_publish.redact import redact
from lusid_image_publish.reports.content import ReportContent
from lusid_image_publish.reports.document import dump_json
from lusid_image_publish.reports.units import NOTHING, known, utc_stamp
from lusid_image_publish.reports.words import (
    Shown,
    harmless,
    ignore_words,
    is_link,
    problems,
)
from lusid_image_publish.scan.verdict import Finding, ScanVerdict, Severity, describe
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

_BRACKETS: Final = str.maketrans("[]{}", "()()")

_LEVELS: Final = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
}


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class _Text(_Model):
    text: str
    markdown: str | None = None


class _Rule(_Model):
    id: str
    name: str
    short_description: _Text
    full_description: _Text
    help_uri: str | None
    help: _Text
    default_configuration: dict[str, str]
    properties: dict[str, Any]


class _Result(_Model):
    rule_id: str
    rule_index: int
    level: str
    message: _Text
    locations: list[dict[str, Any]]
    partial_fingerprints: dict[str, str]


class _Notification(_Model):
    level: str
    message: _Text


class _Invocation(_Model):
    execution_successful: bool
    start_time_utc: str | None
    end_time_utc: str | None
    tool_execution_notifications: list[_Notification]


class _Driver(_Model):
    name: str = "lusid-publish"
    semantic_version: str = __version__
    information_uri: str = _HOME
    rules: list[_Rule]


class _Run(_Model):
    tool: dict[str, _Driver]
    invocations: list[_Invocation]
    automation_details: dict[str, str]
    results: list[_Result]
    properties: dict[str, str]
    column_kind: str = "utf16CodeUnits"


class _SarifLog(_Model):
    schema_: str = Field(_SCHEMA, alias="$schema")
    version: str = "2.1.0"
    runs: list[_Run]


def render(content: ReportContent) -> str:
    """Return the report; the alerts point to `content.location`.

    Raises `ValueError` without a scan: GitHub would close all alerts.
    """
    if content.scan is None:
        message = "there is no SARIF of an image whose scan was not waited for"
        raise ValueError(message)
    verdict = content.scan.verdict
    found = [finding for finding in verdict.findings if not finding.ignored] if verdict else []
    rules, results = _rules_and_results(found[:_MAX_RESULTS], content)
    began, ended = _times(content.scan.report)
    run = _Run(
        tool={"driver": _Driver(rules=rules)},
        invocations=[
            _Invocation(
                execution_successful=verdict is not None,
                start_time_utc=began,
                end_time_utc=ended,
                tool_execution_notifications=list(_notifications(content, len(found))),
            )
        ],
        automation_details={"id": f"lusid-publish/{content.result.name.repository}/"},
        results=results,
        properties={"image": str(content.result.name), "digest": _shown(content.result.digest)},
    )
    log = _SarifLog(runs=[run])
    return dump_json(log, exclude_none=True)


def _rules_and_results(
    findings: Sequence[Finding], content: ReportContent
) -> tuple[list[_Rule], list[_Result]]:
    rules: dict[str, _Rule] = {}
    indexes: dict[str, int] = {}
    shown = cache(_shown)  # thousands of findings share a few packages
    location = _location(content.location)
    seen: Counter[str] = Counter()
    results = []
    for finding in findings:
        name = _rule_id(finding, shown)
        if name not in rules:
            indexes[name] = len(rules)
            rules[name] = _rule(name, finding, shown)
        fingerprint = _fingerprint(finding, content.result.name.repository)
        seen[fingerprint] += 1
        results.append(
            _Result(
                rule_id=name,
                rule_index=indexes[name],
                level=_LEVELS.get(finding.severity, "note"),
                message=_Text(text=_message(finding, str(content.result.name), shown)),
                locations=[location],
                partial_fingerprints={
                    "primaryLocationLineHash": f"{fingerprint}:{seen[fingerprint]}"
                },
            )
        )
    return list(rules.values()), results


def _shown(text: str, longest: int = 200) -> str:
    """Return a foreign text without links and placeholders of SARIF."""
    return harmless(text, longest).translate(_BRACKETS)


def _rule_id(finding: Finding, shown: Shown) -> str:
    return f"{shown(finding.id, 100)}-{shown(finding.package, 100)}"


def _rule(name: str, finding: Finding, shown: Shown) -> _Rule:
    title = _title(finding, shown)
    text = shown(finding.description, _MAX_DESCRIPTION_CHARACTERS)
    about = title if text == NOTHING else text
    links = [link for link in finding.links if is_link(link)]
    help_text = f"{_sentence(about)} Severity: {finding.severity}. {_fix_text(finding, shown)}"
    score = _SCORES.get(finding.severity)
    properties: dict[str, Any] = {
        "tags": ["security", "vulnerability", str(finding.severity)],
        "precision": "very-high",
    }
    return _Rule(
        id=name,
        name="ImageVulnerability",
        short_description=_Text(text=f"{title}."),
        full_description=_Text(text=_sentence(about)),
        help_uri=links[0] if links else None,
        help=_Text(text=" ".join([help_text, *links[:5]])),
        default_configuration={"level": _LEVELS.get(finding.severity, "note")},
        properties=properties | ({"security-severity": score} if score else {}),
    )


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


def _location(path: str) -> dict[str, Any]:
    region = {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2}
    location = {"uri": urllib.parse.quote(redact(path), errors="replace"), "uriBaseId": "%SRCROOT%"}
    return {"physicalLocation": {"artifactLocation": location, "region": region}}


def _fingerprint(finding: Finding, repository: str) -> str:
    """Return a mark of the finding that is the same for every tag and digest."""
    parts = (repository, finding.id, finding.package, finding.version)
    text = "\0".join(parts).encode(errors="replace")
    return hashlib.sha256(text).hexdigest()[:32]


def _notifications(content: ReportContent, found: int) -> Iterator[_Notification]:
    scan = content.scan
    if scan is None or scan.verdict is None:
        for problem in problems(content):
            yield _notification("error", problem)
        return
    yield _notification("note", f"The scan {describe(scan.verdict)}.")
    if found > _MAX_RESULTS:
        yield _notification("warning", f"The worst {_MAX_RESULTS} of {found} findings are here.")
    yield from _about_ignores(scan.verdict)


def _about_ignores(verdict: ScanVerdict) -> Iterator[_Notification]:
    for finding in verdict.ignored[:_MAX_RESULTS]:
        if finding.ignored:
            reason = ignore_words(finding.ignored)
            yield _notification("note", f"{_title(finding, _shown)} is ignored: {reason}")
    for ignore in verdict.expired:
        text = f"{ignore.id} is no longer ignored: {ignore_words(ignore)}"
        yield _notification("warning", text)
    for ignore in verdict.unused:
        yield _notification("note", f"{ignore.id} is ignored and was not found.")


def _notification(level: str, text: str) -> _Notification:
    return _Notification(level=level, message=_Text(text=_shown(text, 500)))


def _times(report: ScanReport | None) -> tuple[str | None, str | None]:
    """Return when the scan began and ended, without a beginning that is after the end."""
    began = known(report.start_time) if report else None
    ended = known(report.end_time) if report else None
    if began and ended and began > ended:
        began = None
    return (
        f"{utc_stamp(began)}Z" if began else None,
        f"{utc_stamp(ended)}Z" if ended else None,
    )
