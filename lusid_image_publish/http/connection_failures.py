"""Why a request got no answer: what httpx and httpcore hide in the causes of their errors."""

import socket
import ssl
from typing import Final

import httpcore

from lusid_image_publish.errors import causes_of

_UNKNOWN_HOST_NUMBERS: Final = {
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)
}
"""What the resolver says when a name does not exist; EAI_AGAIN is a temporary failure."""
_NO_TLS_REASONS: Final = {
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",  # OpenSSL 3.2 and later
    "UNKNOWN_PROTOCOL",
    "WRONG_VERSION_NUMBER",
}
"""OpenSSL's words for a first answer that is not TLS, such as HTTP."""


class UnknownHostError(httpcore.ConnectError):
    """DNS does not know `host`. httpx's `ConnectError` has it as its cause."""

    def __init__(self, host: str) -> None:
        super().__init__(f"the host {host} does not exist")
        self.host = host


def is_name_unknown(error: BaseException) -> bool:
    """Return whether a connection failed because DNS does not know the name."""
    return any(
        isinstance(cause, socket.gaierror) and cause.errno in _UNKNOWN_HOST_NUMBERS
        for cause in causes_of(error)
    )


def unknown_host(error: BaseException) -> str:
    """Return the host that DNS does not know, empty where that is not why `error` came.

    It may be a proxy's.
    """
    return next((each.host for each in causes_of(error) if isinstance(each, UnknownHostError)), "")


def lacks_tls(error: BaseException) -> bool:
    """Return whether the server does not speak TLS at that port."""
    reasons = (
        getattr(each, "reason", "") for each in causes_of(error) if isinstance(each, ssl.SSLError)
    )
    return not _NO_TLS_REASONS.isdisjoint(reasons)


def is_untrusted(error: BaseException) -> bool:
    """Return whether the server's certificate is not trusted here."""
    return any(isinstance(each, ssl.SSLCertVerificationError) for each in causes_of(error))


def is_refused(error: BaseException) -> bool:
    """Return whether no program listens at that port."""
    return any(isinstance(each, ConnectionRefusedError) for each in causes_of(error))


def is_permanent(error: BaseException) -> bool:
    """Return whether another attempt would fail in the same way."""
    return bool(unknown_host(error)) or lacks_tls(error) or is_untrusted(error)
