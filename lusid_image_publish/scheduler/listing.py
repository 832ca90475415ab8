"""Lists: the rules of their parameters, page tokens, and texts in filter expressions.

The rules are those of the OpenAPI document: `page` 1 to 500 characters of base64, `start` 0 to
5000, `limit` 1 to 5000 (the service takes 2000 when none is given), `filter` at most 1024
characters. With a `page` no `start` may be given, and `sort_by` and `filter` must be those of the
request that the token came from.
"""

import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self, TypeVar

from lusid_image_publish.errors import ConfigurationError, UnexpectedAnswerError
from lusid_image_publish.waiting import Deadline, within

if TYPE_CHECKING:
    from lusid_image_publish.scheduler.models import ResourceList

logger = logging.getLogger(__name__)

HIGHEST: Final = 5000
LONGEST_FILTER: Final = 1024
_LONGEST_PAGE: Final = 500
_PAGE: Final = re.compile(r"[a-zA-Z0-9+/]+={0,3}")
MOST_PAGES: Final = 10_000
MOST_ITEMS: Final = 250_000
LARGEST_LIST: Final = 256 << 20  # bytes of all pages

List = TypeVar("List", bound="ResourceList")


class PageToken(str):
    """A page token that knows the list it belongs to, so that a mix-up is noticed here.

    It is a text like any other; one that went through a file or another program has forgotten.
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
    """The parameters of a list; None where the service's default shall hold.

    `sort_by` has the wire's field names, `-` before one that descends. Raises
    `ConfigurationError` for parameters that break a rule.
    """

    page: str | None = None
    sort_by: tuple[str, ...] = ()
    start: int | None = None
    limit: int | None = None
    filter: str | None = None

    def __post_init__(self) -> None:
        self._check_range("start", self.start, 0)
        self._check_range("limit", self.limit, 1)
        if self.filter is not None and len(self.filter) > LONGEST_FILTER:
            raise _refusal(
                f"The filter has {len(self.filter)} characters, {LONGEST_FILTER} at most."
            )
        if not all(self.sort_by):
            raise _refusal("sort_by has an empty name.")
        if self.page is not None:
            self._check_page(self.page)

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
        """Return the query for parameters as callers write them: one text is one name."""
        names = (sort_by,) if isinstance(sort_by, str) else tuple(sort_by or ())
        return cls(page=page, sort_by=names, start=start, limit=limit, filter=filter)

    def params(self) -> dict[str, str | list[str]]:
        """Return the query parameters, without those that are not given."""
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

    def mark(self, answer: List) -> List:
        """Return `answer` with page tokens that know this query."""
        tokens = {
            name: PageToken.of(value, self)
            for name in ("next_page", "previous_page")
            if (value := getattr(answer, name))
        }
        return answer.model_copy(update=tokens)

    @staticmethod
    def _check_range(name: str, value: int | None, lowest: int) -> None:
        if value is not None and not lowest <= value <= HIGHEST:
            raise _refusal(f"{name} is {value}; it must be between {lowest} and {HIGHEST}.")

    def _check_page(self, page: str) -> None:
        if self.start is not None:
            raise _refusal("start cannot be given together with a page token.")
        if isinstance(page, PageToken):  # the service made it, so its form is right
            if (page.sort_by, page.filter) != (self.sort_by, self.filter):
                raise _refusal("With a page token, sort_by and filter must be those it came from.")
        elif len(page) > _LONGEST_PAGE or not _PAGE.fullmatch(page):
            raise _refusal(f"The page token is not 1 to {_LONGEST_PAGE} characters of base64.")


class Pages:
    """Follows `nextPage` from one query on, to where there is none or where one comes again.

    `seconds` is how long all requests may take together, 0 for no limit.
    """

    def __init__(self, first: ListQuery, *, seconds: float = 0) -> None:
        self._next: ListQuery | None = first
        self._seen: set[str | None] = set()
        self._seconds = seconds or float("inf")
        self._items = self._size = 0

    @contextmanager
    def requesting(self) -> Iterator[None]:
        """Bound the request for a page by the time that all pages have left.

        What the caller does with a page between two requests does not count.
        """
        began = time.monotonic()
        with within(Deadline(self._seconds)):
            yield
        self._seconds -= time.monotonic() - began

    def following(self) -> ListQuery | None:
        """Return the query for the next page, None at the end."""
        return self._next

    def seen(self, answer: List, *, size: int = 0) -> List:
        """Return `answer`, which has `size` bytes, having looked which page comes next.

        Raises `UnexpectedAnswerError` after `MOST_PAGES`, `MOST_ITEMS` (images, tags, repositories)
        and `LARGEST_LIST`: such a list does not end.
        """
        values: list[object] = getattr(answer, "values", [])
        self._items += sum(1 + len(getattr(item, "tags", None) or ()) for item in values)
        self._size += size
        if self._items > MOST_ITEMS or self._size > LARGEST_LIST:
            raise UnexpectedAnswerError(
                f"The list does not end: it has more than {MOST_ITEMS} images, tags or "
                f"repositories, or more than {LARGEST_LIST >> 20} MiB.",
                cause="The Scheduler URL leads to something else, or the service repeats itself.",
                hint="Ask for less with a filter.",
            )
        token = answer.next_page or None
        if token and token in self._seen:
            logger.warning("the list's page token repeats; the list ends here")
            token = None
        if token and len(self._seen) >= MOST_PAGES:
            raise UnexpectedAnswerError(
                f"The list does not end: each of {MOST_PAGES} pages names another one.",
                cause="The service's page tokens lead nowhere.",
                hint="Ask for larger pages, or for less with a filter.",
            )
        self._next = replace(self._next, page=token, start=None) if self._next and token else None
        self._seen.add(token)
        return answer


def quote(text: str) -> str:
    """Return `text` as a string of a filter: in single quotes, a quote inside doubled."""
    return "'" + text.replace("'", "''") + "'"


def _refusal(message: str) -> ConfigurationError:
    return ConfigurationError(
        message,
        cause="The Images API has this rule for its lists.",
        hint="Correct it; nothing was sent.",
    )
