"""Lists: their parameters, page tokens, and strings in filters.

The rules are those of the OpenAPI document: `page` 1 to 500 characters of base64, `start` 0 to
5000, `limit` 1 to 5000 (by default 2000), `filter` at most 1024 characters, 16384 for a history of
runs. `start` cannot be used with `page`, and `sort_by` and `filter` must then be the same as in the
request that returned the token.
"""

import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Self, TypeVar

from lusid_image_publish.errors import ConfigurationError, UnexpectedAnswerError
from lusid_image_publish.waiting import Deadline, within

if TYPE_CHECKING:
    from lusid_image_publish.scheduler.models import ResourceList

logger = logging.getLogger(__name__)

MAX_NUMBER: Final = 5000
MAX_FILTER_CHARACTERS: Final = 1024
MAX_HISTORY_FILTER_CHARACTERS: Final = 16384
_MAX_TOKEN_CHARACTERS: Final = 500
_PAGE_TOKEN: Final = re.compile(r"[a-zA-Z0-9+/]+={0,3}")
MAX_PAGES: Final = 10_000
MAX_ITEMS: Final = 250_000
MAX_LIST_BYTES: Final = 256 << 20  # of all pages

List = TypeVar("List", bound="ResourceList")


class PageToken(str):
    """A page token that knows its query, so that it is refused in another query.

    A token that was stored as text has lost that.
    """

    __slots__ = ("filter", "sort_by")
    sort_by: tuple[str, ...]
    filter: str | None

    @classmethod
    def of(cls, text: str, query: "ListQuery") -> Self:
        """Return the token `text` of an answer to `query`."""
        token = cls(text)
        token.sort_by, token.filter = query.sort_by, query.filter
        return token


@dataclass(frozen=True, kw_only=True)
class ListQuery:
    """The parameters of a list; None leaves the service's default.

    `sort_by` has the API's field names, with `-` before a descending one. Raises
    `ConfigurationError` for parameters that break a rule.
    """

    page: str | None = None
    sort_by: tuple[str, ...] = ()
    start: int | None = None
    limit: int | None = None
    filter: str | None = None
    max_filter_characters: ClassVar[int] = MAX_FILTER_CHARACTERS

    def __post_init__(self) -> None:
        self._check_range("start", self.start, 0)
        self._check_range("limit", self.limit, 1)
        if self.filter is not None and len(self.filter) > self.max_filter_characters:
            raise _query_error(
                f"The filter has {len(self.filter)} characters; the maximum is "
                f"{self.max_filter_characters}."
            )
        if not all(self.sort_by):
            raise _query_error("sort_by has an empty field name.")
        if self.page is not None:
            self._check_page_token(self.page)

    @classmethod
    def of(
        cls,
        *,
        page: str | None = None,
        sort_by: str | Sequence[str] | None,
        start: int | None,
        limit: int | None,
        filter: str | None,  # noqa: A002  # the service's name for it
    ) -> Self:
        """Return the query for a caller's parameters, where `sort_by` may be one name."""
        names = (sort_by,) if isinstance(sort_by, str) else tuple(sort_by or ())
        return cls(page=page, sort_by=names, start=start, limit=limit, filter=filter)

    def params(self) -> dict[str, str | list[str]]:
        """Return the query parameters that are set."""
        given = {
            "page": self.page,
            "sortBy": list(self.sort_by),
            "start": self.start,
            "limit": self.limit,
            "filter": self.filter,
        }
        return {
            name: value if isinstance(value, list) else str(value)
            for name, value in given.items()
            if value not in (None, [])
        }

    def with_page_tokens(self, answer: List) -> List:
        """Return `answer` with `PageToken`s of this query."""
        tokens = {
            name: PageToken.of(value, self)
            for name in ("next_page", "previous_page")
            if (value := getattr(answer, name))
        }
        return answer.model_copy(update=tokens)

    @staticmethod
    def _check_range(name: str, value: int | None, lowest: int) -> None:
        if value is not None and not lowest <= value <= MAX_NUMBER:
            raise _query_error(f"{name} is {value}; it must be between {lowest} and {MAX_NUMBER}.")

    def _check_page_token(self, page: str) -> None:
        if self.start is not None:
            raise _query_error("start cannot be used with a page token.")
        if isinstance(page, PageToken):  # its form is the service's own
            if (page.sort_by, page.filter) != (self.sort_by, self.filter):
                raise _query_error(
                    "With a page token, sort_by and filter must be the same as in the request that "
                    "returned it."
                )
        elif len(page) > _MAX_TOKEN_CHARACTERS or not _PAGE_TOKEN.fullmatch(page):
            raise _query_error(
                f"The page token is not 1 to {_MAX_TOKEN_CHARACTERS} characters of base64."
            )


class HistoryQuery(ListQuery):
    """The parameters of a history of runs, whose filter may be longer."""

    max_filter_characters = MAX_HISTORY_FILTER_CHARACTERS


class Pages:
    """Follows `nextPage` from the first query on, until it is empty or repeats.

    `seconds` limits the time of all requests together; 0 means no limit.
    """

    def __init__(self, first: ListQuery, *, seconds: float = 0) -> None:
        self.next_query: ListQuery | None = first  # None at the end
        self._seen: set[str | None] = set()
        self._seconds = seconds or float("inf")
        self._items = self._bytes = 0

    @contextmanager
    def within_time(self) -> Iterator[None]:
        """Limit the request for a page to the time that is left for all pages.

        The caller's time between two requests is not included.
        """
        began = time.monotonic()
        with within(Deadline(self._seconds)):
            yield
        self._seconds -= time.monotonic() - began

    def add(self, answer: List, *, size_bytes: int = 0) -> List:
        """Note the next page of `answer`, which has `size_bytes`; return `answer`.

        Raises `UnexpectedAnswerError` after `MAX_PAGES`, `MAX_ITEMS` (tags included) or
        `MAX_LIST_BYTES`: such a list probably does not end.
        """
        values: list[object] = getattr(answer, "values", [])
        self._items += sum(1 + len(getattr(item, "tags", None) or ()) for item in values)
        self._bytes += size_bytes
        if self._items > MAX_ITEMS or self._bytes > MAX_LIST_BYTES:
            raise UnexpectedAnswerError(
                f"The list is too long: it has more than {MAX_ITEMS} items or "
                f"{MAX_LIST_BYTES >> 20} MiB.",
                cause="The Scheduler URL points to another service, or the service repeats items.",
                hint="Narrow the list with a filter.",
            )
        token = answer.next_page or None
        if token and token in self._seen:
            logger.warning("the service repeats a page token: the list may be incomplete")
            token = None
        if token and len(self._seen) >= MAX_PAGES:
            raise UnexpectedAnswerError(
                f"The list is too long: it has more than {MAX_PAGES} pages.",
                cause="The pages are very small, or the service's page tokens lead in a circle.",
                hint="Request larger pages, or narrow the list with a filter.",
            )
        following = self.next_query if token else None
        self.next_query = replace(following, page=token, start=None) if following else None
        self._seen.add(token)
        return answer


def quote(text: str) -> str:
    """Return `text` as a string in a filter: in single quotes, with quotes inside doubled."""
    return "'" + text.replace("'", "''") + "'"


def _query_error(message: str) -> ConfigurationError:
    return ConfigurationError(
        message,
        cause="This is a rule of the Scheduler's API.",
        hint="Nothing was sent. Correct the value and run again.",
    )
