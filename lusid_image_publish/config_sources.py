"""Gather the settings from their sources.

The sources, the strongest first: the caller (options, inputs), a named secrets file, the
environment, a `./secrets.json` that was not named, the project file.

A secret goes only to a place that the same source or a stronger one named. So someone who can write
a file in a checkout cannot redirect a secret of the environment.
"""

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from lusid_image_publish.config_base_urls import BASE_KEYS, BASE_VARIABLES, read_base_url
from lusid_image_publish.config_given import Given, Strength
from lusid_image_publish.config_secrets_forms import (
    read_document,
    remark_on_no_setting,
    remark_on_unused_keys,
    sections_of,
    text_in,
)
from lusid_image_publish.config_servers import CREDENTIALS, Servers, choose_scheduler
from lusid_image_publish.config_values import UNTRIMMED, setting_label
from lusid_image_publish.errors import ConfigurationError

SECRETS_FILE: Final = Path("secrets.json")
_VARIABLE: Final = "environment variable "


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

_KNOWN_ENTRIES: Final[Mapping[str, frozenset[str]]] = {
    section: frozenset(
        key.removeprefix(f"{section}.")
        for names in NAMES.values()
        for key in names.keys
        if key.startswith(f"{section}.")
    )
    | extra
    for section, extra in (("api", frozenset(BASE_KEYS)), ("proxy", frozenset[str]()))
}
"""The entries that the sections of `secrets.json` may have."""

_PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "access_token_file": ("scheduler_url", "proxy_address", "ca_bundle"),
    "access_token": ("scheduler_url", "proxy_address", "ca_bundle"),
    "password": ("token_url", "scheduler_url", "proxy_address", "ca_bundle"),
    "client_secret": ("token_url", "scheduler_url", "proxy_address", "ca_bundle"),
    "proxy_password": ("proxy_address",),
}
"""The settings that decide where a secret goes, or who can read it on the way."""


class _Source(NamedTuple):
    """What one source has: settings, the URLs of servers, and remarks."""

    found: Mapping[str, Given]
    servers: Servers = Servers()
    remarks: tuple[str, ...] = ()


class Gathered(NamedTuple):
    """The settings of all sources together.

    `unused` has the origins of credentials that are not used; `remarks` describe other settings
    that were found but are not used.
    """

    found: dict[str, Given]
    unused: Mapping[str, str]
    remarks: tuple[str, ...]


def gather(
    overrides: Mapping[str, tuple[str, str]],
    environ: Mapping[str, str],
    defaults: Mapping[str, tuple[str, str]],
    *,
    secrets_file: Path | None,
    finds_secrets_file: bool,
    defaults_are_named: bool = False,
) -> Gathered:
    """Return each setting from its strongest source, with one kind of credentials.

    A blank value is treated as not set. The parameters are those of `load_settings`;
    `finds_secrets_file` says whether `./secrets.json` is read if no other file is named. Raises
    `ConfigurationError` for an unusable file, or if it is unclear which Scheduler is meant.
    """
    weak, strong = Strength.PROJECT_FILE, Strength.CALLER
    places = strong if defaults_are_named else weak
    profile = environ.get("FBN_PROFILE", "").strip()
    of_project = {
        name: Given(text, origin, weak, places)
        for name, (text, origin) in defaults.items()
        if text.strip()
    }
    of_caller = {
        name: Given(text, origin, strong, strong)
        for name, (text, origin) in overrides.items()
        if text.strip()
    }
    sources = [_named(of_project)]
    if finds_secrets_file and not secrets_file and SECRETS_FILE.exists():
        sources.append(_from_secrets_file(SECRETS_FILE, Strength.FOUND_SECRETS_FILE, profile))
    sources.append(_from_environment(environ))
    if secrets_file:
        sources.append(_from_secrets_file(secrets_file, Strength.NAMED_SECRETS_FILE, profile))
    sources.append(_named(of_caller))
    found: dict[str, Given] = {}
    for source in sources:
        found |= source.found
    unused = _unused_credentials(found)
    found = {name: given for name, given in found.items() if name not in unused}
    scheduler, remarks = choose_scheduler([source.servers for source in sources], found)
    if scheduler:
        found["scheduler_url"] = scheduler
    of_sources = (remark for source in sources for remark in source.remarks)
    return Gathered(found, unused, (*of_sources, *remarks))


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


