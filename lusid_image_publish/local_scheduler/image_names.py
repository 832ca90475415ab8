"""The service's rule for image names, as the OpenAPI document has it (`imageName`).

The pattern here does not backtrack, and refuses repositories that a registry refuses (`a..b`).
"""

import re
from typing import Final

_NAME: Final = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*:[a-z0-9]+(?:[._-]+[a-z0-9]+)*")
_REGISTRY_PATH: Final = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*")
_DOMAIN: Final = re.compile(r"[a-z0-9]+(?:-+[a-z0-9]+)*")
_MAX_CHARACTERS: Final = 256

RULE: Final = (
    "The name must be 1 to 256 characters of the form name:tag, both of lower-case letters and "
    "digits joined by '.', '_' or '-'."
)


def split_name(text: str) -> tuple[str, str] | None:
    """Return (repository, tag), None where `text` breaks the rule."""
    repository, _, tag = text.partition(":")
    valid = (
        len(text) <= _MAX_CHARACTERS
        and _NAME.fullmatch(text)
        and _REGISTRY_PATH.fullmatch(repository)
    )
    return (repository, tag) if valid else None


def is_repository(text: str) -> bool:
    """Return whether `text` can be the name of a repository."""
    return len(text) <= _MAX_CHARACTERS and bool(_REGISTRY_PATH.fullmatch(text))


def is_domain(text: str) -> bool:
    """Return whether `text` can be a LUSID domain, which is a part of each image's path."""
    return bool(_DOMAIN.fullmatch(text))
