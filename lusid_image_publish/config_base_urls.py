"""Find the Scheduler from the URL of LUSID itself, which FINBOURNE's other tools are given.

fbnconfig and finbourne-sdk append `/scheduler2` to their URL; `docker-setup.sh` replaces the `api`
at the end of its own. So their names work for every host. lusid-sdk uses only LUSID: its names show
where the Scheduler is only for FINBOURNE's own domain and this machine.
"""

import re
import urllib.parse
from typing import Final

from lusid_image_publish.hosts import is_loopback
from lusid_image_publish.text import plain

BASE_VARIABLES: Final = (
    "FBN_BASE_URL",  # finbourne-sdk
    "FBN_BASE_API_URL",  # the workflow of FINBOURNE's example job
    "LUSID_ENV",  # fbnconfig
    "FBN_LUSID_API_URL",  # docker-setup.sh, and lusid-sdk before FBN_LUSID_URL
    "FBN_LUSID_URL",  # lusid-sdk
)
"""The environment variables with the URL of LUSID."""
BASE_KEYS: Final = ("baseUrl", "apiUrl", "lusidUrl")
"""The keys of secrets.json with the URL of LUSID: of finbourne-sdk, docker-setup.sh, lusid-sdk."""

_OF_LUSID_ALONE: Final = frozenset({"FBN_LUSID_URL", "lusidUrl"})
_END: Final = re.compile(r"/(?:api|scheduler2)$", re.IGNORECASE)
_MAX_HOST_CHARACTERS: Final = 100


def scheduler_url_of(name: str, url: str) -> str:
    """Return the Scheduler's URL for the URL of LUSID that `name` has; empty if that is not known.

    An invalid URL stays invalid in the result, which is parsed like any other.
    """
    if not url.lower().startswith(("http://", "https://")):
        return url if url[:1] in {'"', "'", "`", "\u201c", "\u2018"} else ""
    stem = _END.sub("", url.rstrip("/"))
    try:
        parts = urllib.parse.urlsplit(stem)
    except ValueError:
        return url
    if parts.query or parts.fragment:
        return ""
    is_lusids = (parts.hostname or "").endswith(".lusid.com")
    if is_lusids and parts.path:
        return ""
    if name in _OF_LUSID_ALONE and not is_lusids and not is_loopback(parts.netloc):
        return ""
    return f"{stem}/scheduler2"


def host_of(url: str) -> str:
    """Return the host of a URL, for a message."""
    try:
        host = urllib.parse.urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return "another host"
    return plain(host, longest=_MAX_HOST_CHARACTERS) or "another host"


def is_same_server(one: str, other: str) -> bool:
    """Return whether two URLs have the same scheme, host and port."""
    try:
        return _server_of(one) == _server_of(other)
    except ValueError:
        return one == other


def _server_of(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port. Raises `ValueError` for an invalid URL."""
    parts = urllib.parse.urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, usual if parts.port is None else parts.port
