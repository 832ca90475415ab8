"""Run operations of FINBOURNE's own SDK and print what came of each, as JSON.

Each line of stdin is `{"folder": ..., "variables": {...}, "calls": [...]}`: the SDK's configuration
is FBN_* variables, and a call is `{"operation": ..., "arguments": {...}}`. The answer is a line.
Without calls, it has the fields of the models that the operations answer.

The SDK is imported when something is run, so that a test can take the functions that bring its own
results into the same form.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

NOT_OFFERED = "not offered"
MODELS = (
    "Image",
    "ResourceListOfImageSummary",
    "ResourceListOfRepository",
    "UploadImageInstructions",
)


def plain(value: Any) -> Any:
    """Return the wire document `value` without nulls, and with dates as UTC texts.

    The SDK has a null for each member that did not come, so nothing is lost that it knows.
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items() if item is not None}
    return [plain(item) for item in value] if isinstance(value, list) else value


def contents(content: bytes) -> dict[str, Any]:
    """Return what stands for bytes."""
    return {"length": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def fields_of(schemas: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Return the type of each field of each model that pydantic's `schemas` have, by wire name."""
    return dict(_fields(schemas))


def _fields(schemas: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, str]]]:
    for schema in schemas:
        inner: dict[str, Any] = schema.get("definitions") or schema.get("$defs") or {}
        for name, model in {schema["title"]: schema, **inner}.items():
            yield name, {field: _type(of) for field, of in model["properties"].items()}


def _type(field: dict[str, Any]) -> str:
    choices = [item for item in field.get("anyOf", [field]) if item.get("type") != "null"]
    (choice,) = choices[0].get("allOf", choices)
    if "$ref" in choice:
        return str(choice["$ref"]).rpartition("/")[2]
    if choice["type"] == "array":
        return f"list of {_type(choice['items'])}"
    return "date" if choice.get("format") == "date-time" else str(choice["type"])


def run(calls: list[dict[str, Any]]) -> list[Any]:
    """Return what came of each call: status and answer, status and body, or `NOT_OFFERED`."""
    from lusid_scheduler.api.images_api import ImagesApi
    from lusid_scheduler.extensions.api_client_factory import SyncApiClientFactory

    with SyncApiClientFactory() as factory:
        api = factory.build(ImagesApi)
        return [
            _run_one(getattr(api, call["operation"]), call["arguments"])
            if hasattr(api, call["operation"])
            else NOT_OFFERED
            for call in calls
        ]


def _run_one(operation: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    from lusid_scheduler.exceptions import ApiException
    from lusid_scheduler.models.upload_image_request import UploadImageRequest

    if "image_name" in arguments:
        arguments = {"upload_image_request": UploadImageRequest(**arguments)}
    try:
        answer = operation(**arguments)
    except ApiException as error:
        return {
            "status": error.status,
            "body": json.loads(error.body) if error.body else None,
            "request_id": bool(error.headers.get("lusid-meta-requestId")),
        }
    if isinstance(answer, bytes | bytearray):
        return {"status": 200, "answer": contents(bytes(answer))}
    return {"status": 200, "answer": plain(answer if isinstance(answer, str) else answer.to_dict())}


def models() -> dict[str, dict[str, str]]:
    """Return the fields of the SDK's models."""
    import lusid_scheduler.models

    return fields_of([getattr(lusid_scheduler.models, name).schema() for name in MODELS])


if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        os.environ.clear()
        os.environ.update(asked["variables"])
        os.chdir(asked["folder"])  # where the SDK looks for a secrets.json
        json.dump(run(asked["calls"]) if asked["calls"] else models(), sys.stdout)
        sys.stdout.write("\n")
        sys.stdout.flush()
