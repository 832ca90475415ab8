"""Reach hosts: certificate authorities, proxies, and sockets that obey deadlines."""

import os
import ssl
import urllib.parse
import urllib.request
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Final

import httpx
from httpx_retries import Retry, RetryTransport

from lusid_image_publish import __version__
from lusid_image_publish.config import Settings
from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.hosts import is_loopback
from lusid_image_publish.http.network import AsyncBoundedTransport, BoundedTransport
from lusid_image_publish.redact import register_pair

USER_AGENT: Final = f"lusid-image-publish/{__version__}"


def transport_to(url: str, settings: Settings) -> httpx.BaseTransport:
    """Return a transport to the host of `url`, through its proxy if there is one.

    Raises `ConfigurationError` for an invalid CA bundle or an unusable proxy.
    """
    proxy = _proxy_for(url, settings)
    base = BoundedTransport(verify=_authorities_for(url, proxy, settings), proxy=proxy)
    return RetryTransport(transport=base, retry=Retry(total=0))


def async_transport_to(url: str, settings: Settings) -> httpx.AsyncBaseTransport:
    """Return what `transport_to` returns, for asynchronous use."""
    proxy = _proxy_for(url, settings)
    base = AsyncBoundedTransport(verify=_authorities_for(url, proxy, settings), proxy=proxy)
    return RetryTransport(transport=base, retry=Retry(total=0))


class TransportByOrigin(httpx.BaseTransport):
    """One transport per origin, each with its own proxy or none."""

    def __init__(self, make: Callable[[str], httpx.BaseTransport]) -> None:
        self._make = make
        self._made: dict[str, httpx.BaseTransport] = {}
        self._lock = Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request to its origin."""
        origin = origin_of(str(request.url))
        with self._lock:  # several threads push layers
            if origin not in self._made:
                self._made[origin] = self._make(origin)
        return self._made[origin].handle_request(request)

    def close(self) -> None:
        """Close the connections to all origins."""
        with self._lock:
            made = [*self._made.values()]
        for transport in made:
            transport.close()


def _authorities_for(url: str, proxy: httpx.Proxy | None, settings: Settings) -> ssl.SSLContext:
    """Return the authorities to trust: none if neither the host nor the proxy uses TLS."""
    schemes = {origin_of(url).partition(":")[0], proxy.url.scheme if proxy else ""}
    if "https" in schemes or settings.ca_bundle:
        return trusted_authorities(settings)
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def trusted_authorities(settings: Settings) -> ssl.SSLContext:
    """Return the authorities of the settings' CA bundle, else of SSL_CERT_FILE or certifi.

    The latter take 50 ms to read and are read once.
    """
    if not settings.ca_bundle:
        return _usual_authorities(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    try:
        return ssl.create_default_context(cafile=settings.ca_bundle)
    except (ssl.SSLError, OSError) as error:
        raise ConfigurationError(
            f"{settings.ca_bundle} does not contain certificate authorities.",
            cause=f"It must be a PEM file ({error}).",
            hint="Correct FBN_CLIENT_CERTIFICATE or --ca-bundle, or leave it out.",
        ) from error


@cache
def _usual_authorities(*_variables: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _proxy_for(url: str, settings: Settings) -> httpx.Proxy | None:
    """Return the proxy for `url`: the settings', else that of HTTPS_PROXY, ALL_PROXY and NO_PROXY.

    Requests to this machine go directly or through a proxy on it: they are plain HTTP, which others
    could read. A proxy's address in the environment may have a user name and a password.
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
            "The proxy in the environment cannot be used.",
            cause=f"HTTPS_PROXY, HTTP_PROXY or ALL_PROXY: {error}.",
            hint="Correct the variable, or set the proxy with FBN_PROXY_ADDRESS.",
        ) from error
    if proxy.auth:
        register_pair(*proxy.auth)
    if proxy.url.scheme not in {"http", "https"}:
        raise ConfigurationError(
            f"The proxy in the environment is a {proxy.url.scheme} proxy, not an HTTP proxy.",
            hint="Set an HTTP proxy with HTTPS_PROXY or FBN_PROXY_ADDRESS, or set NO_PROXY.",
        )
    return proxy


def origin_of(url: str) -> str:
    """Return scheme and host of `url`, as `https://host:port`."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