def _unused_credentials(found: Mapping[str, Given]) -> dict[str, str]:
    """Return the credentials that are not used, with their origins.

    One kind is used: the preferred one of the strongest source.
    """
    kinds = [name for name in CREDENTIALS if name in found]
    if not kinds:
        return {}
    used = max(kinds, key=lambda name: found[name].strength)
    return {
        name: f"{found[name].origin}; not used, because the {setting_label(used)} is"
        for name in kinds
        if name != used
    }


def _weaker_place_error(secret: str, kept: Given, place: str, named: Given) -> ConfigurationError:
    what, where = setting_label(secret), setting_label(place)
    cause = (
        f"The {what} comes from {kept.origin}, the {where} from {named.origin}, which is weaker: "
        "anybody who can write there could have the secret sent to them."
    )
    hint = f"Set the {where} where the {what} is set, or use --{place.replace('_', '-')}."
    if named.strength is Strength.FOUND_SECRETS_FILE:
        cause += (
            f" The environment is used before a {SECRETS_FILE} that is found; one that you name "
            "is used before the environment."
        )
        hint = (
            f"If you trust the file, name it: --secrets-file {SECRETS_FILE}. Otherwise remove it."
        )
    return ConfigurationError(
        f"The {what} would go to a place that a weaker source names: the {where}.",
        cause=cause,
        hint=hint,
    )


def _named(found: Mapping[str, Given]) -> _Source:
    """Return the source of options or of a project file, which name the Scheduler itself."""
    scheduler = found.get("scheduler_url")
    return _Source(found, Servers((scheduler,) if scheduler else ()))


def _from_environment(environ: Mapping[str, str]) -> _Source:
    found: dict[str, Given] = {}
    schedulers = []
    strength = Strength.ENVIRONMENT
    for name, names in NAMES.items():
        for variable in names.variables:
            if value := environ.get(variable, "").strip():
                given = Given(value, f"{_VARIABLE}{variable}", strength, strength)
                found.setdefault(name, given)
                if name == "scheduler_url":
                    schedulers.append(given)
    bases = tuple(
        read_base_url(variable, value, f"{_VARIABLE}{variable}", strength)
        for variable in BASE_VARIABLES
        if (value := environ.get(variable, "").strip())
    )
    remarks = []
    if environ.get("FBN_SECRETS_PATH", "").strip():
        remarks.append(
            "FBN_SECRETS_PATH is not read: name the file with --secrets-file, for example "
            '--secrets-file "$FBN_SECRETS_PATH".'
        )
    return _Source(found, Servers(tuple(schedulers), bases), tuple(remarks))


def _from_secrets_file(path: Path, strength: Strength, profile: str) -> _Source:
    document = read_document(path)
    sections = sections_of(path, document, profile)
    found: dict[str, Given] = {}
    schedulers = []
    for name, names in NAMES.items():
        for key in names.keys:
            section, _, entry = key.partition(".")
            text = text_in(sections[section], entry, path)
            if not text.strip():
                continue
            if not sections[section].path and name == "scheduler_url":
                text = re.sub(r"/api/images/?\s*$", "", text)  # as the first docker-setup.sh has it
            origin = f"{path} ({sections[section].key(entry)})"
            text = text if name in UNTRIMMED else text.strip()
            given = Given(text, origin, strength, strength)
            found.setdefault(name, given)
            if name == "scheduler_url":
                schedulers.append(given)
    api = sections["api"]
    bases = tuple(
        read_base_url(key, text, f"{path} ({api.key(key)})", strength)
        for key in BASE_KEYS
        if (text := text_in(api, key, path).strip())
    )
    if not found and not bases:
        remark = remark_on_no_setting(path, document, profile)
    else:
        has_credentials = not found.keys().isdisjoint(CREDENTIALS)
        remark = remark_on_unused_keys(
            path, document, sections, _KNOWN_ENTRIES, has_credentials=has_credentials
        )
    return _Source(found, Servers(tuple(schedulers), bases), (remark,) if remark else ())
