"""--report: where reports go. The files appear whole, and before the command ends."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from lusid_image_publish.cli.ci import record
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.types import Line
from lusid_image_publish.errors import OutputError

if TYPE_CHECKING:
    from lusid_image_publish.reports.content import Content

_DEFAULT_FILES: Final = {
    "text": "lusid-publish-report.txt",
    "json": "lusid-publish-report.json",
    "markdown": "lusid-publish-report.md",
    "sarif": "lusid-publish.sarif",
    "gitlab": "gl-container-scanning-report.json",
    "annotations": "gl-annotations.json",
    "dotenv": "lusid-publish.env",
}
OF_SCANS_ALONE: Final = {"sarif", "gitlab"}
"""The formats that have nothing to say without a scan."""

ReportFiles = tuple[tuple[str, Path], ...]
"""Pairs of a format and the file that it goes to."""


def _files(
    _context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]
) -> ReportFiles:
    """Return what `--report` asks for. Raises `BadParameter` for what could not be written."""
    files: dict[Path, str] = {}
    for text in texts:
        form, equals, name = text.partition("=")
        if form not in _DEFAULT_FILES or (equals and not name):
            raise click.BadParameter(
                f"{text!r} is not FORMAT or FORMAT=PATH, with {', '.join(_DEFAULT_FILES)}."
            )
        path = Path(name or _DEFAULT_FILES[form])
        if name == "-":
            raise click.BadParameter("stdout is for the answer: name a file, or use --output json.")
        if path in files:
            raise click.BadParameter(f"{path} is named twice.")
        if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
            raise click.BadParameter(f"{path} cannot be written: no such folder, or not allowed.")
        files[path] = form
    return tuple((form, path) for path, form in files.items())


report_option = click.option(
    "--report",
    "reports",
    type=Line(),
    metavar="FORMAT[=PATH]",
    multiple=True,
    callback=_files,
    help=f"Write a report: {', '.join(_DEFAULT_FILES)}; may be repeated.  [default of PATH: "
    "lusid-publish-report.*, lusid-publish.sarif, gl-container-scanning-report.json, "
    "gl-annotations.json, lusid-publish.env]",
)


def hand_over(content: "Content", files: ReportFiles, answer: str | None) -> None:
    """Write the reports, tell the CI, and write the answer to stdout, None for the JSON document.

    All of it is tried. Raises what the scan ends with, else `OutputError` for what was lost.
    """

    def show_answer() -> None:
        console.answer(_render("json", content).rstrip("\n") if answer is None else answer)

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
    except (OutputError, BrokenPipeError) as error:
        lost.append(error)


def write_reports(files: ReportFiles, content: "Content") -> None:
    """Write all that were asked for, also when one of them fails. Raises `OutputError` then."""
    failures: dict[Path, OSError] = {}
    for form, path in files:
        try:
            _write(path, _render(form, content))
            console.remark(f"    the {form} report is in {path}")
        except OSError as error:
            failures[path] = error
    if failures:
        raise OutputError(
            f"These reports cannot be written: {', '.join(map(str, failures))}.",
            cause=f"{'; '.join(map(str, failures.values()))}.",
            hint="Make room, or correct --report.",
        )


def _render(form: str, content: "Content") -> str:
    from lusid_image_publish.reports.formats import FORMATS  # noqa: PLC0415  # it takes its time

    return FORMATS[form](content)


def _write(path: Path, text: str) -> None:
    """Write a file so that nobody reads half of it; into what is no file, a pipe say, as it is."""
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    target = path.resolve()
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
