"""One scan in all formats, as files to read. WRITE_GOLDEN=1 writes them again."""

import os
from pathlib import Path

import pytest

from lusid_image_publish.reports import gitlab_report, sarif
from lusid_image_publish.reports.formats import FORMATS
from tests.unit.reports.contents import FOUND, published, scanned

GOLDEN = Path(__file__).parent / "golden"
FILES = {
    "text": "report.txt",
    "json": "report.json",
    "markdown": "report.md",
    "sarif": "report.sarif",
    "gitlab": "gitlab.json",
    "annotations": "annotations.json",
    "dotenv": "dotenv.txt",
}


def test_every_format_has_a_golden_file() -> None:
    assert set(FORMATS) == set(FILES)


@pytest.mark.parametrize("form", FILES)
def test_a_report_is_as_it_was_read_last(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (gitlab_report, sarif):
        monkeypatch.setattr(module, "__version__", "VERSION")
    shown = FORMATS[form].render(published(scanned(FOUND)))
    path = GOLDEN / FILES[form]
    if os.environ.get("WRITE_GOLDEN"):
        path.write_text(shown)
    assert path.read_text() == shown
