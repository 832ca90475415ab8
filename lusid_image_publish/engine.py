"""The Docker engine: how it is reached, and what it means when it does not answer.

docker-py finds the engine as the `docker` command does: `DOCKER_HOST`, else the current Docker
context, else the default socket.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import docker
import docker.errors
import requests
import requests.exceptions
import urllib3.exceptions
from docker import DockerClient

from lusid_image_publish.errors import EngineError

IDLE_TIMEOUT = 600
"""Seconds without a byte from the engine before it is given up. docker-py's own 60 s would cut a
long push on engines that are silent while they push (docker-py issue 2266)."""

_GREETING = 20
"""Seconds for the first answer: an engine that hangs should not hold up everything."""

_INSTALL = (
    "Start Docker (Docker Desktop, or `sudo systemctl start docker`), or point DOCKER_HOST or "
    "`docker context use` at an engine that runs; `docker version` must answer."
)


def connect(*, timeout: int = IDLE_TIMEOUT) -> DockerClient:
    """Return a client of the engine that answers.

    `timeout` is in seconds and counts from the last byte received. Raises `EngineError` when no
    engine answers, when its socket is closed to this user, or when the Docker context is unusable.
    """
    try:
        client = docker.from_env(timeout=_GREETING, version="auto")
        client.ping()
        client.api.timeout = timeout
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise _unreachable(error) from error
    return client


ENGINE_FAILURES = (
    docker.errors.DockerException,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
)
"""What docker-py raises when the engine refuses, is silent for too long or goes away. A time-out in
the middle of a stream comes as urllib3's own error."""


def words_of(error: BaseException) -> str:
    """Return what the engine said, as one line."""
    text = getattr(error, "explanation", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())


@contextmanager
def closing_streams(client: DockerClient) -> Iterator[None]:
    """Close what `client` still has open at the end of the block, whatever ends it.

    To the engine a closed connection means that nobody wants the build or the push any longer:
    it cancels it. docker-py keeps the response of a stream to itself, so it is caught on its way.
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


def _unreachable(error: Exception) -> EngineError:
    text = str(error)
    if "PermissionError" in text or "Permission denied" in text:
        return EngineError(
            "The Docker engine's socket may not be opened by this user.",
            cause=text,
            hint="Add yourself to the `docker` group and log in again, or run with sudo.",
        )
    return EngineError("No Docker engine answers.", cause=text, hint=_INSTALL)
