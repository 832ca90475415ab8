"""LUSID's filter grammar."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.local_scheduler.documents import Problem
from lusid_image_publish.local_scheduler.filters import IMAGE_FIELDS, parse_filter

IMAGE = {
    "name": "it's a job",
    "digest": "sha256:abc",
    "size": 500,
    "pushTime": "2024-01-30T17:15:58.6730001+00:00",
    "pullTime": "0001-01-01T00:00:00.0000000+00:00",
    "scanStatus": "",
    "scanSummary": {"high": 2, "total": 5},
    "tags": [
        {"name": "1.0", "signed": False, "pushTime": "2024-01-30T17:15:58.0000000+00:00"},
        {"name": "latest", "signed": True, "pushTime": "2024-02-01T00:00:00.0000000+00:00"},
    ],
}

TRUE = [
    "",
    "  ",
    "name eq 'it''s a job'",
    "NAME EQ 'it''s a job'",
    "name neq 'job'",
    "name startswith 'it'",
    "name in 'a', 'it''s a job'",
    "name not in 'a','b'",
    "size eq 500",
    "size gt 499.5",
    "size gte 500 and size lte 500",
    "size lt 501",
    "size in 1, 500",
    "scanSummary.high gt 1",
    "scansummary.HIGH eq 2",
    "scanSummary.critical not exists",
    "scanSummary.total exists",
    "scanStatus not exists",
    "link.href not exists",
    "scanSummary.low neq 3",
    "scanSummary.low not in 3",
    "pushTime gt 2024-01-30",
    "pushTime lt 2024-01-30T17:16:00Z",
    "pushTime gte '2024-01-30T17:15:58.6730001+00:00'",
    "pullTime eq 0001-01-01",
    "tags any (name eq '1.0')",
    "tags any (signed eq true and name startswith 'la')",
    "tags any (pushTime gt 2024-01-31)",
    "not name eq 'job'",
    "not (size eq 1 or size eq 2)",
    "size eq 1 or size eq 2 or size eq 500",
    "size eq 500 or size eq 1 and size eq 2",
    "((size eq 500))",
    "not not size eq 500",
]
FALSE = [
    "name eq 'job'",
    "name startswith 'job'",
    "name not exists",
    "size in 1,2",
    "scanSummary.low gt 0",
    "scanSummary.low eq 0",
    "tags any (name eq '1.0' and signed eq true)",
    "not tags any (name eq '1.0')",
    "(size eq 500 or size eq 1) and size eq 2",
    "pushTime gt 2024-02-01",
]


@pytest.mark.parametrize("text", TRUE)
def test_what_holds(text: str) -> None:
    assert parse_filter(text, IMAGE_FIELDS)(IMAGE)


@pytest.mark.parametrize("text", FALSE)
def test_what_does_not_hold(text: str) -> None:
    assert not parse_filter(text, IMAGE_FIELDS)(IMAGE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nme eq 'x'", "unknown field 'nme'"),
        ("scanSummary.hih eq 1", "unknown field 'scanSummary.hih'"),
        ("name.x eq 1", "unknown field"),
        ("name", "ends too early"),
        ("name eq", "ends too early"),
        ("name is 'x'", "expected an operator, not 'is'"),
        ("name eq x", "single quotes"),
        ("name eq 'x", "unclosed quote"),
        ("name eq 'x' and", "ends too early"),
        ("name eq 'x' name eq 'y'", "'and', 'or' or the end"),
        ("name not eq 'x'", "'in' or 'exists'"),
        ("(name eq 'x'", "expected ')'"),
        ("name eq 'x')", "at character 12"),
        ("size eq big", "cannot be compared"),
        ("pushTime gt yesterday", "cannot be compared"),
        ("tags any (signed eq maybe)", "cannot be compared"),
        ("tags eq 'x'", "cannot be compared"),
        ("name any (x eq 1)", "is not a list"),
        ("tags any name eq '1'", "expected '('"),
        ("eq", "unknown field 'eq'"),
        ("size startswith '5'", "only with strings"),
        ("size gt nan", "cannot be compared"),
        ("size eq 1_0", "cannot be compared"),
        ("'name' eq 'x'", "expected a field"),
        ("(" * 1024, "nesting deeper"),
        ("not " * 256, "nesting deeper"),
    ],
)
def test_what_cannot_be_read_is_a_400_that_says_where(text: str, words: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_filter(text, IMAGE_FIELDS)
    assert caught.value.status == 400
    assert words in caught.value.detail
    assert "at character" in caught.value.detail


WORDS = st.sampled_from(
    ["name", "size", "tags", "any", "eq", "in", "not", "exists", "(", ")", ",", "'x'", "1", "and"]
)


@given(st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=40))
def test_no_text_does_anything_but_hold_not_hold_or_be_refused(text: str) -> None:
    try:
        holds = parse_filter(text, IMAGE_FIELDS)(IMAGE)
    except Problem:
        return
    assert holds in {True, False}


@given(st.text())
def test_a_quoted_string_means_itself(name: str) -> None:
    text = "name eq '" + name.replace("'", "''") + "'"
    assert parse_filter(text, IMAGE_FIELDS)({"name": name})
