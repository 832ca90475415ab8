"""Show models of the service: as tables for people, as documents for programs.

Texts of the service are shown without terminal control characters.
"""

import json
import re
import shutil
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from lusid_image_publish.cli.console import console
from lusid_image_publish.prune import Verdict
from lusid_image_publish.reports.fitted_table import fitted_table
from lusid_image_publish.reports.table import Row, table_text
from lusid_image_publish.reports.words import NOTHING, date, human_size
from lusid_image_publish.scheduler.models import (
    Image,
    ImageSummary,
    Repository,
    ScanSummary,
    Tag,
    WireModel,
)

_SEVERITIES: Final = ("critical", "high", "medium", "low")
_SHORT_DIGEST_CHARACTERS: Final = len("sha256:") + 12

IMAGE_COLUMNS: Final = ("TAGS", "DIGEST", "SIZE", "PUSHED", "SCAN", "CRIT", "HIGH", "MED", "LOW")
REPOSITORY_COLUMNS: Final = ("NAME", "IMAGES", "PULLS", "UPDATED", "CREATED")
VERDICT_COLUMNS: Final = ("", "TAGS", "DIGEST", "SIZE", "PUSHED", "REASON")
BELOW_IMAGES: Final = {"TAGS"}
"""The columns that move to a second line of an image on a narrow terminal."""

_LEAST_TERMINAL_CHARACTERS: Final = 20


def image_rows(images: Iterable[ImageSummary]) -> list[Row]:
    """Return a row of `IMAGE_COLUMNS` for each image."""
    return [
        (*_identity(image), image.scan_status or NOTHING, *_counts(image.scan_summary))
        for image in images
    ]


def repository_rows(repositories: Iterable[Repository]) -> list[Row]:
    """Return a row of `REPOSITORY_COLUMNS` for each repository."""
    return [
        (
            repository.name or NOTHING,
            _number(repository.image_count),
            _number(repository.pull_count),
            date(repository.last_update),
            date(repository.creation_time),
        )
        for repository in repositories
    ]


def verdict_rows(verdicts: Iterable[Verdict]) -> list[Row]:
    """Return a row of `VERDICT_COLUMNS` for each image of a repository to prune."""
    return [
        ("delete" if verdict.goes else "keep", *_identity(verdict.image), verdict.reason)
        for verdict in verdicts
    ]


def image_lines(image: Image) -> list[Row]:
    """Return label and text of each fact about one image."""
    report = image.scan_report
    size = f" ({image.size} bytes)" if image.size is not None else ""
    lines: list[Row] = [
        ("Name", image.name or NOTHING),
        ("Tags", tags(image.tags)),
        ("Digest", image.digest or NOTHING),
        ("Size", human_size(image.size) + size),
        ("Pushed", date(image.push_time)),
        ("Pulled", date(image.pull_time)),
        ("Scan", (report.status if report else None) or NOTHING),
    ]
    if report and report.summary:
        found = zip(_SEVERITIES, _counts(report.summary), strict=True)
        counts = ", ".join(f"{number} {severity}" for severity, number in found)
        lines.append(("Found", f"{counts}; {_number(report.summary.fixable)} fixable"))
    return lines


def show(columns: Sequence[str], rows: Iterable[Row], *, below: Collection[str] = ()) -> None:
    """Write a table to stdout: fitted to a terminal, with its full width elsewhere.

    `below` names the columns that may move to a second line of each row on a narrow terminal.
    """
    width = terminal_width()
    if width is None:
        console.answer(table_text(columns, rows))
        return
    header, lines = fitted_table(columns, rows, width=width, below=below)
    separator = "\n" if header and lines else ""
    console.answer(separator + lines, head=header, bold=True)


def terminal_width() -> int | None:
    """Return how many columns the terminal at stdout has, None if a person does not read it."""
    if console.ci.is_ci or not sys.stdout.isatty():
        return None
    return max(shutil.get_terminal_size().columns, _LEAST_TERMINAL_CHARACTERS)


def document_of(model: WireModel) -> str:
    """Return `model` as a JSON document with the names of the API, without absent members."""
    return _without_commands(model.model_dump_json(by_alias=True, exclude_none=True, indent=2))


def document(content: Mapping[str, Any]) -> str:
    """Return `content` as a JSON document."""
    return _without_commands(json.dumps(content, indent=2, ensure_ascii=False))


def _without_commands(text: str) -> str:
    """Return the same JSON without commands for a CI runner or a terminal."""
    text = re.sub(r"##(?=\w*\[)", r"#\\u0023", text)
    signs = (
        sign if sign.isprintable() or sign == "\n" else json.dumps(sign)[1:-1] for sign in text
    )
    return "".join(signs)


def tags(found: Iterable[Tag] | None) -> str:
    """Return the names of tags in one line."""
    return ", ".join(sorted(tag.name for tag in found or () if tag.name)) or NOTHING


def _identity(image: ImageSummary) -> tuple[str, str, str, str]:
    digest = (image.digest or NOTHING)[:_SHORT_DIGEST_CHARACTERS]
    return tags(image.tags), digest, human_size(image.size), date(image.push_time)


def _counts(summary: ScanSummary | None) -> list[str]:
    return [_number(getattr(summary, severity, None)) for severity in _SEVERITIES]


def _number(value: int | None) -> str:
    return NOTHING if value is None else str(value)
