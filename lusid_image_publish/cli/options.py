"""Options that commands share: how to reach LUSID, and how much to say."""

import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from lusid_image_publish.cli.connection import Connection
from lusid_image_publish.cli.console import console

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

_SETTING_NAMES = tuple(option[2:].replace("-", "_") for option, _, _ in _SETTINGS)


def local_option(text: str) -> Callable[[Command], Command]:
    """Add --local; `text` is its help. It goes with `connection_options`."""
    return click.option("--local", is_flag=True, help=text)


def connection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how to reach LUSID; `command` gets a `connection` of them."""

    @functools.wraps(command)
    def with_connection(*arguments: Any, **values: Any) -> Any:
        connection = connection_of(values)
        for name in ("local", "secrets_file", *_SETTING_NAMES):
            values.pop(name)
        return command(*arguments, connection=connection, **values)

    decorated = click.option(
        "--secrets-file",
        metavar="PATH",
        type=click.Path(path_type=Path),
        help="A secrets.json of FINBOURNE's SDKs.  [default: ./secrets.json if it is there]",
    )(with_connection)
    for option, metavar, text in reversed(_SETTINGS):
        decorated = click.option(option, metavar=metavar, help=text)(decorated)
    return decorated


def connection_of(values: Mapping[str, Any]) -> Connection:
    """Return the connection that the values of these options describe."""
    overrides = {name: values.get(name) for name in _SETTING_NAMES}
    return Connection(values["local"], values.get("secrets_file"), overrides)


def output_options(command: Command) -> Command:
    """Add --verbose and --quiet, which act on the console."""

    def set_verbosity(_context: click.Context, _parameter: click.Parameter, value: int) -> int:
        if value:
            console.set_verbosity(value)
        return value

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
