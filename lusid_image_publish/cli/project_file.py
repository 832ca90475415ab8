"""Defaults of the options, and what is ignored in scans, from a file of the project.

That is `.lusid-publish.toml` in the working directory, or `[tool.lusid-publish]` in the
`pyproject.toml` there. Its keys are lusid-publish's options without the leading `--`. Other
commands take from it how to reach LUSID and what a scan may find, and nothing else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from lusid_image_publish.cli.parameters import key_of
from lusid_image_publish.errors import ConfigurationError

if TYPE_CHECKING:
    from lusid_image_publish.scan.verdict import Ignore

OWN_FILE: Final = Path(".lusid-publish.toml")
_PYPROJECT: Final = Path("pyproject.toml")
_TABLE: Final = "lusid-publish"
_NOT_HERE: Final = {"config", "help", "version"}
_IGNORE: Final = "ignore"
_ENTRY: Final = ("id", "reason", "expires")
_META: Final = f"{__name__}.project_file"


@dataclass(frozen=True)
class ProjectFile:
    """What the file has: values by parameter name, as click takes them, and `ignores`.

    `place` says where that is, for a person.
    """

    place: str
    values: Mapping[str, Any]
    ignores: tuple["Ignore", ...]


def read_project_file(path: Path | None, command: click.Command) -> ProjectFile | None:
    """Return what `path` has, or the file that is found without one; None when there is none.

    `command` is lusid-publish, whose options the keys are. Raises `ConfigurationError`, naming the
    file and the key, for anything that cannot be used.
    """
    found = _find(path)
    if found is None:
        return None
    place, table = found
    options = {
        key_of(option): option for option in command.params if isinstance(option, click.Option)
    }
    options = {key: option for key, option in options.items() if key not in _NOT_HERE}
    context = click.Context(command, resilient_parsing=True)
    values = {}
    for key, value in table.items():
        if key not in options:
            raise _unknown_key(place, key, options)
        if key != _IGNORE:
            option = options[key]
            values[str(option.name)] = _checked(option, _for_click(option, value), context, place)
    return ProjectFile(place, values, tuple(_ignores(table.get(_IGNORE, []), place)))


def remember(context: click.Context, file: ProjectFile | None, names: Iterable[str]) -> None:
    """Let the parameters `names` of the command take their defaults from `file`."""
    if file:
        context.default_map = {name: file.values[name] for name in names if name in file.values}
        context.meta[_META] = file


def remembered(context: click.Context) -> ProjectFile | None:
    """Return the file that the command took its defaults from."""
    file: ProjectFile | None = context.meta.get(_META)
    return file


def _find(path: Path | None) -> tuple[str, Mapping[str, Any]] | None:
    if path:
        return _own_or_pyproject(path, required=True)
    found = [
        place_and_table
        for candidate in (OWN_FILE, _PYPROJECT)
        if candidate.is_file() and (place_and_table := _own_or_pyproject(candidate))
    ]
    if len(found) > 1:
        raise ConfigurationError(
            f"There are defaults in two places: {found[0][0]} and {found[1][0]}.",
            cause="It could not be told which of them counts.",
            hint="Keep one, or name it with --config.",
        )
    return found[0] if found else None


def _own_or_pyproject(
    path: Path, *, required: bool = False
) -> tuple[str, Mapping[str, Any]] | None:
    document = _read(path)
    if path.name != _PYPROJECT.name:
        return str(path), document
    tool = document.get("tool", {})
    table = tool.get(_TABLE) if isinstance(tool, dict) else None
    place = f"{path} [tool.{_TABLE}]"
    if table is None and not required:
        return None
    if not isinstance(table, dict):
        raise ConfigurationError(f"{place} is no table.", hint="Write it as in the README.")
    return place, table


def _read(path: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415  # only where there is such a file

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read.", cause=str(error), hint="Correct the path or the file's mode."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"{path} is not TOML.", cause=f"{error}.", hint="Correct it; strings need quotes."
        ) from error


def _unknown_key(place: str, key: str, known: Iterable[str]) -> ConfigurationError:
    near = _nearest(key.replace("_", "-").lower(), known)
    meant = f"Did you mean {near}? " if near else ""
    return ConfigurationError(
        f"{place} has the key {key!r}, which is not known.",
        cause="The keys are the options of lusid-publish without the leading --. Passwords and "
        "tokens are none: they do not belong into a file of the project.",
        hint=f"{meant}See lusid-publish --help, and correct it or take it out.",
    )


def _nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that is most like `word`, empty when none is."""
    import difflib  # noqa: PLC0415  # only a mistake needs it

    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.4)), "")


def _for_click(option: click.Option, value: Any) -> Any:
    """Return a TOML value as click takes it, None where it is of the wrong kind."""
    if option.is_flag:
        if not isinstance(value, bool):
            return None
        return value if option.is_bool_flag else option.flag_value * value
    if option.multiple:
        if isinstance(value, dict):
            value = [f"{name}={_text(part)}" for name, part in value.items()]
        texts = [_text(part) for part in value] if isinstance(value, list) else [None]
        return None if None in texts else texts
    return _text(value)


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value)


def _checked(option: click.Option, value: Any, context: click.Context, place: str) -> Any:
    """Return `value`, which the option takes. Raises `ConfigurationError` when it does not."""
    kind = "true or false" if option.is_flag else "a list" if option.multiple else "one value"
    problem = f"it takes {kind}"
    if value is not None:
        try:
            option.type_cast_value(context, value)
            if option.callback and option.expose_value:
                option.callback(context, option, option.type_cast_value(context, value))
        except click.BadParameter as error:
            problem = error.message
        else:
            return value
    raise ConfigurationError(
        f"{place} has a value for {key_of(option)} that cannot be used.",
        cause=f"{problem[0].upper()}{problem[1:].removesuffix('.')}.",
        hint=f"See --{key_of(option)} in lusid-publish --help, and correct it.",
    )


def _ignores(entries: Any, place: str) -> Iterable["Ignore"]:
    if not isinstance(entries, list):
        raise _bad_entry(place, "it is a list of entries, each with id, reason and expires")
    for entry in entries:
        yield _ignore({"id": entry} if isinstance(entry, str) else entry, place)


def _ignore(entry: Any, place: str) -> "Ignore":
    from lusid_image_publish.scan.verdict import Ignore  # noqa: PLC0415  # it takes its time

    if not isinstance(entry, dict):
        raise _bad_entry(place, f"{entry!r} is neither a text nor a table with an id")
    for key in entry:
        if key not in _ENTRY:
            near = _nearest(key, _ENTRY)
            meant = f"; did you mean {near}?" if near else ""
            raise _bad_entry(place, f"{key!r} is none of id, reason and expires{meant}")
    name, reason = entry.get("id", ""), entry.get("reason", "")
    if not isinstance(name, str) or not name.strip():
        raise _bad_entry(place, "each needs an id, as in CVE-2026-1234")
    if not isinstance(reason, str):
        raise _bad_entry(place, f"the reason of {name} is not a text")
    return Ignore(name.strip(), reason.strip(), _last_day(entry.get("expires"), name, place))


def _last_day(value: Any, name: str, place: str) -> date | None:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    elif value is None:
        return None
    elif isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise _bad_entry(place, f"{name} expires on {value!s:.40}, which is no date as 2027-01-31")


def _bad_entry(place: str, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"{place} has an entry for ignore that cannot be used: {problem}.",
        hint='The form is [[ignore]] with id = "CVE-2026-1234", reason = "..." and expires = '
        "2027-01-31; in pyproject.toml [[tool.lusid-publish.ignore]].",
    )
