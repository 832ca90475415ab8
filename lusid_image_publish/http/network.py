"""Sockets on which no operation lasts longer than `within` allows.

httpx's own timeouts restart with each byte, so a server that sends one now and then can hold a
client forever: in headers, interim answers (1xx), a proxy's answer or the body.
"""

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpcore
import httpx

from lusid_image_publish.http.connection_failures import UnknownHostError, is_name_unknown
from lusid_image_publish.waiting import time_left

_MAX_WRITE_BYTES: Final = 1 << 16  # sent within one timeout


class OutOfTimeError(httpcore.TimeoutException):
    """The deadline of `within` has passed. httpx's `TimeoutException` has it as its cause."""


def deadline_caused(error: BaseException | None) -> bool:
    """Return whether the deadline caused `error`, not one of httpx's own timeouts."""
    return error is not None and isinstance(error.__cause__, OutOfTimeError)


class BoundedTransport(httpx.HTTPTransport):
    """httpx's transport over sockets that obey `within`."""

    def __init__(self, *, verify: ssl.SSLContext, proxy: httpx.Proxy | None) -> None:
        super().__init__(verify=verify, proxy=proxy)
        # httpcore's pools take a network backend, and httpx has no parameter for it.
        self._pool._network_backend = _BoundedBackend(self._pool._network_backend)  # noqa: SLF001


class AsyncBoundedTransport(httpx.AsyncHTTPTransport):
    """Like `BoundedTransport`."""

    def __init__(self, *, verify: ssl.SSLContext, proxy: httpx.Proxy | None) -> None:
        super().__init__(verify=verify, proxy=proxy)
        self._pool._network_backend = _AsyncBoundedBackend(self._pool._network_backend)  # noqa: SLF001


class _BoundedBackend(httpcore.NetworkBackend):
    def __init__(self, network: httpcore.NetworkBackend) -> None:
        self._network = network

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        with _time_for(timeout) as seconds, _naming(host):
            return _BoundedStream(
                self._network.connect_tcp(host, port, seconds, local_address, socket_options)
            )


class _BoundedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _time_for(timeout) as seconds:
            return self._stream.read(max_bytes, seconds)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _MAX_WRITE_BYTES):
            with _time_for(timeout) as seconds:
                _send_all(self._stream, buffer[start : start + _MAX_WRITE_BYTES], seconds)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        with _time_for(timeout) as seconds:
            return _BoundedStream(self._stream.start_tls(ssl_context, server_hostname, seconds))

    def get_extra_info(self, info: str) -> Any:  # as httpcore has it
        return self._stream.get_extra_info(info)


class _AsyncBoundedBackend(httpcore.AsyncNetworkBackend):
    def __init__(self, network: httpcore.AsyncNetworkBackend) -> None:
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # as httpcore has it
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        with _time_for(timeout) as seconds, _naming(host):
            return _AsyncBoundedStream(
                await self._network.connect_tcp(host, port, seconds, local_address, socket_options)
            )


class _AsyncBoundedStream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        with _time_for(timeout) as seconds:
            return await self._stream.read(max_bytes, seconds)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        with _time_for(timeout) as seconds:
            await self._stream.write(buffer, seconds)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        with _time_for(timeout) as seconds:
            return _AsyncBoundedStream(
                await self._stream.start_tls(ssl_context, server_hostname, seconds)
            )

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _send_all(stream: httpcore.NetworkStream, part: bytes, seconds: float | None) -> None:
    """Send all of `part` within `seconds`.

    With a host that reads slowly, httpcore's own `write` restarts the timeout for each piece that
    the socket accepts. TLS accepts everything at once.
    """
    plain = None if stream.get_extra_info("ssl_object") else stream.get_extra_info("socket")
    if plain is None:
        stream.write(part, seconds)
        return
    try:
        plain.settimeout(seconds)
        plain.sendall(part)
    except TimeoutError as error:
        raise httpcore.WriteTimeout(str(error)) from error
    except OSError as error:
        raise httpcore.WriteError(str(error)) from error


@contextmanager
def _naming(host: str) -> Iterator[None]:
    """Raise `UnknownHostError` where DNS does not know `host`."""
    try:
        yield
    except httpcore.ConnectError as error:
        if is_name_unknown(error):
            raise UnknownHostError(host) from error
        raise


@contextmanager
def _time_for(timeout: float | None) -> Iterator[float | None]:
    """Yield the seconds for one operation: `timeout`, or the time left if that is less."""
    left = time_left()
    if left <= 0:
        raise OutOfTimeError("the deadline has passed")
    if left == float("inf") or (timeout is not None and timeout <= left):
        yield timeout
        return
    try:
        yield left
    except httpcore.TimeoutException as error:
        raise OutOfTimeError("the deadline has passed") from error
