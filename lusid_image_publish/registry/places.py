"""Decide where a registry may redirect to: its own host, and public hosts over HTTPS.

A registry names the URL where an upload continues (`Location`) and where its tokens come from
(`realm`). A registry on another machine must not use this program to reach this machine, a private
network or a cloud's metadata service.
"""

from typing import Final

import httpx

from lusid_image_publish.errors import LusidPublishError, UnsafePlaceError
from lusid_image_publish.hosts import is_internal, is_loopback
from lusid_image_publish.text import plain

_MAX_SHOWN_CHARACTERS: Final = 200


def safe_location(
    text: str,
    sender: httpx.URL,
    *,
    message: str,
    allow_http: bool,
    home: httpx.URL | None = None,
    http_error: type[LusidPublishError] = UnsafePlaceError,
) -> httpx.URL:
    """Return the URL `text` from an answer of `sender`, if `sender` may redirect there.

    Raises `UnsafePlaceError` if not, and `http_error` for an http:// URL that needs `allow_http`.
    `message` is the text of the error up to the URL. A redirect back to `home`, which redirected to
    `sender`, is always allowed.
    """
    try:
        place = sender.join(text) if text else None
    except (httpx.InvalidURL, ValueError):
        place = None
    if home and place and is_same_origin(place, home):
        return place
    message = f"{message} {_shown(text)!r}."
    if place is None or place.scheme not in {"http", "https"} or not place.host:
        raise UnsafePlaceError(
            message,
            cause=f"That is not an http:// or https:// URL. {sender.host} is not a registry, or it "
            "is misconfigured.",
            hint="Run again. If it fails again, ask the domain's administrator about the registry.",
        )
    is_here = is_loopback(_netloc(place)) and is_loopback(_netloc(sender))
    if place.host != sender.host and is_internal(place.raw_host.decode()) and not is_here:
        raise UnsafePlaceError(
            message,
            cause=f"{place.host} is this machine or an internal address, and {sender.host}, which "
            "is another host, must not redirect there.",
            hint="Nothing was sent there. Ask the domain's administrator about the registry.",
        )
    if place.scheme == "http" and not is_here and not allow_http:
        raise http_error(
            message,
            cause=f"Over http://, others can read the data sent to {place.host}. A proxy in front "
            f"of {sender.host} may not tell it that you use https://.",
            hint="Ask the domain's administrator about the registry. If you trust the network, use "
            "--allow-http (allow_http=True).",
        )
    return place


def registry_url(host: str) -> str:
    """Return the registry's URL: HTTP on this machine, HTTPS elsewhere, as Docker does."""
    return f"{'http' if is_loopback(host) else 'https'}://{host}"


def is_same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    """Return whether two URLs have the same origin: scheme, host and port."""
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def _shown(text: str) -> str:
    """Return a place for a message, without the secrets that it may have: user name and query."""
    start, slashes, rest = text.partition("?")[0].partition("#")[0].rpartition("//")
    host, slash, path = rest.partition("/")
    return plain(
        f"{start}{slashes}{host.rpartition('@')[2]}{slash}{path}", longest=_MAX_SHOWN_CHARACTERS
    )


def _netloc(url: httpx.URL) -> str:
    return url.netloc.decode()
