"""The HTTP clients of the Scheduler: credentials, headers, log."""

import logging
from typing import Any

import httpx

from lusid_image_publish import __version__
from lusid_image_publish.config import Settings
from lusid_image_publish.http.retries import request_extensions
from lusid_image_publish.http.transport import (
    USER_AGENT,
    async_transport_to,
    origin_of,
    transport_to,
    trusted_authorities,
)
from lusid_image_publish.scheduler.sign_in import auth_for

logger = logging.getLogger(__name__)


def build_client(settings: Settings) -> httpx.Client:
    """Return a client of the Scheduler that `settings` name, credentials included.

    The credential is sent to the Scheduler's URL only: redirects are not followed. Raises
    `AuthenticationError` when credentials are missing and `ConfigurationError` for a bad CA
    bundle.
    """
    authorities = trusted_authorities(settings)
    return httpx.Client(
        transport=transport_to(settings.scheduler_url, settings, authorities),
        mounts={
            origin_of(url): transport_to(url, settings, authorities)
            for url in (settings.token_url,)
            if url
        },
        event_hooks={"response": [_log]},
        **_client_values(settings),
    )


def build_async_client(settings: Settings) -> httpx.AsyncClient:
    """Return what `build_client` returns, for asynchronous use."""
    authorities = trusted_authorities(settings)

    async def log(response: httpx.Response) -> None:
        _log(response)

    return httpx.AsyncClient(
        transport=async_transport_to(settings.scheduler_url, settings, authorities),
        mounts={
            origin_of(url): async_transport_to(url, settings, authorities)
            for url in (settings.token_url,)
            if url
        },
        event_hooks={"response": [log]},
        **_client_values(settings),
    )


def _client_values(settings: Settings) -> dict[str, Any]:
    """Return the arguments that both kinds of client share."""
    return {
        "base_url": settings.scheduler_url,
        "auth": auth_for(settings, extensions=request_extensions(settings, retry_safe=True)),
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
