"""Pages, order and limits of a list."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.local_scheduler.documents import Problem
from lusid_image_publish.local_scheduler.filters import REPOSITORY_FIELDS
from lusid_image_publish.local_scheduler.list_queries import ListParameters, list_page


def items(count: int) -> list[Any]:
    return [{"name": f"n{number:03}", "imageCount": number % 3} for number in range(count)]


def page(values: list[Any], **parameters: Any) -> dict[str, Any]:
    query = ListParameters(**parameters)
    return list_page(values, query, REPOSITORY_FIELDS, "http://x/list", document=lambda item: item)


@given(st.integers(0, 60), st.integers(1, 25))
def test_the_pages_together_are_the_whole_list(count: int, limit: int) -> None:
    seen: list[Any] = []
    token = None
    while True:
        document = page(items(count), limit=str(limit), page=token)
        seen += document["values"]
        token = document.get("nextPage")
        if token is None:
            break
        assert len(token) <= 500
    assert seen == items(count)


def test_the_previous_page_leads_back() -> None:
    second = page(items(10), limit="4", page=page(items(10), limit="4")["nextPage"])
    assert page(items(10), limit="4", page=second["previousPage"])["values"] == items(10)[:4]


def test_several_fields_sort_in_their_order() -> None:
    names = [value["name"] for value in page(items(4), sort_by=("-imageCount", "-name"))["values"]]
    assert names == ["n002", "n001", "n003", "n000"]


def test_what_lacks_the_field_sorts_first() -> None:
    values = [{"name": "b"}, {"name": "a", "description": "x"}, {"name": "c"}]
    assert [v["name"] for v in page(values, sort_by=("description",))["values"]] == ["b", "c", "a"]


def test_a_filter_is_read_even_when_the_list_is_empty() -> None:
    with pytest.raises(Problem):
        page([], filter="nonsense")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sort_by": ("-name",)}, 689),
        ({"filter": "name eq 'x'"}, 689),
        ({"start": "1"}, 157),
        ({"page": "e30="}, 689),
        ({"page": "WzEsMl0="}, 689),
        ({"page": "not base64!"}, 689),
        ({"page": ""}, 689),
    ],
)
def test_a_token_goes_with_the_question_it_answers(changes: dict[str, Any], code: int) -> None:
    asked: dict[str, Any] = {"sort_by": ("name",), "limit": "2"}
    asked["page"] = page(items(5), **asked)["nextPage"]
    with pytest.raises(Problem) as caught:
        page(items(5), **asked | changes)
    assert (caught.value.status, caught.value.code) == (400, code)
