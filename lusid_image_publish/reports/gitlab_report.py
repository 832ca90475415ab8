"""Reports for GitLab: of `artifacts:reports`, `container_scanning` and `annotations`.

The former is version 15.0.7 of the schema. It has ignored findings only as messages of the scan, so
that GitLab does not show them. The latter are links beside the log of a job.
"""

import uuid
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from lusid_image_publish import __version__
from lusid_image_publish.reports.content import ReportContent
from lusid_image_publish.reports.document import dump_json, json_text
from lusid_image_publish.reports.words import (
    NOTHING,
    Shown,
    advisories_of,
    advisory_of,
    harmless,
    headline,
    ignore_notes,
    known,
    problems,
    utc_stamp,
)
from lusid_image_publish.scan.descriptions import describe
from lusid_image_publish.scan.verdict import Finding, Severity

_VERSION: Final = "15.0.7"
_IDS: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://pypi.org/project/lusid-image-publish/")
_MAX_NAME_CHARACTERS: Final = 255
_MAX_LINKS: Final = 20

_SEVERITIES: Final = {
    Severity.CRITICAL: "Critical",
    Severity.HIGH: "High",
    Severity.MEDIUM: "Medium",
    Severity.LOW: "Low",
    Severity.NEGLIGIBLE: "Info",
    Severity.UNKNOWN: "Unknown",
}
_MARKDOWN: Final = str.maketrans({sign: f"\\{sign}" for sign in "\\`[]<>!~@#&$%"})
"""GitLab reads the texts as its Markdown: these signs make links, references and HTML."""

_KINDS: Final = ("cve", "ghsa", "usn", "rhsa", "elsa", "dla", "dsa", "osv", "alas", "temp")


def render(content: ReportContent) -> str:
    """Return the report.

    Raises `ValueError` without a scan: GitLab would resolve all vulnerabilities.
    """
    scan = content.scan
    if scan is None:
        raise ValueError("there is no container scanning report without a scan")
    verdict = scan.verdict
    found = [finding for finding in verdict.findings if not finding.ignored] if verdict else []
    began, ended = _times(content)
    return dump_json(
        {
            "version": _VERSION,
            "scan": {
                "analyzer": _tool("lusid-publish", "lusid-publish", __version__),
                "scanner": _tool("lusid", "LUSID Scheduler", "unknown"),
                "type": "container_scanning",
                "start_time": began,
                "end_time": ended,
                "status": "success" if verdict else "failure",
                "messages": list(_messages(content)),
            },
            "vulnerabilities": list(_vulnerabilities(found, content)),
        }
    )


def render_annotations(content: ReportContent) -> str:
    """Return the advisories of findings, or an empty object; those that break the policy first."""
    findings = content.verdict.breaking_first if content.verdict else []
    linked = [each for each in findings if advisory_of(each) and not each.ignored]
    title = f"{harmless(str(content.result.name))} is {headline(content)}"
    return json_text({title: [_link(finding) for finding in linked[:_MAX_LINKS]]} if linked else {})


def _link(finding: Finding) -> dict[str, Any]:
    package = harmless(f"{finding.package} {finding.version}", 100)
    label = f"{finding.severity}: {harmless(finding.id, 100)} in {package}"
    return {"external_link": {"label": label, "url": advisory_of(finding)}}


def _tool(identifier: str, name: str, version: str) -> dict[str, Any]:
    vendor = "FINBOURNE" if identifier == "lusid" else "lusid-image-publish"
    return {"id": identifier, "name": name, "version": version, "vendor": {"name": vendor}}


def _times(content: ReportContent) -> tuple[str, str]:
    """Return when the scan began and ended, else the times of the push and of this report."""
    report = content.scan.report if content.scan else None
    began = known(report.start_time if report else None) or known(content.result.push_time)
    ended = known(report.end_time if report else None) or content.made
    return utc_stamp(began or ended), utc_stamp(ended)


def _messages(content: ReportContent) -> Iterator[dict[str, str]]:
    verdict = content.verdict
    is_tolerated = content.scan is not None and content.scan.tolerated
    level = "warn" if verdict or is_tolerated else "fatal"
    if verdict:
        yield {"level": "info", "value": f"The scan {describe(verdict)}."}
    for problem in problems(content):
        yield {"level": level, "value": problem}
    if verdict:
        for is_over, text in ignore_notes(verdict):
            yield {"level": "warn" if is_over else "info", "value": text}


def _vulnerabilities(findings: list[Finding], content: ReportContent) -> Iterator[dict[str, Any]]:
    shown = cache(harmless)  # thousands of findings share a few packages
    seen: Counter[str] = Counter()
    for finding in findings:
        parts = (content.result.name.repository, finding.id, finding.package, finding.version)
        key = "\0".join(parts).encode(errors="replace").decode()
        seen[key] += 1
        # The same for every tag and digest of the repository.
        identity = uuid.uuid5(_IDS, f"{key}\0{seen[key]}")
        yield _vulnerability(finding, str(content.result.name), str(identity), shown)


def _vulnerability(finding: Finding, image: str, identity: str, shown: Shown) -> dict[str, Any]:
    name, package = shown(finding.id, 100), shown(finding.package, 120)
    version = shown(finding.version, 100)
    text = shown(finding.description, 4000)
    text = f"{name} in {package} {version}" if text == NOTHING else text
    fix = f"Upgrade {package} to {shown(finding.fix_version, 100)}."
    links = [{"url": link} for link in advisories_of(finding)[:_MAX_LINKS]]
    return {
        "id": identity,
        "name": f"{name} in {package}"[:_MAX_NAME_CHARACTERS],
        "description": text.translate(_MARKDOWN),
        "severity": _SEVERITIES[finding.severity],
        **({"solution": fix.translate(_MARKDOWN)} if finding.has_fix else {}),
        "identifiers": [_identifier(name, links[0] if links else {})],
        "links": links,
        "location": {
            "image": image,
            "operating_system": "unknown",  # LUSID does not report it
            "dependency": {"package": {"name": package}, "version": version},
        },
    }


def _identifier(name: str, link: dict[str, str]) -> dict[str, str]:
    prefix = name.partition("-")[0].lower()
    kind = prefix if prefix in _KINDS else "other"
    return {"type": kind, "name": name, "value": name, **link}
