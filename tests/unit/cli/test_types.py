"""Values of options."""

import pytest

from lusid_image_publish.cli.types import Line, numbered_lines


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
