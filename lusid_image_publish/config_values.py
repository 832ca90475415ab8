"""Parse the text of a setting: a URL, an existing file, a whole number.

Each function raises `ConfigurationError`, which names the origin of the text, never a secret.
"""

import ipaddress
import re
import stat
import urllib.parse
from pathlib import Path
from typing import Any, Final

from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.hosts import is_loopback
from lusid_image_publish.names import find_unexpanded
from lusid_image_publish.redact import Secret
from lusid_image_publish.text import is_utf_8, plain

SECRETS: Final = ("access_token", "password", "client_secret", "proxy_password")
"""The settings that are secret."""

UNTRIMMED: Final = frozenset({"password", "proxy_password"})
"""The settings whose blanks and quotes at the ends are part of the value."""

BASE_ORIGIN: Final = "LUSID's URL in "
"""How the origin of a Scheduler URL begins that follows from LUSID's own."""

_QUOTES: Final = "\"'`\u201c\u201d\u2018\u2019"
_PLACEHOLDER: Final = re.compile(
    r"<[^<>/]*>|\$?\{+[^{}/]*\}+|\$\w+|\byour[-_]?domain\b", re.IGNORECASE
)
_TOKEN_PLACEHOLDER: Final = re.compile(
    r"^(?:\.{2,}|…|<[^<>]*>|\$\{\{.*\}\}|\$\{?\w+\}?|\$\([\w.]+\)|%\w+%)$", re.DOTALL
)
"""A whole token: one that has a $ in it is not shown."""
_LUSID_ITSELF: Final = re.compile(r"https://[^/]+\.lusid\.com(?:/|/api/?)?", re.IGNORECASE)
_WEB_PAGE: Final = re.compile(r"https://[^/]+\.lusid\.com/app(?:/.*)?", re.IGNORECASE)
_MAX_PLACEHOLDER_CHARACTERS: Final = 40
_COMMAND_LINE: Final = "command line "
_VARIABLE: Final = "environment variable "
_NAMED: Final = (_VARIABLE, "input ")

_MAX_FILE_BYTES: Final = 1 << 20  # a larger file does not contain settings

_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


def setting_label(name: str) -> str:
    """Return the name of a setting in messages."""
    return {
        "scheduler_url": "Scheduler URL",
        "token_url": "token URL",
        "proxy_address": "proxy",
        "ca_bundle": "CA bundle",
    }.get(name, name.replace("_", " "))


def set_in(origin: str) -> str:
    """Return the sentence that says where a value was set."""
    place = origin.removeprefix(BASE_ORIGIN)
    if place.startswith(_COMMAND_LINE):
        return f"Set with {place.removeprefix(_COMMAND_LINE)}."
    if place == "the caller":
        return "Set by the caller."
    return f"Set in {'the ' if place.startswith(_NAMED) else ''}{place}."


def subject_of(name: str, origin: str) -> str:
    """Return the place of a value as the subject of a sentence."""
    place = origin.removeprefix(BASE_ORIGIN)
    if in_file := re.fullmatch(r"(.+) \(([^()]+)\)", place):
        return f"{in_file[2]} in {in_file[1]}"
    for kind in (_VARIABLE, _COMMAND_LINE):
        if place.startswith(kind):
            return place.removeprefix(kind)
    return f"The {place}" if place.startswith("input ") else f"The {setting_label(name)}"


def parse_value(name: str, value: str, origin: str) -> Any:
    """Return the value of the setting `name`, a field of `Settings`, for the text `value`."""
    if not is_utf_8(value):
        raise ConfigurationError(
            f"The {setting_label(name)} is not UTF-8 text.",
            cause=set_in(origin),
            hint="Set it again, as UTF-8.",
        )
    value = value if name in UNTRIMMED else value.strip()
    _require_bare(name, value, origin)
    if name == "access_token":
        _require_no_placeholder(name, value, origin)
    if name in SECRETS:
        return Secret(value)
    if name in {"access_token_file", "ca_bundle"}:
        return _parse_file(name, value, origin)
    if name in {"scheduler_url", "token_url", "proxy_address"}:
        return _parse_url(name, value, origin)
    if name in {"app_name", "correlation_id"} and not (value.isascii() and value.isprintable()):
        raise ConfigurationError(
            f"The {setting_label(name)} has characters that are not allowed in an HTTP header.",
            cause=set_in(origin),
            hint="Use ASCII letters, digits and punctuation.",
        )
    if name.endswith("_ms") or name == "rate_limit_retries":
        return parse_whole_number(name, value, origin)
    if name == "allow_http":
        return _parse_boolean(name, value, origin)
    return value


