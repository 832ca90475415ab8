"""What an engine's words about a failed push mean.

Engines word the same failure differently, and some drop the registry's status or its message
(Docker 28 with the containerd store has "error from registry: denied" for a 500), so words alone
decide little: whether the credential was refused, whether it may pass, and what to advise. What the
registry itself answers weighs more; whoever pushes asks it.
"""

import re
from typing import Final

from lusid_image_publish.errors import PushDeniedError, PushError, PushInterruptedError
from lusid_image_publish.names import ImageReference
from lusid_image_publish.redact import plain

# A status stands alone: 403 may also be a part of a version, a port or a path, or the tag itself.
_STATUS: Final = r"(?<!manifest )(?<![\w.:/'-])(?:{})(?![\w'-]|\.\d)"

_DENIED: Final = re.compile(
    r"unauthorized|(?<!proxy )authentication required|no basic auth|authorization failed"
    r"|(?:^|: )denied|access.{0,30}denied|not authorized|token has expired|"
    + _STATUS.format("40[13]"),
    re.IGNORECASE,
)
_PASSING: Final = re.compile(
    r"connection (?:reset|refused|aborted|broken|closed|lost)|broken pipe|\bEOF\b"
    r"|closed network connection|closed idle connection|GOAWAY|remote end closed"
    r"|timed? ?out|deadline exceeded|temporary failure|server misbehaving"
    r"|unreachable|no route to host|too ?many ?requests|rate (?:limit|exceeded)"
    r"|internal server error|bad gateway|service unavailable|HTTP status: 5\d\d|"
    + _STATUS.format("429|50[0-4]"),
    re.IGNORECASE,
)
_URL: Final = re.compile(r"\S*://\S+")  # its port is no status


def failure(target: ImageReference, words: str) -> PushError:
    """Return the error for a push to `target` that failed with `words`.

    A `PushDeniedError` when the credential seems to have been refused, a `PushInterruptedError`
    when what went wrong may pass, a `PushError` else.
    """
    words = plain(words)
    message = f"The push to {target} failed: {words}"
    bare = _URL.sub("", words)
    if _DENIED.search(bare):
        return denied(message)
    if "server gave HTTP response to HTTPS client" in words:
        return PushError(
            message,
            cause="The engine expects HTTPS of this registry, which speaks HTTP.",
            hint=f"Add {target.host} to the engine's `insecure-registries`.",
        )
    if _PASSING.search(bare):
        return interrupted(message)
    return PushError(
        message,
        cause="The registry does not take this image under this tag, or the engine cannot reach "
        "it.",
        hint=_REACH,
    )


def denied(message: str) -> PushDeniedError:
    """Return the error for a credential that the registry refused."""
    return PushDeniedError(
        message,
        cause="The registry did not accept the credential: it has expired, or may not push there.",
        hint="Run again: each run asks LUSID for a new credential. If it lasts, ask the domain's "
        "administrator whether you may publish.",
    )


def interrupted(message: str) -> PushInterruptedError:
    """Return the error for what may pass."""
    return PushInterruptedError(
        message,
        cause="The registry, or the network between it and the engine, which does the pushing.",
        hint=_REACH,
    )


_REACH: Final = (
    "Run again: what the registry has is not sent twice. If it lasts, check that the engine "
    "reaches the registry (a proxy is set in the engine's configuration, not in this shell)."
)
