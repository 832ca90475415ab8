"""Filter, sort and page, for all list operations."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from lusid_image_publish.local_scheduler.documents import (
    INVALID_PAGE_CODE,
    INVALID_PARAMETER_CODE,
    Problem,
    invalid,
)
from lusid_image_publish.local_scheduler.filters import Fields, field_of, parse_filter, value_at

_DEFAULT_LIMIT_ITEMS: Final = 2000
_MAX_NUMBER: Final = 5000
_MAX_FILTER_CHARACTERS: Final = 1024
MAX_HISTORY_FILTER_CHARACTERS: Final = 16384
_MAX_TOKEN_CHARACTERS: Final = 500

Item = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ListParameters:
    """The parameters of a list as strings, None if not given."""

    page: str | None = None
    sort_by: tuple[str, ...] = ()
    start: str | None = None
    limit: str | None = None
    filter: str | None = None


def list_page(
    items: Sequence[T],
    query: ListParameters,
    fields: Fields,
    href: str,
    *,
    document: Callable[[T], Item],
    max_filter_characters: int = _MAX_FILTER_CHARACTERS,
) -> dict[str, Any]:
    """Return the `ResourceListOf...` of the page that `query` requests.

    `items` are in the default order; `document` makes the wire document of an item, if
    possible only for those on the page.

    Raises the 400 for a parameter that breaks its documented rule; with code 689 for an invalid
    page token, or one of another `sortBy` or `filter`.
    """
    limit = _whole_number("limit", query.limit, lowest=1, default=_DEFAULT_LIMIT_ITEMS)
    start = _whole_number("start", query.start, lowest=0, default=0)
    if len(query.filter or "") > max_filter_characters:
        raise invalid("filter", f"The filter is longer than {max_filter_characters} characters.")
    if query.page is not None:
        if query.start is not None:
            raise invalid("start", "start cannot be used with page.")
        start = _read_token(query.page, query)
    end = start + limit
    if query.filter or query.sort_by:
        matches = parse_filter(query.filter or "", fields)
        matching = [made for made in map(document, items) if matches(made)]
        for key in reversed(query.sort_by):
            matching = _sorted(matching, key, fields)
        values, total = matching[start:end], len(matching)
    else:
        values, total = [document(item) for item in items[start:end]], len(items)
    page: dict[str, Any] = {"values": values, "href": href, "links": []}
    if end < total:
        page["nextPage"] = _token(end, query)
    if start > 0:
        page["previousPage"] = _token(max(0, start - limit), query)
    return page


def _whole_number(name: str, text: str | None, *, lowest: int, default: int) -> int:
    if text is None:
        return default
    if not re.fullmatch(r"-?[0-9]{1,9}", text) or not lowest <= int(text) <= _MAX_NUMBER:
        message = f"The field {name} must be between {lowest} and {_MAX_NUMBER}."
        raise invalid(name, message, code=INVALID_PARAMETER_CODE)
    return int(text)


def _sorted(items: list[Item], key: str, fields: Fields) -> list[Item]:
    """Return `items` by one field, `-field` descending; those without the field come first."""
    name = key.removeprefix("-")
    try:
        path, kind = field_of(name, fields)
    except KeyError:
        raise invalid("sortBy", f"Cannot sort by {name!r}: there is no such field.") from None
    if isinstance(kind, Mapping | list):
        raise invalid("sortBy", f"Cannot sort by {name!r}: it is not a single value.")

    def rank(item: Item) -> tuple[bool, Any]:
        value = value_at(item, path, kind)
        return (False, 0) if value is None else (True, value)

    return sorted(items, key=rank, reverse=key.startswith("-"))


def _fingerprint(query: ListParameters) -> str:
    text = json.dumps([query.sort_by, query.filter or ""])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _token(start: int, query: ListParameters) -> str:
    return base64.b64encode(json.dumps([start, _fingerprint(query)]).encode()).decode()


def _read_token(token: str, query: ListParameters) -> int:
    try:
        if len(token) > _MAX_TOKEN_CHARACTERS:
            raise ValueError
        start, fingerprint = json.loads(base64.b64decode(token, validate=True))
    except (ValueError, TypeError, binascii.Error):
        raise _page_problem("The supplied pagination token is invalid.") from None
    if fingerprint != _fingerprint(query) or not isinstance(start, int):
        raise _page_problem(
            "sortBy and filter must be the same as in the request that returned the token."
        )
    return start


def _page_problem(message: str) -> Problem:
    return invalid("page", message, code=INVALID_PAGE_CODE)
