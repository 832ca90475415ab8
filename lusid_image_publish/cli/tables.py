"""What `lusid-images` shows: models -> tables for people, documents for programs.

Texts of the service are shown without the characters that a terminal would act on.
"""

import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from lusid_image_publish.cli.console import console
from lusid_image_publish.redact import plain

if TYPE_CHECKING:
    from lusid_image_publish.prune import Verdict
    from lusid_image_publish.scheduler.models import (
        Image,
        ImageSummary,
        Repository,
        ScanSummary,
        Tag,
        WireModel,
    )

Row = Sequence[str]

_NOTHING: Final = "-"
_SEVERITIES: Final = ("critical", "high", "medium", "low")
_SHORT_DIGEST: Final = len("sha256:") + 12
_LONGEST_CELL: Final = 10_000
_ENDLESS: Final = 100_000  # columns; what is read by a program or kept in a file is not cut

IMAGE_COLUMNS: Final = ("TAGS", "DIGEST", "SIZE", "PUSHED", "SCAN", "CRIT", "HIGH", "MED", "LOW")
REPOSITORY_COLUMNS: Final = ("NAME", "IMAGES", "PULLS", "UPDATED", "CREATED")
VERDICT_COLUMNS: Final = ("", "TAGS", "DIGEST", "SIZE", "PUSHED", "BECAUSE")


def image_rows(images: "Iterable[ImageSummary]") -> list[Row]:
    """Return a row of `IMAGE_COLUMNS` for each image."""
    return [
        (*_identity(image), image.scan_status or _NOTHING, *_counts(image.scan_summary))
        for image in images
    ]


def repository_rows(repositories: "Iterable[Repository]") -> list[Row]:
    """Return a row of `REPOSITORY_COLUMNS` for each repository."""
    return [
        (
            repository.name or _NOTHING,
            _number(repository.image_count),
            _number(repository.pull_count),
            date(repository.last_update),
            date(repository.creation_time),
        )
        for repository in repositories
    ]


def verdict_rows(verdicts: "Iterable[Verdict]") -> list[Row]:
    """Return a row of `VERDICT_COLUMNS` for each image of a repository that is pruned."""
    return [
        ("delete" if verdict.goes else "keep", *_identity(verdict.image), verdict.reason)
        for verdict in verdicts
    ]


def image_lines(image: "Image") -> list[Row]:
    """Return label and text of each fact about one image."""
    report = image.scan_report
    size = f" ({image.size} bytes)" if image.size is not None else ""
    lines: list[Row] = [
        ("Name", image.name or _NOTHING),
        ("Tags", tags(image.tags)),
        ("Digest", image.digest or _NOTHING),
        ("Size", human_size(image.size) + size),
        ("Pushed", date(image.push_time)),
        ("Pulled", date(image.pull_time)),
        ("Scan", (report.status if report else None) or _NOTHING),
    ]
    if report and report.summary:
        found = zip(_SEVERITIES, _counts(report.summary), strict=True)
        counts = ", ".join(f"{number} {severity}" for severity, number in found)
        lines.append(("Found", f"{counts}; {_number(report.summary.fixable)} fixable"))
    return lines


def show(columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a table to stdout: fitted to a terminal, at its full width elsewhere."""
    # rich takes a tenth of a second to import, and only a table needs it.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, show_header=any(columns), header_style="bold")
    for column in columns:
        number = column in {"SIZE", "CRIT", "HIGH", "MED", "LOW", "IMAGES", "PULLS"}
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(cell, longest=_LONGEST_CELL)) for cell in row))
    if sys.stdout.isatty():
        Console(highlight=False).print(table)
        return
    text = io.StringIO()
    Console(file=text, width=_ENDLESS, color_system=None).print(table)
    console.answer("\n".join(line.rstrip() for line in text.getvalue().splitlines()))


def document_of(model: "WireModel") -> str:
    """Return `model` as a JSON document with the wire's names; what is absent stays absent."""
    return model.model_dump_json(by_alias=True, exclude_none=True, indent=2)


def document(content: Mapping[str, Any]) -> str:
    """Return `content` as a JSON document."""
    return json.dumps(content, indent=2, ensure_ascii=False)


def human_size(size: int | None) -> str:
    """Return a number of bytes in decimal units, as Docker shows it."""
    if size is None:
        return _NOTHING
    for factor, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def date(moment: datetime | None) -> str:
    """Return a date in UTC; year 1 is how the service writes "never"."""
    if moment is None:
        return _NOTHING
    if moment.year == 1:
        return "never"
    try:
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except OverflowError:  # at the end of the year 9999
        return f"{moment:%Y-%m-%d %H:%M}"


def tags(found: "Iterable[Tag] | None") -> str:
    """Return the names of tags in one line."""
    return ", ".join(sorted(tag.name for tag in found or () if tag.name)) or _NOTHING


def _identity(image: "ImageSummary") -> tuple[str, str, str, str]:
    digest = (image.digest or _NOTHING)[:_SHORT_DIGEST]
    return tags(image.tags), digest, human_size(image.size), date(image.push_time)


def _counts(summary: "ScanSummary | None") -> list[str]:
    return [_number(getattr(summary, severity, None)) for severity in _SEVERITIES]


def _number(value: int | None) -> str:
    return _NOTHING if value is None else str(value)
