"""Gather the settings from their sources.

The sources, the strongest first: the caller (options, inputs), a named secrets file, the
environment, a `./secrets.json` that was not named, the project file.

A secret goes only to a place that the same source or a stronger one named. So someone who can write
a file in a checkout cannot redirect a secret of the environment.
"""

import json
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

from lusid_image_publish.config_base_urls import (
    BASE_KEYS,
    BASE_VARIABLES,
    host_of,
    is_same_server,
    scheduler_url_of,
)
from lusid_image_publish.config_secrets_forms import Section, remark_on_unused, sections_of
from lusid_image_publish.config_values import UNTRIMMED, require_settings_file, setting_label
from lusid_image_publish.errors import ConfigurationError

SECRETS_FILE: Final = Path("secrets.json")
_VARIABLE: Final = "environment variable "


class Strength(IntEnum):
    """How strong a source is, the weakest first."""

    PROJECT_FILE = 0
    FOUND_SECRETS_FILE = 1
    ENVIRONMENT = 2
    NAMED_SECRETS_FILE = 3
    CALLER = 4


@dataclass(frozen=True)
class Given:
    """The text of one setting; `origin` describes its source.

    `names_places` is its strength as a place for a secret. It differs for a project file that the
    user named: its values are defaults, but it may name places.
    """

    text: str
    origin: str
    strength: Strength
    names_places: Strength


@dataclass(frozen=True)
class SettingNames:
    """The environment variables of a setting and its keys in `secrets.json`, best ones first."""

    variables: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


NAMES: Final[Mapping[str, SettingNames]] = {
    "scheduler_url": SettingNames(
        ("FBN_SCHEDULER_URL", "FBN_LUSID_SCHEDULER_API_URL", "FBN_SCHEDULER_API_URL"),
        ("api.schedulerUrl", "api.lusid_schedulerUrl"),
    ),
    "access_token": SettingNames(
        ("FBN_ACCESS_TOKEN", "FBN_LUSID_ACCESS_TOKEN"), ("api.accessToken",)
    ),
    "access_token_file": SettingNames(("FBN_ACCESS_TOKEN_FILE",)),
    "token_url": SettingNames(("FBN_TOKEN_URL",), ("api.tokenUrl",)),
    "username": SettingNames(("FBN_USERNAME",), ("api.username",)),
    "password": SettingNames(("FBN_PASSWORD",), ("api.password",)),
    "client_id": SettingNames(("FBN_CLIENT_ID",), ("api.clientId",)),
    "client_secret": SettingNames(("FBN_CLIENT_SECRET",), ("api.clientSecret",)),
    "app_name": SettingNames(("FBN_APP_NAME",), ("api.applicationName",)),
    "correlation_id": SettingNames(("FBN_CORRELATION_ID",)),
    "ca_bundle": SettingNames(("FBN_CLIENT_CERTIFICATE",), ("api.clientCertificate",)),
    "proxy_address": SettingNames(("FBN_PROXY_ADDRESS",), ("proxy.address",)),
    "proxy_username": SettingNames(("FBN_PROXY_USERNAME",), ("proxy.username",)),
    "proxy_password": SettingNames(("FBN_PROXY_PASSWORD",), ("proxy.password",)),
    "total_timeout_ms": SettingNames(("FBN_TOTAL_TIMEOUT_MS",), ("api.totalTimeoutMs",)),
    "connect_timeout_ms": SettingNames(("FBN_CONNECT_TIMEOUT_MS",), ("api.connectTimeoutMs",)),
    "read_timeout_ms": SettingNames(("FBN_READ_TIMEOUT_MS",), ("api.readTimeoutMs",)),
    "rate_limit_retries": SettingNames(("FBN_RATE_LIMIT_RETRIES",), ("api.rateLimitRetries",)),
}

CREDENTIALS: Final = ("access_token_file", "access_token", "password")
"""The secret of each kind of credentials, the preferred one first."""

_PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "access_token_file": ("scheduler_url", "proxy_address", "ca_bundle"),
    "access_token": ("scheduler_url", "proxy_address", "ca_bundle"),
    "password": ("token_url", "scheduler_url", "proxy_address", "ca_bundle"),
    "client_secret": ("token_url", "scheduler_url", "proxy_address", "ca_bundle"),
    "proxy_password": ("proxy_address",),
}
"""The settings that decide where a secret goes, or who can read it on the way."""


class _Source(NamedTuple):
    """What one source has: settings, the Scheduler's URL from LUSID's own, and remarks."""

    found: Mapping[str, Given]
    bases: tuple[Given, ...] = ()
    remarks: tuple[str, ...] = ()


