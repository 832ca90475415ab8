"""Image names: what LUSID accepts as NAME:TAG, and references into a registry.

LUSID's rule (the OpenAPI document of the Scheduler, `UploadImageRequest.imageName`): lower-case
letters and digits, joined by `.`, `_` or `-`; a tag is mandatory; no slash, no registry host; 1 to
256 characters. Docker's reference grammar is stricter for the repository (no `a..b`, no `a.-b`)
and limits a tag to 128 characters. What is accepted here is what both accept. The published
pattern is not used as it stands: it backtracks exponentially on runs of `_`.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

from lusid_image_publish.errors import InvalidNameError

LONGEST_NAME: Final = 256
LONGEST_TAG: Final = 128

_REPOSITORY: Final = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*")
_TAG: Final = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*")
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")
_PATH: Final = re.compile(rf"{_REPOSITORY.pattern}(?:/{_REPOSITORY.pattern})*")
_REFERENCE_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")

RULE: Final = (
    "NAME:TAG takes lower-case letters and digits, joined by '.', '_' or '-', in both parts; the "
    "tag is required; no slash, no registry host, 256 characters at most (128 for the tag)."
)


@dataclass(frozen=True)
class ImageName:
    """A name that LUSID and Docker both accept: `repository` and `tag`, printed as NAME:TAG."""

    repository: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the name that `text` spells; `InvalidNameError` has the rule and a valid name."""
        repository, _, tag = text.partition(":")
        if (
            len(text) <= LONGEST_NAME
            and len(tag) <= LONGEST_TAG
            and _REPOSITORY.fullmatch(repository)
            and _TAG.fullmatch(tag)
        ):
            return cls(repository, tag)
        raise InvalidNameError(
            f"{_shown(text)} is not a name that LUSID accepts.",
            cause=RULE,
            hint=f"Use {suggest(text)!r}, for example.",
        )

    def with_tag(self, tag: str) -> "ImageName":
        """Return the name of another tag in the same repository."""
        return ImageName.parse(f"{self.repository}:{tag}")

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}"


LONGEST_REPOSITORY: Final = 255
"""Characters of a reference without its tag, host included, that Docker's grammar allows.

Docker with the containerd image store accepts more; then no other engine can pull the image.
"""


@dataclass(frozen=True)
class ImageReference:
    """Where an image is in a registry: `host/path:tag`.

    `host` may carry a port; `path` has at least one component and no leading slash.
    """

    host: str
    path: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the reference that `text` spells. Raises `ValueError` for anything else."""
        host, slash, rest = text.partition("/")
        path, colon, tag = rest.rpartition(":")
        if not (
            slash
            and colon
            and _is_host(host)
            and _PATH.fullmatch(path)
            and _REFERENCE_TAG.fullmatch(tag)
        ):
            message = f"{_shown(text)} is not a reference of the form host/path:tag"
            raise ValueError(message)
        return cls(host, path, tag)

    @property
    def repository(self) -> str:
        """The reference without its tag, as the engine wants it for a tag or a push."""
        return f"{self.host}/{self.path}"

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}"


def _is_host(text: str) -> bool:
    # Docker takes the first part for a registry only if it has a dot or a port, or is localhost;
    # else it means a path on Docker Hub (distribution/reference, splitDockerDomain).
    return bool(_HOST.fullmatch(text)) and (any(c in text for c in ".:") or text == "localhost")


def suggest(text: str) -> str:
    """Return a valid NAME:TAG as near to `text` as the rule allows."""
    last = text.strip().rpartition("/")[2]
    repository, _, tag = last.partition(":")
    name = _clean(repository, LONGEST_NAME - LONGEST_TAG - 1) or "my-job"
    return f"{name}:{_clean(tag, LONGEST_TAG) or '1.0.0'}"


def _clean(text: str, longest: int) -> str:
    joined = re.sub(r"[^a-z0-9._-]+", "-", text.lower())
    single = re.sub(r"[._-]*([._-])[._-]*", r"\1", joined)
    return single[:longest].strip("._-")


def _shown(text: str) -> str:
    return repr(text) if len(text) <= LONGEST_NAME else f"{text[:40]!r}... ({len(text)} characters)"
