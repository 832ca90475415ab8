"""The HTTP client of a registry: HTTPS elsewhere, a transport for each host, log."""

import logging

import httpx

from lusid_image_publish.config import Settings
from lusid_image_publish.hosts import is_loopback
from lusid_image_publish.http.bounds import ACCEPT_GZIP
from lusid_image_publish.http.retries import timeout_of
from lusid_image_publish.http.transport import (
    USER_AGENT,
    TransportByOrigin,
    transport_to,
    trusted_authorities,
)

logger = logging.getLogger(__name__)


def build_registry_client(settings: Settings, host: str, auth: httpx.Auth) -> httpx.Client:
    """Return a client of the registry at `host`, a name with an optional port.

    Redirects are not followed. Where a registry names another host, `auth` sees to it that no
    credential goes there.
    """
    authorities = trusted_authorities(settings)
    return httpx.Client(
        base_url=registry_url(host),
        auth=auth,
        headers={"User-Agent": USER_AGENT, **ACCEPT_GZIP},
        timeout=timeout_of(settings),
        transport=TransportByOrigin(lambda url: transport_to(url, settings, authorities)),
        event_hooks={"response": [_log_path]},
        follow_redirects=False,
    )


def registry_url(host: str) -> str:
    """Return the registry's URL: HTTP on this machine, HTTPS elsewhere, as Docker does."""
    return f"{'http' if is_loopback(host) else 'https'}://{host}"


def _log_path(response: httpx.Response) -> None:
    """Log a request without its query: where an upload goes may be signed in it."""
    request = response.request
    url = request.url.copy_with(query=None)
    logger.debug("%s %s -> %d", request.method, url, response.status_code)
