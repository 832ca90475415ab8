"""--report: which reports to write, and where."""

import os
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from lusid_image_publish.cli.parameters import Line, complete_file, places_of
from lusid_image_publish.reports.formats import FORMATS

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


def _complete(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    form, equals, path = incomplete.partition("=")
    if equals:
        return complete_file(context, parameter, path)
    return [CompletionItem(name) for name in FORMATS if name.startswith(form)]


report_option = click.option(
    "--report",
    "reports",
    type=Line(),
    metavar="FORMAT[=PATH]",
    multiple=True,
    callback=_parse_files,
    shell_complete=_complete,
    show_default="no report; PATH: lusid-publish-report.*, lusid-publish.sarif, "
    "gl-container-scanning-report.json, gl-annotations.json, lusid-publish.env",
    help=f"Write a report to a file: {', '.join(FORMATS)}. Can be repeated.",
)
