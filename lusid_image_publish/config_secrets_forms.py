"""The forms of secrets.json: FINBOURNE's tools have three.

- `{"api": {...}, "proxy": {...}}`: the SDK of each service, and `docker-setup.sh`.
- `{"profiles": {"default": {...}, "proxy": {...}}}`: finbourne-sdk; FBN_PROFILE names the profile.
- The keys of `api` at the top level: the first `docker-setup.sh`.

Messages show the keys of a file, never its values.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, Final

from lusid_image_publish.config_base_urls import BASE_KEYS
from lusid_image_publish.config_values import require_settings_file
from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.text import plain

DEFAULT_PROFILE: Final = "default"
_PROXY: Final = "proxy"
_LUSIDS_OWN: Final = frozenset({"schedulerUrl", "lusid_schedulerUrl", "tokenUrl", *BASE_KEYS})
"""Keys that tell LUSID's secrets.json, in its flat form, from that of another program."""
_MAX_LEVELS: Final = 3
_MAX_NAMES: Final = 12
_MAX_KEY_CHARACTERS: Final = 40
_CUT_KEY_CHARACTERS: Final = 8
_HINT: Final = (
    'Write it as {"api": {"schedulerUrl": "...", "accessToken": "..."}} or '
    '{"profiles": {"default": {"baseUrl": "...", "accessToken": "..."}}}.'
)


@dataclass(frozen=True)
class Section:
    """An object of the document; `path` is where it is, empty for the top level."""

    path: str
    values: Mapping[str, Any]

    def key(self, entry: str) -> str:
        """Return the key of an entry, as messages have it."""
        return f"{self.path}.{entry}" if self.path else entry


