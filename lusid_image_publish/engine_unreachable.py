"""Why no Docker engine answers, in words for a person: docker-py's are those of its libraries."""

import re
import socket
import ssl
from typing import Final

import docker.errors
import requests.exceptions

from lusid_image_publish.errors import EngineError, causes_of
from lusid_image_publish.text import shorten_message, without_error_number

_START: Final = (
    "Start Docker (Docker Desktop, or `sudo systemctl start docker`), or point DOCKER_HOST or "
    "`docker context use` at a running engine; `docker version` must show a server. In a "
    "container, mount the engine's socket, or publish an archive written by `docker save`, which "
    "needs no engine."
)
_ADDRESS: Final = (
    "Correct DOCKER_HOST or the Docker context: unix:///var/run/docker.sock, tcp://HOST:2376 or "
    "ssh://USER@HOST."
)
_CERTIFICATES: Final = (
    "Set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder with its ca.pem and your cert.pem "
    "and key.pem."
)
_BAD_ADDRESS: Final = re.compile(
    r"bind (?:address|protocol)|Port out of range|could not be cast to integer|Invalid URL"
    r"|only supported on Windows|Failed to parse",
    re.IGNORECASE,
)


class NotAnEngineError(Exception):
    """Something else answers; the text says what."""


def unreachable_error(error: Exception, text: str, address: str) -> EngineError:
    """Return the error for an engine at `address` that cannot be used because of `error`.

    `text` is the error's message without a password.
    """
    if isinstance(error, NotAnEngineError):
        return EngineError(
            f"The server at {address} is not a Docker engine.",
            cause=_foreign_answer(error, text),
            hint="Correct DOCKER_HOST or the Docker context; `docker version` must show a server.",
        )
    if "HTTPS server" in text:
        return EngineError(
            f"The Docker engine at {address} requires TLS.", cause=text, hint=_CERTIFICATES
        )
    if "PermissionError" in text or "Permission denied" in text:
        return EngineError(
            f"You are not allowed to open the Docker engine's socket, {address}.",
            cause="Only root and the members of the group `docker` may open it.",
            hint="Add yourself to the `docker` group and log in again, or run with sudo.",
        )
    if "paramiko" in text:
        return EngineError(
            f"The Docker engine at {address} cannot be reached over SSH.",
            cause="The package that docker-py needs for ssh:// addresses is not installed.",
            hint="Install it with this program: `pip install 'docker[ssh]'`, or with pipx "
            "`pipx inject lusid-image-publish 'docker[ssh]'`.",
        )
    if _BAD_ADDRESS.search(text):
        return EngineError(f"{address} is not an engine's address.", cause=text, hint=_ADDRESS)
    if "client_cert param" in text:
        return EngineError(
            f"No Docker engine answers at {address}.",
            cause="Its certificates are missing: DOCKER_TLS_VERIFY or the Docker context asks for "
            "TLS, and an engine that is starting has not written them yet.",
            hint=_CERTIFICATES,
        )
    return EngineError(
        f"No Docker engine answers at {address}.", cause=_cause(error, text), hint=_START
    )


def _foreign_answer(error: NotAnEngineError, text: str) -> str:
    refusals = (each for each in causes_of(error) if isinstance(each, docker.errors.APIError))
    if status := next((each.status_code for each in refusals), None):
        return f"It answers the request for its version with HTTP {status}."
    return text


def _cause(error: Exception, text: str) -> str:
    for each in causes_of(error):
        match each:
            case FileNotFoundError():
                return (
                    "The socket does not exist: Docker is not installed or not running, or its "
                    "socket is not mounted here."
                )
            case ConnectionRefusedError():
                return "Docker is not running there: the connection was refused."
            case socket.gaierror():
                return "DNS does not know the host: its name is misspelled, or a VPN is needed."
            case TimeoutError() | requests.exceptions.Timeout():
                return "It did not answer in time: the engine hangs, or a firewall is in between."
            case ssl.SSLError():
                reason = without_error_number(str(each))
                return f"The engine and this program do not agree on TLS: {reason}."
    system = (each for each in causes_of(error) if type(each) is OSError and each.strerror)
    return next((f"{each.strerror}." for each in system), shorten_message(text))
