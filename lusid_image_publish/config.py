"""Settings: what this package needs to know to reach a Scheduler, and where each value came from.

The names are those of FINBOURNE's SDKs, so what works with them works here. Precedence, the
strongest first:

1. the command line, and what stands for it (what the caller passes as `overrides`);
2. the token file that `FBN_ACCESS_TOKEN_FILE` names, for the access token alone;
3. `secrets.json` in the working directory, or the file that the caller names;
4. `FBN_*` environment variables;
5. defaults of the caller (`.lusid-publish.toml`), then our own.

2 to 4 are the order of the Python SDK (`lusid_scheduler.extensions.configuration_loaders`); other
FINBOURNE SDKs differ. An empty variable counts as not set. Of several kinds of credentials a token
file is used before an access token, and an access token before user name and password.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Self, TypedDict, Unpack

from lusid_image_publish.config_values import SECRETS, convert, whole_number
from lusid_image_publish.errors import (
    ConfigurationError,
    MissingCredentialsError,
    MissingSettingError,
)
from lusid_image_publish.redact import Secret

SECRETS_FILE: Final = Path("secrets.json")


@dataclass(frozen=True)
class _Names:
    """What one setting is called: environment variables and keys of `secrets.json`, best first."""

    variables: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


_NAMES: Final[Mapping[str, _Names]] = {
    "scheduler_url": _Names(
        ("FBN_SCHEDULER_URL", "FBN_LUSID_SCHEDULER_API_URL", "FBN_SCHEDULER_API_URL"),
        ("api.schedulerUrl", "api.lusid_schedulerUrl", "api.apiUrl"),
    ),
    "access_token": _Names(("FBN_ACCESS_TOKEN",), ("api.accessToken",)),
    "access_token_file": _Names(("FBN_ACCESS_TOKEN_FILE",)),
    "token_url": _Names(("FBN_TOKEN_URL",), ("api.tokenUrl",)),
    "username": _Names(("FBN_USERNAME",), ("api.username",)),
    "password": _Names(("FBN_PASSWORD",), ("api.password",)),
    "client_id": _Names(("FBN_CLIENT_ID",), ("api.clientId",)),
    "client_secret": _Names(("FBN_CLIENT_SECRET",), ("api.clientSecret",)),
    "app_name": _Names(("FBN_APP_NAME",), ("api.applicationName",)),
    "correlation_id": _Names(("FBN_CORRELATION_ID",)),
    "ca_bundle": _Names(("FBN_CLIENT_CERTIFICATE",), ("api.clientCertificate",)),
    "proxy_address": _Names(("FBN_PROXY_ADDRESS",), ("proxy.address",)),
    "proxy_username": _Names(("FBN_PROXY_USERNAME",), ("proxy.username",)),
    "proxy_password": _Names(("FBN_PROXY_PASSWORD",), ("proxy.password",)),
    "total_timeout_ms": _Names(("FBN_TOTAL_TIMEOUT_MS",), ("api.totalTimeoutMs",)),
    "connect_timeout_ms": _Names(("FBN_CONNECT_TIMEOUT_MS",), ("api.connectTimeoutMs",)),
    "read_timeout_ms": _Names(("FBN_READ_TIMEOUT_MS",), ("api.readTimeoutMs",)),
    "rate_limit_retries": _Names(("FBN_RATE_LIMIT_RETRIES",), ("api.rateLimitRetries",)),
}
SECRET_VARIABLES: Final = frozenset(
    variable for name in SECRETS for variable in _NAMES[name].variables
)
"""The environment variables that hold a secret: nobody else needs to see them."""
VARIABLES: Final[Mapping[str, str]] = {
    variable: name for name, names in _NAMES.items() for variable in names.variables
}
"""The environment variables, and the settings that they set."""
_WEAKER: Final = {
    "access_token": ("access_token_file",),
    "password": ("access_token_file", "access_token"),
}
"""The credentials that would be used before a secret, were that not given more directly."""
_PASSWORD_GRANT: Final = ("token_url", "username", "password", "client_id", "client_secret")


class SettingValues(TypedDict, total=False):
    """The settings as a caller may write them; see `Settings` for what each one means."""

    scheduler_url: str
    access_token: str | Secret
    access_token_file: str | Path
    token_url: str
    username: str
    password: str | Secret
    client_id: str
    client_secret: str | Secret
    app_name: str
    correlation_id: str
    ca_bundle: str | Path
    proxy_address: str
    proxy_username: str
    proxy_password: str | Secret
    total_timeout_ms: int
    connect_timeout_ms: int
    read_timeout_ms: int
    rate_limit_retries: int


@dataclass(frozen=True, kw_only=True)
class ConfigurationOptions:
    """What one request may have otherwise than the settings; None leaves the settings' value.

    The name, the fields and their units are those of FINBOURNE's SDK: milliseconds, 0 for none.
    Raises `ConfigurationError` for anything but whole numbers from 0.
    """

    total_timeout_ms: int | None = None
    connect_timeout_ms: int | None = None
    read_timeout_ms: int | None = None
    rate_limit_retries: int | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None:
                whole_number(name, str(value), "the request's options")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything needed to talk to one Scheduler.

    `scheduler_url` has no trailing slash and usually ends in `/scheduler2`. Time-outs are in
    milliseconds, 0 meaning none, as the SDKs have them: `total_timeout_ms` bounds the body of one
    answer, and the pauses between the retries of a request (default 30 minutes; a long body may
    take as much for each 64 MiB), `connect_timeout_ms` the connection (10 s), `read_timeout_ms` the
    silence between two bytes (60 s).
    `rate_limit_retries` is how often a 429 is tried again (2). `ca_bundle` is a PEM file of the
    authorities to trust; FINBOURNE's name for it, FBN_CLIENT_CERTIFICATE, misleads: it is no client
    certificate. `origins` says where each value that is not a default came from.
    """

    scheduler_url: str
    access_token: Secret | None = None
    access_token_file: Path | None = None
    token_url: str | None = None
    username: str | None = None
    password: Secret | None = None
    client_id: str | None = None
    client_secret: Secret | None = None
    app_name: str | None = None
    correlation_id: str | None = None
    ca_bundle: Path | None = None
    proxy_address: str | None = None
    proxy_username: str | None = None
    proxy_password: Secret | None = None
    total_timeout_ms: int = 1_800_000
    connect_timeout_ms: int = 10_000
    read_timeout_ms: int = 60_000
    rate_limit_retries: int = 2
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def from_values(cls, **values: Unpack[SettingValues]) -> Self:
        """Return settings of these values alone: no environment, no `secrets.json`.

        Raises `ConfigurationError` as `load_settings` does.
        """
        found = {
            name: (_plain(value), "the caller")
            for name, value in values.items()
            if value is not None and _plain(value) != ""
        }
        return cls(**_converted(found))

    def with_options(self, options: ConfigurationOptions | None) -> Self:
        """Return these settings with what `options` have otherwise."""
        changes = asdict(options) if options else {}
        return replace(
            self, **{name: value for name, value in changes.items() if value is not None}
        )

    def describe(self) -> Iterator[tuple[str, str, str]]:
        """Yield (setting, value with secrets as `***`, origin) for each one that has a value."""
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name != "origins" and value is not None:
                yield item.name, str(value), self.origins.get(item.name, "default")

    def require_credentials(self) -> None:
        """Raise `MissingCredentialsError`, naming what is missing, unless there are credentials."""
        if self.access_token_file or self.access_token:
            return
        missing = [name for name in _PASSWORD_GRANT if not getattr(self, name)]
        if not missing:
            return
        names = ", ".join(_NAMES[name].variables[0] for name in missing)
        if len(missing) == len(_PASSWORD_GRANT):
            raise MissingCredentialsError(
                "There are no LUSID credentials.",
                cause="Neither the environment nor secrets.json has any. In CI, a pull request "
                "from a fork gets no secrets.",
                hint="Set FBN_ACCESS_TOKEN, or FBN_ACCESS_TOKEN_FILE, or all of "
                f"{names}. To try without LUSID, use --local.",
            )
        raise MissingCredentialsError(
            "The LUSID credentials are incomplete.",
            cause=f"Signing in with user name and password also needs {names}.",
            hint="Set what is missing, or set FBN_ACCESS_TOKEN instead.",
        )


