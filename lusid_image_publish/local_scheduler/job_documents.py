"""The wire documents of the Jobs API: requests and answers.

The rules are those of the OpenAPI document (`CreateJobRequest`, `UpdateJobRequest`,
`StartJobRequest`). Unknown members are refused, as `additionalProperties: false` requires.
"""

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from lusid_image_publish.local_scheduler.documents import Problem, invalid, wire_date

Document = Mapping[str, Any]

DEFAULT_TTL_SECONDS: Final = 300
MAX_TTL_SECONDS: Final = 18_000
_RESOURCE: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_RUN_ID: Final = re.compile(r"[a-zA-Z0-9-]{1,36}")
_FINE_DIGITS: Final = re.compile(r"(\.\d{6})\d+")  # Python reads six, the service writes seven
_MAX_TEXT_CHARACTERS: Final = 512
_MAX_TAG_CHARACTERS: Final = 128
_MAX_DESCRIPTION_CHARACTERS: Final = 255  # of an argument
_MAX_SEPARATOR_CHARACTERS: Final = 5
_MAX_ORDER_NUMBER: Final = (1 << 31) - 1

_OPTIONAL: Final = {
    **dict.fromkeys(("author", "minCpu", "maxCpu", "minMemory", "maxMemory"), str),
    "ttl": int,
    "dateCreated": str,
    "commandLineArgumentSeparator": str,
    "requiredResources": dict,
}
_REQUIRED: Final = {
    **dict.fromkeys(("name", "description", "imageName", "imageTag"), str),
    "argumentDefinitions": dict,
}
_ARGUMENT_REQUIRED: Final = {"dataType": str, "description": str, "order": int, "passedAs": str}
_ARGUMENT_OPTIONAL: Final = {"required": bool, "constraints": str, "defaultValue": str}
_RESOURCES: Final = ("lusidApis", "lusidFileSystem", "externalCalls")
_PASSED_AS: Final = ("CommandLine", "EnvironmentVariable")


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body; an empty body is an empty object. Raises the 400."""
    try:
        document = json.loads(body.decode("utf-8-sig") or "{}")
        json.dumps(document, ensure_ascii=False).encode()  # a lone surrogate could not be sent back
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise invalid("$", "The body is not a JSON object.")
    return document


def read_job_request(document: Document, *, is_new: bool) -> dict[str, Any]:
    """Return the members of a request for a job, without nulls. Raises the 400.

    The document has no `dateCreated` for an update, but fbnconfig sends one: it is ignored.
    """
    required = _REQUIRED | ({"jobId": dict} if is_new else {})
    job = _members("", document, required, _OPTIONAL)
    for name, longest in (
        ("name", _MAX_TEXT_CHARACTERS),
        ("description", _MAX_TEXT_CHARACTERS),
        ("author", _MAX_TEXT_CHARACTERS),
        ("imageTag", _MAX_TAG_CHARACTERS),
        ("commandLineArgumentSeparator", _MAX_SEPARATOR_CHARACTERS),
    ):
        if len(job.get(name, "")) > longest:
            raise invalid(name, f"The field {name} may have at most {longest} characters.")
    for name in ("name", "description", "imageName"):
        if not job[name]:
            raise invalid(name, f"The field {name} must not be empty.")
    created = _date(job.pop("dateCreated", None))
    if is_new:
        job["jobId"] = _resource_id(job["jobId"])
        job |= {"dateCreated": created} if created else {}
        if not 0 <= job.get("ttl", 0) <= MAX_TTL_SECONDS:
            raise invalid("ttl", f"The field ttl must be between 0 and {MAX_TTL_SECONDS}.")
    job["argumentDefinitions"] = {
        name: _argument(name, definition) for name, definition in job["argumentDefinitions"].items()
    }
    if resources := job.get("requiredResources"):
        _members("requiredResources", resources, {}, dict.fromkeys(_RESOURCES, list))
        for name, values in resources.items():
            _require_items(f"requiredResources.{name}", values, str)
    return job


def read_start_request(document: Document) -> dict[str, Any]:
    """Return the members of a request for a run, without nulls. Raises the 400."""
    kinds = {"arguments": dict, "notifications": list, "useAsAuth": str, "runId": str}
    start = _members("", document, {}, kinds)
    for name, value in start.get("arguments", {}).items():
        if value is not None and not isinstance(value, str):
            raise invalid(f"arguments.{name}", "The value of an argument must be a string.")
        if "\0" in (value or ""):
            raise invalid(
                f"arguments.{name}", "The value of an argument must not contain a NUL character."
            )
    _require_items("notifications", start.get("notifications"), dict)
    if "runId" in start:
        try:
            start["runId"] = str(uuid.UUID(start["runId"]))
        except ValueError:
            raise invalid("runId", "The field runId must be a GUID.") from None
    return start


def require_run_id(run_id: str) -> None:
    """Raise the 400 for a run id that the OpenAPI document does not allow."""
    if not _RUN_ID.fullmatch(run_id):
        raise invalid("runId", "It must have 1 to 36 letters, digits and '-'.")


def require_resource_id(**parts: str) -> None:
    """Raise the 400 for a scope or a code that the OpenAPI document does not allow."""
    for name, text in parts.items():
        if not _RESOURCE.fullmatch(text):
            raise invalid(name, "It must have 1 to 64 letters, digits, '-' and '_'.")


def job_definition(job: Document) -> dict[str, Any]:
    """Return the `JobDefinition` of a stored job."""
    shown = {
        name: value for name, value in job.items() if name not in {"imageName", "imageTag"}
    } | {"dockerImage": image_of(job)}
    return {
        "author": None,
        "ttl": DEFAULT_TTL_SECONDS,
        "minCpu": "2",
        "commandLineArgumentSeparator": " ",
        "requiredResources": dict.fromkeys(_RESOURCES),
    } | shown


def new_job(scope: str, code: str, arguments: Iterable[str], created: str) -> dict[str, Any]:
    """Return a job without an image; its `arguments` are strings on the command line."""
    argument = {"dataType": "String", "passedAs": "CommandLine", "description": "Any text"}
    return {
        "jobId": {"scope": scope, "code": code},
        "name": code,
        "description": "Made by the local Scheduler, to try it out",
        "dateCreated": created,
        "argumentDefinitions": {
            name: argument | {"order": order, "required": False, "constraints": "None"}
            for order, name in enumerate(arguments, 1)
        },
    }


def image_of(job: Document) -> str | None:
    """Return the image of a job as name:tag, None if it has none yet."""
    return f"{job['imageName']}:{job['imageTag']}" if job.get("imageName") else None


def _argument(name: str, definition: Any) -> dict[str, Any]:
    place = f"argumentDefinitions.{name}"
    if not isinstance(definition, Mapping):
        raise invalid(place, "The definition of an argument must be an object.")
    argument = _members(place, definition, _ARGUMENT_REQUIRED, _ARGUMENT_OPTIONAL)
    if not argument["dataType"]:
        raise invalid(f"{place}.dataType", "The field dataType must not be empty.")
    if argument["passedAs"] not in _PASSED_AS:
        raise invalid(f"{place}.passedAs", f"It must be {' or '.join(_PASSED_AS)}.")
    if len(argument["description"]) > _MAX_DESCRIPTION_CHARACTERS:
        raise invalid(
            f"{place}.description", f"It may have at most {_MAX_DESCRIPTION_CHARACTERS} characters."
        )
    if abs(argument["order"]) > _MAX_ORDER_NUMBER:
        raise invalid(f"{place}.order", "It must be a 32-bit number.")
    return {"required": False, "constraints": "None"} | argument


def _date(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(_FINE_DIGITS.sub(r"\1", text))
        return wire_date(moment.astimezone(UTC) if moment.tzinfo else moment)
    except (ValueError, OverflowError):
        raise invalid("dateCreated", "The field dateCreated must be a date and time.") from None


def _require_items(field: str, values: list[Any] | None, kind: type) -> None:
    if not all(isinstance(value, kind) for value in values or ()):
        raise invalid(field, f"An item of {field} has the wrong type.")


def _resource_id(document: Document) -> dict[str, str]:
    identifier = _members("jobId", document, {"scope": str, "code": str}, {})
    require_resource_id(**{f"jobId.{name}": text for name, text in identifier.items()})
    return identifier


def _members(
    place: str,
    document: Document,
    required: Mapping[str, type],
    optional: Mapping[str, type],
) -> dict[str, Any]:
    """Return the members that are not null. Raises the 400 for an unknown, missing or wrong one."""
    kinds = {**optional, **required}
    found = {}
    for name, value in document.items():
        field = f"{place}.{name}".lstrip(".")
        if name not in kinds:
            raise invalid(field, f"The field {name} is unknown.")
        if value is None:
            continue
        if not isinstance(value, kinds[name]) or (
            isinstance(value, bool) and kinds[name] is not bool
        ):
            raise invalid(field, f"The field {name} has the wrong type.")
        found[name] = value
    for name in required:
        if name not in found:
            raise invalid(f"{place}.{name}".lstrip("."), f"The field {name} is required.")
    return found


def missing_job(name: str) -> Problem:
    """Return the 404 for a job that does not exist."""
    return Problem(404, "JobNotFound", -1, f"The job {name} does not exist.")
