"""What people see of images."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from lusid_image_publish.cli import tables
from lusid_image_publish.redact import Secret
from lusid_image_publish.reports.words import date, human_size
from lusid_image_publish.scheduler.models import Image, ImageSummary, Repository, ScanSummary, Tag

NEVER = datetime(1, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (None, "-"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (56825012, "56.8 MB"),
        (3 * 10**9, "3.0 GB"),
    ],
)
def test_sizes(size: int | None, shown: str) -> None:
    assert human_size(size) == shown


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (None, "-"),
        (NEVER, "never"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), "never"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=2))), "2026-01-02 01:04 UTC"),
        (datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))), "9999-12-31 23:00"),
    ],
)
def test_dates(moment: datetime | None, shown: str) -> None:
    assert date(moment) == shown


def test_a_table_elsewhere_than_on_a_terminal_is_not_cut(
    capsys: pytest.CaptureFixture[str],
) -> None:
    image = ImageSummary(
        tags=[Tag(name=f"tag-{number}") for number in range(60)],
        digest="sha256:" + "a" * 64,
        size=5,
        scan_status="COMPLETE",
        scan_summary=ScanSummary(critical=1, high=0),
    )
    tables.show(tables.IMAGE_COLUMNS, tables.image_rows([image, ImageSummary()]))
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == list(tables.IMAGE_COLUMNS)
    assert "tag-0, tag-1, tag-10" in first
    assert "tag-59" in first
    assert first.split()[-6:] == ["-", "COMPLETE", "1", "0", "-", "-"]
    assert second.split() == ["-"] * len(tables.IMAGE_COLUMNS)


def test_texts_of_the_service_do_nothing_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Secret("s3cret-token")
    hostile = "\x1b[31m[bold]a\nb\x07\x9b s3cret-token"
    tables.show(tables.REPOSITORY_COLUMNS, tables.repository_rows([Repository(name=hostile)]))
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == 2
    assert "[bold]a" in shown
    assert not any(sign in shown for sign in ("\x1b", "\x07", "\x9b", "s3cret"))


def test_an_empty_list_is_its_header(capsys: pytest.CaptureFixture[str]) -> None:
    tables.show(tables.IMAGE_COLUMNS, [])
    assert capsys.readouterr().out.split() == list(tables.IMAGE_COLUMNS)


def test_nothing_that_may_be_missing_is_needed() -> None:
    assert {text for _, text in tables.image_lines(Image(name="job"))} == {"job", "-"}
    assert {text for _, text in tables.image_lines(Image(name=""))} == {"-"}
    assert set(tables.repository_rows([Repository(name="")])[0]) == {"-"}


def test_a_document_has_the_wire_s_names_and_no_nulls() -> None:
    image = Image(name="jöb", push_time=NEVER, tags=[Tag(name="1")])
    assert tables.document_of(image) == (
        '{\n  "name": "jöb",\n  "pushTime": "0001-01-01T00:00:00Z",\n'
        '  "tags": [\n    {\n      "name": "1"\n    }\n  ]\n}'
    )


def test_a_document_has_no_commands_and_means_the_same() -> None:
    document = {"name": "##[add-path]/evil", "tags": [{"name": "##vso[x]\n::error::y"}]}
    image = Image.model_validate(document)
    text = tables.document_of(image)
    assert "##[" not in text
    assert "##vso[" not in text
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    assert json.loads(text) == document
    assert json.loads(tables.document({"a": "##[x]"})) == {"a": "##[x]"}
    assert "##[" not in tables.document({"a": "##[x]"})
