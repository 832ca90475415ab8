"""Classify an engine's message about a failed push.

Engines word the same failure differently, and some drop the registry's status or its message
(Docker 28 with the containerd store has "error from registry: denied" for a 500). So the message
decides only whether the credential was refused, whether the failure is temporary, and what to
advise. The registry's own answer is more reliable: the push requests it.
"""

import re
from typing import Final

from lusid_image_publish.errors import PushDeniedError, PushError, PushInterruptedError
from lusid_image_publish.names import ImageReference
from lusid_image_publish.text import plain, shorten_message

# A status stands alone: 403 may also be a part of a version, a port or a path, or the tag itself.
_STATUS: Final = r"(?<!manifest )(?<![\w.:/'-])(?:{})(?![\w'-]|\.\d)"

_CREDENTIAL: Final = re.compile(
    r"unauthorized|(?<!proxy )authentication required|no basic auth|authorization failed"
    r"|not authorized|token has expired",
    re.IGNORECASE,
)
_DENIED: Final = re.compile(
    r"(?:^|: )denied|access.{0,30}denied|" + _STATUS.format("40[13]"), re.IGNORECASE
)
_REFUSED: Final = re.compile(
    r"\b(?:tag|manifest|name|digest|size|range) invalid|invalid (?:repository|tag|manifest|digest)"
    r"|immutable|already exists|tag exists|overwrit|unsupported|name unknown|not known to registry"
    r"|too large|quota|" + _STATUS.format("400|404|405|409|413|415|422"),
    re.IGNORECASE,
)
_UNREACHED: Final = re.compile(
    r"no such host|x509|(?:verify|bad|unknown|expired) certificate", re.IGNORECASE
)
_PLAIN_HTTP: Final = re.compile(
    r"server gave HTTP response to HTTPS client|does not look like a TLS handshake"
)
_HIDDEN: Final = "error from registry: "  # Docker 28, containerd store: the message alone
_TEMPORARY: Final = re.compile(
    r"connection (?:reset|refused|aborted|broken|closed|lost)|broken pipe|\bEOF\b"
    r"|closed network connection|closed idle connection|closed pipe|GOAWAY|remote end closed"
    r"|stream error|INTERNAL_ERROR|REFUSED_STREAM|blob upload (?:unknown|invalid)"
    r"|timed? ?out|deadline exceeded|temporary failure|server misbehaving"
    r"|unreachable|no route to host|too ?many ?requests|rate (?:limit|exceeded)"
    r"|internal server error|bad gateway|service unavailable|" + _STATUS.format("408|429|5\\d\\d"),
    re.IGNORECASE,
)
_OTHERS: Final = re.compile(r"\S*://\S+|\barn:\S+")  # a port in it is not a status


def push_error(target: ImageReference, words: str, *, podman: bool = False) -> PushError:
    """Return the error for a push to `target` that failed with the message `words`.

    `podman` says that they are Podman's. The error is a `PushDeniedError` if the credential seems
    to have been refused, a `PushInterruptedError` for a temporary or unexplained failure, otherwise
    a `PushError`.
    """
    message = f"The push to {target} failed: {shorten_message(words)}"
    words = plain(words, longest=len(words))
    bare = _without_names(words, target)
    if _PLAIN_HTTP.search(words):
        return _plain_http(message, target, podman=podman)
    if _UNREACHED.search(bare):
        return PushError(message, cause="The engine cannot reach the registry.", hint=_CHECK_REACH)
    if _REFUSED.search(bare) and not _TEMPORARY.search(bare):
        return PushError(message, cause=_NOT_ACCEPTED, hint=_OTHER_TAG)
    if _CREDENTIAL.search(bare):
        return denied_error(message)
    if words.startswith(_HIDDEN) and not _TEMPORARY.search(bare):
        return unexplained_error(
            message,
            cause="The registry refused the push, and this engine does not report its HTTP status.",
            hint=_OTHER_TAG,
        )
    if _DENIED.search(bare):
        return denied_error(message)
    if _TEMPORARY.search(bare):
        return interrupted_error(message)
    return PushError(
        message,
        cause=f"{_NOT_ACCEPTED[:-1]}, or the engine cannot reach it.",
        hint=_CHECK_REACH,
    )


def _without_names(words: str, target: ImageReference) -> str:
    """Return `words` without names and addresses: one may be `quota` or `http-timeout`."""
    names = {*str(target).split("/"), target.path, *target.path.split("/"), target.tag}
    longest_first = sorted(map(re.escape, names), key=len, reverse=True)
    ours = rf"(?<![\w-])(?:{'|'.join(longest_first)})(?![\w-])"
    return re.sub(ours, "", _OTHERS.sub("", words))


def _plain_http(message: str, target: ImageReference, *, podman: bool) -> PushError:
    cause = "The engine uses HTTPS for this registry, which speaks plain HTTP."
    if podman:
        hint = (
            "Where Podman runs, add three lines to a file in /etc/containers/registries.conf.d (or "
            f'~/.config/containers/registries.conf.d): [[registry]], location = "{target.host}", '
            "insecure = true."
        )
    else:
        hint = f"Add {target.host} to the engine's `insecure-registries`."
    return PushError(message, cause=cause, hint=hint)


def denied_error(message: str) -> PushDeniedError:
    """Return the error for a credential that the registry refused."""
    return PushDeniedError(
        message,
        cause="The credential has expired, or is not allowed to push there.",
        hint="Run again: each run requests a new credential. If it fails again, ask the domain's "
        "administrator whether you may publish.",
    )


def interrupted_error(message: str) -> PushInterruptedError:
    """Return the error for a temporary failure."""
    return PushInterruptedError(
        message,
        cause="A temporary failure of the registry, or of the network between it and the engine.",
        hint=_REACH,
    )


def unexplained_error(message: str, *, cause: str, hint: str = "") -> PushInterruptedError:
    """Return the error for a failure that only the registry can explain."""
    error = PushInterruptedError(message, cause=cause, hint=hint or _REACH)
    error.is_unexplained = True
    return error


_NOT_ACCEPTED: Final = "The registry does not accept this image under this tag."
_OTHER_TAG: Final = (
    "Publish under a new tag. If that is refused too, ask the domain's administrator about the "
    "registry."
)
_CHECK_REACH: Final = (
    "Check that the engine can reach the registry (its proxy is set in the engine's configuration, "
    "not in this shell)."
)
_REACH: Final = (
    f"Run again: layers in the registry are not sent again. If it fails again, c{_CHECK_REACH[1:]}"
)