def load_settings(
    overrides: Mapping[str, tuple[str, str]] | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    secrets_file: Path | None = None,
    defaults: Mapping[str, tuple[str, str]] | None = None,
) -> Settings:
    """Return the settings that `overrides`, token file, secrets file and `environ` give together.

    `overrides` maps field names of `Settings` to texts, each with where it is from; `defaults` are
    the same and the weakest. A secret among the overrides is used in place of the credentials of
    another kind that are not. `secrets_file` must exist when it is named; else `secrets.json` in
    the working directory is read if it is there. Raises `ConfigurationError` for a missing
    Scheduler URL and for any value that cannot be used; the message names the place the value came
    from, and never a secret.
    """
    found = _gathered(overrides or {}, environ, secrets_file, defaults or {})
    return Settings(**_converted(found))


def lacks_credentials(
    overrides: Mapping[str, tuple[str, str]],
    environ: Mapping[str, str],
    *,
    secrets_file: Path | None = None,
    defaults: Mapping[str, tuple[str, str]] | None = None,
) -> bool:
    """Return whether no setting that is a secret, or names a file with one, has a value.

    So it is in a CI that keeps its secrets from a run, whatever else is configured. Parameters and
    errors are as those of `load_settings`.
    """
    found = _gathered(overrides, environ, secrets_file, defaults or {})
    return not found.keys() & {"access_token", "access_token_file", "password", "client_secret"}


