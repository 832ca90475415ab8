"""Why no engine answers, without the words of docker-py's libraries."""

import socket
import ssl

import docker.errors
import pytest
import requests.exceptions
import urllib3.exceptions

from lusid_image_publish.engine import connect
from lusid_image_publish.engine_unreachable import NotAnEngineError, unreachable_error
from lusid_image_publish.errors import EngineError

ADDRESS = "tcp://far:2376 (DOCKER_HOST)"
REFUSED = ConnectionRefusedError(111, "Connection refused")
UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def as_docker_py(root: Exception) -> Exception:
    """Return the error of docker-py for `root`, with all that its libraries wrap around it."""
    failed = urllib3.exceptions.ProtocolError(f"Max retries exceeded: {root!r}")
    failed.__cause__ = root
    lost = requests.exceptions.ConnectionError(f"HTTPConnectionPool: {failed!r}")
    lost.__context__ = failed
    error = docker.errors.DockerException(f"Error while fetching: {lost}")
    error.__cause__ = lost
    return error


@pytest.mark.parametrize(
    ("root", "cause"),
    [
        (FileNotFoundError(2, "No such file"), "The socket does not exist"),
        (REFUSED, "the connection was refused"),
        (UNKNOWN, "DNS does not know the host"),
        (TimeoutError("timed out"), "did not answer in time"),
        (requests.exceptions.ReadTimeout("read timed out"), "did not answer in time"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), "do not agree on TLS"),
        (OSError(113, "No route to host"), "No route to host."),
    ],
)
def test_the_cause_is_that_of_the_system(root: Exception, cause: str) -> None:
    error = as_docker_py(root)
    found = unreachable_error(error, str(error), ADDRESS)
    assert found.message == f"No Docker engine answers at {ADDRESS}."
    assert cause in found.cause
    assert not [word for word in ("Pool", "retries", "Errno", "fetching") if word in found.cause]


def refusal(status: int) -> NotAnEngineError:
    """Return the error for a server that is something else and answers with `status`."""
    response = requests.Response()
    response.status_code = status
    error = NotAnEngineError("<html>Not here</html>")
    error.__cause__ = docker.errors.APIError("no", response=response)
    return error


@pytest.mark.parametrize(
    ("error", "message", "cause"),
    [
        (refusal(404), "is not a Docker engine", "with HTTP 404"),
        (NotAnEngineError("Its answer is not JSON."), "is not a Docker engine", "is not JSON"),
        (Exception("Install paramiko package to enable ssh://"), "over SSH", "not installed"),
        (Exception("Invalid bind address format: port is"), "is not an engine's address", "port"),
        (ValueError("Port out of range 0-65535"), "is not an engine's address", "out of range"),
        (
            Exception("through the client_cert param."),
            "No Docker engine answers",
            "DOCKER_TLS_VERIFY",
        ),
        (Exception("Client sent an HTTP request to an HTTPS server"), "requires TLS", "HTTPS"),
        (PermissionError(13, "Permission denied"), "You are not allowed to open", "docker"),
    ],
)
def test_what_else_is_wrong_has_a_message_of_its_own(
    error: Exception, message: str, cause: str
) -> None:
    found = unreachable_error(error, str(error), ADDRESS)
    assert message in found.message
    assert ADDRESS in found.message
    assert cause in found.cause
    assert found.hint


@pytest.mark.parametrize(
    "host", ["tcp://127.0.0.1:99999", "tcp://127.0.0.1:port", "tcp://127.0.0.1", "nonsense"]
)
def test_an_address_that_is_not_one_is_named(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(EngineError, match="is not an engine's address"):
        connect()
