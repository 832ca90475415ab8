"""What a CI is told at the end: outputs for later steps, a summary, annotations."""

from typing import TYPE_CHECKING

from lusid_image_publish.ci.github import MOST_ANNOTATIONS
from lusid_image_publish.ci.platform import Level
from lusid_image_publish.cli.console import console
from lusid_image_publish.errors import LusidPublishError, OutputError
from lusid_image_publish.names import ImageName
from lusid_image_publish.redact import plain

if TYPE_CHECKING:
    from lusid_image_publish.cli.reports import ReportFiles
    from lusid_image_publish.reports.content import Content
    from lusid_image_publish.scan.verdict import Finding, ScanVerdict

# What a run needs is imported in the functions below: --help and a usage error need none of it.


def record(content: "Content", files: "ReportFiles") -> None:
    """Tell the CI of an image in LUSID, and of the reports on it. Raises `OutputError`."""
    from lusid_image_publish.reports import markdown  # noqa: PLC0415
    from lusid_image_publish.reports.outputs import outputs_of  # noqa: PLC0415

    if content.scan and content.scan.verdict:
        annotate_findings(content.scan.verdict)
    paths = "\n".join(str(path) for _, path in files)
    _record({**outputs_of(content), "report-path": paths}, markdown.render(content))


def record_unpublished(name: ImageName, headline: str, reason: str) -> None:
    """Tell the CI that nothing was done, and why. Raises `OutputError`."""
    from lusid_image_publish.reports import markdown  # noqa: PLC0415
    from lusid_image_publish.reports.outputs import outputs_of_name  # noqa: PLC0415

    outputs = {**outputs_of_name(name), "pushed": "false", "unchanged": "false"}
    _record(outputs, markdown.render_lines(f"{name} {headline}", [reason]))


def record_failure(name: ImageName, error: LusidPublishError) -> None:
    """Tell the CI of a publication that failed. Raises `OutputError`."""
    from lusid_image_publish.reports import markdown  # noqa: PLC0415
    from lusid_image_publish.reports.outputs import outputs_of_name  # noqa: PLC0415

    lines = [
        text if label == "Error" else f"{label}: {text}" for label, text in error.diagnostics()
    ]
    _record(outputs_of_name(name), markdown.render_lines(f"Publishing {name} failed", lines))


def _record(outputs: dict[str, str], summary: str) -> None:
    try:
        console.platform.record(outputs, summary)
    except OSError as error:
        raise OutputError(
            "The outputs of this step, or its summary, cannot be written.",
            cause=f"{error}.",
            hint="Let the runner's folder be writable, and its disk have room; or use --ci none.",
        ) from error


def annotate_findings(verdict: "ScanVerdict") -> None:
    """Annotate the findings that matter, worst first; one error is kept for what ends the step."""
    left: dict[Level, int] = {
        "error": MOST_ANNOTATIONS - 1,
        "warning": MOST_ANNOTATIONS,
        "notice": MOST_ANNOTATIONS,
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
    from lusid_image_publish.scan.verdict import has_fix  # noqa: PLC0415

    fix = f"fixed in {finding.fix_version}" if has_fix(finding) else "without a fix"
    package = f"{finding.package} {finding.version}".strip()
    return plain(f"{finding.id} in {package}, {fix}", longest=300)
