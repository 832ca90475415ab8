"""Options that commands share: how to reach LUSID, and how much to say."""

import functools
import os
import re
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from lusid_image_publish.ci.detect import CHOICES, detect_ci
from lusid_image_publish.cli.connection import Connection
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.parameters import variable_in_use
from lusid_image_publish.cli.project_file import read_project_file, remember, remembered
from lusid_image_publish.cli.scan_options import GIVEN, SCAN_NAMES
from lusid_image_publish.cli.types import Gibibytes, Seconds
from lusid_image_publish.errors import ConfigurationError

COMMAND_SETTINGS: dict[str, Any] = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 88,
}
"""How each command's help is asked for and laid out."""

Command = TypeVar("Command", bound=Callable[..., Any])

_SETTINGS = (
    ("--scheduler-url", "URL", "The Scheduler, https://<domain>.lusid.com/scheduler2."),
    ("--access-token-file", "PATH", "A file with an access token, read anew for each request."),
    ("--token-url", "URL", "The OAuth token endpoint, to sign in with user name and password."),
    ("--username", "TEXT", "The user to sign in as; the password comes from FBN_PASSWORD."),
    ("--client-id", "TEXT", "The OAuth client; its secret comes from FBN_CLIENT_SECRET."),
    ("--app-name", "TEXT", "The name of your application, which LUSID logs."),
    ("--proxy-address", "URL", "An HTTP proxy; its credentials come from FBN_PROXY_*."),
    ("--ca-bundle", "PATH", "A PEM file of the certificate authorities to trust."),
)

_LOCAL_SCANS: Final[tuple[tuple[str, str, Any, str], ...]] = (
    (
        "--scan-findings",
        "FILE",
        click.Path(path_type=Path),
        "What scans find: JSON of image names with a ScanReport each, or Trivy's or Grype's JSON.",
    ),
    (
        "--scan-delay",
        "SECONDS",
        Seconds(0, 86400),
        "How long after a push its findings come.  [default: 2]",
    ),
    (
        "--scan-status",
        "STATUS",
        str,
        "What scans say from the push on, as in FAILED; COMPLETE and ACTIVE have findings later.",
    ),
)
_LOCAL_SCAN_NAMES: Final = ("scan_findings", "scan_delay", "scan_status")

_SETTING_NAMES = tuple(option[2:].replace("-", "_") for option, _, _ in _SETTINGS)
CONNECTION_NAMES = ("local", *_LOCAL_SCAN_NAMES, "secrets_file", *_SETTING_NAMES, "allow_http")
"""What the parameters of these options are called."""


def local_scans(prefix: str = "") -> Callable[[Command], Command]:
    """Add how a Scheduler of this machine scans; None where an option is not given.

    `prefix` comes before each help text.
    """

    def decorate(command: Command) -> Command:
        for option in reversed(_LOCAL_SCANS):
            name, metavar, kind, text = option
            text = f"{prefix}{text[0].lower()}{text[1:]}" if prefix else text
            command = click.option(name, metavar=metavar, type=kind, help=text)(command)
        return command

    return decorate


def local_option(text: str) -> Callable[[Command], Command]:
    """Add --local, and how it scans; `text` is its help. It goes with `connection_options`."""
    option = click.option("--local", is_flag=True, help=text)
    return lambda command: option(local_scans("With --local: ")(command))


