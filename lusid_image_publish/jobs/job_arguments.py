"""The arguments of a run, held against what the job wants."""

import re
from collections.abc import Mapping
from typing import Final

from lusid_image_publish import redact
from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.scheduler.job_models import ArgumentDefinition, JobDefinition
from lusid_image_publish.text import plain

_WORDS: Final = {"true", "false", "none", "null"}
_WHOLE_NUMBER: Final = re.compile(r"[+-]?[0-9]+")


def require_arguments(job: JobDefinition, arguments: Mapping[str, str]) -> None:
    """Raise `ConfigurationError` for arguments that the job does not have, or lacks.

    The values of secret ones are hidden from now on, in all that is shown.
    """
    name = f"{job.job_id.scope}/{job.job_id.code}"
    definitions = job.argument_definitions or {}
    for given in arguments:
        if given not in definitions:
            known = ", ".join(plain(each, longest=80) for each in sorted(definitions))
            raise _argument_error(
                f"The job {name} has no argument {plain(given, longest=80)!r}.",
                f"Its arguments are: {known}." if known else "It takes no arguments.",
            )
    for known, definition in definitions.items():
        value = arguments.get(known)
        if value is None and definition.required and definition.default_value is None:
            raise _argument_error(
                f"The job {name} needs the argument {plain(known, longest=80)!r}.",
                "It is required, and has no default.",
            )
        if value is None:
            continue
        if is_secret(definition):
            _hide(value)
        if definition.data_type == "Int" and not _WHOLE_NUMBER.fullmatch(value):
            raise _argument_error(
                f"The argument {plain(known, longest=80)!r} of the job {name} takes a whole "
                "number.",
                "Its data type is Int.",
            )


def is_secret(definition: ArgumentDefinition) -> bool:
    """Return whether the value of an argument is a secret."""
    return (definition.data_type or "").casefold() == "securestring"


def hide_defaults(job: JobDefinition) -> None:
    """Hide the secrets that a job has as defaults, in all that is shown from now on."""
    for definition in (job.argument_definitions or {}).values():
        if is_secret(definition) and not is_reference(definition.default_value):
            _hide(definition.default_value or "")


def is_reference(value: str | None) -> bool:
    """Return whether a default only says where a value is: `config://...`."""
    return (value or "").startswith("config://")


def _hide(secret: str) -> None:
    """Hide a secret, and each long line of it: a job may write them one by one."""
    if secret.casefold() in _WORDS:
        return  # it would be hidden in every answer
    redact.register(secret)
    for line in map(str.strip, secret.splitlines()):
        if len(line) >= redact.MIN_UNIQUE_CHARACTERS:
            redact.register(line)


def _argument_error(message: str, cause: str) -> ConfigurationError:
    return ConfigurationError(
        message,
        cause=cause,
        hint="Correct --argument NAME=VALUE, which is given to every job; `lusid-jobs get` shows "
        "the arguments of a job.",
    )
