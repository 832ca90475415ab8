"""--report: which reports to write and where; the files appear whole, before the command ends."""

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import click

from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.parameters import Line, places_of
from lusid_image_publish.errors import OutputError
from lusid_image_publish.reports.formats import FORMATS, ReportContent, is_own_report
from lusid_image_publish.reports.outputs import render_outputs

ReportFiles = tuple[tuple[str, Path], ...]
"""Pairs of a format and the file that it goes to."""


def _parse_files(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> ReportFiles:
    """Return format and file of each `--report`. Raises `BadParameter`."""
    files: dict[Path, str] = {}
    for place, text in zip(places_of(context, parameter, texts), texts, strict=True):
        form, equals, name = text.partition("=")
        if form not in FORMATS or (equals and not name):
            raise click.BadParameter(
                f"{place} is not FORMAT or FORMAT=PATH, with {', '.join(FORMATS)}; each "
                "further one is named by itself, in a variable on a line of its own."
            )
        path = Path(name or FORMATS[form].file)
        if name == "-":
            raise click.BadParameter("stdout is for the answer: name a file, or use --output json.")
        if path in files:
            raise click.BadParameter(f"{path} is named twice.")
        if not _can_be_written(path):
            raise click.BadParameter(f"{path} cannot be written: no such folder, or not allowed.")
        files[path] = form
    return tuple((form, path) for path, form in files.items())


def _can_be_written(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:  # a name of bytes that are not UTF-8 cannot be shown
        return False
    return not path.is_dir() and os.access(path if path.exists() else path.parent, os.W_OK)


def path_of(text: str) -> Path:
    """Return the file that `text`, a FORMAT or FORMAT=PATH, names."""
    form, _, name = text.partition("=")
    return Path(name or (FORMATS[form].file if form in FORMATS else form))


report_option = click.option(
    "--report",
    "reports",
    type=Line(),
    metavar="FORMAT[=PATH]",
    multiple=True,
    callback=_parse_files,
    help=f"Write a report: {', '.join(FORMATS)}; may be repeated.  [default of PATH: "
    "lusid-publish-report.*, lusid-publish.sarif, gl-container-scanning-report.json, "
    "gl-annotations.json, lusid-publish.env]",
)


def remove_own(files: ReportFiles) -> None:
    """Remove the reports of earlier runs under these names, and no other files.

    Raises `OutputError`.
    """
    for _, path in files:
        try:
            if is_own_report(path):
                path.resolve().unlink()
        except OSError as error:
            raise OutputError(
                f"The report of a former run cannot be removed: {path}.",
                cause=f"{error}.",
                hint="Remove it, or name another file with --report.",
            ) from error


def write_reports(files: ReportFiles, content: ReportContent) -> None:
    """Write all reports, also when one of them fails. Raises `OutputError` then."""
    _write_all([(form, path, partial(FORMATS[form].render, content)) for form, path in files])


def write_outputs(files: ReportFiles, outputs: Mapping[str, str]) -> None:
    """Write the `dotenv` reports alone, of these outputs. Raises `OutputError`."""
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
            hint="Make room, or correct --report.",
        )


def _write(path: Path, text: str) -> None:
    """Write a file so that nobody reads half of it; write directly into a pipe or a device."""
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
