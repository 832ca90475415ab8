"""Let FINBOURNE's configuration tool work on jobs and print what came of it, as JSON.

Each line of stdin is `{"folder": ..., "variables": {...}, "calls": [...]}`: the variables are those
of the tool's command line, and a call is `{"operation": ..., "members": {...}}`. The answer is a
line. What the tool was given and returned is as its documentation has it; a job's image is
`{"name": ..., "tag": ...}`, and its arguments are in `command_line` and `environment`.
"""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import fbnconfig.scheduler as tool
import httpx
from fbnconfig.http_client import create_client


def run(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what came of each call: the answer or the error, and the requests that were sent."""
    with create_client(os.environ["LUSID_ENV"], os.environ["FBN_ACCESS_TOKEN"]) as client:
        return [_run_one(client, call["operation"], call["members"]) for call in calls]


def _run_one(client: httpx.Client, operation: str, members: Mapping[str, Any]) -> dict[str, Any]:
    sent: list[str] = []
    raising = client.event_hooks["response"]
    client.event_hooks = {
        "request": [lambda request: sent.append(f"{request.method} {request.url.path}")],
        "response": raising,
    }
    try:
        return {"answer": OPERATIONS[operation](client, members), "requests": sent}
    except (RuntimeError, httpx.HTTPStatusError) as error:
        return {"error": str(error), "requests": sent}


def attach_image(client: httpx.Client, members: Mapping[str, Any]) -> None:
    """Refer to an image that LUSID has."""
    _image(members).attach(client)


def attach_job(client: httpx.Client, members: Mapping[str, Any]) -> None:
    """Refer to a job that LUSID has."""
    tool.JobRef(id="job", **members).attach(client)


def create(client: httpx.Client, members: Mapping[str, Any]) -> Any:
    """Create a job; return the tool's state of it."""
    return _job(members).create(client)


def read(client: httpx.Client, members: Mapping[str, Any]) -> Any:
    """Return a job as the tool reads it."""
    return _job(members).read(client, _state(members))


def update(client: httpx.Client, members: Mapping[str, Any]) -> Any:
    """Make a job what `members` say; return the tool's state of it, None if it is that already."""
    return _job(members).update(client, _state(members))


def delete(client: httpx.Client, members: Mapping[str, Any]) -> Any:
    """Delete a job."""
    return tool.JobResource.delete(client, _state(members))


def take_over(client: httpx.Client, members: Mapping[str, Any]) -> Any:
    """Make the tool's own description of a job that somebody else made; update the job with it."""
    conditions = (f"jobId.{name} eq '{members[name]}'" for name in ("scope", "code"))
    found = client.get("/scheduler2/api/jobs", params={"filter": " and ".join(conditions)})
    (job,) = found.json()["values"]
    described = tool.JobResource.from_api(job)
    image = described["image"]
    keys = image["metadata"]["keys"]
    refs = {image["$ref"]: _image({"name": keys["destName"], "tag": keys["destTag"]})}
    resource = tool.JobResource.model_validate(described, context={"$refs": refs})
    return resource.update(client, _state(members))


def _job(members: Mapping[str, Any]) -> Any:
    members = dict(members)
    arguments = {
        name: kind(**argument)
        for place, kind in (
            ("command_line", tool.CommandlineArg),
            ("environment", tool.EnvironmentArg),
        )
        for name, argument in members.pop(place, {}).items()
    }
    image = _image(members.pop("image"))
    return tool.JobResource(id="job", image=image, argument_definitions=arguments, **members)


def _image(members: Mapping[str, Any]) -> Any:
    return tool.ImageRef(id="image", dest_name=members["name"], dest_tag=members["tag"])


def _state(members: Mapping[str, Any]) -> Any:
    return tool.JobState(id="job", scope=members["scope"], code=members["code"])


OPERATIONS = {
    function.__name__: function
    for function in (attach_image, attach_job, create, read, update, delete, take_over)
}

if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        os.environ.clear()
        os.environ.update(asked["variables"])
        os.chdir(asked["folder"])
        json.dump(run(asked["calls"]), sys.stdout)
        sys.stdout.write("\n")
        sys.stdout.flush()
