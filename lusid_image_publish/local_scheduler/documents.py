"""The wire documents of the Images API: dates, names, errors and upload instructions.

The rule for names is that of the OpenAPI document (`imageName`). The pattern here does not
backtrack, and rejects repositories that a registry rejects (`a..b`).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from lusid_image_publish.local_scheduler.htpasswd import RegistryUser

NEVER: Final = "0001-01-01T00:00:00.0000000+00:00"

RULE: Final = (
    "The name must be 1 to 256 characters of the form name:tag, both of lower-case letters and "
    "digits joined by '.', '_' or '-'."
)

_NAME: Final = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*:[a-z0-9]+(?:[._-]+[a-z0-9]+)*")
_REGISTRY_PATH: Final = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*")
_DOMAIN: Final = re.compile(r"[a-z0-9]+(?:-+[a-z0-9]+)*")
_MAX_CHARACTERS: Final = 256


def wire_date(moment: datetime) -> str:
    """Return `moment`, in UTC, as the service writes it: .NET's round-trip form, seven digits."""
    # `%Y` alone has no leading zeros, and .NET's date for "none" is in the year 1.
    return f"{moment.year:04d}{moment:-%m-%dT%H:%M:%S.%f}0+00:00"


def instructions_document(
    repository: str, tag: str, *, domain: str, host: str, credential: RegistryUser
) -> dict[str, Any]:
    """Return `UploadImageInstructions` with the wording of the service on AWS."""
    local = f"{domain}/{repository}"
    remote = f"{host}/{local}"
    password = credential.password
    return {
        "dockerLoginCommand": f"docker login -u {credential.username} -p {password} {host}",
        "buildVersionedDockerImageCommand": (
            f"docker build -t {local}:{tag} . --platform=linux/amd64"
        ),
        "tagVersionedDockerImageCommand": f"docker tag {local}:{tag} {remote}:{tag}",
        "pushVersionedDockerImageCommand": f"docker push {remote}:{tag}",
        "tagLatestDockerImageCommand": f"docker tag {local}:{tag} {remote}:latest",
        "pushLatestDockerImageCommand": f"docker push {remote}:latest",
        "expiryTime": wire_date(credential.expires),
    }


def split_name(text: str) -> tuple[str, str] | None:
    """Return (repository, tag), None if `text` breaks the rule."""
    repository, _, tag = text.partition(":")
    valid = (
        len(text) <= _MAX_CHARACTERS
        and _NAME.fullmatch(text)
        and _REGISTRY_PATH.fullmatch(repository)
    )
    return (repository, tag) if valid else None


def is_repository(text: str) -> bool:
    """Return whether `text` is a valid repository name."""
    return len(text) <= _MAX_CHARACTERS and bool(_REGISTRY_PATH.fullmatch(text))


def is_domain(text: str) -> bool:
    """Return whether `text` is a valid LUSID domain, which is part of each image's path."""
    return bool(_DOMAIN.fullmatch(text))


UNKNOWN_CODE: Final = -1
INVALID_PARAMETER_CODE: Final = 151
INVALID_REQUEST_CODE: Final = 157
INVALID_PAGE_CODE: Final = 689
UNABLE_TO_PROCESS_CODE: Final = 731
SCAN_FAILURE_CODE: Final = 756
"""FINBOURNE's error codes, as its OpenAPI document lists them."""

_LOGS: Final = "https://local.lusid.com/app/insights/logs"


class Problem(Exception):  # noqa: N818  # named after the media type, application/problem+json
    """An error as an answer; a 400 has `errors`, which maps fields to messages."""

    def __init__(
        self,
        status: int,
        name: str,
        code: int,
        detail: str,
        *,
        errors: Mapping[str, Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = headers

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the JSON document."""
        document: dict[str, Any] = {
            "name": self.name,
            "errorDetails": [],
            "code": self.code,
            "type": f"https://docs.lusid.com/#section/Error-Codes/{self.code}",
            "title": self.detail,
            "status": self.status,
            "detail": self.detail,
            "instance": f"{_LOGS}/{request_id}",
        }
        if self.errors is not None:
            document["title"] = "One or more validation errors occurred."
            document["errors"] = {field: list(texts) for field, texts in self.errors.items()}
        return document


def invalid(field: str, message: str, *, code: int = INVALID_REQUEST_CODE) -> Problem:
    """Return the 400 for one field that breaks a rule."""
    return Problem(400, "ValidationError", code, message, errors={field: [message]})


def missing(what: str) -> Problem:
    """Return the 404 for something that does not exist."""
    return Problem(404, "ImageNotFound", UNABLE_TO_PROCESS_CODE, f"{what} does not exist.")
