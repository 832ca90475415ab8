"""A report for people, at a terminal and in logs.

No line is wrapped, and none begins with a foreign text, which a CI could read as a command.
"""

from collections.abc import Iterator
from functools import cache

from lusid_image_publish.reports.content import ReportContent
from lusid_image_publish.reports.table import table_text
from lusid_image_publish.reports.words import (
    Shown,
    count_rows,
    facts,
    harmless,
    headline,
    ignore_parts,
    ignore_words,
    link_of,
    problems,
)
from lusid_image_publish.scan.verdict import Finding, ScanPolicy, ScanVerdict

_COUNTS = ("SEVERITY", "FOUND", "FIXABLE", "IGNORED", "COUNTED")
_FINDINGS = ("SEVERITY", "VULNERABILITY", "PACKAGE", "VERSION", "FIXED IN", "COUNTS", "LINK")


def render(content: ReportContent) -> str:
    """Return the report; it ends with a line break."""
    return "\n\n".join(_parts(content)) + "\n"


def _parts(content: ReportContent) -> Iterator[str]:
    title = f"{content.result.name} is {headline(content)}."
    yield "\n".join([title, *map(_item, problems(content))])
    yield table_text(("", ""), facts(content))
    verdict = content.verdict
    if verdict is None:
        return
    yield table_text(_COUNTS, count_rows(verdict))
    if verdict.findings:
        shown = cache(harmless)  # thousands of findings share a few packages
        rows = [_row(finding, verdict.policy, shown) for finding in verdict.findings]
        yield table_text(_FINDINGS, rows)
    yield from _ignores(verdict)


def _item(text: str) -> str:
    return f"  - {text}"


def _row(finding: Finding, policy: ScanPolicy, shown: Shown) -> tuple[str, ...]:
    return (
        str(finding.severity),
        shown(finding.id, 40),
        shown(finding.package, 60),
        shown(finding.version, 40),
        shown(finding.fix_version, 40),
        "yes" if policy.counts(finding) else "ignored" if finding.ignored else "no fix",
        shown(link_of(finding.links), 120),
    )


def _ignores(verdict: ScanVerdict) -> Iterator[str]:
    for title, ignores in ignore_parts(verdict):
        if ignores:
            lines = [_item(f"{harmless(each.id, 40)}: {ignore_words(each)}") for each in ignores]
            yield "\n".join([f"{title}:", *lines])
