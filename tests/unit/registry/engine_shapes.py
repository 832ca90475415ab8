"""What nine engines answer: recorded from each, for a push to a registry 2.8.2.

`ENGINES` has the form in which an engine reports that a push succeeded or failed, and `SAID` its
words for each cause of a failure and our interpretation. If a `note` says so, the words do not
reveal the cause: the expectation is what they reveal, and the registry is asked for the rest. Long
words are shortened; names, URLs and digests are filled in.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from lusid_image_publish.errors import PushDeniedError, PushError, PushInterruptedError
from lusid_image_publish.names import ImageReference
from tests.fake_engine import Answer, Event

TARGET: Final = ImageReference("127.0.0.1:5056", "eng/job", "1.0")
DIGEST: Final = f"sha256:{'b9' * 32}"
BLOB: Final = f"sha256:{'5e' * 32}"
LAYER: Final = "5e6245e59d79"


class Refusal(Enum):
    """How a failed push is reported."""

    LAST_EVENT = auto()  # HTTP 200, and errorDetail in the last event
    BARE_500 = auto()  # HTTP 500 without the "message" that docker-py looks for
    FULL_500 = auto()


@dataclass(frozen=True)
class Engine:
    """One engine: `name` and `api` are its own words, `good` the events of a push."""

    name: str
    api: str
    good: Sequence[Event]
    newline: str
    refusal: Refusal
    is_containerd: bool = False

    def succeeding(self) -> Answer:
        """Return what it says of a push that succeeds."""
        return Answer(tuple(self.good), newline=self.newline)

    def failing(self, words: str) -> Answer:
        """Return its report of a failed push."""
        report = {"errorDetail": {"message": words}, "error": words}
        full = {"cause": words, "message": words}
        if "image not known" in words:
            return Answer(status=404, body=json.dumps({**full, "response": 404}))
        match self.refusal:
            case Refusal.LAST_EVENT:
                return Answer((self.good[0], report), newline=self.newline)
            case Refusal.BARE_500:
                return Answer(status=500, body=json.dumps(report))
            case Refusal.FULL_500:
                return Answer(status=500, body=json.dumps({**full, "response": 500}))


@dataclass(frozen=True)
class Said:
    """What `engines` say in one case, and the class of our error for it."""

    engines: Sequence[str]
    words: str
    means: type[PushError]
    note: str = ""


def layer(status: str, **detail: int) -> dict[str, Any]:
    """Return an event about a layer; `detail` has the bytes, `current` and `total`."""
    return {"status": status, "progressDetail": detail, "id": LAYER}


# What a push that succeeds says.

REFERS: Final = {"status": f"The push refers to repository [{TARGET.repository}]"}
_REFERS_TO_TAG: Final = {"status": f"The push refers to repository [{TARGET}]"}
LINE: Final = {"status": f"{TARGET.tag}: digest: {DIGEST} size: 527"}
AUX: Final = {"Tag": TARGET.tag, "Digest": DIGEST, "Size": 527}

_PUSHING: Final = (
    {**layer("Pushing", current=33792, total=300018), "progress": "[=>  ]  33.79kB/300kB"},
    {**layer("Pushing", current=303104, total=300018), "progress": "[==>]  303.1kB"},
)
_GRAPHDRIVER_GOOD: Final = (
    REFERS,
    layer("Preparing"),
    layer("Waiting"),
    *_PUSHING,
    layer("Pushed"),
    LINE,
    {"progressDetail": {}, "aux": AUX},
)
_STORE_GOOD: Final = (REFERS, layer("Waiting"), *_PUSHING, layer("Pushed"), LINE)
_PODMAN_GOOD: Final = (_REFERS_TO_TAG, LINE)
_PODMAN_6_GOOD: Final = (_REFERS_TO_TAG, {**LINE, "aux": AUX})


def _docker(api: str) -> Engine:
    return Engine("Engine", api, _GRAPHDRIVER_GOOD, "\r\n", Refusal.LAST_EVENT)


def _docker_with_store(api: str) -> Engine:
    return Engine("Engine", api, _STORE_GOOD, "\r\n", Refusal.LAST_EVENT, is_containerd=True)


def _podman(api: str, good: Sequence[Event], refusal: Refusal) -> Engine:
    return Engine("Podman Engine", api, good, "\n", refusal)


ENGINES: Final = {
    "Docker 20.10": _docker("1.41"),
    "Docker 26": _docker("1.45"),
    "Docker 28": _docker("1.51"),
    "Docker 26, containerd": _docker_with_store("1.45"),
    "Docker 28, containerd": _docker_with_store("1.51"),
    "Podman 4.3": _podman("1.41", _PODMAN_GOOD, Refusal.LAST_EVENT),
    "Podman 5.4": _podman("1.41", _PODMAN_GOOD, Refusal.BARE_500),
    "Podman 5.8": _podman("1.44", _PODMAN_GOOD, Refusal.BARE_500),
    "Podman 6.1": _podman("1.44", _PODMAN_6_GOOD, Refusal.FULL_500),
}

# What a push that fails says.

_GRAPH: Final = ("Docker 20.10", "Docker 26", "Docker 28")
_26C: Final = ("Docker 26, containerd",)
_28C: Final = ("Docker 28, containerd",)
_PODMAN_4: Final = ("Podman 4.3",)
_PODMAN_5: Final = ("Podman 5.4", "Podman 5.8", "Podman 6.1")
_PODMAN: Final = (*_PODMAN_4, *_PODMAN_5)

_LOST: Final = "only the registry's own message is left, neither code nor status"
_SAYS_DENIED: Final = "the words are a refused credential's: the registry gives the code DENIED"
_MESSAGE: Final = "see the rules of this registry"  # the registry's text next to a code
_V2: Final = f"http://{TARGET.host}/v2/{TARGET.path}"
_AT_BLOB: Final = f"unexpected status from HEAD request to {_V2}/blobs/{BLOB}:"
_AT_UPLOAD: Final = f"unexpected status from POST request to {_V2}/blobs/uploads/:"
_AT_COMMIT: Final = (
    f'failed commit on ref "manifest-{DIGEST}": unexpected status from PUT request to '
    f"{_V2}/manifests/{TARGET.tag}:"
)
_REUSING: Final = (
    f"trying to reuse blob {BLOB} at destination: checking whether a blob {BLOB} exists in "
    f"{TARGET.repository}:"
)
_WRITING_BLOB: Final = (
    f"writing blob: initiating layer upload to /v2/{TARGET.path}/blobs/uploads/ in {TARGET.host}:"
)
_FAILED: Final = "received unexpected HTTP status: 500 Internal Server Error"
_UPLOADING: Final = f"uploading manifest {TARGET.tag} to {TARGET.repository}:"
_WRITING: Final = f"writing manifest: {_UPLOADING}"
_NO_ACCESS: Final = "push access denied, repository does not exist or may require authorization:"
_HEAD: Final = f"/v2/{TARGET.path}/blobs/{BLOB}"
_NO_PORT: Final = "dial tcp 127.0.0.1:5999: connect: connection refused"
_NO_HOST: Final = "dial tcp: lookup nowhere.invalid on 127.0.0.11:53: no such host"
_PINGING: Final = f"trying to reuse blob {BLOB} at destination: pinging container registry"

Denied, Interrupted = PushDeniedError, PushInterruptedError

SAID: Final[Mapping[str, Sequence[Said]]] = {
    "wrong password": (
        Said(_GRAPH, "unauthorized: authentication required", Denied),
        Said(_26C, f"{_AT_BLOB} 401 Unauthorized", Denied),
        Said(_28C, f"unknown: {_AT_BLOB} 401 Unauthorized", Denied),
        Said(_PODMAN_4, f"{_REUSING} authentication required", Denied),
        Said(_PODMAN_5, f"{_REUSING} unauthorized: authentication required", Denied),
    ),
    "no credentials": (
        Said(_GRAPH, "no basic auth credentials", Denied),
        Said(_26C, "authorization failed: no basic auth credentials", Denied),
        Said(_28C, f"{_NO_ACCESS} authorization failed: no basic auth credentials", Denied),
        Said(_PODMAN, f"{_REUSING} authentication required", Denied),
    ),
    "token without scope": (
        Said(_GRAPH, "denied: requested access to the resource is denied", Denied),
        Said(_26C, "server message: insufficient_scope: authorization failed", Denied),
        Said(
            _28C, f"{_NO_ACCESS} server message: insufficient_scope: authorization failed", Denied
        ),
        Said(_PODMAN, f"{_REUSING} requested access to the resource is denied", Denied),
    ),
    "manifest PUT 403": (
        Said(_GRAPH, f"denied: {_MESSAGE}", Denied),
        Said(_26C, f"{_AT_COMMIT} 403 Forbidden", Denied),
        Said(_28C, f"error from registry: {_MESSAGE}", Interrupted, _LOST),
        Said(_PODMAN, f"{_WRITING} denied: {_MESSAGE}", Denied),
    ),
    "manifest PUT 400": (
        Said(_GRAPH, f"tag invalid: {_MESSAGE}", PushError),
        Said(_26C, f"{_AT_COMMIT} 400 Bad Request", PushError),
        Said(_28C, f"error from registry: {_MESSAGE}", Interrupted, _LOST),
        Said(
            _PODMAN,
            "Uploading manifest failed, attempted the following formats: "
            f"application/vnd.docker.distribution.manifest.v2+json({_UPLOADING} tag invalid: "
            f"{_MESSAGE}), application/vnd.docker.distribution.manifest.v1+prettyjws({_UPLOADING} "
            f"tag invalid: {_MESSAGE}), application/vnd.oci.image.manifest.v1+json({_UPLOADING} "
            f"tag invalid: {_MESSAGE})",
            PushError,
        ),
    ),
    "manifest PUT 409": (
        Said(_GRAPH, f"denied: {_MESSAGE}", Denied, _SAYS_DENIED),
        Said(_26C, f"{_AT_COMMIT} 409 Conflict", PushError),
        Said(_28C, f"error from registry: {_MESSAGE}", Interrupted, _LOST),
        Said(_PODMAN, f"{_WRITING} denied: {_MESSAGE}", Denied, _SAYS_DENIED),
    ),
    "manifest PUT 429": (
        Said(_GRAPH, f"toomanyrequests: {_MESSAGE}", Interrupted),
        Said(_26C, f"{_AT_COMMIT} 429 Too Many Requests", Interrupted),
        Said(_28C, f"error from registry: {_MESSAGE}", Interrupted, _LOST),
        Said(_PODMAN, f"{_WRITING} toomanyrequests: {_MESSAGE}", Interrupted),
    ),
    "manifest PUT 500": (
        Said(_GRAPH, _FAILED, Interrupted),
        Said(_26C, f"{_AT_COMMIT} 500 Internal Server Error", Interrupted),
        Said(_28C, f"error from registry: {_MESSAGE}", Interrupted, _LOST),
        Said(_PODMAN, f"{_WRITING} {_FAILED}", Interrupted),
    ),
    "blob POST 403": (
        Said(_GRAPH, "denied", Denied),
        Said(_26C, f"{_AT_UPLOAD} 403 Forbidden", Denied),
        Said(_28C, "error from registry: denied\ndenied", Interrupted, _LOST),
        Said(_PODMAN, f"{_WRITING_BLOB} denied", Denied),
    ),
    "blob POST 500": (
        Said(_GRAPH, _FAILED, Interrupted),
        Said(_26C, f"{_AT_UPLOAD} 500 Internal Server Error", Interrupted),
        Said(_28C, "error from registry: denied\ndenied", Interrupted, _LOST),
        Said(
            _PODMAN,
            f"{_WRITING_BLOB} {_FAILED}",
            Interrupted,
            "not recorded: as Podman words the manifest's 500",
        ),
    ),
    "403 with HTML": (
        Said(
            ("Docker 20.10",),
            "error parsing HTTP 403 response body: invalid character '<' looking for beginning of "
            'value: "<html>Forbidden</html>"',
            Denied,
        ),
        Said(("Docker 26", "Docker 28"), "denied: <html>Forbidden</html>", Denied),
        Said(_26C, f"{_AT_BLOB} 403 Forbidden", Denied),
        Said(_28C, f"unknown: {_AT_BLOB} 403 Forbidden", Denied),
        Said(_PODMAN_4, f"{_REUSING} invalid status code from registry 403 (Forbidden)", Denied),
        Said(_PODMAN_5, f'{_REUSING} StatusCode: 403, ""', Denied),
    ),
    "connection refused": (
        Said(_GRAPH, f'Get "http://127.0.0.1:5999/v2/": {_NO_PORT}', Interrupted),
        Said(
            (*_26C, *_28C),
            f'failed to do request: Head "https://127.0.0.1:5999{_HEAD}": {_NO_PORT}',
            Interrupted,
        ),
        Said(
            _PODMAN,
            f'{_PINGING} 127.0.0.1:5999: Get "https://127.0.0.1:5999/v2/": {_NO_PORT}',
            Interrupted,
        ),
    ),
    "unknown host": (
        Said(_GRAPH, f'Get "https://nowhere.invalid/v2/": {_NO_HOST}', PushError),
        Said(
            (*_26C, *_28C),
            f'failed to do request: Head "https://nowhere.invalid{_HEAD}": {_NO_HOST}',
            PushError,
        ),
        Said(
            _PODMAN,
            f'{_PINGING} nowhere.invalid: Get "https://nowhere.invalid/v2/": {_NO_HOST}',
            PushError,
        ),
    ),
    "tag missing locally": (
        Said(
            _GRAPH, f"An image does not exist locally with the tag: {TARGET.repository}", PushError
        ),
        Said((*_26C, *_28C), f"tag does not exist: {TARGET}", PushError),
        Said(_PODMAN, f"failed to find image {TARGET}: image not known", PushError),
    ),
}

FAILURES: Final = [
    (engine, case, said.words, said.means)
    for case, all_said in SAID.items()
    for said in all_said
    for engine in said.engines
]
