"""A terminal cuts no digest in two."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.cli.digest_lines import keep_digests_whole

DIGEST = f"sha256:{'ab' * 32}"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (f"    pushed {DIGEST}", f"    pushed\n    {DIGEST}"),
        (f"    it has another image ({DIGEST}).", f"    it has another image\n    ({DIGEST})."),
        (f"{DIGEST}", f"{DIGEST}"),
        (f"x {DIGEST}", f"x {DIGEST}"),
        (
            click.style(f"Error: a was {DIGEST}, b {DIGEST}.", fg="red"),
            click.style(f"Error: a was\n    {DIGEST}, b\n    {DIGEST}.", fg="red"),
        ),
        ("    no digest, whatever the length of the line is " + "x" * 80, None),
    ],
)
def test_a_digest_that_would_be_cut_begins_a_line(line: str, shown: str | None) -> None:
    assert keep_digests_whole(line, 80) == (shown or line)


def test_a_terminal_that_is_narrower_than_a_digest_changes_nothing() -> None:
    assert keep_digests_whole(f"    pushed {DIGEST}", 60) == f"    pushed {DIGEST}"


@given(st.lists(st.sampled_from(["a", "bcd efg", DIGEST, f"({DIGEST}),"]), max_size=6))
def test_no_digest_crosses_the_edge_and_no_text_is_lost(words: list[str]) -> None:
    shown = keep_digests_whole(" ".join(words), 80)
    assert shown.split() == " ".join(words).split()
    for line in shown.split("\n"):
        if DIGEST in line:
            last = line.rindex(DIGEST) + len(DIGEST)
            assert last <= 80
