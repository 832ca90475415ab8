"""HTTP without TLS, to servers of this machine: no certificate authorities are read."""

import ssl
from typing import Any, Final

import httpx


def plain_client(**values: Any) -> httpx.Client:
    """Return a client of HTTP alone."""
    return httpx.Client(trust_env=False, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), **values)


# A server that a test stops may be followed by another one at the same port.
HTTP: Final = plain_client(limits=httpx.Limits(max_keepalive_connections=0))
