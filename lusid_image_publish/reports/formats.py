"""The formats of reports, in one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lusid_image_publish.reports.content import ReportContent


@dataclass(frozen=True)
class Format:
    """A format of reports.

    `file` is its default file, `module` the module of this room whose `render` makes it.
    `needs_scan` says that it reports on scans only: without one `render` raises `ValueError`.
    """

    name: str
    file: str
    module: str
    needs_scan: bool = False

    def render(self, content: "ReportContent") -> str:
        """Return the report as text."""
        # --help lists the formats, and to render one takes pydantic.
        module = import_module(f"lusid_image_publish.reports.{self.module}")
        text: str = module.render(content)
        return text


FORMATS: Final[Mapping[str, Format]] = {
    form.name: form
    for form in (
        Format("text", "lusid-publish-report.txt", "text_report"),
        Format("json", "lusid-publish-report.json", "document"),
        Format("markdown", "lusid-publish-report.md", "markdown"),
        Format("sarif", "lusid-publish.sarif", "sarif", needs_scan=True),
        Format("gitlab", "gl-container-scanning-report.json", "gitlab_report", needs_scan=True),
        Format("annotations", "gl-annotations.json", "annotations"),
        Format("dotenv", "lusid-publish.env", "dotenv"),
    )
}
"""The formats by name, in the order of the help."""
