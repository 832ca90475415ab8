"""The Docker engine: how it is reached, what it is, and what it means when it does not answer.

docker-py finds the engine as the `docker` command does: `DOCKER_HOST`, else the current Docker
context, else the default socket.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import docker
import docker.errors
import requests
import requests.exceptions
import urllib3.exceptions
from docker import DockerClient
from docker.context import ContextAPI
from docker.utils import version_gte
from requests.adapters import HTTPAdapter

from lusid_image_publish.errors import EngineError
from lusid_image_publish.progress import Listener, StepDone, StepStarted, ignore
from lusid_image_publish.waiting import Deadline, poll, quick_then_patient

IDLE_TIMEOUT: Final = 600
"""Seconds without a byte from the engine before a build is given up (docker-py issue 2266: its own
60 s cut what takes long)."""

_OLDEST_API: Final = "1.24"  # which every engine that docker-py knows speaks
_ANSWER: Final = 60  # seconds for what an engine does at once
_GREETING: Final = 20  # seconds for the first answer: an engine that hangs should not hold up all
_CONTAINERD_STORE: Final = ["driver-type", "io.containerd.snapshotter.v1"]

_INSTALL: Final = (
    "Start Docker (Docker Desktop, or `sudo systemctl start docker`), or point DOCKER_HOST or "
    "`docker context use` at an engine that runs; `docker version` must answer. In a container, "
    "mount the engine's socket, or publish an archive of `docker save`, which needs no engine."
)

ENGINE_FAILURES = (
    docker.errors.DockerException,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    KeyError,
)
"""What docker-py raises when the engine refuses, is silent for too long or goes away. A time-out in
the middle of a stream comes as urllib3's own error, and a refusal that has no "message" (Podman 5)
as a KeyError."""


@dataclass(frozen=True)
class EngineFacts:
    """What an engine says of itself.

    `name` is `Docker` or `Podman`, `address` where it was reached and by which means, `storage` the
    image store (`overlay2`, or `overlayfs, containerd store`), `platform` an `os/architecture`.
    """

    name: str
    version: str
    api_version: str
    address: str
    storage: str
    platform: str


def connect(
    *, timeout: int = _ANSWER, patience: float = 0, listener: Listener = ignore
) -> DockerClient:
    """Return a client of the engine that answers.

    `timeout` is in seconds and counts from the last byte received. `patience` is how many seconds
    an engine that does not answer is waited for: one that is started with a CI's job writes its
    certificates first. `listener` hears when that begins. Raises `EngineError` when no engine
    answers, when its socket is closed to this user, or when the Docker context is unusable.
    """
    failures: list[Exception] = []

    def look() -> DockerClient | None:
        try:
            return _connect(timeout)
        except (*ENGINE_FAILURES, OSError) as error:
            if patience and not failures:
                listener(StepStarted("Waiting for a Docker engine", "Nothing was changed."))
            failures.append(error)
            return None

    client = poll(look, deadline=Deadline(patience), pauses=quick_then_patient(longest=1))
    if client is None:
        raise _unreachable(failures[-1]) from failures[-1]
    if failures:
        listener(StepDone("one answers now"))
    return client


def _connect(timeout: int) -> DockerClient:
    with closing(_client(_OLDEST_API)) as greeting:
        newest = greeting.version(api_version=False)["ApiVersion"]
    client = _client(newest)
    client.ping()
    client.api.timeout = timeout
    return client


def _client(api_version: str) -> DockerClient:
    """Return a client that has asked the engine nothing yet."""
    client = docker.from_env(timeout=_GREETING, version=api_version)
    if client.api.cert:
        client.api.mount("https://", _TrustingAdapter(client.api.verify))
    return client


class _TrustingAdapter(HTTPAdapter):
    """Trusts the authority that Docker's variables or context name, and nobody else.

    requests lets REQUESTS_CA_BUNDLE count for more (requests issue 3829).
    """

    def __init__(self, authority: bool | str | None) -> None:  # noqa: FBT001  # requests' own type
        super().__init__()
        self._authority = authority

    def send(
        self, request: requests.PreparedRequest, *arguments: Any, **options: Any
    ) -> requests.Response:
        """Send a request."""
        return super().send(request, *arguments, **(options | {"verify": self._authority}))


def facts_of(client: DockerClient, environ: Mapping[str, str] = os.environ) -> EngineFacts:
    """Ask the engine what it is. Raises `EngineError`."""
    try:
        version, info = client.version(), client.info()
    except ENGINE_FAILURES as error:
        raise _unreachable(error) from error
    components = version.get("Components") or [{}]
    podman = "podman" in str(components[0].get("Name", "")).lower()
    store = ", containerd store" if has_containerd_store(info) else ""
    return EngineFacts(
        name="Podman" if podman else "Docker",
        version=str(version.get("Version", "")),
        api_version=str(version.get("ApiVersion", "")),
        address=_address(environ),
        storage=f"{info.get('Driver', 'unknown')}{store}",
        platform=f"{version.get('Os')}/{version.get('Arch')}",
    )


def has_containerd_store(info: Mapping[str, Any]) -> bool:
    """Return whether the engine that said `info` keeps images in containerd's store.

    There an image can be an index of several platforms, and is pushed as such.
    """
    return _CONTAINERD_STORE in (info.get("DriverStatus") or [])


def offers_api(client: DockerClient, version: str) -> bool:
    """Return whether the engine speaks this version of the Engine API, or a later one."""
    return bool(version_gte(client.api.api_version, version))


def platform_parameter(platform: str) -> str:
    """Return `platform`, an `os/architecture[/variant]`, in the form that the Engine API takes."""
    names = ("os", "architecture", "variant")
    return json.dumps(dict(zip(names, platform.split("/"), strict=False)))


def words_of(error: BaseException) -> str:
    """Return what the engine said, as one line."""
    text = getattr(error, "explanation", None) or str(error) or type(error).__name__
    if isinstance(error, KeyError):
        response = getattr(error.__context__, "response", None)
        text = response.text if response is not None else repr(error)
    return " ".join(str(text).split())


@contextmanager
def closing_streams(client: DockerClient) -> Iterator[None]:
    """Close what `client` still has open at the end of the block, whatever ends it.

    To the engine a closed connection means that nobody wants the build any longer: it cancels it.
    docker-py keeps the response of a stream to itself, so it is caught on its way.
    """
    responses: list[requests.Response] = []

    def keep(response: requests.Response, *_: object, **__: object) -> None:
        responses.append(response)

    hooks = client.api.hooks["response"]
    hooks.append(keep)
    try:
        yield
    finally:
        hooks.remove(keep)
        for response in responses:
            response.close()


def _address(environ: Mapping[str, str]) -> str:
    if environ.get("DOCKER_HOST"):
        return f"{environ['DOCKER_HOST']} (DOCKER_HOST)"
    context = ContextAPI.get_current_context()
    if context is None:
        return "an address that its context does not tell"
    return f"{context.Host} (context {context.name})"


def _unreachable(error: Exception) -> EngineError:
    text = str(error)
    if "PermissionError" in text or "Permission denied" in text:
        return EngineError(
            "The Docker engine's socket may not be opened by this user.",
            cause=text,
            hint="Add yourself to the `docker` group and log in again, or run with sudo.",
        )
    missing = "FileNotFoundError" in text or "No such file" in text
    cause = "There is no engine, or its socket is not here." if missing else text
    return EngineError("No Docker engine answers.", cause=cause, hint=_INSTALL)
