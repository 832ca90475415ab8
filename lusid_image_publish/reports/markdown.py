"""A report for the summary of a CI run, in GitHub's Markdown.

The outcome comes first, in one sentence; then what a reader needs at a glance. The rest is folded.
Foreign texts are code, or pass through `prose`. GitHub drops a summary above 1 MiB, so the tables
are cut to the worst findings before that.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

from lusid_image_publish.jobs.job_results import shown_seconds
from lusid_image_publish.names import ImageName
from lusid_image_publish.reports.content import ReportContent
from lusid_image_publish.reports.prose import code, prose
from lusid_image_publish.reports.words import (
    NOTHING,
    Shown,
    advisory_of,
    facts,
    headline,
    human_size,
    ignore_parts,
    ignore_words,
    job_facts,
    policy_words,
    problems,
)
from lusid_image_publish.scan.descriptions import describe_outcome
from lusid_image_publish.scan.verdict import Finding, ScanPolicy, ScanVerdict

SHOWN_FINDINGS: Final = 10
"""The findings that are not folded."""

_MAX_FINDINGS_BYTES: Final = 800_000
_MAX_IGNORES_BYTES: Final = 40_000  # for each kind of them
_PASSED: Final = "\N{WHITE HEAVY CHECK MARK} "
_FAILED: Final = "\N{CROSS MARK} "
_OUTCOMES: Final = {
    "published": "Published",
    "unchanged": "Already in LUSID",
    "skipped": "Left as is",
}
_LATEST: Final = {
    "moved": "the tag latest was moved to it",
    "unchanged": "the tag latest was already on it",
    "kept": "the tag latest was not moved, because its image is newer",
}
_CODE_FACTS: Final = ("Image", "Digest")


def render(content: ReportContent) -> str:
    """Return the report, of less than a million bytes."""
    return "\n\n".join(_parts(content)) + "\n"


def render_failure(
    name: ImageName | None,
    exit_code: int,
    parts: Iterable[tuple[str, str]],
    *,
    has_arrived: bool = False,
) -> str:
    """Return a report of a publication that failed; `name` is None if it is not known.

    `parts` are the label and the text of each part of the error; the label of the first is left
    out. `has_arrived` says whether LUSID had the image before the failure.
    """
    what = f"Publishing {code(str(name))} failed" if name else "Publishing failed"
    if has_arrived:
        what = f"{code(str(name))} is in LUSID, but a later step failed"
    (_, message), *others = parts
    return "\n\n".join(
        [
            f"### {_FAILED}{what} (exit code {exit_code})",
            prose(message),
            *(f"**{label}:** {prose(text)}" for label, text in others),
            "",
        ]
    )


def render_interruption(name: ImageName, lines: Iterable[str], *, has_arrived: bool) -> str:
    """Return a report of a run that was interrupted; see `render_failure`."""
    what = "{} is in LUSID, but the run was" if has_arrived else "Publishing {} was"
    return render_unpublished(name, f"{_FAILED}{what} interrupted", lines)


def render_unpublished(name: ImageName, title: str, lines: Iterable[str]) -> str:
    """Return a report of a run that published nothing; `{}` in `title` stands for the name."""
    head = f"### {title.format(code(str(name)))}"
    return "\n".join([head, "", *(f"- {prose(line)}" for line in lines), ""])


def _parts(content: ReportContent) -> Iterator[str]:
    outcome = headline(content, describe_outcome)
    yield f"### {_mark(content)}{code(str(content.result.name))} is {outcome}"
    if lines := problems(content, with_next_steps=True):
        yield "\n".join(f"- {prose(line)}" for line in lines)
    yield _image(content)
    if content.jobs:
        yield "\n".join(f"- {prose(f'{label}: {text}')}" for label, text in job_facts(content.jobs))
    if content.verdict:
        yield from _scan(content.verdict)
    rows = [
        (label, code(text) if label in _CODE_FACTS else prose(text))
        for label, text in facts(content)
    ]
    yield _folded("Details", _table(("", ""), rows))
    name = content.result.name
    show, get = (code(f"lusid-images {word} {name}") for word in ("scan", "download"))
    yield f"To show this again, run {show}. To get the image, run {get}."


def _mark(content: ReportContent) -> str:
    if content.failures or content.troubles:
        return _FAILED
    return _PASSED if content.verdict and content.verdict.outcome == "passed" else ""


def _image(content: ReportContent) -> str:
    """Return a line about the image: how it got there, its digest, its size, and the duration."""
    image = code(content.result.digest)
    if content.result.size is not None:
        image += f", {human_size(content.result.size)}"
    parts = [image]
    if publication := content.publication:
        parts = [f"{_OUTCOMES[publication.outcome]}: {image}"]
        if publication.latest:
            parts.append(_LATEST[publication.latest])
    if content.seconds is not None:
        parts.append(f"the run took {shown_seconds(content.seconds)}")
    return "; ".join(parts)


def _scan(verdict: ScanVerdict) -> Iterator[str]:
    if verdict.outcome == "passed":
        yield f"Policy: {prose(policy_words(verdict.policy))}"
    if any(tally.found for tally in verdict.tallies.values()):
        yield _counts(verdict)
    yield from _findings(verdict)
    yield from _ignores(verdict)


def _counts(verdict: ScanVerdict) -> str:
    """Return the table of counts, without rows and columns that say nothing."""
    found = {severity: tally for severity, tally in verdict.tallies.items() if tally.found}
    columns: dict[str, list[int]] = {
        "Found": [tally.found for tally in found.values()],
        "With a fix": [tally.fixable for tally in found.values()],
        "Ignored": [tally.ignored for tally in found.values()],
        "Included": [tally.counted for tally in found.values()],
    }
    if columns["Included"] == columns["Found"]:
        del columns["Included"]
    shown = {"Severity": found} | {
        name: numbers for name, numbers in columns.items() if any(numbers)
    }
    return _table(shown, (map(str, row) for row in zip(*shown.values(), strict=True)))


def _findings(verdict: ScanVerdict) -> Iterator[str]:
    if not verdict.findings:
        return
    shown = cache(code)  # thousands of findings share a few packages
    columns: tuple[str, ...] = ("Severity", "Vulnerability", "Package", "Version", "Fixed in")
    if not all(map(verdict.policy.counts, verdict.findings)):
        columns += ("Included",)
    rows = (
        _line(_row(finding, verdict.policy, shown)[: len(columns)])
        for finding in verdict.breaking_first
    )
    kept = _first_lines(rows, _MAX_FINDINGS_BYTES)
    head = _table(columns, [])
    yield "\n".join([head, *kept[:SHOWN_FINDINGS]])
    if more := kept[SHOWN_FINDINGS:]:
        yield _folded(f"{len(more)} more", "\n".join([head, *more]))
    number = len(verdict.findings)
    if len(kept) < number:
        yield f"Only the worst {len(kept)} of {number} are shown; the json report has all."


def _row(finding: Finding, policy: ScanPolicy, shown: Shown) -> tuple[str, ...]:
    return (
        str(finding.severity),
        _linked(shown(finding.id, 60), advisory_of(finding)),
        shown(finding.package, 80),
        shown(finding.version, 60),
        shown(finding.fix_version, 60) if finding.has_fix else NOTHING,
        "yes" if policy.counts(finding) else "ignored" if finding.ignored else "no fix",
    )


def _linked(text: str, link: str) -> str:
    return f"[{text}](<{link.replace('&', '&amp;')}>)" if link else text  # or &lt; would be decoded


def _ignores(verdict: ScanVerdict) -> Iterator[str]:
    for title, ignores in ignore_parts(verdict):
        if not ignores:
            continue
        lines = [f"- {code(each.id, 60)}: {prose(ignore_words(each), 400)}" for each in ignores]
        kept = _first_lines(lines, _MAX_IGNORES_BYTES)
        more = [f"- and {len(lines) - len(kept)} more"] if len(kept) < len(lines) else []
        yield _folded(f"{title}: {len(ignores)}", "\n".join([*kept, *more]))


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


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
