"""The forms of secrets.json: FINBOURNE's tools have three.

- `{"api": {...}, "proxy": {...}}`: the SDK of each service, and `docker-setup.sh`.
- `{"profiles": {"default": {...}, "proxy": {...}}}`: finbourne-sdk; FBN_PROFILE names the profile.
- The keys of `api` at the top level: the first `docker-setup.sh`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from lusid_image_publish.config_base_urls import BASE_KEYS
from lusid_image_publish.text import plain

DEFAULT_PROFILE: Final = "default"
_LUSIDS_OWN: Final = frozenset({"schedulerUrl", "lusid_schedulerUrl", "tokenUrl", *BASE_KEYS})
"""Keys that tell LUSID's secrets.json, in its flat form, from that of another program."""
_MAX_LEVELS: Final = 3
_MAX_NAMES: Final = 12
_MAX_KEY_CHARACTERS: Final = 40


@dataclass(frozen=True)
class Section:
    """An object of the document; `path` is where it is, empty for the top level."""

    path: str
    values: Mapping[str, Any]

    def key(self, entry: str) -> str:
        """Return the key of an entry, as messages have it."""
        return f"{self.path}.{entry}" if self.path else entry


def sections_of(document: Mapping[str, Any], profile: str) -> dict[str, Section]:
    """Return the sections `api` and `proxy`, whichever form the document has.

    One form alone is read, so that a secret of one does not go to a place of the other: the profile
    that `profile` names, else `api`, else the profile `default`, else the top level.
    """
    profiles = _object_in(document, "profiles")
    name = profile or DEFAULT_PROFILE
    chosen = Section(f"profiles.{name}", _object_in(profiles, name))
    api = Section("api", _object_in(document, "api"))
    proxy = Section("proxy", _object_in(document, "proxy"))
    if chosen.values and (profile or not api.values):
        return {"api": chosen, "proxy": Section("profiles.proxy", _object_in(profiles, "proxy"))}
    if not api.values and document.keys() & _LUSIDS_OWN:
        api = Section("", document)
    return {"api": api, "proxy": proxy}


def remark_on_unused(path: Path, document: Mapping[str, Any], profile: str) -> str:
    """Return a remark on a file without usable settings: its keys, and the expected ones."""
    name = plain(profile, longest=_MAX_KEY_CHARACTERS) or DEFAULT_PROFILE
    chosen = f" (FBN_PROFILE is {name})" if profile else ""
    return (
        f"{path} has no usable setting: its keys are {_list_keys(document)}{chosen}. "
        "Expected are api.schedulerUrl and api.accessToken, or "
        f"profiles.{name}.baseUrl and profiles.{name}.accessToken."
        + (" To use another profile, set FBN_PROFILE." if "profiles" in document else "")
    )


def _object_in(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def _list_keys(document: Mapping[str, Any]) -> str:
    keys = list(islice(_keys_of(document, _MAX_LEVELS), _MAX_NAMES))
    if not keys:
        return "none"
    more = f" and others, {len(document)} at the top level" if len(keys) == _MAX_NAMES else ""
    return ", ".join(keys) + more


def _keys_of(document: Mapping[str, Any], depth: int, before: str = "") -> Iterator[str]:
    for key, value in document.items():
        path = f"{before}{plain(key, longest=_MAX_KEY_CHARACTERS)}"
        if isinstance(value, dict) and value and depth > 1:
            yield from _keys_of(value, depth - 1, f"{path}.")
        else:
            yield path
