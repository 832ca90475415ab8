"""JSON texts taken apart stay as they are written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.scheduler.raw_json import items_of, members_of
from tests.raw_documents import BLANKS, NAMES, VALUES, object_of


@given(st.dictionaries(NAMES, VALUES, max_size=6), st.lists(BLANKS, min_size=3, max_size=3), BLANKS)
def test_members_are_as_they_were_written(
    members: dict[str, str], blanks: list[str], around: str
) -> None:
    assert members_of(f"{around}{object_of(members, blanks)}{around}") == members


@given(st.lists(VALUES, max_size=6), BLANKS)
def test_items_are_as_they_were_written(items: list[str], blank: str) -> None:
    text = f"{blank}[{blank}" + f"{blank},{blank}".join(items) + f"{blank}]"
    assert [*items_of(text)] == items


def test_the_last_member_of_a_name_wins_as_with_other_readers() -> None:
    text = '{"a": 1, "a": 2.50}'
    assert members_of(text) == {"a": "2.50"}
    assert json.loads(text) == {"a": 2.5}


@pytest.mark.parametrize(
    "text", ["", "[]", "1", "{", '{"a"}', '{"a":}', '{"a":1', '{"a":1]', "{,}"]
)
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        members_of(text)


@pytest.mark.parametrize("text", ["", "{}", "[", "[1", "[1}", "[1 2]"])
def test_what_is_no_array_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        list(items_of(text))