def gather(
    overrides: Mapping[str, tuple[str, str]],
    environ: Mapping[str, str],
    defaults: Mapping[str, tuple[str, str]],
    *,
    secrets_file: Path | None,
    finds_secrets_file: bool,
    defaults_are_named: bool = False,
) -> tuple[dict[str, Given], tuple[str, ...]]:
    """Return each setting from its strongest source, with one kind of credentials, and remarks.

    The remarks describe settings that were found but are not used. The parameters are those of
    `load_settings`; `finds_secrets_file` says whether `./secrets.json` is read if no other file is
    named. Raises `ConfigurationError` for an unusable file, or if it is unclear which Scheduler is
    meant.
    """
    weak, strong = Strength.PROJECT_FILE, Strength.CALLER
    places = strong if defaults_are_named else weak
    profile = environ.get("FBN_PROFILE", "").strip()
    of_project = {
        name: Given(text, origin, weak, places) for name, (text, origin) in defaults.items()
    }
    of_caller = {
        name: Given(text, origin, strong, strong) for name, (text, origin) in overrides.items()
    }
    sources = [_Source(of_project)]
    if finds_secrets_file and not secrets_file and SECRETS_FILE.exists():
        sources.append(_from_secrets_file(SECRETS_FILE, Strength.FOUND_SECRETS_FILE, profile))
    sources.append(_from_environment(environ))
    if secrets_file:
        sources.append(_from_secrets_file(secrets_file, Strength.NAMED_SECRETS_FILE, profile))
    sources.append(_Source(of_caller))
    found: dict[str, Given] = {}
    bases: tuple[Given, ...] = ()
    for source in sources:
        found |= source.found
        bases = source.bases or bases
    found = _with_one_credential(found)
    remarks = tuple(remark for source in sources for remark in source.remarks)
    return _with_scheduler_url(found, bases, remarks)


def require_safe_places(found: Mapping[str, Given]) -> None:
    """Raise `ConfigurationError` if a secret would go to a place that a weaker source named.

    A Scheduler URL of FINBOURNE's own domain, `https://*.lusid.com`, may come from any source.
    """
    for secret, places in _PLACES.items():
        if secret not in found or (secret == "client_secret" and "password" not in found):  # noqa: S105
            continue
        for place in places:
            given = found.get(place)
            if (
                given is None
                or given.names_places >= found[secret].strength
                or (place == "scheduler_url" and is_lusid_url(given.text))
            ):
                continue
            raise _weaker_place_error(secret, found[secret], place, given)


def is_lusid_url(url: str) -> bool:
    """Return whether `url` is `https://*.lusid.com`, on the usual port: FINBOURNE's own domain."""
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    labels = host.removesuffix(".lusid.com").split(".")
    return (
        parts.scheme == "https"
        and port in {None, 443}
        and host.endswith(".lusid.com")
        and all(re.fullmatch(r"[a-z0-9_-]+", label) for label in labels)
        and "@" not in parts.netloc
    )


def _with_one_credential(found: dict[str, Given]) -> dict[str, Given]:
    """Return `found` with one kind of credentials: the preferred one of the strongest source."""
    kinds = [name for name in CREDENTIALS if name in found]
    if not kinds:
        return found
    used = max(kinds, key=lambda name: found[name].strength)
    return {name: given for name, given in found.items() if name == used or name not in kinds}


def _with_scheduler_url(
    found: dict[str, Given], bases: tuple[Given, ...], remarks: tuple[str, ...]
) -> tuple[dict[str, Given], tuple[str, ...]]:
    """Return `found` with the Scheduler's URL, and the remarks.

    `bases` are the URLs that follow from LUSID's own, of the strongest source that has any. They
    are used where the Scheduler has no URL of its own. A place that a base names as well is as
    strong as that.
    """
    explicit = found.get("scheduler_url")
    if not bases:
        return found, remarks
    if explicit is None:
        for other in bases[1:]:
            if not is_same_server(bases[0].text, other.text):
                raise _two_servers_error(bases[0], other)
        return found | {"scheduler_url": bases[0]}, remarks
    for base in bases:
        if is_same_server(base.text, explicit.text):
            places = max(explicit.names_places, base.names_places)
            return found | {"scheduler_url": replace(explicit, names_places=places)}, remarks
    base = bases[0]
    if explicit.names_places < base.strength:
        for secret in CREDENTIALS:
            if secret in found and explicit.names_places < found[secret].strength:
                raise _two_servers_error(base, explicit, secret=f"The {setting_label(secret)}")
    unused = f"{base.origin} is not used: it points to {host_of(base.text)}, but {explicit.origin} "
    return found, (*remarks, f"{unused}names the Scheduler, at {host_of(explicit.text)}.")


def _two_servers_error(one: Given, other: Given, *, secret: str = "") -> ConfigurationError:
    hosts = host_of(one.text), host_of(other.text)
    return ConfigurationError(
        f"Two LUSID servers are set: {hosts[0]} and {hosts[1]}.",
        cause=f"{one.origin} points to {hosts[0]}, {other.origin} to {hosts[1]}."
        + (
            f" {secret} is not sent to the second, because a weaker source names it."
            if secret
            else ""
        ),
        hint="Set FBN_SCHEDULER_URL to the Scheduler that you want, for example "
        "https://<domain>.lusid.com/scheduler2, or remove the other.",
    )


