"""The text report on a terminal; in a file it is as the golden one."""

import pytest

from lusid_image_publish.reports import text_report
from tests.unit.reports.contents import FOUND, published, scanned

CONTENT = published(scanned(FOUND))


@pytest.mark.parametrize("width", [80, 100])
def test_it_fits_a_terminal(width: int) -> None:
    lines = text_report.render(CONTENT, width=width).splitlines()
    assert [line for line in lines if len(line) > width] == []
    assert any(line.endswith(CONTENT.result.digest) for line in lines)


def test_on_a_terminal_it_says_the_same() -> None:
    def words(width: int | None) -> list[str]:
        return sorted(text_report.render(CONTENT, width=width).split())

    assert words(400) == words(None)
    shown = set(words(80))
    assert set(words(None)) - shown == set()


def test_a_long_item_keeps_its_indent() -> None:
    lines = text_report.render(CONTENT, width=40).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("  - "))
    assert lines[at : at + 2] == ["  - 1 critical, 1 high where --fail-on", "    high allows none"]
