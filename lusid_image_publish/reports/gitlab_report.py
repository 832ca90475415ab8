"""A report for GitLab: its container scanning report, version 15.0.7 of the schema.

What is ignored is left out, so that GitLab does not show it as a vulnerability, and is named in the
messages of the scan.
"""

import uuid
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from lusid_image_publish import __version__
from lusid_image_publish.reports.content import Content
from lusid_image_publish.reports.document import written
from lusid_image_publish.reports.units import NOTHING, known, utc_stamp
from lusid_image_publish.reports.words import (
    Shown,
    harmless,
    ignore_words,
    is_link,
    problems,
)
from lusid_image_publish.scan.verdict import Finding, ScanVerdict, Severity, describe

_VERSION: Final = "15.0.7"
_IDS: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://pypi.org/project/lusid-image-publish/")
_LONGEST_NAME: Final = 255
_MOST_LINKS: Final = 20

_SEVERITIES: Final = {
    Severity.CRITICAL: "Critical",
    Severity.HIGH: "High",
    Severity.MEDIUM: "Medium",
    Severity.LOW: "Low",
    Severity.NEGLIGIBLE: "Info",
    Severity.UNKNOWN: "Unknown",
}
_MARKDOWN: Final = str.maketrans({sign: f"\\{sign}" for sign in "\\`[]<>!~@#&$%"})
"""What GitLab's Markdown makes links, references and HTML of; it reads the texts as that."""

_KINDS: Final = ("cve", "ghsa", "usn", "rhsa", "elsa", "dla", "dsa", "osv", "alas", "temp")


def render(content: Content) -> str:
    """Return the report.

    Raises `ValueError` when the scan was not waited for: GitLab would take all for resolved.
    """
    scan = content.scan
    if scan is None:
        message = "there is no container scanning report without a scan"
        raise ValueError(message)
    verdict = scan.verdict
    found = [finding for finding in verdict.findings if not finding.ignored] if verdict else []
    began, ended = _times(content)
    return written(
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


def _tool(identifier: str, name: str, version: str) -> dict[str, Any]:
    vendor = "FINBOURNE" if identifier == "lusid" else "lusid-image-publish"
    return {"id": identifier, "name": name, "version": version, "vendor": {"name": vendor}}


def _times(content: Content) -> tuple[str, str]:
    """Return when the scan began and ended; where LUSID does not say, the push and this report."""
    report = content.scan.report if content.scan else None
    began = known(report.start_time if report else None) or known(content.push_time)
    ended = known(report.end_time if report else None) or content.made
    return utc_stamp(began or ended), utc_stamp(ended)


def _messages(content: Content) -> Iterator[dict[str, str]]:
    verdict = content.scan.verdict if content.scan else None
    borne = content.scan is not None and content.scan.tolerated
    level = "warn" if verdict or borne else "fatal"
    if verdict:
        yield {"level": "info", "value": f"The scan {describe(verdict)}."}
    for problem in problems(content):
        yield {"level": level, "value": problem}
    if verdict:
        yield from _about_ignores(verdict)


def _about_ignores(verdict: ScanVerdict) -> Iterator[dict[str, str]]:
    for finding in verdict.ignored:
        if finding.ignored:
            reason = ignore_words(finding.ignored)
            name, package = harmless(finding.id, 100), harmless(finding.package, 100)
            yield {"level": "info", "value": f"{name} in {package} is ignored: {reason}"}
    for ignore in verdict.expired:
        text = f"{harmless(ignore.id, 100)} is no longer ignored: {ignore_words(ignore)}"
        yield {"level": "warn", "value": text}
    for ignore in verdict.unused:
        text = f"{harmless(ignore.id, 100)} is ignored and was not found."
        yield {"level": "info", "value": text}


def _vulnerabilities(findings: list[Finding], content: Content) -> Iterator[dict[str, Any]]:
    shown = cache(harmless)  # thousands of findings share a few packages
    seen: Counter[str] = Counter()
    for finding in findings:
        parts = (content.name.repository, finding.id, finding.package, finding.version)
        key = "\0".join(parts).encode(errors="replace").decode()
        seen[key] += 1
        # It stays the same from one tag and digest to the next.
        identity = uuid.uuid5(_IDS, f"{key}\0{seen[key]}")
        yield _vulnerability(finding, str(content.name), str(identity), shown)


def _vulnerability(finding: Finding, image: str, identity: str, shown: Shown) -> dict[str, Any]:
    name, package = shown(finding.id, 100), shown(finding.package, 120)
    version = shown(finding.version, 100)
    text = shown(finding.description, 4000)
    text = f"{name} in {package} {version}" if text == NOTHING else text
    fix = f"Upgrade {package} to {shown(finding.fix_version, 100)}."
    links = [{"url": link} for link in finding.links if is_link(link)][:_MOST_LINKS]
    return {
        "id": identity,
        "name": f"{name} in {package}"[:_LONGEST_NAME],
        "description": text.translate(_MARKDOWN),
        "severity": _SEVERITIES[finding.severity],
        **({"solution": fix.translate(_MARKDOWN)} if finding.has_fix else {}),
        "identifiers": [_identifier(name, links[0] if links else {})],
        "links": links,
        "location": {
            "image": image,
            "operating_system": "unknown",  # LUSID does not tell it
            "dependency": {"package": {"name": package}, "version": version},
        },
    }


def _identifier(name: str, link: dict[str, str]) -> dict[str, str]:
    prefix = name.partition("-")[0].lower()
    kind = prefix if prefix in _KINDS else "other"
    return {"type": kind, "name": name, "value": name, **link}