def connection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how to reach LUSID; `command` gets a `connection` of them."""

    @functools.wraps(command)
    def with_connection(*arguments: Any, **values: Any) -> Any:
        connection = connection_of(click.get_current_context(), values)
        for name in CONNECTION_NAMES:
            values.pop(name)
        return command(*arguments, connection=connection, **values)

    decorated = click.option(
        "--config",
        metavar="FILE",
        type=click.Path(path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=_take_defaults,
        help="Take defaults of all options from this file; `none` takes no file.  [default: "
        ".lusid-publish.toml, or [tool.lusid-publish] in pyproject.toml, if it is there, for the "
        "image and the policy]",
    )(with_connection)
    decorated = click.option(
        "--secrets-file",
        metavar="PATH",
        type=click.Path(path_type=Path),
        help="Read a secrets.json of FINBOURNE's SDKs, before the environment.  [default: "
        "./secrets.json if it is there, after the environment; none in a CI]",
    )(decorated)
    decorated = click.option(
        "--allow-http",
        is_flag=True,
        help="Allow http:// to other machines, where others on the network can read the "
        "credentials.",
    )(decorated)
    for option, metavar, text in reversed(_SETTINGS):
        decorated = click.option(option, metavar=metavar, help=text)(decorated)
    return decorated


def connection_of(context: click.Context, values: Mapping[str, Any]) -> Connection:
    """Return the connection that the values of these options describe.

    A setting of the project's file is a default: what the environment says is stronger. The
    context's object has settings that are as strong as options, each with where it is from.
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
                f"--{name.replace('_', '-')} goes with --local alone.",
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
    """Return where a parameter's value is from that is not on the command line."""
    [parameter] = [param for param in context.command.params if param.name == name]
    variable = variable_in_use(parameter)
    is_input = variable.startswith("INPUT_")
    return f"input {name.replace('_', '-')}" if is_input else f"environment variable {variable}"


def _take_defaults(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    """Let a command take its defaults from the project's file."""
    from lusid_image_publish.cli.publish import command  # noqa: PLC0415  # it is above this module

    own = {parameter.name for parameter in context.command.params}
    names = own if context.command is command else own & {*CONNECTION_NAMES, *SCAN_NAMES}
    if context.resilient_parsing and path is None:
        return  # a TAB in a cloned folder must not use what is found there
    with suppress(ConfigurationError) if context.resilient_parsing else nullcontext():
        remember(context, read_project_file(path, command), names)


def output_options(command: Command) -> Command:
    """Add --verbose, --quiet and --ci, which act on the console."""

    def set_ci(_context: click.Context, _parameter: click.Parameter, value: str) -> None:
        if value != "auto":
            console.ci = detect_ci(os.environ, value)

    def set_verbosity(_context: click.Context, _parameter: click.Parameter, value: int) -> int:
        if value:
            console.set_verbosity(value)
        return value

    command = click.option(
        "--ci",
        type=click.Choice(CHOICES),
        default="auto",
        show_default=True,
        is_eager=True,
        expose_value=False,
        callback=set_ci,
        help="The CI whose log this is; `auto` finds out, `none` is for a log like that of a "
        "terminal, without outputs and summary.",
    )(command)
    command = click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=set_verbosity,
        help="Say which configuration is used; -vv also shows the log and tracebacks.",
    )(command)
    return click.option(
        "-q",
        "--quiet",
        flag_value=-1,
        type=int,
        expose_value=False,
        callback=set_verbosity,
        help="Say nothing but warnings and errors.",
    )(command)


def shared_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that all commands of `lusid-images` have; they come last in each help."""
    return local_option("Ask a Scheduler started here for this run.")(
        connection_options(output_options(command))
    )


def output_option(command: Command) -> Command:
    """Add --output: for people or for programs."""
    return click.option(
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="A table for people, or one JSON document.",
    )(command)


image_option = click.option(
    "--image",
    metavar="NAME",
    help="Choose one of several images in an archive, by a name that it was saved under, or by a "
    "digest.",
)


archive_size_option = click.option(
    "--max-archive-size",
    metavar="GIB",
    type=Gibibytes(0, 1 << 20, min_open=True),
    default=64,
    show_default=True,
    help="How large an archive may be once it is decompressed, and its layers, in GiB.",
)


def platform_option(text: str) -> Callable[[Command], Command]:
    """Add --platform; `text` is its help."""

    def check(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
        if not re.fullmatch(r"[a-z0-9_-]+/[a-z0-9_-]+(/[a-z0-9_.-]+)?", value):
            raise click.BadParameter(f"{value!r} is not OS/ARCH, as in linux/amd64.")
        return value

    return click.option(
        "--platform",
        metavar="OS/ARCH",
        default="linux/amd64",
        show_default=True,
        callback=check,
        help=text,
    )
