"""The Docker engine: connect to it, see what it is, and explain why it does not answer.

docker-py finds the engine as the `docker` command does: `DOCKER_HOST`, else the current Docker
context, else the default socket.
"""

import json
import os
import re
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
from docker.context.config import get_current_context_name
from docker.utils import version_gte
from requests.adapters import HTTPAdapter

from lusid_image_publish.engine_unreachable import NotAnEngineError, unreachable_error
from lusid_image_publish.environment import blank_secrets
from lusid_image_publish.errors import EngineError
from lusid_image_publish.progress import Listener, StepDone, StepStarted, ignore
from lusid_image_publish.text import shorten_message
from lusid_image_publish.waiting import Deadline, poll, quick_then_patient

IDLE_TIMEOUT_SECONDS: Final = 600
"""The idle timeout of a build; docker-py's 60 s are too short for a long step (issue 2266)."""

_OLDEST_API: Final = "1.24"  # which every engine that docker-py knows speaks
_ANSWER_SECONDS: Final = 60  # for a quick request
_GREETING_SECONDS: Final = 20  # for the first answer: an engine that hangs should fail soon
_CONTAINERD_STORE: Final = ["driver-type", "io.containerd.snapshotter.v1"]

_PODMAN: Final = "Podman"
_API_VERSION: Final = re.compile(r"\d+\.\d+")
_NO_ADDRESS: Final = "an unknown address"
_PASSWORD: Final = re.compile(r"(//[^/@:\s]*):[^/@\s]*@")

ENGINE_FAILURES = (
    docker.errors.DockerException,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    KeyError,
)
"""Exceptions of docker-py when the engine refuses, times out or goes away. A timeout in a stream is
urllib3's own error, and a refusal without "message" (Podman 5) is a KeyError."""


@dataclass(frozen=True)
class EngineFacts:
    """The facts that an engine reports of itself.

    `name` is `Docker` or `Podman`, `address` its address and the setting that chose it, `storage`
    the image store (`overlay2`, or `overlayfs, containerd store`), `platform` an `os/architecture`.
    """

    name: str
    version: str
    api_version: str
    address: str
    storage: str
    platform: str


def connect(
    *, timeout: int = _ANSWER_SECONDS, patience: float = 0, listener: Listener = ignore
) -> DockerClient:
    """Connect to the engine.

    `timeout` is in seconds and counts from the last byte received. `patience` is how many seconds
    to wait for an engine that does not answer yet: one that starts with a CI job writes its
    certificates first. `listener` receives events about the wait. Raises `EngineError` if no engine
    answers, if this user may not open its socket, or if the Docker context is unusable.
    """
    _require_context(os.environ)
    failures: list[Exception] = []

    def look() -> DockerClient | None:
        try:
            return _connect(timeout)
        except (*ENGINE_FAILURES, NotAnEngineError, OSError, ValueError) as error:
            if patience and not failures:
                listener(StepStarted("Waiting for a Docker engine", "Nothing was changed."))
            failures.append(error)
            return None

    client = poll(look, deadline=Deadline(patience), pauses=quick_then_patient(longest=1))
    if client is None:
        raise _unreachable_error(failures[-1]) from failures[-1]
    if failures:
        listener(StepDone("the engine is ready"))
    return client


def _connect(timeout: int) -> DockerClient:
    with closing(_new_client(_OLDEST_API)) as greeting:
        newest = _read_api_version(greeting)
    client = _new_client(newest)
    client.ping()
    client.api.timeout = timeout
    return client


def _read_api_version(client: DockerClient) -> str:
    """Return the newest version of the Engine API that the engine speaks."""
    try:
        answer: Any = client.version(api_version=False)
    except requests.exceptions.JSONDecodeError as error:
        raise NotAnEngineError("Its answer is not JSON.") from error
    except docker.errors.APIError as error:
        if error.status_code not in {404, 405}:
            raise
        raise NotAnEngineError(engine_message(error)) from error
    except requests.exceptions.ConnectionError as error:
        if "BadStatusLine" not in str(error):
            raise
        raise NotAnEngineError("It does not speak HTTP.") from error
    found = answer.get("ApiVersion") if isinstance(answer, dict) else None
    if not isinstance(found, str) or not _API_VERSION.fullmatch(found):
        raise NotAnEngineError("Its answer has no version of the Engine API.")
    return found


def _new_client(api_version: str) -> DockerClient:
    """Return a client without a request to the engine."""
    client = docker.from_env(timeout=_GREETING_SECONDS, version=api_version)
    client.api.credstore_env = blank_secrets(os.environ)
    client.api.reload_config()  # the first read ran the helpers with all variables
    if client.api.cert:
        client.api.mount("https://", _DockerTrustAdapter(client.api.verify))
    return client


