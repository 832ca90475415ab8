"""The settings to reach a Scheduler, each with its origin.

The names are those of FINBOURNE's SDKs, so the same configuration works here. The sources, the
strongest first:

1. the command line, or the CI's inputs (the caller's `overrides`);
2. a secrets file that the caller names;
3. `FBN_*` environment variables;
4. `secrets.json` in the working directory, but not in CI;
5. defaults of the caller (the project's file), then our own.

An empty variable is treated as not set. Of several kinds of credentials, those of the strongest
source are used; within a source, a token file before an access token before user name and password.
A secret goes only to a place that the same source or a stronger one named: see `config_sources`.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Self, TypedDict, Unpack

from lusid_image_publish.config_given import Given, Strength
from lusid_image_publish.config_servers import CREDENTIALS
from lusid_image_publish.config_sources import (
    NAMES,
    SECRETS_FILE,
    gather,
    require_safe_places,
)
from lusid_image_publish.config_values import (
    BASE_ORIGIN,
    SECRETS,
    parse_value,
    parse_whole_number,
    require_https,
)
from lusid_image_publish.errors import (
    MissingCredentialsError,
    MissingSettingError,
)
from lusid_image_publish.redact import MASK, Secret
from lusid_image_publish.system import is_ci

SECRET_VARIABLES: Final = frozenset(
    variable for name in SECRETS for variable in NAMES[name].variables
)
"""The environment variables that contain a secret; builds do not see them."""
VARIABLES: Final[Mapping[str, str]] = {
    variable: name for name, names in NAMES.items() for variable in names.variables
}
"""The environment variables and their settings."""
_PASSWORD_GRANT: Final = ("token_url", "username", "password", "client_id", "client_secret")
_CALLER: Final = "the caller"


class SettingValues(TypedDict, total=False):
    """The settings as a caller may pass them; `Settings` describes them."""

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
    allow_http: bool


@dataclass(frozen=True, kw_only=True)
class ConfigurationOptions:
    """Settings for one request; None keeps the value of `Settings`.

    The name, the fields and their units are those of FINBOURNE's SDK: milliseconds, 0 for none.
    Raises `ConfigurationError` unless each is a whole number, 0 or greater.
    """

    total_timeout_ms: int | None = None
    connect_timeout_ms: int | None = None
    read_timeout_ms: int | None = None
    rate_limit_retries: int | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None:
                parse_whole_number(name, str(value), "the request's options")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything needed to talk to one Scheduler.

    `scheduler_url` has no trailing slash and usually ends in `/scheduler2`. Timeouts are in
    milliseconds, 0 for none, as in the SDKs: `total_timeout_ms` limits one request, from the
    connection to the end of its answer, with retries, and all pages of a list (default 30 minutes;
    again for each 64 MiB of a body), `connect_timeout_ms` the connection (10 s), `read_timeout_ms`
    the time without data (60 s). `rate_limit_retries` limits the retries of a 429 (2).
    `ca_bundle` is a PEM file of the authorities to trust; FINBOURNE's name for it,
    FBN_CLIENT_CERTIFICATE, misleads: it is not a client certificate. `allow_http` allows http:// to
    other machines, although others on the network can read the credentials; only the command line
    and the caller can set it. `origins` has the origin of each value that is not a default, also
    of credentials that are not used; `remarks` describe other settings that are not used.

    Raises `ConfigurationError` for http:// to another machine that is not allowed.
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
    allow_http: bool = False
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    remarks: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        for name in () if self.allow_http else ("scheduler_url", "token_url"):
            if url := getattr(self, name):
                require_https(name, url, self.origins.get(name, _CALLER))

    @classmethod
    def from_values(cls, **values: Unpack[SettingValues]) -> Self:
        """Return settings with only these values, without environment and `secrets.json`.

        Raises `ConfigurationError` as `load_settings` does, and `TypeError` for an unknown name.
        """
        _require_settings(values)
        found = {
            name: Given(_text_of(value), _CALLER, Strength.CALLER, Strength.CALLER)
            for name, value in values.items()
            if value is not None and _text_of(value).strip()
        }
        return cls(**_parsed(found))

    def with_options(self, options: ConfigurationOptions | None) -> Self:
        """Return these settings, overridden by those of `options`."""
        changes = asdict(options) if options else {}
        return replace(
            self, **{name: value for name, value in changes.items() if value is not None}
        )

    def describe(self) -> Iterator[tuple[str, str, str]]:
        """Yield (setting, value with secrets as `***`, origin) for each setting with a value.

        Credentials that are not used are included; their origin says so.
        """
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name in {"origins", "remarks"}:
                continue
            if value is not None:
                yield item.name, str(value), self.origins.get(item.name, "default")
            elif item.name in self.origins:
                yield item.name, MASK, self.origins[item.name]

    def require_credentials(self) -> None:
        """Raise `MissingCredentialsError`, with the names of the missing settings."""
        if self.access_token_file or self.access_token:
            return
        missing = [name for name in _PASSWORD_GRANT if not getattr(self, name)]
        if not missing:
            return
        names = ", ".join(NAMES[name].variables[0] for name in missing)
        if len(missing) == len(_PASSWORD_GRANT):
            raise MissingCredentialsError(
                "There are no LUSID credentials.",
                cause=" ".join(
                    remark for remark in self.remarks if not remark.startswith(BASE_ORIGIN)
                )
                or "Neither the environment nor a secrets.json has "
                "any. In CI, a pull request from a fork gets no secrets.",
                hint="Set FBN_ACCESS_TOKEN, or FBN_ACCESS_TOKEN_FILE, or all of "
                f"{names}. To try without LUSID, use --local.",
            )
        raise MissingCredentialsError(
            "The LUSID credentials are incomplete.",
            cause=f"Signing in with user name and password also needs {names}.",
            hint="Set the missing values, or set FBN_ACCESS_TOKEN instead.",
        )


def load_settings(
    overrides: Mapping[str, str | tuple[str, str]] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    secrets_file: str | os.PathLike[str] | None = None,
    finds_secrets_file: bool = True,
    defaults: Mapping[str, tuple[str, str]] | None = None,
    defaults_are_named: bool = False,
) -> Settings:
    """Return the settings of all sources together.

    `overrides` maps field names of `Settings` to strings, or to pairs of a string and its origin
    for messages; `defaults` has pairs, and is the weakest source. `environ` defaults to that of the
    process. A named `secrets_file` must exist; without one, an existing `secrets.json` in the
    working directory is read, unless `finds_secrets_file` is False or `environ` is that of a CI
    job. `defaults_are_named` is true if the user named the file of the defaults, which may then
    name the place for a secret.

    Raises `ConfigurationError` for a missing Scheduler URL, a secret that would go to a place that
    a weaker source named, or an invalid value; the message names its origin, never a secret. Raises
    `TypeError` for an override that is not a setting.
    """
    environ = os.environ if environ is None else environ
    given = {
        name: value if isinstance(value, tuple) else (value, _CALLER)
        for name, value in (overrides or {}).items()
    }
    _require_settings(given)
    gathered = gather(
        given,
        environ,
        defaults or {},
        secrets_file=Path(secrets_file) if secrets_file else None,
        finds_secrets_file=finds_secrets_file and not is_ci(environ),
        defaults_are_named=defaults_are_named,
    )
    require_safe_places(gathered.found)
    values = _parsed(gathered.found, gathered.remarks)
    values["origins"] |= gathered.unused
    return Settings(**values, remarks=gathered.remarks)


def lacks_credentials(
    overrides: Mapping[str, tuple[str, str]],
    environ: Mapping[str, str],
    *,
    secrets_file: Path | None = None,
    defaults: Mapping[str, tuple[str, str]] | None = None,
) -> bool:
    """Return whether no secret, and no file with one, is set.

    This is the case if a CI withholds its secrets from a run. Parameters and errors are those of
    `load_settings`.
    """
    found = gather(
        overrides,
        environ,
        defaults or {},
        secrets_file=secrets_file,
        finds_secrets_file=not is_ci(environ),
    ).found
    return not found.keys() & {*CREDENTIALS, "client_secret"}


def unread_secrets_file(environ: Mapping[str, str]) -> Path | None:
    """Return an existing `secrets.json` that is not read because this is a CI job."""
    return SECRETS_FILE if is_ci(environ) and SECRETS_FILE.exists() else None


def _parsed(found: Mapping[str, Given], remarks: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the arguments of `Settings` for the given strings."""
    if "scheduler_url" not in found:
        raise MissingSettingError(
            "The URL of the LUSID Scheduler is not set.",
            cause=" ".join(remarks),
            hint="Set FBN_SCHEDULER_URL, for example https://<domain>.lusid.com/scheduler2. "
            "To try without LUSID, use --local.",
        )
    values = {name: parse_value(name, given.text, given.origin) for name, given in found.items()}
    return values | {"origins": {name: given.origin for name, given in found.items()}}


def _require_settings(values: Mapping[str, object]) -> None:
    names = SettingValues.__annotations__
    if unknown := [name for name in values if name not in names]:
        raise TypeError(
            f"There is no setting {', '.join(unknown)}: the settings are {', '.join(names)}."
        )


def _text_of(value: object) -> str:
    return value.reveal() if isinstance(value, Secret) else str(value)
