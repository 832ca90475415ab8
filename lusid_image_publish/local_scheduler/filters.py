"""Parse LUSID's filter expressions into predicates over wire documents.

The grammar (FINBOURNE's knowledge base, "Filtering results from LUSID"), words in any case:

    expression = term { "or" term }
    term       = factor { "and" factor }
    factor     = "not" factor | "(" expression ")" | comparison
    comparison = field ( "eq" | "neq" | "lt" | "lte" | "gt" | "gte" | "startswith" ) value
               | field [ "not" ] "in" value { "," value }
               | field [ "not" ] "exists"
               | field "any" "(" expression ")"

Strings are in single quotes, with quotes inside doubled; numbers, dates, `true` and `false` are
bare. Fields have their wire names, in any case, nested ones with dots. A comparison with a field
that an item does not have is false; `neq` and `not in` are then true.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from lusid_image_publish.local_scheduler.documents import Problem, invalid

Predicate = Callable[[Mapping[str, Any]], bool]
Fields = Mapping[str, Any]
"""The fields of an item: name -> `str`, `float`, `bool`, `datetime`, or `Fields` of a nested one;
a list of items is a one-element list with their `Fields`."""

_TAG: Final[Fields] = {
    "name": str,
    "pullTime": datetime,
    "pushTime": datetime,
    "signed": bool,
    "immutable": bool,
}
_SUMMARY: Final[Fields] = dict.fromkeys(
    ("fixable", "total", "critical", "high", "medium", "low", "negligible", "unknown"), float
)
_LINK: Final[Fields] = dict.fromkeys(("relation", "href", "description", "method"), str)
IMAGE_FIELDS: Final[Fields] = {
    "name": str,
    "pushTime": datetime,
    "pullTime": datetime,
    "digest": str,
    "size": float,
    "tags": [_TAG],
    "scanStatus": str,
    "scanSummary": _SUMMARY,
    "link": _LINK,
}
REPOSITORY_FIELDS: Final[Fields] = {
    "name": str,
    "creationTime": datetime,
    "lastUpdate": datetime,
    "description": str,
    "pullCount": float,
    "imageCount": float,
    "images": _LINK,
    "links": [_LINK],
}

_RESOURCE: Final[Fields] = {"scope": str, "code": str}
JOB_FIELDS: Final[Fields] = {
    "jobId": _RESOURCE,
    **dict.fromkeys(("name", "author", "description", "dockerImage"), str),
    "dateCreated": datetime,
    "ttl": float,
    **dict.fromkeys(("minCpu", "maxCpu", "minMemory", "maxMemory"), str),
    "commandLineArgumentSeparator": str,
}
HISTORY_FIELDS: Final[Fields] = {
    "runId": str,
    "jobId": _RESOURCE,
    **dict.fromkeys(("name", "description", "jobStatus", "jobResult", "message"), str),
    **dict.fromkeys(("initialisedDate", "startDate", "endDate"), datetime),
    **dict.fromkeys(("imageName", "imageTag", "manuallyTriggeredBy", "userId"), str),
    "ttl": float,
}

_MAX_LEVELS: Final = 50
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<sign>[(),])|(?P<word>[^\s(),']+))"
)
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}


@dataclass(frozen=True)
class _Token:
    kind: str  # "string", "sign", "word" or "end"
    text: str
    position: int


def parse_filter(text: str, fields: Fields) -> Predicate:
    """Return the predicate for `text`. Raises the 400 with the error and its position."""
    if not text.strip():
        return lambda _: True
    parser = _Parser(_tokens(text))
    predicate = parser.expression(fields, 0)
    parser.expect_end()
    return predicate


def field_of(path: str, fields: Fields) -> tuple[tuple[str, ...], Any]:
    """Return the path of a field with the wire's spelling, and its type. Raises `KeyError`."""
    spelled: list[str] = []
    kind: Any = fields
    for part in path.split("."):
        names = {name.lower(): name for name in kind} if isinstance(kind, Mapping) else {}
        name = names[part.lower()]
        spelled.append(name)
        kind = kind[name]
    return tuple(spelled), kind


def value_at(item: Mapping[str, Any], path: Sequence[str], kind: Any) -> Any:
    """Return the value of a field, dates as `datetime`; None if the item does not have it."""
    value: Any = item
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return _date(value) if kind is datetime and isinstance(value, str) else value


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if not match or not match.lastgroup:
            raise _error("unclosed quote", position)
        tokens.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        position = match.end()
    return [*tokens, _Token("end", "", end)]


