"""Options about the jobs that run the image: which ones, and whether to run them."""

import os
import re
from collections.abc import Callable
from typing import Final

import click

from lusid_image_publish.cli.completion import JobIdType
from lusid_image_publish.cli.options import Command, add_group
from lusid_image_publish.cli.parameters import Line, Seconds, places_of, variable_that_sets
from lusid_image_publish.errors import InvalidNameError
from lusid_image_publish.names import JobId
from lusid_image_publish.text import is_utf_8

_MAX_NAME_CHARACTERS: Final = 80
_NAME: Final = re.compile(r"[^=\s]+")


def job_options(command: Command) -> Command:
    """Add the options about jobs; `command` gets their values as `job`."""
    return add_group(command, _OPTIONS, JOB_NAMES, "job")


def _jobs(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[JobId, ...]:
    jobs: list[JobId] = []
    for place, text in zip(places_of(context, parameter, values), values, strict=True):
        try:
            job = JobId.parse(text)
        except InvalidNameError as error:
            if place.startswith("Line"):
                raise click.BadParameter(f"{place} is not SCOPE/CODE. {error.cause}") from error
            raise click.BadParameter(f"{error.message} {error.cause}") from error
        if job in jobs:
            raise click.BadParameter(f"{job} is named twice.")
        jobs.append(job)
    return tuple(jobs)


def job_option(text: str) -> Callable[[Command], Command]:
    """Add --job; `text` is its help."""
    return click.option(
        "--job",
        "jobs",
        type=Line(),
        metavar="SCOPE/CODE",
        multiple=True,
        callback=_jobs,
        shell_complete=JobIdType().shell_complete,
        help=text,
    )


def read_arguments(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Return the arguments of a run; one without a value has it from the environment."""
    arguments: dict[str, str] = {}
    for place, text in zip(places_of(context, parameter, values), values, strict=True):
        name, equals, value = text.partition("=")
        if not _NAME.fullmatch(name) or not (equals or _takes_names(context, parameter)):
            shown = place if place.startswith("Line") else repr(name[:_MAX_NAME_CHARACTERS])
            raise click.BadParameter(
                f"{shown} is not NAME=VALUE. Repeat --argument for each argument; in a variable, "
                "write one on each line."
            )
        if not equals and name not in os.environ:
            raise click.BadParameter(
                f"The argument {name} has no value: write {name}=VALUE, or set {name} in the "
                "environment."
            )
        if name in arguments:
            raise click.BadParameter(f"{name} is given twice.")
        arguments[name] = value if equals else os.environ[name]
        if not is_utf_8(arguments[name]):
            raise click.BadParameter(f"The value of {name} is not UTF-8.")
    return arguments


def _takes_names(context: click.Context, parameter: click.Parameter) -> bool:
    """Return whether a NAME alone will do: not in a variable, where it may be half of a value."""
    return not variable_that_sets(context, parameter)


argument_option: Final[Callable[[Command], Command]] = click.option(
    "--argument",
    "arguments",
    type=Line(),
    metavar="NAME[=VALUE]",
    multiple=True,
    callback=read_arguments,
    help="Pass this argument to the run; without =VALUE, read it from the environment variable "
    "NAME, to keep secrets off the command line. Can be repeated.",
)

run_timeout_option: Final[Callable[[Command], Command]] = click.option(
    "--run-timeout",
    metavar="SECONDS",
    type=Seconds(1, 86400),
    show_default="the job's ttl plus 5 minutes",
    help="Wait at most SECONDS for a run to finish.",
)

_OPTIONS: Final = (
    job_option(
        "Set this job's image to NAME:TAG after the scan passes; nothing else in the job changes. "
        "Can be repeated."
    ),
    click.option(
        "--force-job",
        is_flag=True,
        help="Update a job even if that may remove fields that this version does not know, or "
        "replace a secret with its mask.",
    ),
    click.option(
        "--run-job",
        is_flag=True,
        help="Run each job once after updating it, and show its output.",
    ),
    argument_option,
    run_timeout_option,
)

JOB_NAMES: Final = ("jobs", "force_job", "run_job", "arguments", "run_timeout")
"""The names of the parameters of these options."""
