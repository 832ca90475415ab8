"""Read the project file: defaults of the options, and ignored vulnerabilities.

The file is `.lusid-publish.toml`, or `[tool.lusid-publish]` in `pyproject.toml`, in the working
directory or the nearest parent directory in the repository that has one. Its keys are the options
of lusid-publish without the leading `--`. Other commands use only its settings for LUSID and the
policy. A relative path in it is relative to its directory.

Someone else may have written a file that is found automatically, for example in a pull request. So
it may only have keys about the image and the policy, and no path outside its directory. A file that
you name with `--config` may have all options.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from lusid_image_publish.cli.parameters import key_of
from lusid_image_publish.cli.project_defaults import IGNORE_KEY, ProjectFile
from lusid_image_publish.cli.project_search import PYPROJECT, find_candidates
from lusid_image_publish.cli.report_option import path_of
from lusid_image_publish.config_sources import is_lusid_url
from lusid_image_publish.config_values import require_settings_file
from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.scan.verdict import Ignore
from lusid_image_publish.text import plain

_TABLE: Final = "lusid-publish"
_NO_FILE: Final = Path("none")  # what --config takes for no file
NOT_IN_FILE: Final = frozenset({"config", "help", "version"})
"""The options that are not keys of a file."""
_IMAGE: Final = {
    *("build-arg", "context", "image", "label", "no-cache", "platform", "pull", "target"),
    *("if-exists", "latest", "output", "report", "verbose", "wait-for"),
}
_LIMITS: Final = {
    *("engine-timeout", "poll-interval", "push-idle-timeout", "push-retries", "push-timeout"),
    *("run-timeout", "scan-timeout", "wait-timeout", "no-reuse"),
}
_POLICY: Final = {"fail-on", "fixable-only", "if-unscannable", "ignore", "max"}
FOUND_KEYS: Final = frozenset({*_IMAGE, *_LIMITS, *_POLICY, "scheduler-url"})
"""The keys that a file may have that was not named."""
PATH_KEYS: Final = frozenset(
    {"context", "secrets-file", "scan-findings", "access-token-file", "ca-bundle"}
)
"""The keys whose value is a path; `report` has paths too."""
_ENTRY: Final = ("id", "reason", "expires")
_MAX_LEVELS: Final = 4  # of tables and lists
_MAX_NUMBER: Final = 1 << 63
_MAX_KEY_CHARACTERS: Final = 80


class _Found(NamedTuple):
    """The content of a file: `place` says where it is, `folder` has the file in it."""

    place: str
    folder: Path
    table: Mapping[str, Any]


def read_project_file(path: Path | None, command: click.Command) -> ProjectFile | None:
    """Read `path`, or without one the file that is found; return None if there is no file.

    The path `none` means no file. `command` is lusid-publish, whose options are the keys. Raises
    `ConfigurationError`, with the file and the key, for an invalid value, or one that only a named
    file may have.
    """
    if path == _NO_FILE:
        return None
    found = _find(path)
    if found is None:
        return None
    place, folder, table = found
    for key, value in table.items():
        _require_ordinary(place, key, value)
    options = {
        key_of(option): option for option in command.params if isinstance(option, click.Option)
    }
    options = {key: option for key, option in options.items() if key not in NOT_IN_FILE}
    context = click.Context(command, resilient_parsing=True)
    values = {}
    for key, value in table.items():
        if key not in options:
            raise _unknown_key(place, key, options)
        if key != IGNORE_KEY:
            option = options[key]
            located = _located(key, _for_click(option, value), folder)
            values[str(option.name)] = _checked(option, located, context, place)
        if path is None:
            _require_harmless(place, key, value)
    if path is None:
        _require_inside(place, values, folder)
    ignores = tuple(_ignores(table.get(IGNORE_KEY, []), place))
    return ProjectFile(place, values, ignores, is_named=path is not None)


def _find(path: Path | None) -> _Found | None:
    if path:
        return _own_or_pyproject(path, required=True)
    for candidates in find_candidates():
        found = [table for file in candidates if (table := _own_or_pyproject(file))]
        if len(found) > 1:
            raise ConfigurationError(
                f"There are defaults in two places: {found[0].place} and {found[1].place}.",
                cause="Only one of them can be used.",
                hint="Remove one, or name the one to use with --config.",
            )
        if found:
            return found[0]
    return None


def _own_or_pyproject(path: Path, *, required: bool = False) -> _Found | None:
    document = _read(path)
    if path.name != PYPROJECT.name:
        return _Found(str(path), path.parent, document)
    tool = document.get("tool", {})
    table = tool.get(_TABLE) if isinstance(tool, dict) else None
    place = f"{path} [tool.{_TABLE}]"
    if table is None and not required:
        return None
    if not isinstance(table, dict):
        raise ConfigurationError(
            f"{place} is not a table.", hint="Write it as shown in the documentation."
        )
    return _Found(place, path.parent, table)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(require_settings_file(path).decode())
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"{path} is not TOML.", cause=f"{error}.", hint="Correct it; strings need quotes."
        ) from error


def _require_ordinary(place: str, key: str, value: Any, depth: int = 1) -> None:
    """Raise `ConfigurationError` for a TOML value that no option accepts."""
    problem = ""
    if isinstance(value, list | dict):
        problem = "nested too deeply" if depth > _MAX_LEVELS else ""
        for part in value.values() if isinstance(value, dict) else value:
            if not problem:
                _require_ordinary(place, key, part, depth + 1)
    elif isinstance(value, int) and abs(value) > _MAX_NUMBER:
        problem = "a number that is too large"
    elif isinstance(value, str) and "\0" in value:
        problem = "a string with a NUL character"
    if problem:
        shown = plain(key, longest=_MAX_KEY_CHARACTERS)
        raise ConfigurationError(
            f"{place} has an invalid value for {shown}.",
            cause=f"It is {problem}.",
            hint="Correct or remove it.",
        )


def _require_harmless(place: str, key: str, value: Any) -> None:
    """Raise `ConfigurationError` for a value that only a named file may have."""
    values = value if isinstance(value, list) else [value]
    if key not in FOUND_KEYS:
        raise _not_found_by_itself(place, key, "sets {key}")
    if key == "scheduler-url" and not (isinstance(value, str) and is_lusid_url(value)):
        raise _not_found_by_itself(
            place, key, "sets {key} to a URL other than https://<domain>.lusid.com"
        )
    if (
        key == "build-arg"
        and not isinstance(value, dict)
        and not all("=" in str(v) for v in values)
    ):
        raise _not_found_by_itself(place, key, "takes a value of {key} from the environment")


def _require_inside(place: str, values: Mapping[str, Any], folder: Path) -> None:
    """Raise `ConfigurationError` for a path that only a named file may have."""
    paths = {
        "context": [Path(values["context"])] if "context" in values else [],
        "report": list(map(path_of, values.get("reports", ()))),
    }
    for key, of_key in paths.items():
        if not all(_is_inside(path, folder) for path in of_key):
            raise _not_found_by_itself(
                place, key, "sets {key} to a path outside its directory or in .git"
            )


def _is_inside(path: Path, folder: Path) -> bool:
    """Return whether `path` is in `folder`, and not in its `.git`, where Git reads its settings."""
    try:
        inner = path.resolve().relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):
        return False
    return ".git" not in map(str.lower, inner.parts)


def _not_found_by_itself(place: str, key: str, does: str) -> ConfigurationError:
    return ConfigurationError(
        f"{place} {does.format(key=key)}, which only a file that you name may do.",
        cause="The file was found automatically, and someone else may have written it, for example "
        "in a pull request.",
        hint=f"Remove it and use --{key}. If you trust the file, name it: --config "
        f"{place.partition(' ')[0]}; --config none ignores it.",
    )


def _unknown_key(place: str, key: str, known: Iterable[str]) -> ConfigurationError:
    near = _nearest(key.replace("_", "-").lower(), known)
    meant = f"Did you mean {near}? " if near else ""
    return ConfigurationError(
        f"{place} has the unknown key {key!r}.",
        cause="The keys are the options of lusid-publish without the leading --. Passwords and "
        "tokens do not belong in a project file.",
        hint=f"{meant}See lusid-publish --help, and correct or remove it.",
    )


def _nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that is most similar to `word`, empty if there is none."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.4)), "")


def _for_click(option: click.Option, value: Any) -> Any:
    """Return a TOML value in the form that click accepts, None if its type is wrong."""
    if option.is_flag:
        if not isinstance(value, bool):
            return None
        return value if option.is_bool_flag else option.flag_value * value
    if option.multiple:
        return _texts(value)
    return _text(value)


def _texts(value: Any) -> list[str] | None:
    """Return the texts of a list, or of a table as NAME=VALUE each."""
    if isinstance(value, dict):
        pairs = [(f"{name}=", _text(part)) for name, part in value.items()]
    elif isinstance(value, list):
        pairs = [("", _text(part)) for part in value]
    else:
        return None
    texts = [f"{name}{text}" for name, text in pairs if text is not None]
    return texts if len(texts) == len(pairs) else None


def _located(key: str, value: Any, folder: Path) -> Any:
    """Return a value of `_for_click` with paths from the working directory, not from `folder`."""
    if key in PATH_KEYS and isinstance(value, str):
        return _path_in(folder, value)
    if key == "report" and isinstance(value, list):
        parts = (text.partition("=") for text in value)
        return [f"{form}{equals}{_path_in(folder, name)}" for form, equals, name in parts]
    return value


def _path_in(folder: Path, text: str) -> str:
    is_as_it_is = folder == Path() or text in ("", "-") or text.startswith("~")
    return text if is_as_it_is else str(folder / text)


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value)


def _checked(option: click.Option, value: Any, context: click.Context, place: str) -> Any:
    """Return `value` if the option accepts it. Raises `ConfigurationError` otherwise."""
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
        f"{place} has an invalid value for {key_of(option)}.",
        cause=f"{problem[0].upper()}{problem[1:].removesuffix('.')}.",
        hint=f"See --{key_of(option)} in lusid-publish --help, and correct it.",
    )


def _ignores(entries: Any, place: str) -> Iterable[Ignore]:
    if not isinstance(entries, list):
        raise _bad_entry(place, "it must be a list of entries with id, reason and expires")
    for entry in entries:
        yield _ignore({"id": entry} if isinstance(entry, str) else entry, place)


def _ignore(entry: Any, place: str) -> Ignore:
    if not isinstance(entry, dict):
        raise _bad_entry(place, f"{entry!r} is neither a string nor a table with an id")
    for key in entry:
        if key not in _ENTRY:
            near = _nearest(key, _ENTRY)
            meant = f" (did you mean {near}?)" if near else ""
            raise _bad_entry(place, f"{key!r} is not one of id, reason and expires{meant}")
    name, reason = entry.get("id", ""), entry.get("reason", "")
    if not isinstance(name, str) or not name.strip():
        raise _bad_entry(place, "each entry needs an id, for example CVE-2026-1234")
    if not isinstance(reason, str):
        raise _bad_entry(place, f"the reason of {name} is not a string")
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
    raise _bad_entry(
        place, f"{name} expires on {value!s:.40}, which is not a date such as 2027-01-31"
    )


def _bad_entry(place: str, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"{place} has an invalid value for ignore: {problem}.",
        hint='Write it as [[ignore]] with id = "CVE-2026-1234", reason = "..." and expires = '
        "2027-01-31; in pyproject.toml [[tool.lusid-publish.ignore]].",
    )