class _DockerTrustAdapter(HTTPAdapter):
    """Trusts only the authority that Docker's variables or context name.

    requests prefers REQUESTS_CA_BUNDLE (requests issue 3829).
    """

    def __init__(self, authority: bool | str | None) -> None:  # noqa: FBT001  # requests' own type
        super().__init__()
        self._authority = authority

    def send(
        self, request: requests.PreparedRequest, *arguments: Any, **options: Any
    ) -> requests.Response:
        """Send a request."""
        return super().send(request, *arguments, **(options | {"verify": self._authority}))


def inspect_engine(client: DockerClient, environ: Mapping[str, str] | None = None) -> EngineFacts:
    """Return the facts that the engine reports of itself. Raises `EngineError`.

    `environ` chose the engine; None is the process's own.
    """
    try:
        version, info = client.version(), client.info()
    except ENGINE_FAILURES as error:
        raise _unreachable_error(error) from error
    store = ", containerd store" if has_containerd_store(info) else ""
    return EngineFacts(
        name=_engine_name(version),
        version=str(version.get("Version", "")),
        api_version=str(version.get("ApiVersion", "")),
        address=engine_address(environ),
        storage=f"{info.get('Driver', 'unknown')}{store}",
        platform=f"{version.get('Os')}/{version.get('Arch')}",
    )


def is_podman(client: DockerClient) -> bool:
    """Return whether the engine is Podman, which answers as Docker does."""
    return _engine_name(client.version()) == _PODMAN


def _engine_name(version: Mapping[str, Any]) -> str:
    components = version.get("Components") or [{}]
    return _PODMAN if _PODMAN.lower() in str(components[0].get("Name", "")).lower() else "Docker"


def has_containerd_store(info: Mapping[str, Any]) -> bool:
    """Return whether the engine with this `info` keeps images in containerd's store.

    There an image can be an index of several platforms, and is pushed as one.
    """
    return _CONTAINERD_STORE in (info.get("DriverStatus") or [])


def offers_api(client: DockerClient, version: str) -> bool:
    """Return whether the engine has this version of the Engine API, or a later one."""
    return bool(version_gte(client.api.api_version, version))


def platform_parameter(platform: str) -> str:
    """Return `platform`, an `os/architecture[/variant]`, as the Engine API expects it."""
    names = ("os", "architecture", "variant")
    return json.dumps(dict(zip(names, platform.split("/"), strict=False)))


def engine_message(error: BaseException) -> str:
    """Return the engine's message, shortened."""
    text = getattr(error, "explanation", None) or str(error) or type(error).__name__
    if isinstance(error, KeyError):
        response = getattr(error.__context__, "response", None)
        text = response.text if response is not None else repr(error)
    return shorten_message(str(text))


@contextmanager
def closing_streams(client: DockerClient) -> Iterator[None]:
    """Close all responses of `client` after the block.

    The engine cancels a build when its connection closes. docker-py does not return the response of
    a stream, so a hook keeps it.
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


def engine_address(environ: Mapping[str, str] | None = None) -> str:
    """Return the engine's address and the setting that chose it. Never raises.

    `environ` None is the process's own.
    """
    environ = os.environ if environ is None else environ
    name, address = _context(environ)
    host = environ.get("DOCKER_HOST")
    if not host:
        return f"{address or _NO_ADDRESS} (context {name})"
    outvoted = f", overriding the context {name}" if name != "default" and address != host else ""
    return f"{_without_password(host)} (DOCKER_HOST{outvoted})"


def _without_password(text: str) -> str:
    return _PASSWORD.sub(r"\1:***@", text)


def _context(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the current Docker context and its address, empty without one."""
    name = environ.get("DOCKER_CONTEXT") or get_current_context_name() or "default"
    try:
        context = ContextAPI.get_context(name)
    except Exception:  # noqa: BLE001  # docker-py raises a bare one for a damaged context
        context = None
    return str(name), str(context.Host or "") if context else ""


def _require_context(environ: Mapping[str, str]) -> None:
    """Raise `EngineError` for an unusable Docker context.

    docker-py would use the default socket instead, which may be another engine's.
    """
    name, address = _context(environ)
    if not address and not environ.get("DOCKER_HOST"):
        origin = "DOCKER_CONTEXT" if environ.get("DOCKER_CONTEXT") else "`docker context use`"
        raise EngineError(
            f"The Docker context {name} does not exist or has no endpoint.",
            cause=f"{origin} selected it, and it was removed or belongs to another machine; or "
            "Docker's configuration has no config.json, where docker-py looks for contexts.",
            hint="List the contexts with `docker context ls`; `docker context use default` selects "
            "the engine of this machine.",
        )


def _unreachable_error(error: Exception) -> EngineError:
    text = shorten_message(_without_password(str(error)))
    return unreachable_error(error, text, engine_address())