def wrapping_of(value: str) -> str:
    """Return what is around a token: "is in quotes", or "begins with the word Bearer", or ""."""
    if value[:1] in {*_QUOTES} or value[-1:] in {*_QUOTES}:
        return "is in quotes"
    return "begins with the word Bearer" if re.match(r"bearer\s", value, re.IGNORECASE) else ""


def read_settings_file(path: Path) -> bytes:
    """Return the content of a settings file. Raises `OSError`, also for a file of another kind.

    A pipe or a device is not opened: reading it could block forever.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(f"{path} is not a regular file")
    with path.open("rb") as file:
        content = file.read(_MAX_FILE_BYTES + 1)
    if len(content) > _MAX_FILE_BYTES:
        raise OSError(f"{path} is larger than {_MAX_FILE_BYTES >> 20} MiB")
    return content


def is_http_elsewhere(url: str) -> bool:
    """Return whether `url` starts with http:// and its host is another machine."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return url.lower().startswith("http:")
    return parts.scheme == "http" and not is_loopback(parts.netloc)


def require_https(name: str, url: str, origin: str) -> None:
    """Raise `ConfigurationError` if others on the network could read requests to `url`."""
    if is_http_elsewhere(url):
        host = plain(url.partition("//")[2].partition("/")[0].rpartition("@")[2])
        raise ConfigurationError(
            f"The {setting_label(name)} starts with http://, but {host} is another machine.",
            cause=f"{set_in(origin)} With http://, others on the network can read the credentials.",
            hint="Use https://. If you trust the network, use --allow-http (allow_http=True).",
        )


def require_settings_file(path: Path) -> bytes:
    """Do as `read_settings_file` does. Raises `ConfigurationError`."""
    try:
        return read_settings_file(path)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read.",
            cause=f"{error}.",
            hint="Correct the path or the file's permissions.",
        ) from error


def _require_bare(name: str, value: str, origin: str) -> None:
    """Raise `ConfigurationError` for a value in quotes, and for a token with the word Bearer."""
    if name in UNTRIMMED | {"app_name", "correlation_id"}:
        return
    wrapping = wrapping_of(value)
    if wrapping.endswith("quotes"):
        raise ConfigurationError(
            f"{subject_of(name, origin)} {wrapping}.",
            cause=f"{set_in(origin)} The quotes are part of the value"
            + (
                ": GitLab variables and `docker run --env-file` keep them."
                if _VARIABLE in origin
                else "."
            ),
            hint="Set the value without quotes.",
        )
    if wrapping and name == "access_token":
        raise ConfigurationError(
            f"{subject_of(name, origin)} {wrapping}.",
            cause=f"{set_in(origin)} The word is added to each request automatically.",
            hint="Set only the token.",
        )


def _require_no_placeholder(name: str, value: str, origin: str) -> None:
    pattern = _TOKEN_PLACEHOLDER if name == "access_token" else _PLACEHOLDER
    found = pattern.search(value)
    if found and "@" not in value:  # the text before an @ may be a password
        placeholder = plain(found[0], longest=_MAX_PLACEHOLDER_CHARACTERS)
        if unexpanded := find_unexpanded(found[0]):
            raise ConfigurationError(
                f"{subject_of(name, origin)} has a variable that was not expanded: {placeholder}",
                cause=f"{set_in(origin)} {unexpanded.cause}",
                hint=unexpanded.hint,
            )
        raise ConfigurationError(
            f"{subject_of(name, origin)} still has the placeholder {placeholder}.",
            cause=set_in(origin),
            hint="Replace it with your LUSID domain, for example https://acme.lusid.com/scheduler2."
            if name == "scheduler_url"
            else "Replace it with your own value.",
        )