def _weaker_place_error(secret: str, kept: Given, place: str, named: Given) -> ConfigurationError:
    what, where = setting_label(secret), setting_label(place)
    cause = (
        f"The {what} comes from {kept.origin}, the {where} from {named.origin}, which is weaker: "
        "anybody who can write there could have the secret sent to them."
    )
    hint = f"Set the {where} where the {what} is set, or use --{place.replace('_', '-')}."
    if named.strength is Strength.FOUND_SECRETS_FILE:
        cause += (
            f" {SECRETS_FILE} was stronger than the environment before; now it is weaker, unless "
            "you name it."
        )
        hint = (
            f"If you trust the file, name it: --secrets-file {SECRETS_FILE}. Otherwise remove it."
        )
    return ConfigurationError(
        f"The {what} would go to a place that a weaker source names: the {where}.",
        cause=cause,
        hint=hint,
    )


def _from_environment(environ: Mapping[str, str]) -> _Source:
    found = {}
    strength = Strength.ENVIRONMENT
    for name, names in NAMES.items():
        for variable in names.variables:
            if value := environ.get(variable, "").strip():
                origin = f"{_VARIABLE}{variable}"
                found[name] = Given(value, origin, strength, strength)
                break
    urls = {
        variable: (value, f"{_VARIABLE}{variable}")
        for variable in BASE_VARIABLES
        if (value := environ.get(variable, "").strip())
    }
    remarks = []
    if environ.get("FBN_SECRETS_PATH", "").strip():
        remarks.append(
            "FBN_SECRETS_PATH is not read: name the file with --secrets-file, for example "
            '--secrets-file "$FBN_SECRETS_PATH".'
        )
    return _with_bases(_Source(found, (), tuple(remarks)), urls, strength)


def _with_bases(
    source: _Source, urls: Mapping[str, tuple[str, str]], strength: Strength
) -> _Source:
    """Return a source with the Scheduler URLs for `urls` of LUSID: by name, with their origins."""
    bases, remarks = [], list(source.remarks)
    for name, (url, origin) in urls.items():
        if scheduler_url := scheduler_url_of(name, url):
            bases.append(Given(scheduler_url, f"LUSID's URL in {origin}", strength, strength))
        else:
            remarks.append(
                f"{origin.removeprefix(_VARIABLE)} does not show where the Scheduler is: it is not "
                "https://<domain>.lusid.com or https://<domain>.lusid.com/api."
            )
    return _Source(source.found, tuple(bases), tuple(remarks))


def _from_secrets_file(path: Path, strength: Strength, profile: str) -> _Source:
    document = _read_json(path)
    sections = sections_of(document, profile)
    found = {}
    for name, names in NAMES.items():
        for key in names.keys:
            section, _, entry = key.partition(".")
            text = _text_in(sections[section], entry, path)
            if not text.strip():
                continue
            if not sections[section].path and name == "scheduler_url":
                text = re.sub(r"/api/images/?\s*$", "", text)  # as the first docker-setup.sh has it
            origin = f"{path} ({sections[section].key(entry)})"
            found[name] = Given(
                text if name in UNTRIMMED else text.strip(), origin, strength, strength
            )
            break
    api = sections["api"]
    urls = {
        key: (text, f"{path} ({api.key(key)})")
        for key in BASE_KEYS
        if (text := _text_in(api, key, path).strip())
    }
    source = _with_bases(_Source(found), urls, strength)
    if not found and not urls:
        remark = remark_on_unused(path, document, profile)
        return _Source({}, (), (remark,))
    return source


def _text_in(section: Section, entry: str, path: Path) -> str:
    """Return the text of an entry, empty where it is not set. Raises `ConfigurationError`."""
    value = section.values.get(entry)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ConfigurationError(
            f"{path} has an invalid value for {section.key(entry)}.",
            cause="It is neither a string nor a number.",
            hint='Write it in quotes: {"api": {"schedulerUrl": "..."}}.',
        )
    return str(value)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(require_settings_file(path).decode("utf-8-sig"))
    except (ValueError, RecursionError):
        # Drop the error and its context: both quote the file, which holds secrets.
        document = None
    if not isinstance(document, dict) or not all(
        isinstance(document.get(section, {}), dict) for section in ("api", "proxy")
    ):
        raise ConfigurationError(
            f"{path} is not a JSON document with an 'api' object.",
            cause="It has a trailing comma or a comment, or is another kind of file.",
            hint='Write it as {"api": {"schedulerUrl": "...", "accessToken": "..."}}.',
        )
    return document
