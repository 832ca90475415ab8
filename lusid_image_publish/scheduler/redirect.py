"""Where a redirect leads, in words. None is followed: a credential stays with its host."""

import urllib.parse
from typing import Final

import httpx

from lusid_image_publish.text import plain

NOT_FOLLOWED: Final = (
    "Redirects are not followed, because the credentials are for the host that you named; the URL "
    "may be outdated, or that of a web page."
)
_MAX_PLACE_CHARACTERS: Final = 200


def place_of(headers: httpx.Headers) -> str:
    """Return the target of a redirect: scheme, host and path, empty where there is none.

    User, query and fragment are left out, because they may hold a secret.
    """
    try:
        parts = urllib.parse.urlsplit(headers.get("location", ""))
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    place = urllib.parse.urlunsplit((parts.scheme, host, parts.path, "", ""))
    return plain(place, longest=_MAX_PLACE_CHARACTERS)


def redirected_to(headers: httpx.Headers) -> str:
    """Return the end of a sentence that says where a redirect leads."""
    place = place_of(headers)
    return f"redirects to {place}" if place else "redirects without saying where to"