def read_document(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file. Raises `ConfigurationError`, without the file's content."""
    content = require_settings_file(path)
    document, cause = None, ""
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        cause = f"It is not JSON at line {error.lineno}, column {error.colno}."
    except UnicodeDecodeError:
        cause = "It is not UTF-8 text."
    except (ValueError, RecursionError):
        cause = "It has a number that is too long, or too many levels."
    # Raise outside of `except`: those errors quote the file, which holds secrets.
    if not content.strip():
        cause = "It is empty."
    elif not cause and not isinstance(document, dict):
        cause = f"It is {_kind_of(document)}, not an object."
    if cause:
        raise ConfigurationError(f"{path} is not a JSON object.", cause=cause, hint=_HINT)
    return document or {}


def sections_of(path: Path, document: Mapping[str, Any], profile: str) -> dict[str, Section]:
    """Return the sections `api` and `proxy`, whichever form the document has.

    One form alone is read, so that a secret of one does not go to a place of the other: the profile
    that `profile` names, else `api`, else the profile `default`, else the top level. Raises
    `ConfigurationError` if the document has profiles, but not that one, and for a section that is
    not an object.
    """
    for key in ("api", _PROXY):
        _require_object(path, document, key)
    profiles = _object_in(document, "profiles")
    if profile and "profiles" in document:
        _require_profile(path, profiles, profile)
    name = profile or DEFAULT_PROFILE
    chosen = Section(f"profiles.{_shown(name)}", _object_in(profiles, name))
    api = Section("api", _object_in(document, "api"))
    proxy = Section(_PROXY, _object_in(document, _PROXY))
    if (profile and "profiles" in document) or (chosen.values and not api.values):
        return {"api": chosen, _PROXY: Section("profiles.proxy", _object_in(profiles, _PROXY))}
    if not api.values and document.keys() & _LUSIDS_OWN:
        api = Section("", document)
    return {"api": api, _PROXY: proxy}


def remark_on_no_setting(path: Path, document: Mapping[str, Any], profile: str) -> str:
    """Return a remark on a file without usable settings: its keys, and the expected ones."""
    name = _shown(profile) or DEFAULT_PROFILE
    chosen = f" (FBN_PROFILE is {name})" if profile else ""
    return (
        f"{path} has no usable setting: its keys are {_list_keys(document)}{chosen}. "
        "Expected are api.schedulerUrl and api.accessToken, or "
        f"profiles.{name}.baseUrl and profiles.{name}.accessToken."
        + (" To use another profile, set FBN_PROFILE." if "profiles" in document else "")
    )


def remark_on_unused_keys(
    path: Path,
    document: Mapping[str, Any],
    sections: Mapping[str, Section],
    known: Mapping[str, frozenset[str]],
    *,
    has_credentials: bool,
) -> str:
    """Return a remark on the keys of a file that are not used, empty if there are none.

    `known` has the entries that each section may have.
    """
    unused = list(islice(_unused_keys(document, sections, known), _MAX_NAMES + 1))
    if not unused:
        return ""
    section = sections["api"]
    where = f"under {section.path}" if section.path else "at the top level"
    lacks = "" if has_credentials else f" has no accessToken {where};"
    more = " and others" if len(unused) > _MAX_NAMES else ""
    return f"{path}{lacks or ':'} not used: {', '.join(unused[:_MAX_NAMES])}{more}."


def text_in(section: Section, entry: str, path: Path) -> str:
    """Return the text of an entry, empty where it is not set. Raises `ConfigurationError`."""
    value = section.values.get(entry)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ConfigurationError(
            f"{path} has an invalid value for {section.key(entry)}.",
            cause=f"It is {_kind_of(value)}, neither a string nor a number.",
            hint='Write it in quotes, as in {"api": {"schedulerUrl": "..."}}.',
        )
    return str(value)


def _require_object(path: Path, document: Mapping[str, Any], key: str, before: str = "") -> None:
    if isinstance(document.get(key, {}), dict):
        return
    raise ConfigurationError(
        f"{path} has an invalid value for {before}{_shown(key)}.",
        cause=f"It is {_kind_of(document[key])}, not an object.",
        hint=_HINT,
    )


def _require_profile(path: Path, profiles: Mapping[str, Any], profile: str) -> None:
    """Raise `ConfigurationError` if FBN_PROFILE does not name a profile of the file."""
    others = [_shown(key) for key in islice(profiles, _MAX_NAMES + 1) if key != _PROXY]
    names = ", ".join(others[:_MAX_NAMES]) or "none"
    hint = f"Set FBN_PROFILE to a profile of the file, or unset it. Its profiles: {names}."
    if profile == _PROXY:
        raise ConfigurationError(
            f"FBN_PROFILE is {_PROXY}, which is not a profile of {path}.",
            cause="profiles.proxy has the HTTP proxy for all profiles.",
            hint=hint,
        )
    if profile not in profiles:
        raise ConfigurationError(
            f"{path} does not have the profile {_shown(profile)}.",
            cause="Set in the environment variable FBN_PROFILE.",
            hint=hint,
        )
    _require_object(path, profiles, profile, "profiles.")


def _unused_keys(
    document: Mapping[str, Any],
    sections: Mapping[str, Section],
    known: Mapping[str, frozenset[str]],
) -> Iterator[str]:
    """Yield each key that is not used, with the key that may be meant."""
    api = sections["api"]
    used = {"profiles"} if api.path.startswith("profiles.") else {"api", _PROXY}
    for name, section in sections.items():
        entries = {entry: entry for entry in known[name]}
        for key in section.values:
            if key not in entries and (section.path or key not in used):
                yield _with_suggestion(section.key(_shown(key)), key, entries)
    entries = {entry: api.key(entry) for entry in known["api"]}
    for key in document if api.path else ():
        if key not in used:
            yield _with_suggestion(_shown(key), key, entries)


def _with_suggestion(shown: str, key: str, entries: Mapping[str, str]) -> str:
    """Return `shown` with the entry that `key` is like; `entries` maps them to their full keys."""
    names = {_bare(entry): full for entry, full in sorted(entries.items())}
    close = get_close_matches(_bare(key), names, n=1, cutoff=0.8)
    return f"{shown} (did you mean {names[close[0]]}?)" if close else shown


def _bare(key: str) -> str:
    return re.sub("[_-]", "", key[: _MAX_KEY_CHARACTERS + 1]).lower()


def _object_in(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def _kind_of(value: object) -> str:
    """Return what a value of JSON is."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    for kind, words in ((str, "a string"), (list, "a list"), (dict, "an object")):
        if isinstance(value, kind):
            return words
    return "a number"


def _shown(key: str) -> str:
    """Return a key for a message; one that may be a secret is cut."""
    text = plain(key)
    return text if len(text) <= _MAX_KEY_CHARACTERS else f"{text[:_CUT_KEY_CHARACTERS]}..."


def _list_keys(document: Mapping[str, Any]) -> str:
    keys = list(islice(_keys_of(document, _MAX_LEVELS), _MAX_NAMES))
    if not keys:
        return "none"
    more = f" and others, {len(document)} at the top level" if len(keys) == _MAX_NAMES else ""
    return ", ".join(keys) + more


def _keys_of(document: Mapping[str, Any], depth: int, before: str = "") -> Iterator[str]:
    for key, value in document.items():
        path = f"{before}{_shown(key)}"
        if isinstance(value, dict) and value and depth > 1:
            yield from _keys_of(value, depth - 1, f"{path}.")
        else:
            yield path
