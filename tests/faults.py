"""What networks and servers do on a bad day: the faults, and what they make of an answer."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

OTHER_DIGEST: Final = "sha256:" + "0" * 64
_LONG_AGO: Final = "2020-01-01T00:00:00.0000000+00:00"


class Fault(StrEnum):
    """What can happen to one request."""

    REFUSED = "refused"
    RESET = "reset"
    LOST = "answer lost"
    STALL = "stall"
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    NOT_FOUND = "404"
    TOO_MANY = "429"
    FAILED = "500"
    BAD_GATEWAY = "502 HTML"
    TRUNCATED = "cut JSON"
    WRONG_DIGEST = "wrong digest"
    EXPIRED = "expired"
    EMPTY = "empty JSON"
    FOREIGN = "foreign image"
    FORGOTTEN = "404 after the manifest"
    ENDLESS = "endless headers"


@dataclass(frozen=True)
class Asked:
    """A request as it came; names of `headers` are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Answered:
    """An answer of the server behind the proxy."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Chooser = Callable[[Asked, list[Asked]], bool]
"""Says whether the fault happens to a request, given those that came before it."""


def _error(status: int, headers: Mapping[str, str]) -> Callable[[Asked], Answered]:
    def answer(asked: Asked) -> Answered:
        if "/v2/" in asked.path:
            code = {401: "UNAUTHORIZED", 403: "DENIED", 404: "NAME_UNKNOWN", 429: "TOOMANYREQUESTS"}
            error = {"code": code.get(status, "UNKNOWN"), "message": "the registry's own words"}
            body = json.dumps({"errors": [error]}).encode()
        else:
            body = json.dumps({"title": "Refused", "status": status, "code": -1}).encode()
        return Answered(status, {"Content-Type": "application/json", **headers}, body)

    return answer


def _html(_: Asked) -> Answered:
    return Answered(502, {"Content-Type": "text/html"}, b"<html><h1>Bad gateway</h1></html>")


def _json(document: object) -> Answered:
    return Answered(200, {"Content-Type": "application/json"}, json.dumps(document).encode())


def _foreign(asked: Asked) -> Answered:
    """Answer about another image, job or run, in the documented form."""
    image = {"name": "other", "digest": OTHER_DIGEST, "size": 5, "tags": [{"name": "1.0"}]}
    if "/api/jobs/history/" in asked.path:
        return _json({"runId": "another", "jobStatus": "Succeeded", "endDate": _LONG_AGO})
    if "/api/jobs" in asked.path:
        job = {"jobId": {"scope": "other", "code": "job"}, "dockerImage": "other:1.0"}
        return _json({"values": [job], "runId": "another"} | job)
    if "/repository/" in asked.path:
        return _json({"values": [image]})
    if asked.method == "GET":
        return _json(image)
    local, remote = "foo/other:1.0", "127.0.0.1:1/foo/other:1.0"
    return _json(
        {
            "dockerLoginCommand": "docker login -u tests -p other-password 127.0.0.1:1",
            "buildVersionedDockerImageCommand": f"docker build -t {local} .",
            "tagVersionedDockerImageCommand": f"docker tag {local} {remote}",
            "pushVersionedDockerImageCommand": f"docker push {remote}",
        }
    )


def _forgotten(asked: Asked) -> Answered:
    """Take a manifest, and let nobody know: the registry has nothing under the tag."""
    digest = f"sha256:{hashlib.sha256(asked.body).hexdigest()}"
    return Answered(201, {"Docker-Content-Digest": digest, "Location": asked.path}, b"")


STATUSES: Final[Mapping[Fault | None, Callable[[Asked], Answered]]] = {
    Fault.UNAUTHORIZED: _error(401, {"WWW-Authenticate": 'Basic realm="tests"'}),
    Fault.FORBIDDEN: _error(403, {}),
    Fault.NOT_FOUND: _error(404, {}),
    Fault.TOO_MANY: _error(429, {"Retry-After": "1"}),
    Fault.FAILED: _error(500, {}),
    Fault.BAD_GATEWAY: _html,
    Fault.EMPTY: lambda _: _json({}),
    Fault.FOREIGN: _foreign,
    Fault.FORGOTTEN: _forgotten,
}
"""What is answered in place of the server."""


def changed(answered: Answered, fault: Fault | None) -> Answered:
    """Return `answered` as `fault` leaves it."""
    headers, body = dict(answered.headers), answered.body
    if fault is Fault.TRUNCATED:
        body = body[: len(body) // 2]
    elif fault is Fault.WRONG_DIGEST:
        body = re.sub(rb'("digest":\s*")sha256:[0-9a-f]{64}', rb"\1" + OTHER_DIGEST.encode(), body)
        headers = {
            name: OTHER_DIGEST if name.lower() == "docker-content-digest" else value
            for name, value in headers.items()
        }
    elif fault is Fault.EXPIRED:
        body = re.sub(rb'("expiryTime":\s*")[^"]*', rb"\g<1>" + _LONG_AGO.encode(), body)
    return Answered(answered.status, headers, body)
