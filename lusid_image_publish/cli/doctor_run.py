"""Check whether publishing would start, and show what is missing."""

import shutil
import sys
from collections.abc import Iterable
from functools import partial

import click

from lusid_image_publish.cli import tables
from lusid_image_publish.cli.connection import open_settings
from lusid_image_publish.cli.connection_options import Connection
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.folding import fold
from lusid_image_publish.doctor import CheckResult, examine, exit_code_of
from lusid_image_publish.names import JobId
from lusid_image_publish.text import plain

_WIDTHS = (8, 14)
_INDENT = " " * (sum(_WIDTHS) + 2)
_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}


def doctor(
    *,
    source: str | None,
    name: str | None,
    platform: str,
    image: str | None,
    max_archive_size: float,
    jobs: tuple[JobId, ...],
    output: str,
    connection: Connection,
) -> None:
    """Show each check when it is done; exit with the code of the first failed one."""
    findings = []
    for finding in examine(
        source,
        name,
        partial(open_settings, connection),
        platform=platform,
        image=image,
        max_archive_size=max_archive_size,
        jobs=jobs,
    ):
        findings.append(finding)
        if output == "table":
            _show(finding)
    code = exit_code_of(findings)
    if output == "json":
        console.answer(tables.document(_document(findings, would_start=not code)))
    else:
        console.answer(f"publishing would {'not ' if code else ''}start")
    click.get_current_context().exit(code)


def _show(finding: CheckResult) -> None:
    console.close()
    check = finding.check.ljust(_WIDTHS[1])
    head, colour = finding.state.ljust(_WIDTHS[0]), _COLOURS[finding.state]
    text = _folded(f"{head} {check} {plain(finding.text)}")
    console.answer(text.removeprefix(head), head=head, fg=colour)
    for label, part in (("Likely cause", finding.cause), ("Next step", finding.hint)):
        if part:
            console.answer(_folded(f"{_INDENT}{label}: {plain(part)}"))


def _folded(line: str) -> str:
    """Return a line that a terminal cuts in no word; elsewhere it stays as it is."""
    if not sys.stdout.isatty():
        return line
    return fold(line, shutil.get_terminal_size().columns, indent=_INDENT)


def _document(findings: Iterable[CheckResult], *, would_start: bool) -> dict[str, object]:
    shown = [
        {
            "check": finding.check,
            "state": finding.state,
            "text": plain(finding.text),
            "cause": plain(finding.cause),
            "hint": plain(finding.hint),
            "slug": finding.slug,
            "exitCode": int(finding.exit_code),
        }
        for finding in findings
    ]
    return {"findings": shown, "wouldStart": would_start}
