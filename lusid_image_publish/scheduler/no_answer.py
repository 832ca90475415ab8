"""The error for a request that got no answer: what happened, the likely cause, the next step."""

from typing import Final, NamedTuple

import httpx

from lusid_image_publish.errors import TransportError
from lusid_image_publish.hosts import is_loopback
from lusid_image_publish.http.connection_failures import (
    is_refused,
    is_untrusted,
    lacks_tls,
    unknown_host,
)
from lusid_image_publish.http.network import deadline_caused
from lusid_image_publish.scheduler.sign_in import SIGN_IN
from lusid_image_publish.text import without_error_number

_SETTING: Final = {"The Scheduler": "FBN_SCHEDULER_URL", "The token endpoint": "FBN_TOKEN_URL"}


class _Words(NamedTuple):
    message: str
    cause: str
    hint: str


def transport_error(
    operation: str, error: httpx.RequestError, requested: httpx.URL
) -> TransportError:
    """Return the error for `error` in a request for `operation` to the Scheduler at `requested`.

    The request that failed may be that of the sign-in before it.
    """
    url = error.request.url
    is_sign_in = url != requested
    if deadline_caused(error):
        return _out_of_time(operation, is_sign_in=is_sign_in)
    who = "The token endpoint" if is_sign_in else "The Scheduler"
    words = _words_of(error, url, who, operation)
    return TransportError(words.message, cause=words.cause, hint=words.hint, operation=operation)


def _out_of_time(operation: str, *, is_sign_in: bool) -> TransportError:
    awaited = SIGN_IN if is_sign_in else operation
    return TransportError(
        f"The answer to {awaited} did not arrive in time.",
        cause="The network is very slow, or a proxy delays the answer.",
        hint="Try again, or raise FBN_TOTAL_TIMEOUT_MS or the timeout of the step.",
        operation=SIGN_IN.name if is_sign_in else operation,
    )


def _words_of(error: httpx.RequestError, url: httpx.URL, who: str, operation: str) -> _Words:
    reason = without_error_number(str(error)) or type(error).__name__
    silent = f"{who} at {url.host} does not answer {operation}: {reason}."
    if host := unknown_host(error):
        return _unknown(host, url, who)
    if isinstance(error, httpx.ProxyError):
        return _Words(
            silent,
            "The proxy refused the connection.",
            "Check FBN_PROXY_ADDRESS and its credentials.",
        )
    if lacks_tls(error):
        return _Words(
            f"{who} at {url.netloc.decode()} does not speak HTTPS.",
            "The port belongs to an HTTP server, or a proxy answers in its place.",
            f"Check the port in {_SETTING[who]}. For a server without TLS on this machine, write "
            "http:// instead of https://.",
        )
    if is_untrusted(error):
        return _Words(
            silent,
            "Its certificate is not trusted on this machine; a proxy may have replaced it.",
            "Name your organisation's certificate authorities with FBN_CLIENT_CERTIFICATE or "
            "--ca-bundle.",
        )
    if isinstance(error, httpx.TimeoutException):
        return _Words(
            silent,
            "The network is slow or drops packets, or a proxy is needed.",
            "Try again; FBN_CONNECT_TIMEOUT_MS and FBN_READ_TIMEOUT_MS set the limits.",
        )
    if is_refused(error) and is_loopback(url.netloc.decode()):
        return _Words(
            silent,
            "Nothing listens on that port: for example, a local Scheduler was stopped.",
            "Start it again with `lusid-scheduler-local --env-file FILE` and read FILE again, or "
            "use --local.",
        )
    return _Words(
        silent,
        "The URL is wrong, the network is down, or a proxy is needed.",
        f"Check {_SETTING[who]}; set a proxy with FBN_PROXY_ADDRESS or --proxy-address.",
    )


def _unknown(host: str, url: httpx.URL, who: str) -> _Words:
    if host != url.host:
        return _Words(
            f"There is no host {host}, which is set as the proxy.",
            "The name is misspelled, or DNS does not know it on this network.",
            "Correct FBN_PROXY_ADDRESS, --proxy-address or HTTPS_PROXY.",
        )
    return _Words(
        f"There is no host {host}: is the domain spelled right?",
        "DNS does not know the name: it is misspelled, or this machine is not connected to the "
        "network or VPN that knows it.",
        f"Correct {_SETTING[who]}; --verbose shows where it comes from.",
    )
