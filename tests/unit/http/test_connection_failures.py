"""Why there was no answer, found in what httpx and httpcore hide behind their errors."""

import socket
import ssl

import httpcore
import httpx
import pytest

from lusid_image_publish.http.connection_failures import (
    UnknownHostError,
    is_permanent,
    is_refused,
    is_untrusted,
    lacks_tls,
    unknown_host,
)
from lusid_image_publish.http.network import _naming


def wrapped(root: Exception) -> httpx.ConnectError:
    """Return the error of httpx over the one of httpcore over `root`."""
    error, middle = httpx.ConnectError(str(root)), httpcore.ConnectError(root)
    error.__cause__, middle.__cause__ = middle, root
    return error


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}]")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    "number", {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
)
def test_a_name_that_dns_does_not_know_is_permanent(number: int) -> None:
    with pytest.raises(UnknownHostError) as caught, _naming("acme.example"):
        raise httpcore.ConnectError from socket.gaierror(number, "unknown")
    error = wrapped(caught.value)
    assert unknown_host(error) == "acme.example"
    assert is_permanent(error)


@pytest.mark.parametrize(
    "root",
    [
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
        ConnectionResetError(104, "Connection reset by peer"),
        tls_error("UNEXPECTED_EOF_WHILE_READING"),
    ],
)
def test_a_temporary_failure_is_not(root: Exception) -> None:
    with pytest.raises(httpcore.ConnectError), _naming("acme.example"):
        raise httpcore.ConnectError from root
    error = wrapped(root)
    assert unknown_host(error) == ""
    assert not is_permanent(error)


@pytest.mark.parametrize("reason", ["WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"])
def test_a_server_without_tls_is_permanent(reason: str) -> None:
    error = wrapped(tls_error(reason))
    assert lacks_tls(error)
    assert is_permanent(error)
    assert not is_untrusted(error)


def test_a_certificate_that_is_not_trusted_is_permanent() -> None:
    error = wrapped(ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]"))
    assert is_untrusted(error)
    assert is_permanent(error)
    assert not lacks_tls(error)


def test_all_addresses_of_a_host_may_refuse() -> None:
    """Asynchronous connections try them together: localhost has one of IPv4 and one of IPv6."""
    refusals = [ConnectionRefusedError(111, "Connection refused") for _ in range(2)]
    failed = OSError("All connection attempts failed")
    failed.__cause__ = ExceptionGroup("multiple connection attempts failed", refusals)
    assert is_refused(wrapped(failed))


def test_a_refused_connection_may_be_accepted_later() -> None:
    error = wrapped(ConnectionRefusedError(111, "Connection refused"))
    assert is_refused(error)
    assert not is_permanent(error)
