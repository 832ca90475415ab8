"""Values of options."""

import click
import pytest

from lusid_image_publish.cli.parameters import Gibibytes, Line, Seconds, numbered_lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a\nb", [(1, "a"), (2, "b")]),
        ("\n a \r\n\t\nb\r\n", [(2, "a"), (4, "b")]),
        ("a\u2028b\x0bc\x85d\x1ce\rf\n", [(1, "a\u2028b\x0bc\x85d\x1ce\rf")]),
        ("\x85\n\u2028", [(1, "\x85"), (2, "\u2028")]),
        ("\n \n", []),
    ],
)
def test_line_feeds_alone_end_lines(text: str, lines: list[tuple[int, str]]) -> None:
    assert numbered_lines(text) == lines
    assert Line().split_envvar_value(text) == [line for _, line in lines]


@pytest.mark.parametrize("kind", [Gibibytes(0, 100, min_open=True), Seconds(0.5, 100)])
@pytest.mark.parametrize("text", ["nan", "0", "-1", "101", "inf", "1GiB", ""])
def test_a_number_is_one_of_its_range(kind: Gibibytes | Seconds, text: str) -> None:
    assert kind.convert("1.5", None, None) == 1.5
    with pytest.raises(click.BadParameter):
        kind.convert(text, None, None)
