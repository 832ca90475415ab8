"""The JSON schema of the project's file, made from the options of lusid-publish.

Editors complete and check `.lusid-publish.toml` with it. The package has it as
`lusid-publish.schema.json`; `python -m lusid_image_publish.cli.project_schema` prints it.

It is draft 7, which TOML language servers know. It asks for the usual spelling of a value: the file
may also have a number in quotes, or capitals in `fail-on`.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import click

from lusid_image_publish.cli import publish
from lusid_image_publish.cli.parameters import key_of
from lusid_image_publish.cli.project_defaults import IGNORE_KEY
from lusid_image_publish.cli.project_file import FOUND_KEYS, NOT_IN_FILE
from lusid_image_publish.cli.scan_options import SEVERITIES
from lusid_image_publish.reports.formats import FORMATS

Schema = Mapping[str, Any]

_TEXT_OR_NUMBER: Final[Schema] = {"type": ["string", "number"]}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_FILE: Final[Schema] = {"type": "string", "minLength": 1, "not": {"const": "-"}}
_ID: Final[Schema] = {
    "type": "string",
    "pattern": r"\S",
    "description": "The name of the vulnerability, for example CVE-2026-1234.",
}


def _list_of(pattern: str, *, is_unique: bool = True) -> dict[str, Any]:
    unique = {"uniqueItems": True} if is_unique else {}
    return {"type": "array", "items": {"type": "string", "pattern": pattern}, **unique}


def _table_of(names: str, values: Schema) -> dict[str, Any]:
    return {
        "type": "object",
        "propertyNames": {"pattern": names},
        "additionalProperties": values,
    }


def _table_with(names: Any, values: Schema) -> dict[str, Any]:
    properties = dict.fromkeys(names, values)
    return {"type": "object", "properties": properties, "additionalProperties": False}


_WORDS: Final = "|".join((*SEVERITIES, "unknown"))
_FORMS: Final = "|".join(FORMATS)
_LISTS: Final[Mapping[str, tuple[Schema, ...]]] = {
    "argument": (
        _list_of(r"^[^=\s]+(=[\s\S]*)?$"),
        _table_of(r"^[^=\s]+$", _TEXT_OR_NUMBER),
    ),
    "build-arg": (
        _list_of(r"^[A-Za-z_][A-Za-z0-9_.-]*(=[\s\S]*)?$", is_unique=False),
        _table_of(r"^[A-Za-z_][A-Za-z0-9_.-]*$", _TEXT_OR_NUMBER),
    ),
    "job": (_list_of(r"^[A-Za-z0-9_-]{1,64}/[A-Za-z0-9_-]{1,64}$"),),
    "label": (
        _list_of(r"^[^=\s]+=[\s\S]*$", is_unique=False),
        _table_of(r"^[^=\s]+$", _TEXT_OR_NUMBER),
    ),
    "max": (
        _list_of(rf"^({_WORDS})=[0-9]+$"),
        _table_with((*SEVERITIES, "unknown"), _COUNT),
    ),
    "report": (
        _list_of(rf"^({_FORMS})(=(?!-$)[\s\S]+)?$"),
        _table_with(FORMATS, _FILE),
    ),
}
"""The kinds of value of the options that may be repeated, by their keys."""

_PATTERNS: Final = {"platform": r"^[a-z0-9_-]+/[a-z0-9_-]+(/[a-z0-9_.-]+)?$"}

_IGNORES: Final[Schema] = {
    "description": "Do not count these vulnerabilities. An entry is an id, or a table that also "
    "says why and until when.",
    "type": "array",
    "items": {
        "anyOf": [
            _ID,
            {
                "type": "object",
                "required": ["id"],
                "additionalProperties": False,
                "properties": {
                    "id": _ID,
                    "reason": {
                        "type": "string",
                        "description": "Why it is ignored; the reports have it.",
                    },
                    "expires": {
                        "type": "string",
                        "format": "date",
                        "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
                        "description": "The last day on which it is ignored (UTC), for example "
                        "2027-01-31.",
                    },
                },
            },
        ]
    },
}


def project_schema() -> dict[str, Any]:
    """Return the schema as a document."""
    options = {
        key_of(option): option
        for option in publish.command.params
        if isinstance(option, click.Option)
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Defaults of the options of lusid-publish",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            key: _property(key, option)
            for key, option in sorted(options.items())
            if key not in NOT_IN_FILE
        },
    }


def schema_text() -> str:
    """Return the schema as the text of a file."""
    return json.dumps(project_schema(), indent=2) + "\n"


def _property(key: str, option: click.Option) -> dict[str, Any]:
    kinds = "list or a table" if len(_LISTS.get(key, ())) > 1 else "list"
    text = " ".join((option.help or "").split())
    text = text.replace("Can be repeated.", f"Takes a {kinds}.")
    if key not in FOUND_KEYS:
        text += " Only in a file that --config names."
    return {"description": text, **_kind(key, option), **_default(option)}


def _kind(key: str, option: click.Option) -> Schema:
    if key == IGNORE_KEY:
        return _IGNORES
    if option.multiple:
        kinds = _LISTS[key]
        return kinds[0] if len(kinds) == 1 else {"anyOf": list(kinds)}
    if option.is_flag:
        return {"type": "boolean"}
    match option.type:
        case click.Choice(choices=choices):
            return {"type": "string", "enum": list(choices)}
        case click.IntRange() as number:
            return {"type": "integer", **_range(number)}
        case click.FloatRange() as number:
            return {"type": "number", **_range(number)}
    return {"type": "string"} | ({"pattern": _PATTERNS[key]} if key in _PATTERNS else {})


def _range(number: click.IntRange | click.FloatRange) -> dict[str, float]:
    low = "exclusiveMinimum" if number.min_open else "minimum"
    bounds = {low: number.min, "maximum": number.max}
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _default(option: click.Option) -> dict[str, Any]:
    if option.is_bool_flag:
        return {"default": option.default is True}  # click has a sign of its own for none
    is_plain = isinstance(option.default, str | int | float) and not option.count
    return {"default": option.default} if is_plain else {}


if __name__ == "__main__":
    click.echo(schema_text(), nl=False)
