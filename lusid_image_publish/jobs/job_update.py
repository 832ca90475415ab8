"""Change only the image of a job: what to send, what could be lost, what differs.

An update replaces the whole job, and an answer is not a valid request: the job is sent back exactly
as it was read, except for the image. Nothing here sends requests.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lusid_image_publish.errors import UnsafeJobError
from lusid_image_publish.jobs.job_arguments import is_reference, is_secret
from lusid_image_publish.names import ImageName, is_image_name
from lusid_image_publish.scheduler.job_models import JobDefinition
from lusid_image_publish.scheduler.raw_json import members_of
from lusid_image_publish.text import plain

_REQUIRED: Final = ("name", "description", "argumentDefinitions")
_SENT: Final = (
    *_REQUIRED,
    *("author", "ttl", "minCpu", "maxCpu", "minMemory", "maxMemory"),
    *("commandLineArgumentSeparator", "requiredResources"),
)
"""The members of an UpdateJobRequest except the image, as in the OpenAPI document."""

_NOT_SENT: Final = {"jobId", "dateCreated", "dockerImage"}
"""The members that an update leaves unchanged, or has in another form."""


def image_of(job: JobDefinition) -> str:
    """Return the image of a job as NAME:TAG, empty without one.

    The source of the image and a digest after the tag are left out.
    """
    image = (job.docker_image or "").partition("@")[0].rpartition("/")[2]
    # A short secret may be part of the name by chance: compare the name unredacted.
    return image if is_image_name(image) else plain(image)


def has_image(job: JobDefinition, image: ImageName) -> bool:
    """Return whether `image` is the image of the job."""
    return image_of(job) == str(image)


def update_request(job: JobDefinition, image: ImageName) -> str:
    """Return the UpdateJobRequest that gives a job its `image`, as JSON.

    Everything else is byte for byte as it was read; null members are left out.
    """
    members = _members(job)
    image_members = {
        "imageName": json.dumps(image.repository),
        "imageTag": json.dumps(image.tag),
    }
    sent = {name: members[name] for name in _SENT if name in members} | image_members
    return "{" + ",".join(f'"{name}":{value}' for name, value in sent.items()) + "}"


def require_updatable(job: JobDefinition, *, force: bool, option: str) -> None:
    """Raise `UnsafeJobError` for a job that an update could damage.

    `force` accepts what could be lost or overwritten, but not a missing required member; `option`
    is the option that sets it.
    """
    require_complete(job)
    if not force and (dangers := dangers_of(job)):
        raise UnsafeJobError(
            f"The image of the job {_name(job)} was not set: an update could damage the job.",
            cause=dangers,
            hint=f"Set the image in the LUSID web app, or accept the risk with {option}.",
        )


def require_complete(job: JobDefinition) -> None:
    """Raise `UnsafeJobError` for a job without a member that every update requires."""
    missing = [member for member in _REQUIRED if member not in _members(job)]
    if missing:
        raise UnsafeJobError(
            f"The job {_name(job)} cannot be updated: it has no {', '.join(missing)}.",
            cause="LUSID requires these for an update, which replaces the whole job.",
            hint="Complete the job in the LUSID web app, and run again.",
        )


def dangers_of(job: JobDefinition) -> str:
    """Return sentences about what an update could remove or overwrite, empty if nothing."""
    return " ".join(_dangers(job))


def _dangers(job: JobDefinition) -> Iterator[str]:
    unknown = sorted(_members(job).keys() - {*_SENT, *_NOT_SENT})
    if unknown:
        names = ", ".join(plain(name, longest=80) for name in unknown)
        yield f"It has members that this version does not know and would remove: {names}."
    secure = sorted(
        plain(name, longest=80)
        for name, argument in (job.argument_definitions or {}).items()
        if is_secret(argument)
        and argument.default_value
        and not is_reference(argument.default_value)
    )
    if secure:
        yield (
            f"The default of {', '.join(secure)} is a secret: if LUSID shows a mask instead, the "
            "update would overwrite the secret with it."
        )


def differences(before: JobDefinition, after: JobDefinition) -> tuple[str, ...]:
    """Return the names of the members that differ between two readings of a job, except its image.

    Names of nested members have dots. A null member is the same as an absent one.
    """
    old, new = (dict(_leaves(json.loads(job.document or "{}"))) for job in (before, after))
    names = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    return tuple(sorted(plain(name, longest=200) for name in names - {"dockerImage"}))


def _name(job: JobDefinition) -> str:
    return f"{job.job_id.scope}/{job.job_id.code}"


def _members(job: JobDefinition) -> dict[str, str]:
    """Return the members of a job that are not null, as JSON."""
    members = members_of(job.document)
    return {name: value for name, value in members.items() if value != "null"}


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and (value or not name):
        for key, part in value.items():
            yield from _leaves(part, f"{name}.{key}" if name else str(key))
    elif value is not None:
        yield name, value
