"""Options about how to reach LUSID, or a Scheduler on this machine."""

import functools
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from lusid_image_publish.cli.options import Command, add_options
from lusid_image_publish.cli.parameters import Seconds, complete_file, variable_in_use
from lusid_image_publish.cli.project_defaults import remember, remembered
from lusid_image_publish.cli.scan_options import GIVEN, SCAN_NAMES
from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.names import JobId

VOLUME_VARIABLE = "LUSID_LOCAL_VOLUME"
"""The environment variable that names the volume of the local Scheduler."""

_SETTINGS = (
    (
        "--scheduler-url",
        "URL",
        "Connect to the Scheduler at this URL: https://<domain>.lusid.com/scheduler2.",
    ),
    ("--access-token-file", "PATH", "Read the access token from this file before each request."),
    ("--token-url", "URL", "Sign in with username and password at this OAuth token endpoint."),
    ("--username", "TEXT", "Sign in as this user; set FBN_PASSWORD to the password."),
    ("--client-id", "TEXT", "Sign in with this OAuth client; set FBN_CLIENT_SECRET to its secret."),
    ("--app-name", "TEXT", "Send the name of your application to LUSID, which logs it."),
    (
        "--proxy-address",
        "URL",
        "Connect through this HTTP proxy; FBN_PROXY_USERNAME and FBN_PROXY_PASSWORD sign in to it.",
    ),
    ("--ca-bundle", "PATH", "Trust only the certificate authorities in this PEM file."),
)

_LOCAL_SCANS: Final[tuple[tuple[str, str, Any, str], ...]] = (
    (
        "--scan-findings",
        "FILE",
        click.Path(path_type=Path),
        (
            "Take the findings of scans from this file: JSON that maps image names to "
            "ScanReports, or the JSON output of Trivy or Grype. Without it, scans find nothing."
        ),
    ),
    (
        "--scan-delay",
        "SECONDS",
        Seconds(0, 86400),
        "Complete scans SECONDS after the push, 2 by default.",
    ),
    (
        "--scan-status",
        "STATUS",
        str,
        (
            "Report this status, such as FAILED, for all scans; only COMPLETE and ACTIVE come "
            "with findings."
        ),
    ),
)
_LOCAL_SCAN_NAMES: Final = ("scan_findings", "scan_delay", "scan_status")

_SETTING_NAMES = tuple(option[2:].replace("-", "_") for option, _, _ in _SETTINGS)
CONNECTION_NAMES = ("local", *_LOCAL_SCAN_NAMES, "secrets_file", *_SETTING_NAMES, "allow_http")
"""The names of the parameters of these options."""


@dataclass(frozen=True)
class Connection:
    """How to reach LUSID, or a Scheduler started for the run where it is `local`.

    `overrides` are settings by name, each with its origin; `defaults` those of the project's file,
    and `defaults_are_named` says whether you named that file. `scans` are the settings of the
    Scheduler that --local starts, and `jobs` those that it is to have, with their arguments' names.
    """

    local: bool
    secrets_file: Path | None
    overrides: Mapping[str, tuple[str, str]]
    defaults: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    defaults_are_named: bool = False
    scans: Mapping[str, Any] = field(default_factory=dict)
    jobs: Mapping[JobId, tuple[str, ...]] = field(default_factory=dict)

    @property
    def finds_nothing(self) -> bool:
        """Whether no scan can have findings: a local Scheduler has only those that you set."""
        return self.local and not self.scans.get("scan_findings")


def local_scans(prefix: str = "") -> Callable[[Command], Command]:
    """Add the options about the scans of a local Scheduler; each is None where it is not given.

    `prefix` comes before each help text.
    """
    options = []
    for name, metavar, kind, text in _LOCAL_SCANS:
        shown = f"{prefix}{text[0].lower()}{text[1:]}" if prefix else text
        options.append(click.option(name, metavar=metavar, type=kind, help=shown))
    return lambda command: add_options(command, options)


def local_option(text: str) -> Callable[[Command], Command]:
    """Add --local, and how it scans; `text` is its help. It goes with `connection_options`."""
    option = click.option("--local", is_flag=True, help=text)
    return lambda command: option(local_scans("With --local: ")(command))


