"""The formats of reports in one table, and how to recognise a report of ours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # --help lists the formats
    from lusid_image_publish.reports.content import ReportContent


@dataclass(frozen=True)
class Format:
    """A format of reports.

    `file` is its default file, `renderer` the `module.function` in this package that renders it.
    `needs_scan` is True if it reports only on scans: without one `render` raises `ValueError`.
    """

    name: str
    file: str
    renderer: str
    needs_scan: bool = False

    def render(self, content: "ReportContent") -> str:
        """Return the report as text."""
        module, _, function = self.renderer.partition(".")
        # --help lists the formats, and to render one takes pydantic.
        render = getattr(import_module(f"lusid_image_publish.reports.{module}"), function)
        return str(render(content))


FORMATS: Final[Mapping[str, Format]] = {
    form.name: form
    for form in (
        Format("text", "lusid-publish-report.txt", "text_report.render"),
        Format("json", "lusid-publish-report.json", "document.render"),
        Format("markdown", "lusid-publish-report.md", "markdown.render"),
        Format("sarif", "lusid-publish.sarif", "sarif.render", needs_scan=True),
        Format(
            "gitlab", "gl-container-scanning-report.json", "gitlab_report.render", needs_scan=True
        ),
        Format("annotations", "gl-annotations.json", "gitlab_report.render_annotations"),
        Format("dotenv", "lusid-publish.env", "outputs.render"),
    )
}
"""The formats by name, in the order of the help."""

_HEAD_BYTES: Final = 4096
_SARIF: Final = r'"driver": \{\s+"name": "lusid-publish"'
_BEGINNINGS: Final = (
    r"\S+:\S+ is in LUSID\b",
    r"##+ (?:\S )?`[^`\n]+` is in LUSID\b",
    r'\{\n  "name": "[^"\n]+",\n  "repository": "[^"\n]+",\n  "tag": "[^"\n]+",\n  "digest": ',
    r'\{\n  "\$schema": "[^"\n]+",\n  "version": "[^"\n]+",\n  "runs": \[\s+\{\s+"tool": \{\s+'
    + _SARIF,
    r'\{\n  "version": "[^"\n]+",\n  "scan": \{\n    "analyzer": \{\n      "id": "lusid-publish"',
    r'\{\n  "[^"\n]+ is in LUSID\b[^"\n]*": \[',
    r"LUSID_IMAGE_NAME=",
)


def is_own_report(path: Path) -> bool:
    """Return whether a file is a report of this program, in any format. Raises `OSError`."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        beginning = file.read(_HEAD_BYTES).decode(errors="replace")
    return any(re.match(pattern, beginning) for pattern in _BEGINNINGS)
