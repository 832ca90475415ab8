"""Sentences in Markdown stay sentences, and nothing in them acts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.reports.prose import code, prose
from tests.unit.reports.test_hostile import HOSTILE, check_markdown, tokens_of

SENTENCES = [
    "LUSID did not accept the credentials (HTTP 401, without details).",
    'It\'s the "old" image: check it, and run again!',
    "Found 3 critical, 9 high; 4 with a fix.",
    "COMPLETE, ended 2026-11-30 11:32 UTC after 0.5 s",
    "The job me/my-job was not updated (exit code 14).",
    "",
]


@pytest.mark.parametrize("text", SENTENCES)
def test_a_sentence_has_no_code(text: str) -> None:
    assert prose(text) == (text or "`-`")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("See https://a.example/b.", "See `https://a.example/b`."),
        ("Use --fail-on, or FBN_TOKEN_URL.", "Use `--fail-on`, or `FBN_TOKEN_URL`."),
        ("old:1 -> job:1.0", "`old:1` \N{RIGHTWARDS ARROW} `job:1.0`"),
        ("Start it (`docker version`), then", "Start it (`docker version`), then"),
        ("www.evil.example (www.evil.example)", "`www.evil.example` (`www.evil.example`)"),
        ("the run (run 12-ab_c).", "the run (run `12-ab_c`)."),
        ("'a_b', \"c=d\"", "'`a_b`', \"`c=d`\""),
        ("call f(x), or (f(x))", "call `f(x)`, or (`f(x)`)"),
        ("see http://a.example/(b)", "see `http://a.example/(b)`"),
        ("Settings > Secrets", "Settings &gt; Secrets"),
        ("> quoted", "&gt; quoted"),
        ("GH-12, gl-3", "`GH-12`, `gl-3`"),
        ("@me #1 !2 ~x :smile: $x$ **b** _i_ a|b", None),
        ("<b>x</b> &amp; [a](b) ![c](d)", None),
        ("deadbeef12 was pushed", "`deadbeef12` was pushed"),
        ("sha256:0cdc88 and a:1", "`sha256:0cdc88` and `a:1`"),
        ("defaced is a word, 20261130 a number", "defaced is a word, 20261130 a number"),
        ("1. one", "`1`. one"),
        ("- one", "`-` one"),
        ("a ` b", "a `'` b"),
        ("a_b`c d`", "`a_b` `c d`"),
    ],
)
def test_what_is_not_an_ordinary_word_is_code(text: str, shown: str | None) -> None:
    if shown is None:
        shown = " ".join(code(word, len(word)) for word in text.split())
        shown = shown.replace("`:smile:`", "`:smile`:")
        shown = shown.replace("`&amp;`", "`&amp`;")
    assert prose(text) == shown


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_text_does_no_harm(text: str) -> None:
    check_markdown(f"- {prose(text)}")
    check_markdown(f"| a |\n| --- |\n| {prose(text)} |")


@given(
    st.lists(
        st.sampled_from(
            ["`", "a", "1.", "_", "|", " ", "](x)", "<b>", "*", "\\", "(", ")", "[", "!", ">", "'"]
        )
    )
)
def test_signs_of_markdown_stay_signs(signs: list[str]) -> None:
    tokens = tokens_of(f"x {prose(''.join(signs))} y")
    allowed = {"paragraph_open", "paragraph_close", "inline", "text", "code_inline"}
    assert {token.type for token in tokens} <= allowed


def test_a_long_text_is_cut() -> None:
    assert len(prose("word " * 1000, 100)) <= 100
