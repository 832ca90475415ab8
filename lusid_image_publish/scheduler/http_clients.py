"""The HTTP clients of the Scheduler: credentials, headers, log."""

import logging
from collections.abc import Callable
from typing import Any

import httpx

from lusid_image_publish import __version__
from lusid_image_publish.config import Settings
from lusid_image_publish.http.retries import RETRY_KEY, retry_policy, timeout_of
from lusid_image_publish.http.transport import (
    USER_AGENT,
    async_transport_to,
    origin_of,
    transport_to,
)
from lusid_image_publish.scheduler.sign_in import auth_for

logger = logging.getLogger(__name__)


def build_client(settings: Settings) -> httpx.Client:
    """Return a client of the Scheduler in `settings`, with its credentials.

    The credential is sent only to the Scheduler's URL: redirects are not followed. Raises
    `AuthenticationError` without credentials, and `ConfigurationError` for an invalid CA bundle.
    """
    values = _client_values(settings, transport_to)
    return httpx.Client(event_hooks={"response": [_log]}, **values)


def build_async_client(settings: Settings) -> httpx.AsyncClient:
    """Return what `build_client` returns, for asynchronous use."""

    async def log(response: httpx.Response) -> None:
        _log(response)

    values = _client_values(settings, async_transport_to)
    return httpx.AsyncClient(event_hooks={"response": [log]}, **values)


def _client_values(settings: Settings, transport: Callable[[str, Settings], Any]) -> dict[str, Any]:
    """Return the arguments that both kinds of client share; `transport` makes one to a URL."""
    token_urls = [settings.token_url] if settings.token_url else []
    retry = retry_policy(settings, retry_safe=True)
    extensions = {"timeout": timeout_of(settings).as_dict(), RETRY_KEY: retry}
    return {
        "base_url": settings.scheduler_url,
        "transport": transport(settings.scheduler_url, settings),
        "mounts": {origin_of(url): transport(url, settings) for url in token_urls},
        "auth": auth_for(settings, extensions=extensions),
        "headers": _headers(settings),
        "follow_redirects": False,
    }


def _headers(settings: Settings) -> dict[str, str]:
    headers = {
        "Accept": "application/json",
        "User-Agent": USER_AGENT,
        "X-LUSID-SDK-Language": "Python",
        "X-LUSID-SDK-Version": __version__,
    }
    if settings.app_name:
        headers["X-LUSID-Application"] = settings.app_name
    if settings.correlation_id:
        headers["CorrelationId"] = settings.correlation_id
    return headers


def _log(response: httpx.Response) -> None:
    request = response.request
    logger.debug(
        "%s %s -> %d (request id %s)",
        request.method,
        request.url,
        response.status_code,
        response.headers.get("lusid-meta-requestId", "-"),
    )
