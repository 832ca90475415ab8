"""The one place where HTTP clients are built: proxy, certificate authorities, headers, log."""

import logging
import ssl
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

import httpx
from httpx_retries import Retry, RetryTransport

from lusid_image_publish import __version__
from lusid_image_publish.config import Settings
from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.hosts import is_loopback
from lusid_image_publish.redact import register_pair
from lusid_image_publish.scheduler.auth import auth_for
from lusid_image_publish.scheduler.bounds import COMPRESSION
from lusid_image_publish.scheduler.network import AsyncBoundedTransport, BoundedTransport
from lusid_image_publish.scheduler.retries import request_extensions, timeout_of

logger = logging.getLogger(__name__)


def build_client(settings: Settings) -> httpx.Client:
    """Return a client of the Scheduler that `settings` name, credentials included.

    The credential is sent to the Scheduler's URL only: redirects are not followed. Raises
    `AuthenticationError` when credentials are missing and `ConfigurationError` when the CA bundle
    is none.
    """
    authorities = _authorities(settings)

    def transport(url: str) -> RetryTransport:
        return _transport(url, settings, authorities)

    return httpx.Client(
        transport=transport(settings.scheduler_url),
        mounts={_origin(url): transport(url) for url in (settings.token_url,) if url},
        event_hooks={"response": [_log]},
        **_client_values(settings),
    )


def build_async_client(settings: Settings) -> httpx.AsyncClient:
    """Return what `build_client` returns, for asynchronous use."""
    authorities = _authorities(settings)

    def transport(url: str) -> RetryTransport:
        base = AsyncBoundedTransport(verify=authorities, proxy=_proxy_for(url, settings))
        return RetryTransport(transport=base, retry=Retry(total=0))

    async def log(response: httpx.Response) -> None:
        _log(response)

    return httpx.AsyncClient(
        transport=transport(settings.scheduler_url),
        mounts={_origin(url): transport(url) for url in (settings.token_url,) if url},
        event_hooks={"response": [log]},
        **_client_values(settings),
    )


def _client_values(settings: Settings) -> dict[str, Any]:
    """Return what both kinds of client are built with."""
    return {
        "base_url": settings.scheduler_url,
        "auth": auth_for(settings, extensions=request_extensions(settings, retry_safe=True)),
        "headers": _headers(settings),
        "follow_redirects": False,
    }


def build_registry_client(settings: Settings, host: str, auth: httpx.Auth) -> httpx.Client:
    """Return a client of the registry at `host`, a name with an optional port.

    Redirects are not followed. Where a registry names another host, `auth` sees to it that no
    credential goes there.
    """
    authorities = _authorities(settings)
    return httpx.Client(
        base_url=registry_url(host),
        auth=auth,
        headers={"User-Agent": f"lusid-image-publish/{__version__}", **COMPRESSION},
        timeout=timeout_of(settings),
        transport=_ByOrigin(lambda url: _transport(url, settings, authorities)),
        event_hooks={"response": [_log_path]},
        follow_redirects=False,
    )


def registry_url(host: str) -> str:
    """Return the registry's URL: HTTP on this machine, HTTPS elsewhere, as Docker does."""
    return f"{'http' if is_loopback(host) else 'https'}://{host}"


def _headers(settings: Settings) -> dict[str, str]:
    headers = {
        "Accept": "application/json",
        "User-Agent": f"lusid-image-publish/{__version__}",
        "X-LUSID-SDK-Language": "Python",
        "X-LUSID-SDK-Version": __version__,
    }
    if settings.app_name:
        headers["X-LUSID-Application"] = settings.app_name
    if settings.correlation_id:
        headers["CorrelationId"] = settings.correlation_id
    return headers


def _transport(url: str, settings: Settings, authorities: ssl.SSLContext) -> RetryTransport:
    base = BoundedTransport(verify=authorities, proxy=_proxy_for(url, settings))
    return RetryTransport(transport=base, retry=Retry(total=0))


class _ByOrigin(httpx.BaseTransport):
    """A transport for each origin that is asked: each has a proxy of its own, or none."""

    def __init__(self, make: Callable[[str], httpx.BaseTransport]) -> None:
        self._make = make
        self._made: dict[str, httpx.BaseTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        origin = _origin(str(request.url))
        if origin not in self._made:
            self._made[origin] = self._make(origin)
        return self._made[origin].handle_request(request)

    def close(self) -> None:
        for transport in self._made.values():
            transport.close()


def _authorities(settings: Settings) -> ssl.SSLContext:
    """Return whom to trust: the settings' bundle alone, else what SSL_CERT_FILE or certifi have."""
    if not settings.ca_bundle:
        return httpx.create_ssl_context()
    try:
        return ssl.create_default_context(cafile=settings.ca_bundle)
    except (ssl.SSLError, OSError) as error:
        raise ConfigurationError(
            f"{settings.ca_bundle} is not a bundle of certificate authorities.",
            cause=f"It must be a PEM file ({error}).",
            hint="Correct FBN_CLIENT_CERTIFICATE or --ca-bundle, or leave it out.",
        ) from error


def _proxy_for(url: str, settings: Settings) -> httpx.Proxy | None:
    """Return the proxy for `url`: the settings' own, else HTTPS_PROXY and its kin, less NO_PROXY.

    What is on this machine is asked directly, or through a proxy of this machine: it speaks HTTP,
    which others could read. The address in the environment may carry user name and password, as is
    usual there.
    """
    parts = urllib.parse.urlsplit(url)
    is_here = is_loopback(parts.netloc)
    if settings.proxy_address:
        if is_here and not is_loopback(urllib.parse.urlsplit(settings.proxy_address).netloc):
            return None
        auth = None
        if settings.proxy_username and settings.proxy_password:
            auth = (settings.proxy_username, settings.proxy_password.reveal())
            register_pair(*auth)
        return httpx.Proxy(settings.proxy_address, auth=auth)
    if is_here:
        return None
    proxies = urllib.request.getproxies()
    address = proxies.get(parts.scheme) or proxies.get("all")
    if not address or urllib.request.proxy_bypass(parts.netloc):
        return None
    try:
        proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
    except (httpx.InvalidURL, ValueError) as error:
        raise ConfigurationError(
            "The proxy that the environment names cannot be used.",
            cause=f"HTTPS_PROXY, HTTP_PROXY or ALL_PROXY: {error}.",
            hint="Correct it, or name a proxy with FBN_PROXY_ADDRESS.",
        ) from error
    if proxy.auth:
        register_pair(*proxy.auth)
    if proxy.url.scheme not in {"http", "https"}:
        raise ConfigurationError(
            f"The proxy that the environment names is one of {proxy.url.scheme}, not of HTTP.",
            hint="Name an HTTP proxy with HTTPS_PROXY or FBN_PROXY_ADDRESS, or set NO_PROXY.",
        )
    return proxy


def _origin(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _log(response: httpx.Response) -> None:
    request = response.request
    logger.debug(
        "%s %s -> %d (request id %s)",
        request.method,
        request.url,
        response.status_code,
        response.headers.get("lusid-meta-requestId", "-"),
    )


def _log_path(response: httpx.Response) -> None:
    """Log as `_log` does, without the query: where an upload goes may be signed in it."""
    request = response.request
    url = request.url.copy_with(query=None)
    logger.debug("%s %s -> %d", request.method, url, response.status_code)
