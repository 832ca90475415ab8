"""Options that commands share: how to reach LUSID, and how much to say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from lusid_image_publish.cli.console import console

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

SETTING_NAMES = tuple(option[2:].replace("-", "_") for option, _, _ in _SETTINGS)


def settings_options(command: Command) -> Command:
    """Add the options that override configuration, and --secrets-file."""
    command = click.option(
        "--secrets-file",
        metavar="PATH",
        type=click.Path(path_type=Path),
        help="A secrets.json of FINBOURNE's SDKs.  [default: ./secrets.json if it is there]",
    )(command)
    for option, metavar, text in reversed(_SETTINGS):
        command = click.option(option, metavar=metavar, help=text)(command)
    return command


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
