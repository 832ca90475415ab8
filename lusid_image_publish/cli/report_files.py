"""Write the reports before the command ends; no file is visible half-written."""

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.report_option import ReportFiles
from lusid_image_publish.errors import OutputError
from lusid_image_publish.reports.content import ReportContent
from lusid_image_publish.reports.formats import FORMATS, is_own_report
from lusid_image_publish.reports.outputs import render_outputs


def remove_own(files: ReportFiles) -> None:
    """Remove the reports of earlier runs with these names, but no other files.

    Raises `OutputError`.
    """
    for _, path in files:
        try:
            if is_own_report(path):
                path.resolve().unlink()
        except OSError as error:
            raise OutputError(
                f"The report {path} of an earlier run cannot be removed.",
                cause=f"{error}.",
                hint="Remove it, or name another file with --report.",
            ) from error


def write_reports(files: ReportFiles, content: ReportContent) -> None:
    """Write all reports, even if one fails. Raises `OutputError` in that case."""
    _write_all([(form, path, partial(FORMATS[form].render, content)) for form, path in files])


def write_outputs(files: ReportFiles, outputs: Mapping[str, str]) -> None:
    """Write only the `dotenv` reports, with these outputs. Raises `OutputError`."""
    wanted = [(form, path) for form, path in files if form == "dotenv"]
    _write_all([(form, path, partial(render_outputs, outputs)) for form, path in wanted])


def _write_all(reports: Iterable[tuple[str, Path, Callable[[], str]]]) -> None:
    failures: dict[Path, OSError] = {}
    for form, path, render in reports:
        try:
            _write(path, render())
            console.remark(f"    the {form} report is in {path}")
        except OSError as error:
            failures[path] = error
    if failures:
        raise OutputError(
            f"These reports cannot be written: {', '.join(map(str, failures))}.",
            cause=f"{'; '.join(map(str, failures.values()))}.",
            hint="Free some disk space, or correct --report.",
        )


def _write(path: Path, text: str) -> None:
    """Write a file so that it is never visible half-written, but a pipe or a device directly."""
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8", newline="\n")
        return
    target = path.resolve()
    part = target.with_name(f".{target.name}.{os.urandom(8).hex()}")
    try:
        with part.open("x", encoding="utf-8", newline="\n") as file:  # and follow no link
            file.write(text)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
