"""The rules of lists, checked before anything is sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.errors import ConfigurationError, UnexpectedAnswerError
from lusid_image_publish.local_scheduler.filters import REPOSITORY_FIELDS, parse_filter
from lusid_image_publish.scheduler import listing
from lusid_image_publish.scheduler.listing import ListQuery, Pages, PageToken, quote
from lusid_image_publish.scheduler.models import ResourceList


def query(**parameters: object) -> ListQuery:
    given_ones = {"sort_by": None, "start": None, "limit": None, "filter": None, **parameters}
    return ListQuery.of(**given_ones)  # type: ignore[arg-type]  # a test's own mixture


def test_what_is_not_given_is_not_sent() -> None:
    assert query().params() == {}


def test_parameters_have_the_wire_s_names() -> None:
    given_ones = query(sort_by=["name", "-pushTime"], start=0, limit=5000, filter="size gt 1")
    assert given_ones.params() == {
        "sortBy": ["name", "-pushTime"],
        "start": "0",
        "limit": "5000",
        "filter": "size gt 1",
    }
    assert query(page="ab+/=").params() == {"page": "ab+/="}


def test_one_text_is_one_field_to_sort_by() -> None:
    assert query(sort_by="-pushTime").params() == {"sortBy": ["-pushTime"]}


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ({"limit": 0}, "between 1 and 5000"),
        ({"limit": 5001}, "between 1 and 5000"),
        ({"limit": -1}, "between 1 and 5000"),
        ({"start": -1}, "between 0 and 5000"),
        ({"start": 5001}, "between 0 and 5000"),
        ({"filter": "x" * 1025}, "maximum is 1024"),
        ({"sort_by": [""]}, "empty field name"),
        ({"page": "abc", "start": 0}, "with a page token"),
        ({"page": ""}, "base64"),
        ({"page": "a b"}, "base64"),
        ({"page": "a" * 501}, "base64"),
        ({"page": "abc===="}, "base64"),
        ({"page": "a-b_"}, "base64"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_it(parameters: dict[str, object], rule: str) -> None:
    with pytest.raises(ConfigurationError, match=rule) as caught:
        query(**parameters)
    assert caught.value.cause
    assert "Nothing was sent" in caught.value.hint


def test_the_longest_of_all_is_accepted() -> None:
    assert query(page="a" * 500, filter="x" * 1024, limit=1).params()["limit"] == "1"


@pytest.mark.parametrize(
    "other", [{"sort_by": ["-name"]}, {"filter": "size gt 2"}, {"sort_by": None}, {"filter": None}]
)
def test_a_page_token_of_another_list_is_refused(other: dict[str, object]) -> None:
    first: dict[str, object] = {"sort_by": ["name"], "filter": "size gt 1"}
    answer = query(**first).with_page_tokens(ResourceList(next_page="abc", previous_page="xyz"))
    for token in (answer.next_page, answer.previous_page):
        assert query(**first, page=token, limit=7).params()["page"] == token
        with pytest.raises(ConfigurationError, match="must be the same as in the request"):
            query(**{**first, **other}, page=token)


def test_a_page_token_is_a_text_like_any_other() -> None:
    token = PageToken.of("abc", query())
    assert (token, hash(token)) == ("abc", hash("abc"))
    assert ResourceList(next_page=token).model_dump_json(by_alias=True, exclude_none=True) == (
        '{"nextPage":"abc"}'
    )


def test_a_token_of_the_service_s_that_breaks_its_own_rule_is_used_all_the_same() -> None:
    answer = query().with_page_tokens(ResourceList(next_page="a-b_" * 200))
    assert query(page=answer.next_page).params() == {"page": "a-b_" * 200}


def follow(first: ListQuery, tokens: dict[str | None, str | None]) -> list[str | None]:
    """Return the pages that are asked for when each leads to the next of `tokens`."""
    pages, asked = Pages(first), []
    while wanted := pages.next_query:
        asked.append(wanted.page)
        pages.add(wanted.with_page_tokens(ResourceList(next_page=tokens[wanted.page])))
    return asked


@pytest.mark.parametrize("end", [None, ""])
def test_pages_are_followed_to_the_end(end: str | None) -> None:
    assert follow(query(), {None: "a", "a": "b", "b": end}) == [None, "a", "b"]


def test_pages_end_where_a_token_repeats(caplog: pytest.LogCaptureFixture) -> None:
    assert follow(query(), {None: "a", "a": "b", "b": "a"}) == [None, "a", "b"]
    assert "repeats" in caplog.text


def test_only_the_first_page_has_a_start() -> None:
    pages = Pages(query(start=3, limit=2, filter="f", sort_by="name"))
    first = pages.next_query
    assert first
    assert first.start == 3
    pages.add(first.with_page_tokens(ResourceList(next_page="a")))
    assert pages.next_query == query(page="a", limit=2, filter="f", sort_by="name")


def test_a_list_that_does_not_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_PAGES", 5)
    endless: dict[str | None, str | None] = {str(n): str(n + 1) for n in range(100)}
    endless[None] = "0"
    with pytest.raises(UnexpectedAnswerError, match="is too long"):
        follow(query(), endless)


@given(st.text(), st.text())
def test_a_quoted_text_means_itself_and_nothing_else(text: str, other: str) -> None:
    holds = parse_filter(f"name eq {quote(text)}", REPOSITORY_FIELDS)
    assert holds({"name": text})
    assert holds({"name": other}) is (text == other)