def connection_options(command: Command, *, keys_of: click.Command | None = None) -> Command:
    """Add the options that say how to reach LUSID; `command` gets a `connection` of them.

    `keys_of` is the command whose options are the keys of the project's file, None for this one.
    """

    @functools.wraps(command)
    def with_connection(*arguments: Any, **values: Any) -> Any:
        connection = connection_of(click.get_current_context(), values)
        for name in CONNECTION_NAMES:
            values.pop(name)
        return command(*arguments, connection=connection, **values)

    settings = (
        click.option(
            name,
            metavar=metavar,
            shell_complete=complete_file if metavar == "PATH" else None,
            help=text,
        )
        for name, metavar, text in _SETTINGS
    )
    others = (
        click.option(
            "--allow-http",
            is_flag=True,
            help="Allow unencrypted http:// to other machines; anyone on the network can then read "
            "your credentials.",
        ),
        click.option(
            "--secrets-file",
            metavar="PATH",
            type=click.Path(path_type=Path),
            show_default="./secrets.json if it exists, overridden by the environment; none in CI",
            help="Read the settings in this secrets.json of FINBOURNE's SDKs; it overrides the "
            "environment.",
        ),
        click.option(
            "--config",
            metavar="FILE",
            type=click.Path(path_type=Path),
            is_eager=True,
            expose_value=False,
            callback=partial(_read_defaults, keys_of),
            show_default=".lusid-publish.toml or [tool.lusid-publish] in pyproject.toml, of this "
            "directory or the nearest parent directory in the repository, for some options only",
            help="Read defaults for all options from this file; `none` reads no file.",
        ),
    )
    return add_options(with_connection, (*settings, *others))


def connection_of(context: click.Context, values: Mapping[str, Any]) -> Connection:
    """Return the connection that the values of these options describe.

    A setting of the project's file is a default: the environment is stronger. The context's object
    has settings that are as strong as options, each with its origin.
    """
    file = remembered(context)
    overrides: dict[str, tuple[str, str]] = dict(context.obj or {})
    defaults = {}
    for name in (*_SETTING_NAMES, "allow_http"):
        value, source = values.get(name), context.get_parameter_source(name)
        if not value:
            continue
        value = "true" if value is True else value
        if file and source is ParameterSource.DEFAULT_MAP:
            defaults[name] = (value, file.place)
        elif source is ParameterSource.ENVIRONMENT:
            overrides[name] = (value, _origin(context, name))
        else:
            overrides[name] = (value, f"command line --{name.replace('_', '-')}")
    scans = {name: values[name] for name in _LOCAL_SCAN_NAMES if values[name] is not None}
    for name in scans:
        if not values["local"] and context.get_parameter_source(name) in GIVEN:
            raise ConfigurationError(
                f"--{name.replace('_', '-')} can be used only with --local.",
                hint="Leave it out, or use --local.",
            )
    return Connection(
        values["local"],
        values.get("secrets_file"),
        overrides,
        defaults,
        defaults_are_named=bool(file and file.is_named),
        scans=scans,
    )


def _origin(context: click.Context, name: str) -> str:
    """Return the origin of a parameter's value that is not on the command line."""
    [parameter] = [param for param in context.command.params if param.name == name]
    variable = variable_in_use(parameter)
    is_input = variable.startswith("INPUT_")
    return f"input {name.replace('_', '-')}" if is_input else f"environment variable {variable}"


def _read_defaults(
    keys_of: click.Command | None,
    context: click.Context,
    _parameter: click.Parameter,
    path: Path | None,
) -> None:
    """Let a command have its defaults from the project's file."""
    if context.resilient_parsing and path is None:
        return  # a TAB in a cloned folder must not use a file that is found there
    # --help and a usage error read no file.
    from lusid_image_publish.cli.project_file import read_project_file  # noqa: PLC0415

    names = {str(parameter.name) for parameter in context.command.params}
    if keys_of:
        names &= {*CONNECTION_NAMES, *SCAN_NAMES}
    with suppress(ConfigurationError) if context.resilient_parsing else nullcontext():
        remember(context, read_project_file(path, keys_of or context.command), names)
