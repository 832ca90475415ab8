"""GitLab's rules for a container scanning report, version 15 of its schema."""

import re
from collections.abc import Iterator
from typing import Any

_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")
_URL = re.compile(r"(https?|ftp)://.+")
_SEVERITIES = {"Info", "Unknown", "Low", "Medium", "High", "Critical"}
_LEVELS = {"info", "warn", "fatal"}


def broken_rules(report: dict[str, Any]) -> list[str]:
    """Return the rules that a report breaks, by where that is."""
    return [*_of_report(report), *_of_scan(report.get("scan", {})), *_of_all_findings(report)]


def _of_report(report: dict[str, Any]) -> Iterator[str]:
    if not re.fullmatch(r"15\.\d+\.\d+", report.get("version", "")):
        yield "version"
    yield from _missing(report, "report", "scan", "version", "vulnerabilities")


def _of_scan(scan: dict[str, Any]) -> Iterator[str]:
    names = ("analyzer", "scanner", "start_time", "end_time", "status", "type")
    yield from _missing(scan, "scan", *names)
    for name in ("start_time", "end_time"):
        if not _MOMENT.fullmatch(scan.get(name, "")):
            yield f"scan.{name}"
    if scan.get("status") not in {"success", "failure"}:
        yield "scan.status"
    if scan.get("type") != "container_scanning":
        yield "scan.type"
    for name in ("analyzer", "scanner"):
        tool = scan.get(name, {})
        texts = [tool.get(key) for key in ("id", "name", "version")]
        texts.append(tool.get("vendor", {}).get("name"))
        if not all(isinstance(text, str) and text for text in texts):
            yield f"scan.{name}"
    for message in scan.get("messages", []):
        if message.get("level") not in _LEVELS or not message.get("value"):
            yield "scan.messages"


def _of_all_findings(report: dict[str, Any]) -> Iterator[str]:
    findings = report.get("vulnerabilities", [])
    if len({finding.get("id") for finding in findings}) != len(findings):
        yield "vulnerabilities: an id is there twice"
    for finding in findings:
        yield from _of_finding(finding)


def _of_finding(finding: dict[str, Any]) -> Iterator[str]:
    yield from _missing(finding, "vulnerability", "id", "identifiers", "location")
    if finding.get("severity", "Unknown") not in _SEVERITIES:
        yield "vulnerability.severity"
    for name, most in (("name", 255), ("description", 1_048_576), ("solution", 7000)):
        if len(finding.get(name, "")) > most:
            yield f"vulnerability.{name} is too long"
    yield from _of_links(finding)
    location = finding.get("location", {})
    if not location.get("image") or not location.get("operating_system"):
        yield "vulnerability.location"
    dependency = location.get("dependency", {})
    if not isinstance(dependency.get("version"), str):
        yield "vulnerability.location.dependency.version"
    if not isinstance(dependency.get("package", {}).get("name"), str):
        yield "vulnerability.location.dependency.package.name"


def _of_links(finding: dict[str, Any]) -> Iterator[str]:
    if not finding.get("identifiers"):
        yield "vulnerability.identifiers"
    for identifier in finding.get("identifiers", []):
        if not all(identifier.get(key) for key in ("type", "name", "value")):
            yield "vulnerability.identifiers: an empty member"
        if not _URL.fullmatch(identifier.get("url", "https://x")):
            yield "vulnerability.identifiers.url"
    if not all(_URL.fullmatch(link["url"]) for link in finding.get("links", [])):
        yield "vulnerability.links"


def _missing(document: dict[str, Any], where: str, *names: str) -> Iterator[str]:
    for name in names:
        if name not in document:
            yield f"{where}.{name} is missing"
