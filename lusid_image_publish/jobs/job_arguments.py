"""Check the arguments of a run against the definition of its job."""

import re
from collections.abc import Mapping
from typing import Final

from lusid_image_publish import redact
from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.names import ImageName
from lusid_image_publish.scheduler.job_models import ArgumentDefinition, JobDefinition
from lusid_image_publish.text import plain

_WORDS: Final = {"", "true", "false", "none", "null", "succeeded", "failed"}
_WHOLE_NUMBER: Final = re.compile(r"[+-]?[0-9]+")


def require_arguments(
    job: JobDefinition, arguments: Mapping[str, str], image: ImageName | None = None
) -> None:
    """Raise `ConfigurationError` for arguments that are unknown, missing or of the wrong type.

    The values of secret ones are hidden from now on; `image` is the image that the job will run.
    """
    hide_secrets(job, arguments, image)
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
                f"The job {name} requires the argument {plain(known, longest=80)!r}.",
                "The argument has no default value.",
            )
        if (
            value is not None
            and definition.data_type == "Int"
            and not _WHOLE_NUMBER.fullmatch(value)
        ):
            raise _argument_error(
                f"The argument {plain(known, longest=80)!r} of the job {name} must be a "
                "whole number.",
                "Its data type is Int.",
            )


def is_secret(definition: ArgumentDefinition) -> bool:
    """Return whether the value of an argument is a secret."""
    return (definition.data_type or "").casefold() == "securestring"


def hide_secrets(
    job: JobDefinition,
    arguments: Mapping[str, str] | None = None,
    image: ImageName | None = None,
) -> None:
    """Hide the secrets of a job and of its arguments in all output from now on.

    A short secret would also hide parts of digests, and one that is part of the name of the job or
    the image would hide that name: these are hidden only in texts about a run, with `secrets_of`.
    """
    public = f"{job.job_id.scope}/{job.job_id.code} {job.docker_image} {image}"
    for secret in secrets_of(job, arguments or {}):
        if len(secret) >= redact.MIN_UNIQUE_CHARACTERS and secret not in public:
            redact.register(secret)


def secrets_of(job: JobDefinition, arguments: Mapping[str, str]) -> tuple[str, ...]:
    """Return the secrets of a job and of the arguments of a run, and each of their lines.

    A job may write the lines one by one. Words that occur in every answer are left out.
    """
    found: list[str] = []
    for name, definition in (job.argument_definitions or {}).items():
        if is_secret(definition):
            default = definition.default_value or ""
            found += [arguments.get(name, ""), "" if is_reference(default) else default]
    lines = [line.strip() for secret in found for line in secret.splitlines()]
    return tuple(each for each in dict.fromkeys([*found, *lines]) if each.casefold() not in _WORDS)


def is_reference(value: str | None) -> bool:
    """Return whether a default is only a reference to a value: `config://...`."""
    return (value or "").startswith("config://")


def _argument_error(message: str, cause: str) -> ConfigurationError:
    return ConfigurationError(
        message,
        cause=cause,
        hint="Correct --argument NAME=VALUE, which is passed to every job. `lusid-jobs get` shows "
        "the arguments of a job.",
    )
