"""Options about the build of a Dockerfile, under the names that `docker build` has for them."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from lusid_image_publish.cli.types import Line


def build_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options about the build; `command` gets them as `build`, a `BuildOptions`."""

    @functools.wraps(command)
    def with_build(*arguments: Any, **values: Any) -> Any:
        from lusid_image_publish.images.source import BuildOptions  # noqa: PLC0415  # not for --help

        own = {name: values.pop(name) for name in BUILD_NAMES}
        return command(*arguments, build=BuildOptions(**own), **values)

    decorated: Callable[..., Any] = with_build
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def _pairs(
    _context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str | None]:
    pairs: dict[str, str | None] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not name or (not equals and parameter.name == "labels"):
            raise click.BadParameter(f"{text!r} is not NAME=VALUE.")
        pairs[name] = value if equals else None
    return pairs


_OPTIONS: Final = (
    click.option(
        "--context",
        metavar="DIRECTORY",
        type=click.Path(path_type=Path),
        help="The build context.  [default: the Dockerfile's directory]",
    ),
    click.option(
        "--build-arg",
        "build_args",
        type=Line(),
        metavar="NAME[=VALUE]",
        multiple=True,
        callback=_pairs,
        help="A build argument; without a value it is taken from the environment.",
    ),
    click.option(
        "--label",
        "labels",
        type=Line(),
        metavar="NAME=VALUE",
        multiple=True,
        callback=_pairs,
        help="A label for the image.",
    ),
    click.option("--target", metavar="STAGE", help="The stage of the Dockerfile to build."),
    click.option("--no-cache", is_flag=True, help="Build without the engine's cache."),
    click.option("--pull", is_flag=True, help="Pull the base images anew."),
)

BUILD_NAMES: Final = ("context", "build_args", "labels", "target", "no_cache", "pull")
"""What the parameters of these options are called."""
