"""Find the Scheduler from the URL of LUSID itself, which FINBOURNE's other tools are given.

fbnconfig and finbourne-sdk append `/scheduler2` to their URL; `docker-setup.sh` replaces the `api`
at the end of its own. So their names work for every host. lusid-sdk uses only LUSID: its names show
where the Scheduler is only for FINBOURNE's own domain and this machine.
"""

import re
import urllib.parse
from dataclasses import dataclass
from typing import Final

from lusid_image_publish.config_given import Given, Strength
from lusid_image_publish.config_values import BASE_ORIGIN, parse_value, set_in, subject_of
from lusid_image_publish.errors import ConfigurationError
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
_WITHOUT_SCHEME: Final = re.compile(r"[\w-]+(?:\.[\w-]+)+(?::\d+)?(?:/\S*)?", re.ASCII)
_MAX_HOST_CHARACTERS: Final = 100
_HINT: Final = (
    "Write https://<domain>.lusid.com, or set FBN_SCHEDULER_URL to the Scheduler itself, for "
    "example https://<domain>.lusid.com/scheduler2."
)


@dataclass(frozen=True)
class BaseUrl:
    """A URL of LUSID: `given` has that of its Scheduler, or the text as it is if that is not known.

    `error` says why the URL cannot be used, None if it can.
    """

    given: Given
    error: ConfigurationError | None = None


def read_base_url(name: str, url: str, origin: str, strength: Strength) -> BaseUrl:
    """Return the URL of LUSID that the variable or key `name` has."""
    origin = f"{BASE_ORIGIN}{origin}"
    text = scheduler_url_of(url)
    error = None
    try:
        _require_scheme(url, origin)
        parse_value("scheduler_url", text, origin)
        _require_known(name, url, origin)
    except ConfigurationError as raised:
        error = raised
    return BaseUrl(Given(text, origin, strength, strength), error)


def scheduler_url_of(url: str) -> str:
    """Return the Scheduler's URL for a URL of LUSID.

    An invalid URL stays invalid in the result, which is parsed like any other.
    """
    if not url.lower().startswith(("http://", "https://")):
        return url
    return f"{_END.sub('', url.rstrip('/'))}/scheduler2"


def host_of(url: str) -> str:
    """Return the host of a URL, for a message."""
    address = _address_of(url) if "://" in url else ""
    return plain(address, longest=_MAX_HOST_CHARACTERS) or "another host"


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


def is_same_host(one: str, other: str) -> bool:
    """Return whether two URLs, also without https://, have the same host and port."""
    return _address_of(one).lower() == _address_of(other).lower()


def _require_scheme(url: str, origin: str) -> None:
    if _WITHOUT_SCHEME.fullmatch(url):
        raise ConfigurationError(
            f"{subject_of('scheduler_url', origin)} lacks https://.",
            cause=set_in(origin),
            hint=_HINT,
        )


def _require_known(name: str, url: str, origin: str) -> None:
    """Raise `ConfigurationError` if `url`, which is valid, does not show where the Scheduler is."""
    parts = urllib.parse.urlsplit(_END.sub("", url.rstrip("/")))
    is_lusids = (parts.hostname or "").endswith(".lusid.com")
    if is_lusids and parts.path:
        why, hint = "its path is not /api", _HINT
    elif name in _OF_LUSID_ALONE and not is_lusids and not is_loopback(parts.netloc):
        why = f"{host_of(url)} is not <domain>.lusid.com"
        hint = "Set FBN_SCHEDULER_URL to the Scheduler itself."
    else:
        return
    raise ConfigurationError(
        f"{subject_of('scheduler_url', origin)} does not show where the Scheduler is: {why}.",
        cause=set_in(origin),
        hint=hint,
    )


def _address_of(url: str) -> str:
    """Return the host and port of a URL, also of one without https://; empty for another text."""
    try:
        parts = urllib.parse.urlsplit(url if "://" in url else f"//{url}")
    except ValueError:
        return ""
    return parts.netloc.rpartition("@")[2]