def _gathered(
    overrides: Mapping[str, tuple[str, str]],
    environ: Mapping[str, str],
    secrets_file: Path | None,
    defaults: Mapping[str, tuple[str, str]],
) -> dict[str, tuple[str, str]]:
    """Return what is said of each setting in the strongest place, and which that is."""
    found = dict(defaults)
    found.update(_from_environment(environ))
    found.update(_from_secrets_file(secrets_file))
    if "access_token_file" in found:
        found.pop("access_token", None)
    for secret, others in _WEAKER.items():
        if secret in overrides:
            for name in others:
                found.pop(name, None)
    return found | dict(overrides)


def _converted(found: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """Return what `Settings` takes for names with a text and its origin each."""
    if "scheduler_url" not in found:
        raise MissingSettingError(
            "The URL of the LUSID Scheduler is not set.",
            hint="Set FBN_SCHEDULER_URL, for example https://<domain>.lusid.com/scheduler2, or "
            "use --scheduler-url. To try without LUSID, use --local.",
        )
    values = {name: convert(name, value, origin) for name, (value, origin) in found.items()}
    return values | {"origins": {name: origin for name, (_, origin) in found.items()}}


def _plain(value: object) -> str:
    return value.reveal() if isinstance(value, Secret) else str(value)


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, str]]]:
    for name, names in _NAMES.items():
        for variable in names.variables:
            if value := environ.get(variable, "").strip():
                yield name, (value, f"environment variable {variable}")
                break


def _from_secrets_file(path: Path | None) -> Iterator[tuple[str, tuple[str, str]]]:
    document = _read_json(path or SECRETS_FILE, required=path is not None)
    for name, names in _NAMES.items():
        for key in names.keys:
            section, _, entry = key.partition(".")
            value = document.get(section, {}).get(entry)
            if value is not None and value != "":
                text = _scheduler_beside(value) if entry == "apiUrl" else str(value)
                yield name, (text, f"{path or SECRETS_FILE} ({key})")
                break


def _read_json(path: Path, *, required: bool) -> dict[str, dict[str, Any]]:
    if not required and not path.exists():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read.", cause=str(error), hint="Correct the path or the file's mode."
        ) from error
    except ValueError:
        # Neither the error nor its context is kept: both quote the file, which holds secrets.
        document = None
    if not isinstance(document, dict) or not all(
        isinstance(document.get(section, {}), dict) for section in ("api", "proxy")
    ):
        raise ConfigurationError(
            f"{path} is not a JSON document with an 'api' object.",
            cause="A trailing comma, a comment, or a file of another kind.",
            hint='The form is {"api": {"schedulerUrl": "...", "accessToken": "..."}}.',
        )
    return document


def _scheduler_beside(api_url: object) -> str:
    """Return the Scheduler's URL for LUSID's own, `https://<domain>.lusid.com/api`."""
    return re.sub(r"/api/?$", "", str(api_url)) + "/scheduler2"