def _parse_file(name: str, value: str, origin: str) -> Path:
    try:
        path = Path(value).expanduser()
        there = path.stat()
    except (OSError, RuntimeError, ValueError):
        there = None
    if there is None and name == "access_token_file":  # its text may be a token
        raise ConfigurationError(
            f"{subject_of(name, origin)} does not name a file.",
            cause=set_in(origin),
            hint="It takes a path; put a token itself into FBN_ACCESS_TOKEN.",
        )
    problem = (
        "does not exist"
        if there is None
        else "is not a regular file"
        if not stat.S_ISREG(there.st_mode)
        else f"is larger than {_MAX_FILE_BYTES >> 20} MiB"
        if there.st_size > _MAX_FILE_BYTES
        else ""
    )
    if problem:
        raise ConfigurationError(
            f"The {setting_label(name)} {value} {problem}.",
            cause=set_in(origin),
            hint="Correct the path.",
        )
    return path


def _parse_url(name: str, value: str, origin: str) -> str:
    what = setting_label(name)
    _require_no_placeholder(name, value, origin)
    try:
        parts = urllib.parse.urlsplit(value)
        valid = parts.scheme in {"http", "https"} and parts.port != 0
        valid = valid and _is_host(parts.hostname or "", is_literal="[" in parts.netloc)
    except ValueError:
        valid = False
    if not valid or not value.isprintable() or set(value) & set(" <>"):
        raise ConfigurationError(
            f"{subject_of(name, origin)} is not an http:// or https:// URL.",
            cause=set_in(origin),
            hint="Write the full URL, https://<domain>.lusid.com/scheduler2, with the name of "
            "your domain instead of <domain>.",
        )
    if parts.username or parts.password:
        Secret(parts.password or parts.username or "")
        raise ConfigurationError(
            f"The {what} contains a user name or a password.",
            cause=f"{set_in(origin)} URLs are shown in messages and logs.",
            hint="Remove it; for a proxy, set FBN_PROXY_USERNAME and FBN_PROXY_PASSWORD.",
        )
    if name == "token_url":
        return _complete_issuer(value)
    if set(value) & {"?", "#"}:
        raise ConfigurationError(
            f"{subject_of(name, origin)} has a query or a fragment: text after a ? or a #.",
            cause=f"{set_in(origin)} URLs are shown in messages and logs.",
            hint="Remove the ? or the #, and what follows.",
        )
    if name == "scheduler_url" and _WEB_PAGE.fullmatch(value):
        raise ConfigurationError(
            f"{subject_of(name, origin)} is the address of LUSID's web page.",
            cause=set_in(origin),
            hint=f"Use https://{plain(parts.netloc)}/scheduler2.",
        )
    if name == "scheduler_url" and _LUSID_ITSELF.fullmatch(value):
        raise ConfigurationError(
            f"{subject_of(name, origin)} is the URL of LUSID, not of its Scheduler.",
            cause=set_in(origin),
            hint=f"Use https://{plain(parts.netloc)}/scheduler2.",
        )
    return value.rstrip("/")


def _is_host(host: str, *, is_literal: bool) -> bool:
    """Return whether `host` is an IP address or a name that DNS can have.

    Raises `ValueError` (as the codec and the class do) for a malformed one.
    """
    if is_literal:
        return ipaddress.IPv6Address(host).scope_id is None
    host.encode("ascii").decode("idna")  # refuses a malformed `xn--`
    return all(_LABEL.fullmatch(label) for label in host.removesuffix(".").split("."))


def _complete_issuer(url: str) -> str:
    """Append `/v1/token` to a bare Okta issuer URL, as the SDK does."""
    if re.match(r"https?://[^/]+\.okta\.com/oauth2/.+", url, re.IGNORECASE) and not re.search(
        r"/v\d+/token$", url, re.IGNORECASE
    ):
        return url.rstrip("/") + "/v1/token"
    return url


def _parse_boolean(name: str, value: str, origin: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise ConfigurationError(
            f"{setting_label(name)} must be true or false, not {value!r}.",
            cause=set_in(origin),
            hint="Correct or remove it.",
        )
    return value.lower() == "true"


def parse_whole_number(name: str, value: str, origin: str) -> int:
    """Return the whole number, 0 or greater, in `value`."""
    if not re.fullmatch(r"[0-9]{1,10}", value):
        raise ConfigurationError(
            f"{setting_label(name)} must be a whole number, 0 or greater, not {value!r}.",
            cause=set_in(origin),
            hint="Correct or remove it.",
        )
    return int(value)
