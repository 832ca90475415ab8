"""What is handed over at the end: the answer, the reports, and what a CI is told."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from lusid_image_publish.ci.ci_platform import Level
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.reports import (
    ReportFiles,
    remove_own,
    write_outputs,
    write_reports,
)
from lusid_image_publish.cli.streams import NoReaderError
from lusid_image_publish.errors import (
    ConfigurationError,
    LusidPublishError,
    MissingCredentialsError,
    OutputError,
)
from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import Arrived
from lusid_image_publish.redact import plain
from lusid_image_publish.reports.formats import FORMATS

if TYPE_CHECKING:
    from lusid_image_publish.reports.content import ReportContent
    from lusid_image_publish.scan.verdict import Finding, ScanVerdict

# What a run needs is imported in the functions below: --help and a usage error need none of it.


def hand_over(content: "ReportContent", files: ReportFiles, answer: str | None) -> None:
    """Write the reports, tell the CI, and write the answer to stdout, None for the JSON document.

    All of it is tried. Raises what the scan ends with, else `OutputError` for what was lost.
    """

    def show_answer() -> None:
        console.answer(FORMATS["json"].render(content).rstrip("\n") if answer is None else answer)

    failure = content.scan.failure() if content.scan else None
    lost: list[Exception] = []
    for write in (
        partial(write_reports, files, content),
        partial(record, content, files),
        show_answer,
    ):
        _try(write, lost)
    end = failure or next(iter(lost), None)
    for other in lost:
        if other is not end and isinstance(other, OutputError):
            console.show_error(other)
    if end:
        raise end


def _try(write: Callable[[], None], lost: list[Exception]) -> None:
    try:
        write()
    except (OutputError, NoReaderError) as error:
        lost.append(error)


def record(content: "ReportContent", files: ReportFiles) -> None:
    """Tell the CI of an image in LUSID, and of the reports on it. Raises `OutputError`."""
    from lusid_image_publish.reports import markdown  # noqa: PLC0415
    from lusid_image_publish.reports.outputs import outputs_of  # noqa: PLC0415

    if content.verdict:
        annotate_findings(content.verdict)
    paths = "\n".join(str(path) for _, path in files if path.is_file())
    _record({**outputs_of(content), "report-path": paths}, markdown.render(content))


def record_beginning(name: ImageName) -> None:
    """Tell the CI what is known at once, and stays, whatever ends the run. Raises `OutputError`."""
    from lusid_image_publish.reports.outputs import outputs_of_name  # noqa: PLC0415

    _record(outputs_of_name(name), "")


def record_arrival(name: ImageName, arrived: Arrived) -> None:
    """Tell the CI that LUSID has the image, whatever comes after. Raises `OutputError`."""
    from lusid_image_publish.reports.outputs import outputs_of_arrival  # noqa: PLC0415

    _record(outputs_of_arrival(name, arrived), "")


def record_unpublished(name: ImageName, title: str, lines: Iterable[str]) -> None:
    """Tell the CI that nothing was published, and why; no file is written or removed.

    Raises `OutputError`.
    """
    from lusid_image_publish.reports import markdown  # noqa: PLC0415
    from lusid_image_publish.reports.outputs import outputs_of_name  # noqa: PLC0415

    outputs = {**outputs_of_name(name), "pushed": "false", "unchanged": "false"}
    _record(outputs, markdown.render_lines(title, name, lines))


def record_failure(name: ImageName, files: ReportFiles, error: LusidPublishError) -> None:
    """Tell the CI of a publication that failed, and of no former one. Raises `OutputError`.

    What was refused before it began leaves all files as they are.
    """
    from lusid_image_publish.reports import markdown  # noqa: PLC0415
    from lusid_image_publish.reports.outputs import outputs_of_name  # noqa: PLC0415

    said = console.diagnostics(error)
    lines = [text if label == "Error" else f"{label}: {text}" for label, text in said]
    _record({}, markdown.render_lines("Publishing {} failed", name, lines))
    if not isinstance(error, ConfigurationError | MissingCredentialsError):
        remove_own(files)
        write_outputs(files, outputs_of_name(name))


def _record(outputs: dict[str, str], summary: str) -> None:
    try:
        console.ci.record(outputs, summary)
    except OSError as error:
        raise OutputError(
            "The outputs of this step, or its summary, cannot be written.",
            cause=f"{error}.",
            hint="Let the runner's folder be writable, and its disk have room; or use --ci none.",
        ) from error


def annotate_findings(verdict: "ScanVerdict") -> None:
    """Annotate the findings that matter, worst first; one error is kept for what ends the step."""
    from lusid_image_publish.ci.github import MAX_ANNOTATIONS  # noqa: PLC0415

    left: dict[Level, int] = {
        "error": MAX_ANNOTATIONS - 1,
        "warning": MAX_ANNOTATIONS,
        "notice": MAX_ANNOTATIONS,
    }
    breaking = {id(finding) for finding in verdict.breaking}
    for finding in verdict.findings:
        level = _level_of(finding, breaks=id(finding) in breaking)
        if level and not finding.ignored and left[level]:
            left[level] -= 1
            console.annotate(level, f"{finding.severity}: {plain(finding.id)}", _words(finding))


def _level_of(finding: "Finding", *, breaks: bool) -> Level | None:
    from lusid_image_publish.scan.verdict import Severity  # noqa: PLC0415

    if breaks:
        return "error"
    if finding.severity >= Severity.HIGH:
        return "warning"
    return "notice" if finding.severity is Severity.MEDIUM else None


def _words(finding: "Finding") -> str:
    fix = f"fixed in {finding.fix_version}" if finding.has_fix else "without a fix"
    package = f"{finding.package} {finding.version}".strip()
    return plain(f"{finding.id} in {package}, {fix}", longest=300)
