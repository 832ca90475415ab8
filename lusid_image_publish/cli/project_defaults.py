"""The defaults of a command from the project file."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from lusid_image_publish.cli.parameters import key_of
from lusid_image_publish.text import plain

if TYPE_CHECKING:
    from lusid_image_publish.scan.verdict import Ignore

IGNORE_KEY: Final = "ignore"
_META: Final = f"{__name__}.project_file"


@dataclass(frozen=True)
class ProjectFile:
    """The content of the file: values by parameter name, in click's form, and `ignores`.

    `place` describes where it is; `is_named` is true if the user named the file.
    """

    place: str
    values: Mapping[str, Any]
    ignores: tuple["Ignore", ...]
    is_named: bool


def remember(context: click.Context, file: ProjectFile | None, names: Iterable[str]) -> None:
    """Take the defaults of the parameters `names` from `file`."""
    if file:
        context.default_map = {name: file.values[name] for name in names if name in file.values}
        context.meta[_META] = file


def remembered(context: click.Context) -> ProjectFile | None:
    """Return the file that the defaults of the command come from."""
    file: ProjectFile | None = context.meta.get(_META)
    return file


def describe_defaults(context: click.Context) -> Iterator[str]:
    """Yield a line for each default from the file that this run uses, with the file's name."""
    file = remembered(context)
    if file is None:
        return
    for parameter in context.command.params:
        name = str(parameter.name)
        if context.get_parameter_source(name) is ParameterSource.DEFAULT_MAP:
            yield f"{file.place}: {key_of(parameter)} = {_shown(file.values[name])}"
        if key_of(parameter) == IGNORE_KEY and file.ignores:
            yield f"{file.place}: {IGNORE_KEY} = {', '.join(map(_described, file.ignores))}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return plain(", ".join(value) if isinstance(value, list) else str(value))


def _described(ignore: "Ignore") -> str:
    until = f" until {ignore.expires}" if ignore.expires else ""
    reason = f" ({ignore.reason})" if ignore.reason else ""
    return plain(f"{ignore.id}{until}{reason}")
