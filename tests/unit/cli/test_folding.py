"""A terminal cuts no word, digest or command in two."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.cli.folding import fold

DIGEST = f"sha256:{'ab' * 32}"
LONG = "`lusid-publish ./a/Dockerfile name:1.0.0 --option one --option two --option three four`"
A_LINE = "x" * 76


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (f"    pushed {DIGEST}", f"    pushed\n    {DIGEST}"),
        (f"    a different image ({DIGEST}).", f"    a different image\n    ({DIGEST})."),
        (DIGEST, DIGEST),
        (f"x {DIGEST}", f"x {DIGEST}"),
        (
            click.style(f"Error: a was {DIGEST}, b {DIGEST}.", fg="red"),
            click.style(f"Error: a was\n    {DIGEST}, b\n    {DIGEST}.", fg="red"),
        ),
        (f"{A_LINE} two words", f"{A_LINE} two\n    words"),
        (f"{A_LINE} `a command` of", f"{A_LINE}\n    `a command` of"),
        (f"Next step: {LONG} and so on", f"Next step: {LONG}\n    and so on"),
        (f"    | {A_LINE} of the builder", f"    | {A_LINE} of the builder"),
        (click.style(f"    | {A_LINE} of it", dim=True), None),
        (click.style("short", fg="red", bold=True) + " " + "x" * 74, None),
    ],
)
def test_what_would_be_cut_begins_a_line(line: str, shown: str | None) -> None:
    assert fold(line, 80) == (shown or line)


def test_a_terminal_that_is_narrower_than_a_digest_changes_nothing() -> None:
    assert fold(f"    pushed {DIGEST}", 60) == f"    pushed {DIGEST}"


@given(
    st.lists(st.sampled_from(["a", "some", "words", DIGEST, f"({DIGEST}),", "`a b`"])),
    st.integers(0, 6),
)
def test_no_word_crosses_the_edge_and_none_is_lost(words: list[str], indent: int) -> None:
    line = " " * indent + " ".join(words)
    shown = fold(line, 80)
    assert shown.split() == line.split()
    assert max(map(len, shown.split("\n"))) <= 80