class _Parser:
    """Recursive descent over the tokens, limited in depth."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._position = 0

    def expression(self, fields: Fields, depth: int) -> Predicate:
        options = [self._term(fields, depth)]
        while self._skip_word("or"):
            options.append(self._term(fields, depth))
        return options[0] if len(options) == 1 else lambda item: any(o(item) for o in options)

    def expect_end(self) -> None:
        if self._peek().kind != "end":
            raise self._unexpected("'and', 'or' or the end")

    def _term(self, fields: Fields, depth: int) -> Predicate:
        parts = [self._factor(fields, depth)]
        while self._skip_word("and"):
            parts.append(self._factor(fields, depth))
        return parts[0] if len(parts) == 1 else lambda item: all(part(item) for part in parts)

    def _factor(self, fields: Fields, depth: int) -> Predicate:
        if depth > _MAX_LEVELS:
            raise _error(f"nesting deeper than {_MAX_LEVELS}", self._peek().position)
        if self._skip_word("not"):
            inner = self._factor(fields, depth + 1)
            return lambda item: not inner(item)
        if self._peek().text == "(" and self._peek().kind == "sign":
            return self._in_parentheses(fields, depth)
        return self._comparison(fields, depth)

    def _in_parentheses(self, fields: Fields, depth: int) -> Predicate:
        self._expect_sign("(")
        inner = self.expression(fields, depth + 1)
        self._expect_sign(")")
        return inner

    def _comparison(self, fields: Fields, depth: int) -> Predicate:
        token = self._next_token()
        if token.kind != "word":
            raise _error(f"expected a field, not {token.text!r}", token.position)
        try:
            path, kind = field_of(token.text, fields)
        except KeyError:
            names = ", ".join(fields)
            raise _error(
                f"unknown field {token.text!r}; the fields are {names}", token.position
            ) from None
        if self._skip_word("any"):
            return self._any_item(path, kind, token, depth)
        negated = self._skip_word("not")
        if self._skip_word("exists"):
            return lambda item: (value_at(item, path, kind) in (None, "")) is negated
        if self._skip_word("in"):
            values = self._value_list(kind)
            return lambda item: (value_at(item, path, kind) in values) is not negated
        if negated:
            raise self._unexpected("'in' or 'exists' after 'not'")
        return self._operation(path, kind)

    def _any_item(self, path: tuple[str, ...], kind: Any, field: _Token, depth: int) -> Predicate:
        if not isinstance(kind, list):
            raise _error(f"{field.text} is not a list", field.position)
        inner = self._in_parentheses(kind[0], depth + 1)
        return lambda item: any(inner(entry) for entry in value_at(item, path, None) or ())

    def _operation(self, path: tuple[str, ...], kind: Any) -> Predicate:
        token = self._next_token()
        name = token.text.lower()
        if token.kind == "word" and name == "startswith":
            if kind is not str:
                raise _error("startswith works only with strings", token.position)
            prefix = self._value(str)
            return lambda item: str(value_at(item, path, str) or "").startswith(prefix)
        if token.kind != "word" or name not in _COMPARISONS:
            raise _error(f"expected an operator, not {token.text!r}", token.position)
        compare, wanted = _COMPARISONS[name], self._value(kind)

        def holds(item: Mapping[str, Any]) -> bool:
            value = value_at(item, path, kind)
            return name == "neq" if value is None else compare(value, wanted)

        return holds

    def _value_list(self, kind: Any) -> list[Any]:
        values = [self._value(kind)]
        while self._peek().kind == "sign" and self._peek().text == ",":
            self._next_token()
            values.append(self._value(kind))
        return values

    def _value(self, kind: Any) -> Any:
        token = self._next_token()
        if token.kind == "string":
            text = token.text[1:-1].replace("''", "'")
        elif token.kind == "word" and kind is not str:
            text = token.text
        else:
            hint = " (strings need single quotes)" if kind is str else ""
            raise _error(f"expected a value, not {token.text!r}{hint}", token.position)
        try:
            return _READERS[kind](text)
        except (KeyError, TypeError, ValueError):
            raise _error(f"{text!r} cannot be compared with this field", token.position) from None

    def _peek(self) -> _Token:
        return self._tokens[self._position]

    def _next_token(self) -> _Token:
        token = self._peek()
        if token.kind == "end":
            raise _error("the expression ends too early", token.position)
        self._position += 1
        return token

    def _skip_word(self, word: str) -> bool:
        if self._peek().kind == "word" and self._peek().text.lower() == word:
            self._position += 1
            return True
        return False

    def _expect_sign(self, sign: str) -> None:
        if self._peek().text != sign or self._peek().kind != "sign":
            raise self._unexpected(f"{sign!r}")
        self._position += 1

    def _unexpected(self, wanted: str) -> Problem:
        token = self._peek()
        found = repr(token.text) if token.text else "the end"
        return _error(f"expected {wanted}, not {found}", token.position)


def _date(text: str) -> datetime:
    # Python reads six fractional digits at most; the service writes seven.
    moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(text)


_READERS: Final[Mapping[Any, Callable[[str], Any]]] = {
    str: str,
    float: _number,
    bool: lambda text: {"true": True, "false": False}[text.lower()],
    datetime: _date,
}


def _error(what: str, position: int) -> Problem:
    return invalid("filter", f"The filter is invalid: {what} (at character {position + 1}).")
