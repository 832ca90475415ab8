"""Run operations of FINBOURNE's own SDK and print what came of each, as JSON.

Each line of stdin is `{"folder": ..., "variables": {...}, "calls": [...]}`: the SDK's configuration
is FBN_* variables, and a call is `{"operation": ..., "arguments": {...}}`. The answer is a line.
`{"models": [...]}` asks for the schemas of these models instead, as far as the SDK has them.

The SDK is imported when something is run, so that a test can take what is here as well: the process
that runs this, and the functions that bring results of its own into the same form.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_INSTALL = Path(__file__).parents[2] / ".ci" / "sdk"
NOT_OFFERED = "not offered"
APIS = ("ImagesApi", "JobsApi", "ApplicationMetadataApi")
"""Where an operation is looked for."""


def plain(value: Any) -> Any:
    """Return the wire document `value` without nulls, and with dates as UTC texts.

    The SDK has a null for each member that did not come, so nothing is lost that it knows.
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items() if item is not None}
    return [plain(item) for item in value] if isinstance(value, list) else value


def without(value: Any, names: AbstractSet[str]) -> Any:
    """Return a document without the members of these names, wherever they are."""
    if isinstance(value, Mapping):
        return {name: without(item, names) for name, item in value.items() if name not in names}
    return [without(item, names) for item in value] if isinstance(value, list) else value


def model_name(argument: str) -> str:
    """Return the name of the model that an argument takes: an `xy_request` is an `XyRequest`."""
    return argument.title().replace("_", "")


def contents(content: bytes) -> dict[str, Any]:
    """Return what stands for bytes."""
    return {"length": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def as_text(value: Any) -> str:
    """Return JSON: to Python, 1 is equal to 1.0 and to True."""
    return json.dumps(value, indent=1, sort_keys=True)


def comparable(result: Any) -> Any:
    """Return a result in the form that is the same for all clients."""
    if result == NOT_OFFERED:
        return result
    if "body" in result:
        return problem(**result)
    if isinstance(result["answer"], dict) and "values" in result["answer"]:
        # A list repeats the URL that was asked for: a blank in it is %20 or +, which is the same.
        url = urlsplit(result["answer"]["href"])
        result["answer"]["href"] = [url.netloc, url.path, parse_qs(url.query)]
    return result


def problem(status: int, body: Any, *, request_id: bool) -> dict[str, Any]:
    """Return what the body of an error says."""
    said = {"detail": body} if isinstance(body, str) else body or {}
    return {
        "status": status,
        "code": said.get("code"),
        "title": said.get("title", ""),
        "detail": said.get("detail", ""),
        "errors": said.get("errors", {}),
        "request_id": request_id,
    }


def answers_of(results: Sequence[Any]) -> list[Any]:
    """Return the answers of calls, which must all have succeeded."""
    assert all(result["status"] == 200 for result in results), results
    return [result["answer"] for result in results]


def fields_of(schemas: Sequence[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Return the type of each field of each model that pydantic's `schemas` have, by wire name."""
    return {
        name: {field: _type(of) for field, of in model["properties"].items()}
        for name, model in _models(schemas)
    }


def required_of(schemas: Sequence[dict[str, Any]]) -> dict[str, set[str]]:
    """Return the fields that must be there, for each model that pydantic's `schemas` have."""
    return {name: set(model.get("required", ())) for name, model in _models(schemas)}


def _models(schemas: Sequence[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for schema in schemas:
        inner: dict[str, Any] = schema.get("definitions") or schema.get("$defs") or {}
        yield from {schema["title"]: schema, **inner}.items()


def _type(field: dict[str, Any]) -> str:
    choices = [item for item in field.get("anyOf", [field]) if item.get("type") != "null"]
    (choice,) = choices[0].get("allOf", choices)
    if "$ref" in choice:
        return str(choice["$ref"]).rpartition("/")[2]
    if choice["type"] == "array":
        return f"list of {_type(choice['items'])}"
    if "additionalProperties" in choice:
        return f"map of {_type(choice['additionalProperties'])}"
    return "date" if choice.get("format") == "date-time" else str(choice["type"])


def run(calls: list[dict[str, Any]]) -> list[Any]:
    """Return what came of each call: status and answer, status and body, or `NOT_OFFERED`."""
    import lusid_scheduler
    from lusid_scheduler.extensions.api_client_factory import SyncApiClientFactory

    with SyncApiClientFactory() as factory:
        apis = [factory.build(getattr(lusid_scheduler, name)) for name in APIS]
        return [_run_one(apis, call["operation"], call["arguments"]) for call in calls]


def _run_one(apis: list[Any], name: str, arguments: dict[str, Any]) -> Any:
    from lusid_scheduler.exceptions import ApiException

    operation: Callable[..., Any] | None
    operation = next((getattr(api, name) for api in apis if hasattr(api, name)), None)
    if operation is None:
        return NOT_OFFERED
    try:
        answer = operation(**_with_models(arguments))
    except ApiException as error:
        return {
            "status": error.status,
            "body": json.loads(error.body) if error.body else None,
            "request_id": bool(error.headers.get("lusid-meta-requestId")),
        }
    if isinstance(answer, bytes | bytearray):
        return {"status": 200, "answer": contents(bytes(answer))}
    # Its own `to_dict` leaves out what only the service may set, a run's `jobResult`.
    document = answer if isinstance(answer, str) else answer.dict(by_alias=True)
    return {"status": 200, "answer": plain(document)}


def _with_models(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments with the SDK's models of requests in place of documents."""
    from lusid_scheduler import models

    if "image_name" in arguments:
        arguments = {"upload_image_request": arguments}
    return {
        name: getattr(models, model_name(name)).parse_obj(value)
        if isinstance(value, dict)
        else value
        for name, value in arguments.items()
    }


def schemas_of(names: list[str]) -> list[dict[str, Any]]:
    """Return the schemas of the SDK's models of these names."""
    from lusid_scheduler import models

    return [getattr(models, name).schema() for name in names if hasattr(models, name)]


@dataclass(frozen=True)
class Release:
    """One release of a package of FINBOURNE's, in a process and an environment of its own."""

    version: str
    process: subprocess.Popen[str]

    def run(
        self, calls: list[dict[str, Any]], *, variables: Mapping[str, str], folder: Path
    ) -> Any:
        """Return what came of each call."""
        return self._ask(variables, folder, calls=calls)

    def schemas(self, models: tuple[str, ...], *, folder: Path) -> Any:
        """Return the schemas of the models that it has."""
        return self._ask({}, folder, models=models)

    def _ask(self, variables: Mapping[str, str], folder: Path, **asked: Any) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        variables = {"PATH": os.environ["PATH"], **variables}
        asked |= {"folder": str(folder), "variables": variables}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@contextmanager
def running_release(package: str, version: str, script: Path = Path(__file__)) -> Iterator[Release]:
    """Run a script with one release of a package of FINBOURNE's, this one by default."""
    made = subprocess.run(
        [_INSTALL, f"{package}=={version}", sys.executable],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    with subprocess.Popen(
        [made.stdout.strip(), script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Release(version, process)


if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        os.environ.clear()
        os.environ.update(asked["variables"])
        os.chdir(asked["folder"])  # where the SDK looks for a secrets.json
        json.dump(
            schemas_of(asked["models"]) if "models" in asked else run(asked["calls"]), sys.stdout
        )
        sys.stdout.write("\n")
        sys.stdout.flush()
