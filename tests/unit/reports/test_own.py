"""A report of this program is told from any other file."""

from pathlib import Path

import pytest

from lusid_image_publish.names import ImageName
from lusid_image_publish.reports.formats import FORMATS, is_own_report
from lusid_image_publish.reports.outputs import outputs_of_name, render_outputs
from tests.unit.reports.contents import FOUND, many, published, scanned


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("found", [FOUND, many(300)], ids=["few", "many"])
def test_what_a_run_writes_is_its_own(form: str, found: list[dict[str, object]]) -> None:
    Path("report").write_text(FORMATS[form].render(published(scanned(found))))
    assert is_own_report(Path("report"))


@pytest.mark.parametrize(
    "form",
    [form.name for form in FORMATS.values() if not form.needs_scan and form.name != "annotations"],
)
def test_a_report_without_a_scan_is_its_own(form: str) -> None:
    Path("report").write_text(FORMATS[form].render(published(None)))
    assert is_own_report(Path("report"))


def test_what_a_failed_run_writes_is_its_own() -> None:
    outputs = outputs_of_name(ImageName.parse("my-job:1.0"))
    Path("report").write_text(render_outputs(outputs))
    assert is_own_report(Path("report"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}\n",
        "Notes: my-job:1.0 is in LUSID",
        "# my-job:1.0.0 is in LUSID\n",
        '{\n  "name": "a"\n}\n',
        '{\n  "version": "15.0.7",\n  "scan": {\n    "analyzer": {\n      "id": "trivy"\n',
        '{\n  "$schema": "x",\n  "version": "2.1.0",\n  "runs": []\n}\n',
        "A=1\nLUSID_IMAGE_NAME=my-job:1.0\n",
        "\x00\xff",
    ],
)
def test_any_other_file_is_not(text: str) -> None:
    Path("other").write_text(text)
    assert not is_own_report(Path("other"))


def test_what_is_not_a_file_is_not() -> None:
    Path("folder").mkdir()
    assert not is_own_report(Path("folder"))
    assert not is_own_report(Path("none"))
