"""A report for people, at a terminal and in logs.

No line begins with a foreign text, which a CI could read as a command. In a log and in a file no
line is wrapped.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache

from lusid_image_publish.reports.content import ReportContent
from lusid_image_publish.reports.fitted_table import fitted_table, wrapped
from lusid_image_publish.reports.table import Row, table_text
from lusid_image_publish.reports.words import (
    Shown,
    advisory_of,
    count_rows,
    facts,
    harmless,
    headline,
    ignore_parts,
    ignore_words,
    job_facts,
    problems,
)
from lusid_image_publish.scan.verdict import Finding, ScanPolicy, ScanVerdict

_ITEM = "  - "
_COUNTS = ("SEVERITY", "FOUND", "FIXABLE", "IGNORED", "INCLUDED")
_FINDINGS = ("SEVERITY", "VULNERABILITY", "PACKAGE", "VERSION", "FIXED IN", "INCLUDED", "LINK")


def render(content: ReportContent, *, width: int | None = None) -> str:
    """Return the report; it ends with a line break.

    `width` is the number of columns of the terminal that its tables fit, None for no limit.
    """
    return "\n\n".join(_parts(content, width)) + "\n"


def _parts(content: ReportContent, width: int | None) -> Iterator[str]:
    title = f"{content.result.name} is {headline(content)}."
    yield "\n".join([*_lines(title, width), *_items(problems(content), width)])
    yield _table(("", ""), [*facts(content), *job_facts(content.jobs)], width)
    verdict = content.verdict
    if verdict is None:
        return
    if rows := count_rows(verdict):
        yield _table(_COUNTS, rows, width)
    if verdict.findings:
        shown = cache(harmless)  # thousands of findings share a few packages
        rows = [_row(finding, verdict.policy, shown) for finding in verdict.findings]
        yield _table(_FINDINGS, rows, width, below={"LINK"})
    yield from _ignores(verdict, width)


def _table(
    columns: Sequence[str],
    rows: Sequence[Row],
    width: int | None,
    below: Collection[str] = (),
) -> str:
    if width is None:
        return table_text(columns, rows)
    return "\n".join(filter(None, fitted_table(columns, rows, width=width, below=below)))


def _lines(text: str, width: int | None) -> list[str]:
    return [text] if width is None else wrapped(text, width)


def _items(texts: Iterable[str], width: int | None) -> Iterator[str]:
    room = None if width is None else width - len(_ITEM)
    for text in texts:
        first, *others = _lines(text, room)
        yield _ITEM + first
        yield from (" " * len(_ITEM) + line for line in others)


def _row(finding: Finding, policy: ScanPolicy, shown: Shown) -> tuple[str, ...]:
    return (
        str(finding.severity),
        shown(finding.id, 40),
        shown(finding.package, 60),
        shown(finding.version, 40),
        shown(finding.fix_version, 40),
        "yes" if policy.counts(finding) else "ignored" if finding.ignored else "no fix",
        shown(advisory_of(finding), 120),
    )


def _ignores(verdict: ScanVerdict, width: int | None) -> Iterator[str]:
    for title, ignores in ignore_parts(verdict):
        if ignores:
            texts = (f"{harmless(each.id, 40)}: {ignore_words(each)}" for each in ignores)
            yield "\n".join([f"{title}:", *_items(texts, width)])
