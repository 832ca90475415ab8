"""Deliver the outcome: the result, the reports, and the outputs and summary of a CI."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import click

from lusid_image_publish.ci.ci_platform import Level
from lusid_image_publish.ci.github import MAX_ANNOTATIONS
from lusid_image_publish.cli.console import Annotates, console
from lusid_image_publish.cli.report_files import remove_own, write_outputs, write_reports
from lusid_image_publish.cli.report_option import ReportFiles
from lusid_image_publish.cli.streams import NoReaderError
from lusid_image_publish.cli.usage import usage_text
from lusid_image_publish.errors import (
    ConfigurationError,
    ExitCode,
    LusidPublishError,
    MissingCredentialsError,
    OutputError,
)
from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import Arrived
from lusid_image_publish.reports import markdown
from lusid_image_publish.reports.content import ReportContent
from lusid_image_publish.reports.formats import FORMATS
from lusid_image_publish.reports.outputs import (
    outputs_of,
    outputs_of_arrival,
    outputs_of_name,
)
from lusid_image_publish.scan.verdict import Finding, ScanVerdict, Severity
from lusid_image_publish.text import plain


def hand_over(
    content: ReportContent,
    files: ReportFiles,
    answer: str | None,
    interruption: KeyboardInterrupt | None = None,
) -> None:
    """Write the reports, the CI's outputs, and the `answer` to stdout, None for the JSON document.

    Each is tried even if another fails. Raises the `interruption`, the error of the scan or the
    first of a job (other errors are shown), else `OutputError` for the part that failed.
    """

    def show_answer() -> None:
        console.answer(FORMATS["json"].render(content).rstrip("\n") if answer is None else answer)

    def record_all() -> None:
        missing = ("a report was not written",) if lost else ()
        record(replace(content, troubles=(*content.troubles, *missing)), files)

    if interruption:
        content = replace(content, troubles=("the run was interrupted",))
    lost: list[Exception] = []
    for write in (
        partial(write_reports, files, content),
        record_all,
        show_answer,
    ):
        _try(write, lost)
    failed = [*content.failures, *lost]
    end = interruption or next(iter(failed), None)
    for other in failed:
        if other is not end and isinstance(other, LusidPublishError):
            console.show_error(other)
    if end:
        raise end


def _try(write: Callable[[], None], lost: list[Exception]) -> None:
    try:
        write()
    except (OutputError, NoReaderError) as error:
        lost.append(error)


def record(content: ReportContent, files: ReportFiles) -> None:
    """Record an image in LUSID, and the reports on it. Raises `OutputError`."""
    if content.verdict:
        annotate_findings(content.verdict, console.annotates)
    paths = "\n".join(str(path) for _, path in files if path.is_file())
    _record({**outputs_of(content), "report-path": paths}, markdown.render(content))


def record_beginning(name: ImageName) -> None:
    """Record the name, which stays however the run ends. Raises `OutputError`."""
    _record(outputs_of_name(name), "")


def record_arrival(name: ImageName, arrived: Arrived) -> None:
    """Record that LUSID has the image, whatever happens later. Raises `OutputError`."""
    _record(outputs_of_arrival(name, arrived), "")


def record_unpublished(name: ImageName, title: str, lines: Iterable[str]) -> None:
    """Record that nothing was published, and why; leave all files as they are.

    Raises `OutputError`.
    """
    outputs = {**outputs_of_name(name), "pushed": "false", "unchanged": "false"}
    _record(outputs, markdown.render_unpublished(name, title, lines))


def record_failure(
    name: ImageName, files: ReportFiles, error: LusidPublishError, *, has_arrived: bool = False
) -> None:
    """Record a publication that failed, and remove the reports of earlier ones.

    An error before the publication begins leaves all files as they are. Raises `OutputError`.
    """
    parts = console.diagnostics(error)
    summary = markdown.render_failure(name, error.exit_code, parts, has_arrived=has_arrived)
    _record({}, summary)
    if not isinstance(error, ConfigurationError | MissingCredentialsError):
        remove_own(files)
        write_outputs(files, outputs_of_name(name))


def record_interruption(name: ImageName, *, has_arrived: bool) -> None:
    """Record that a publication was interrupted. Raises `OutputError`."""
    _record({}, markdown.render_interruption(name, console.interruption(), has_arrived=has_arrived))


def record_usage_error(error: click.UsageError) -> None:
    """Record that the inputs, or the command line, are wrong."""
    _record_refusal(ExitCode.USAGE, [("Error", console.wording(usage_text(error)))])


def record_wrong_settings(error: ConfigurationError) -> None:
    """Record that it is not known what to publish, or how."""
    _record_refusal(error.exit_code, console.diagnostics(error))


def _record_refusal(code: ExitCode, parts: list[tuple[str, str]]) -> None:
    with suppress(OutputError):
        _record({}, markdown.render_failure(None, code, parts))


def _record(outputs: dict[str, str], summary: str) -> None:
    try:
        console.ci.record(outputs, summary if console.has_summary else "")
    except OSError as error:
        raise OutputError(
            "The outputs or the summary of this step cannot be written.",
            cause=f"{error}.",
            hint="Make the runner's folder writable, and free some disk space. "
            "To write neither, use --ci none.",
        ) from error


def annotate_findings(verdict: ScanVerdict, which: Annotates) -> None:
    """Annotate the findings, worst first; reserve one annotation for the error of the step."""
    if which == "none":
        return
    left: dict[Level, int] = {
        "error": MAX_ANNOTATIONS - 1,
        "warning": MAX_ANNOTATIONS,
        "notice": MAX_ANNOTATIONS,
    }
    breaking = {id(finding) for finding in verdict.breaking}
    for finding in verdict.breaking if which == "breaking" else verdict.findings:
        level = _level_of(finding, breaks=id(finding) in breaking)
        if level and not finding.ignored and left[level]:
            left[level] -= 1
            console.annotate(level, f"{finding.severity}: {plain(finding.id)}", _describe(finding))


def _level_of(finding: Finding, *, breaks: bool) -> Level | None:
    if breaks:
        return "error"
    if finding.severity >= Severity.HIGH:
        return "warning"
    return "notice" if finding.severity is Severity.MEDIUM else None


def _describe(finding: Finding) -> str:
    fix = f"fixed in {finding.fix_version}" if finding.has_fix else "without a fix"
    package = f"{finding.package} {finding.version}".strip()
    return plain(f"{finding.severity}: {finding.id} in {package}, {fix}", longest=300)
