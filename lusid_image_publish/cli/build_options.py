"""Options about the build of a Dockerfile, under the names that `docker build` has for them."""

import os
import re
from pathlib import Path
from typing import Final

import click

from lusid_image_publish.ci.detect import on_gitlab
from lusid_image_publish.cli.options import Command, add_group
from lusid_image_publish.cli.parameters import (
    Line,
    complete_directory,
    key_of,
    places_of,
    variable_that_sets,
)


def build_options(command: Command) -> Command:
    """Add the options about the build; `command` gets their values as `build`."""
    return add_group(command, _OPTIONS, BUILD_NAMES, "build")


def _build_args(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str | None]:
    """Return the build arguments; one without a value has None."""
    # --help needs no names of secrets, which are those of all settings.
    from lusid_image_publish.environment import variable_holds_secret  # noqa: PLC0415

    takes_names = not _needs_values(variable_that_sets(context, parameter))
    form = "neither NAME nor NAME=VALUE" if takes_names else "not NAME=VALUE"
    arguments: dict[str, str | None] = {}
    for place, text in zip(places_of(context, parameter, values), values, strict=True):
        name, equals, value = text.partition("=")
        if not _ARGUMENT.fullmatch(name) or not (equals or takes_names):
            raise _bad_value(place, form, context, parameter)
        if variable_holds_secret(name):
            raise click.BadParameter(
                f"{name} is a secret, and everybody who can pull the image can read its build "
                "arguments. Leave it out."
            )
        arguments[name] = value if equals else None
    return arguments


def _needs_values(variable: str) -> bool:
    """Return whether each line of `variable` needs `=`, because a CI expanded it.

    A value of several lines that was expanded there would be cut: its second line could be a NAME.
    """
    return variable.startswith("INPUT_") or (bool(variable) and on_gitlab(os.environ))


def _labels(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    labels: dict[str, str] = {}
    for place, text in zip(places_of(context, parameter, values), values, strict=True):
        name, equals, value = text.partition("=")
        if not _LABEL.fullmatch(name) or not equals:
            raise _bad_value(place, "not NAME=VALUE", context, parameter)
        labels[name] = value
    return labels


def _bad_value(
    place: str, form: str, context: click.Context, parameter: click.Parameter
) -> click.BadParameter:
    key = key_of(parameter)
    advice = (
        f" Each line is one {key}. Write a value of several lines into .lusid-publish.toml, as a "
        f"list or a table. Or give it on the command line, `lusid-publish --{key} NAME=VALUE`."
    )
    is_variable = variable_that_sets(context, parameter)
    return click.BadParameter(f"{place} is {form}.{advice if is_variable else ''}")


# The names of a Dockerfile's ARG; builders take others, which no $NAME can refer to.
_ARGUMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_LABEL: Final = re.compile(r"[^\s=]+")

_OPTIONS: Final = (
    click.option(
        "--context",
        metavar="DIRECTORY",
        type=click.Path(path_type=Path),
        shell_complete=complete_directory,
        show_default="the Dockerfile's directory",
        help="Use DIRECTORY as the build context.",
    ),
    click.option(
        "--build-arg",
        "build_args",
        type=Line(),
        metavar="NAME[=VALUE]",
        multiple=True,
        callback=_build_args,
        help="Set a build argument; without =VALUE, read it from the environment. Secrets are "
        "rejected: anyone who can pull the image can read them. Can be repeated.",
    ),
    click.option(
        "--label",
        "labels",
        type=Line(),
        metavar="NAME=VALUE",
        multiple=True,
        callback=_labels,
        help="Add a label to the image. Can be repeated.",
    ),
    click.option("--target", metavar="STAGE", help="Build this stage of the Dockerfile."),
    click.option("--no-cache", is_flag=True, help="Build without the engine's build cache."),
    click.option("--pull", is_flag=True, help="Pull newer base images."),
)

BUILD_NAMES: Final = ("context", "build_args", "labels", "target", "no_cache", "pull")
"""The names of the parameters of these options."""
