"""Options that commands share: how much to say, what to show, which image."""

import functools
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import click

from lusid_image_publish.ci.detect import CHOICES, detect_ci
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.parameters import Gibibytes

Command = Callable[..., Any]
"""A function that is or becomes a command, or that adds an option to one."""


def add_options(command: Command, options: Sequence[Command]) -> Command:
    """Add `options`, which come in this order in the help."""
    for option in reversed(options):
        command = option(command)
    return command


def add_group(
    command: Command, options: Sequence[Command], names: Sequence[str], key: str
) -> Command:
    """Add `options`; `command` gets the values of their parameters, `names`, together as `key`."""

    @functools.wraps(command)
    def with_group(*arguments: Any, **values: Any) -> Any:
        group = {name: values.pop(name) for name in names}
        return command(*arguments, **{key: group}, **values)

    return add_options(with_group, options)


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
        help="Write the log and outputs for this CI; `auto` detects it, `none` writes a plain log "
        "and no outputs.",
    )(command)
    command = click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=set_verbosity,
        help="Show the configuration in use; -vv also shows debug logs and tracebacks.",
    )(command)
    return click.option(
        "-q",
        "--quiet",
        flag_value=-1,
        type=int,
        expose_value=False,
        callback=set_verbosity,
        help="Show only warnings and errors.",
    )(command)


def ci_options(command: Command) -> Command:
    """Add --annotations and --summary, which act on the console."""

    def set_annotations(_context: click.Context, _parameter: click.Parameter, value: str) -> None:
        console.annotates = value  # type: ignore[assignment]  # one of the choices

    def set_summary(_context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001  # click's own form
        console.has_summary = value

    command = click.option(
        "--annotations",
        type=click.Choice(["breaking", "all", "none"]),
        default="breaking",
        show_default=True,
        expose_value=False,
        callback=set_annotations,
        help="On GitHub, annotate the findings that break the policy, `all` that are critical, "
        "high or medium, or `none`.",
    )(command)
    return click.option(
        "--summary/--no-summary",
        default=True,
        show_default=True,
        is_eager=True,
        expose_value=False,
        callback=set_summary,
        help="On GitHub, add the result to the summary of the job.",
    )(command)


def output_option(command: Command) -> Command:
    """Add --output: for people or for programs."""
    return click.option(
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="Print a table, or JSON for scripts.",
    )(command)


image_option = click.option(
    "--image",
    metavar="NAME",
    help="If the archive contains several images, select one by its saved name or its digest.",
)


archive_size_option = click.option(
    "--max-archive-size",
    metavar="GIB",
    type=Gibibytes(0, 1 << 20, min_open=True),
    default=64,
    show_default=True,
    help="Reject an archive that exceeds this many GiB when decompressed, or whose layers do.",
)


def platform_option(text: str) -> Callable[[Command], Command]:
    """Add --platform; `text` is its help."""

    def check(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
        if not re.fullmatch(r"[a-z0-9_-]+/[a-z0-9_-]+(/[a-z0-9_.-]+)?", value):
            raise click.BadParameter(f"{value!r} is not OS/ARCH, for example linux/amd64.")
        return value

    return click.option(
        "--platform",
        metavar="OS/ARCH",
        default="linux/amd64",
        show_default=True,
        callback=check,
        help=text,
    )
