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
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from lusid_image_publish.config_values import require_settings_file
from lusid_image_publish.errors import ConfigurationError

SECRETS_FILE: Final = Path("secrets.json")


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
        ("api.schedulerUrl", "api.lusid_schedulerUrl", "api.apiUrl"),
    ),
    "access_token": SettingNames(("FBN_ACCESS_TOKEN",), ("api.accessToken",)),
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


def gather(
    overrides: Mapping[str, tuple[str, str]],
    environ: Mapping[str, str],
    defaults: Mapping[str, tuple[str, str]],
    *,
    secrets_file: Path | None,
    finds_secrets_file: bool,
    defaults_are_named: bool = False,
) -> dict[str, Given]:
    """Return each setting from its strongest source, and one kind of credentials.

    The parameters are those of `load_settings`; `finds_secrets_file` says whether `./secrets.json`
    is read if no other file is named. Raises `ConfigurationError` for an unusable file.
    """
    weak, strong = Strength.PROJECT_FILE, Strength.CALLER
    places = strong if defaults_are_named else weak
    found = {name: Given(text, origin, weak, places) for name, (text, origin) in defaults.items()}
    if finds_secrets_file and not secrets_file and SECRETS_FILE.exists():
        found |= _from_secrets_file(SECRETS_FILE, Strength.FOUND_SECRETS_FILE)
    found |= _from_environment(environ)
    if secrets_file:
        found |= _from_secrets_file(secrets_file, Strength.NAMED_SECRETS_FILE)
    found |= {
        name: Given(text, origin, strong, strong) for name, (text, origin) in overrides.items()
    }
    return _with_one_credential(found)


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


def setting_label(name: str) -> str:
    """Return the name of a setting in messages."""
    return {
        "scheduler_url": "Scheduler URL",
        "token_url": "token URL",
        "proxy_address": "proxy",
        "ca_bundle": "CA bundle",
    }.get(name, name.replace("_", " "))


def _from_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    found = {}
    for name, names in NAMES.items():
        for variable in names.variables:
            if value := environ.get(variable, "").strip():
                origin = f"environment variable {variable}"
                found[name] = Given(value, origin, Strength.ENVIRONMENT, Strength.ENVIRONMENT)
                break
    return found


def _from_secrets_file(path: Path, strength: Strength) -> dict[str, Given]:
    document = _read_json(path)
    found = {}
    for name, names in NAMES.items():
        for key in names.keys:
            section, _, entry = key.partition(".")
            value = document.get(section, {}).get(entry)
            if value is None or value == "":
                continue
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise ConfigurationError(
                    f"{path} has an invalid value for {key}.",
                    cause="It is neither a string nor a number.",
                    hint='Write it in quotes, as in {"api": {"schedulerUrl": "..."}}.',
                )
            text = str(value)
            if entry == "apiUrl":  # LUSID's own URL, https://<domain>.lusid.com/api
                text = re.sub(r"/api/?$", "", text) + "/scheduler2"
            found[name] = Given(text, f"{path} ({key})", strength, strength)
            break
    return found


def _read_json(path: Path) -> dict[str, dict[str, Any]]:
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
