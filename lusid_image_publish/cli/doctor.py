"""lusid-images doctor: would publishing start, and what is missing if not."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from lusid_image_publish.cli import tables
from lusid_image_publish.cli.connection import Connection
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.options import (
    COMMAND_SETTINGS,
    archive_size_option,
    image_option,
    output_option,
    platform_option,
    shared_options,
)
from lusid_image_publish.cli.sections import SectionedCommand
from lusid_image_publish.redact import plain

if TYPE_CHECKING:
    from lusid_image_publish.doctor import CheckResult

_WIDTHS = (8, 14)
_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}


@click.command(cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("source", required=False)
@click.argument("name", metavar="[NAME:TAG]", required=False)
@platform_option("The platform that the image must be for.")
@image_option
@archive_size_option
@output_option
@shared_options
@click.pass_context
def doctor(
    context: click.Context,
    *,
    source: str | None,
    name: str | None,
    platform: str,
    image: str | None,
    max_archive_size: float,
    output: str,
    connection: Connection,
) -> None:
    """Look whether publishing SOURCE as NAME:TAG would start, and say what is missing.

    The engine, its builder, the Dockerfile, image or archive, the name, the configuration, LUSID
    and the credentials are looked at; nothing is built, pushed or changed. Exit code 0 means that
    publishing would start, another one is that of the first thing that failed.
    """
    from lusid_image_publish.doctor import examine, exit_code_of  # noqa: PLC0415

    findings = []
    for finding in examine(
        source,
        name,
        connection.settings,
        platform=platform,
        image=image,
        max_archive_size=max_archive_size,
    ):
        findings.append(finding)
        if output == "table":
            _show(finding)
    code = exit_code_of(findings)
    if output == "json":
        console.answer(tables.document(_document(findings, would_start=not code)))
    else:
        console.answer(f"publishing would {'not ' if code else ''}start")
    context.exit(code)


def _show(finding: "CheckResult") -> None:
    console.close()
    check = finding.check.ljust(_WIDTHS[1])
    head, colour = finding.state.ljust(_WIDTHS[0]), _COLOURS[finding.state]
    console.answer(f" {check} {plain(finding.text)}", head=head, fg=colour)
    for label, text in (("Likely cause", finding.cause), ("Next step", finding.hint)):
        if text:
            console.answer(f"{' ' * sum(_WIDTHS)}  {label}: {plain(text)}")


def _document(findings: "Iterable[CheckResult]", *, would_start: bool) -> dict[str, object]:
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
