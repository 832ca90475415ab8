"""The formats that a report can have."""

from collections.abc import Callable, Mapping
from typing import Final

from lusid_image_publish.reports import (
    annotations,
    document,
    dotenv,
    gitlab_report,
    markdown,
    sarif,
    text_report,
)
from lusid_image_publish.reports.content import Content

FORMATS: Final[Mapping[str, Callable[[Content], str]]] = {
    "text": text_report.render,
    "json": document.render,
    "markdown": markdown.render,
    "sarif": sarif.render,
    "gitlab": gitlab_report.render,
    "annotations": annotations.render,
    "dotenv": dotenv.render,
}
"""How each is made. `sarif` and `gitlab` raise `ValueError` without a scan: they are of scans."""
