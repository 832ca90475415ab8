"""A report for the summary of a CI run, in GitHub's Markdown.

Every foreign text is in a code span, where Markdown, HTML, mentions and references have no effect;
signs that end a span, or a cell of a table, are replaced. GitHub drops a summary above 1 MiB, so
the tables are cut to the worst findings before that.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

from lusid_image_publish.names import ImageName
from lusid_image_publish.reports.content import ReportContent
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

_MAX_FINDINGS_BYTES: Final = 800_000
_MAX_IGNORES_BYTES: Final = 40_000  # for each kind of them
_FOREIGN: Final = ("Image", "Digest", "Scan", "Job ", "Run of ")
"""Beginnings of the labels of facts that contain texts of the service."""

_REPLACED: Final = str.maketrans({"`": "'", "|": "\N{BROKEN BAR}"})


def render(content: ReportContent) -> str:
    """Return the report, of less than a million bytes."""
    return "\n\n".join(_parts(content)) + "\n"


def render_lines(title: str, name: ImageName, lines: Iterable[str]) -> str:
    """Return a report of a title alone, with `{}` for the name, and of a list."""
    head = f"## {title.format(_code(str(name)))}"
    return "\n".join([head, "", *(f"- {_code(line, 500)}" for line in lines), ""])


def _parts(content: ReportContent) -> Iterator[str]:
    yield f"## {_code(str(content.result.name))} is {headline(content)}"
    if lines := problems(content):
        yield "\n".join(f"- {_code(line, 500)}" for line in lines)
    rows = [
        (label, _code(text) if label.startswith(_FOREIGN) else text)
        for label, text in facts(content)
    ]
    yield _table(("", ""), rows)
    verdict = content.verdict
    if verdict is None:
        return
    columns = ("Severity", "Found", "With a fix", "Ignored", "Included")
    yield _table(columns, count_rows(verdict))
    yield from _findings(verdict)
    yield from _ignores(verdict)


def _findings(verdict: ScanVerdict) -> Iterator[str]:
    if not verdict.findings:
        return
    code = cache(_code)  # thousands of findings share a few packages
    rows = (_line(_row(finding, verdict.policy, code)) for finding in verdict.findings)
    kept = _first_lines(rows, _MAX_FINDINGS_BYTES)
    number = len(verdict.findings)
    columns = ("Severity", "Vulnerability", "Package", "Version", "Fixed in", "Included", "Link")
    yield "### Vulnerabilities"
    if len(kept) < number:
        yield f"Only the worst {len(kept)} of {number} are shown; the json report has all."
    yield "\n".join([_table(columns, []), *kept])


def _row(finding: Finding, policy: ScanPolicy, code: Shown) -> tuple[str, ...]:
    link = link_of(finding.links)
    return (
        str(finding.severity),
        code(finding.id, 60),
        code(finding.package, 80),
        code(finding.version, 60),
        code(finding.fix_version, 60),
        "yes" if policy.counts(finding) else "ignored" if finding.ignored else "no fix",
        f"[advisory](<{link.replace('&', '&amp;')}>)" if link else "-",  # or &lt; would be decoded
    )


def _ignores(verdict: ScanVerdict) -> Iterator[str]:
    for title, ignores in ignore_parts(verdict):
        if not ignores:
            continue
        lines = [f"- {_code(each.id, 60)}: {_code(ignore_words(each), 400)}" for each in ignores]
        kept = _first_lines(lines, _MAX_IGNORES_BYTES)
        more = [f"- and {len(lines) - len(kept)} more"] if len(kept) < len(lines) else []
        summary = f"<details><summary>{title}: {len(ignores)}</summary>"
        yield "\n".join([summary, "", *kept, *more, "", "</details>"])


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(columns)
    return "\n".join(map(_line, [head, ["---"] * len(head), *rows]))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _first_lines(lines: Iterable[str], room: int) -> list[str]:
    """Return the first lines that fit into `room` bytes; no more of them are made."""
    kept = []
    for line in lines:
        room -= len(line.encode()) + 1
        if room < 0:
            break
        kept.append(line)
    return kept


def _code(text: str, longest: int = 200) -> str:
    return f"`{harmless(text, longest).translate(_REPLACED)}`"
