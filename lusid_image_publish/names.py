"""Names: NAME:TAG in LUSID, references to a registry, and SCOPE/CODE of a job.

LUSID's rule (the OpenAPI document of the Scheduler, `UploadImageRequest.imageName`): lower-case
letters and digits, joined by `.`, `_` or `-`; a tag is mandatory; no slash, no registry host; 1 to
256 characters. Docker's reference grammar is stricter for the repository (no `a..b`, no `a.-b`)
and limits a tag to 128 characters. A name must be valid for both. LUSID's published pattern is not
used: it backtracks exponentially on runs of `_`.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

from lusid_image_publish.errors import InvalidNameError

MAX_NAME_CHARACTERS: Final = 256
MAX_TAG_CHARACTERS: Final = 128

_REPOSITORY: Final = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*")
_TAG: Final = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*")
_RESOURCE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")
_PATH: Final = re.compile(rf"{_REPOSITORY.pattern}(?:/{_REPOSITORY.pattern})*")
_REFERENCE_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_VARIABLE: Final = re.compile(
    r"\$\{\{.*?\}\}|\{\{.*?\}\}|\$\[\[.*?\]\]"  # an expression of a CI or a template
    r"|\$\{[^}]*\}?|\$\([^)]*\)?|\$+\w+|%[A-Za-z_]\w*%|\$",
    re.DOTALL,
)
_SEPARATOR: Final = re.compile(r"\.|__?|-+")
_SCHEME: Final = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_DIGEST: Final = re.compile(r"@sha[0-9]+:[0-9a-fA-F]*$")
_MAX_SHOWN_CHARACTERS: Final = 80
_DEFAULT_NAME: Final = "my-job"
_DEFAULT_TAG: Final = "1.0.0"

NAME_RULE: Final = (
    "NAME and TAG consist of lower-case letters and digits, separated by '.', '_' or '-'. The tag "
    "is required. A slash or a registry host is not allowed. NAME:TAG has at most 256 characters, "
    "the tag at most 128."
)


@dataclass(frozen=True)
class ImageName:
    """A name that LUSID and Docker both accept: `repository` and `tag`, printed as NAME:TAG."""

    repository: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse NAME:TAG. Raises `InvalidNameError` with the rule and a valid name."""
        if not is_image_name(text):
            raise _invalid_name_error(text)
        repository, _, tag = text.partition(":")
        return cls(repository, tag)

    def with_tag(self, tag: str) -> "ImageName":
        """Return the name with another tag."""
        return ImageName.parse(f"{self.repository}:{tag}")

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}"


def is_image_name(text: str) -> bool:
    """Return whether `text` is a NAME:TAG that LUSID and Docker both accept."""
    repository, _, tag = text.partition(":")
    return bool(
        len(text) <= MAX_NAME_CHARACTERS
        and len(tag) <= MAX_TAG_CHARACTERS
        and _REPOSITORY.fullmatch(repository)
        and _TAG.fullmatch(tag)
    )


@dataclass(frozen=True)
class JobId:
    """The identifier of a Scheduler job, printed as SCOPE/CODE.

    The rule is that of the OpenAPI document (`ResourceId`): letters, digits, `-` and `_`, 1 to 64
    characters each.
    """

    scope: str
    code: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse SCOPE/CODE. Raises `InvalidNameError`."""
        scope, slash, code = text.partition("/")
        if not slash:
            raise _invalid_job_error(text)
        return cls.of(scope, code)

    @classmethod
    def of(cls, scope: str, code: str) -> Self:
        """Return the identifier of these two. Raises `InvalidNameError`."""
        if not (_RESOURCE.fullmatch(scope) and _RESOURCE.fullmatch(code)):
            raise _invalid_job_error(f"{scope}/{code}")
        return cls(scope, code)

    def __str__(self) -> str:
        return f"{self.scope}/{self.code}"


def _invalid_job_error(text: str) -> InvalidNameError:
    if unexpanded := _unexpanded_error(text):
        return unexpanded
    if is_image_name(text):
        return InvalidNameError(
            f"{_quote(text)} is the name of an image, not the SCOPE/CODE of a job.",
            cause="The job and the image are probably swapped.",
            hint="Put SCOPE/CODE first, then NAME:TAG.",
        )
    return InvalidNameError(
        f"{_quote(text)} is not the SCOPE/CODE of a job.",
        cause="A scope and a code have 1 to 64 letters, digits, '-' or '_' each, with a slash "
        "between them.",
        hint="List the jobs with `lusid-jobs list`.",
    )


MAX_REPOSITORY_CHARACTERS: Final = 255
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
        """Parse `host/path:tag`. Raises `ValueError`."""
        host, slash, rest = text.partition("/")
        path, colon, tag = rest.rpartition(":")
        if not (
            slash
            and colon
            and _is_host(host)
            and _PATH.fullmatch(path)
            and _REFERENCE_TAG.fullmatch(tag)
        ):
            raise ValueError(f"{_quote(text)} is not a reference of the form host/path:tag")
        return cls(host, path, tag)

    @property
    def repository(self) -> str:
        """The reference without its tag, as the engine expects it for a tag or a push."""
        return f"{self.host}/{self.path}"

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}"


def _is_host(text: str) -> bool:
    # The first part is a registry only if it has a dot or a port, or is localhost; else Docker
    # reads a path on Docker Hub (distribution/reference, splitDockerDomain).
    return bool(_HOST.fullmatch(text)) and (any(c in text for c in ".:") or text == "localhost")


@dataclass(frozen=True)
class Unexpanded:
    """A variable or an expression that was not expanded: `text`, why, what to do."""

    text: str
    cause: str
    hint: str


def find_unexpanded(text: str) -> Unexpanded | None:
    """Return the first variable or expression in `text`, None without one."""
    found = _VARIABLE.search(text)
    if found is None:
        return None
    variable = (
        found[0]
        if len(found[0]) <= _MAX_SHOWN_CHARACTERS
        else f"{found[0][:_MAX_SHOWN_CHARACTERS]}..."
    )
    if variable.startswith(("${{", "{{", "$[[")):
        return Unexpanded(
            variable,
            "A CI expands such an expression only in its own file, for example under `with:` in "
            "a GitHub workflow.",
            "Move the expression there, or use its value here.",
        )
    return Unexpanded(
        variable,
        "It is in single quotes, where a shell expands nothing, or the variable is not defined in "
        "this job.",
        "Use double quotes and define the variable, or use its value.",
    )


def suggest_name(text: str) -> str:
    """Return the valid NAME:TAG nearest to `text`, and a valid one unchanged.

    Scheme, registry host, path and digest are left out. A tag may have a slash, as a branch does.
    """
    reference = _DIGEST.sub("", _SCHEME.sub("", text.strip()))
    path, _, tag = _without_host(reference).partition(":")
    clean_tag = _with_dashes(tag).strip("._-")[:MAX_TAG_CHARACTERS].rstrip("._-") or _DEFAULT_TAG
    name = _clean_repository(path.rstrip("/").rpartition("/")[2])
    longest = MAX_NAME_CHARACTERS - len(":") - len(clean_tag)
    return f"{name[:longest].rstrip('._-') or _DEFAULT_NAME}:{clean_tag}"


def _without_host(reference: str) -> str:
    """Return `reference` without the host of a registry.

    `my-job:2024/11` could also have a host with a port: it has a tag unless a colon follows.
    """
    host, _, rest = reference.partition("/")
    name = host.partition(":")[0]
    is_surely_host = "." in name or name == "localhost" or ":" in rest
    return rest if rest and _is_host(host) and is_surely_host else reference


def _clean_repository(text: str) -> str:
    def legal(run: re.Match[str]) -> str:
        return run[0] if _SEPARATOR.fullmatch(run[0]) else run[0][-1]

    return re.sub(r"[._-]+", legal, _with_dashes(text)).strip("._-")


def _with_dashes(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower())


def _unexpanded_error(text: str) -> InvalidNameError | None:
    """Return the error for a name with a variable that a shell or a CI did not expand."""
    unexpanded = find_unexpanded(text)
    if not unexpanded:
        return None
    return InvalidNameError(
        f"{_quote(text)} contains a variable that was not expanded: {unexpanded.text}",
        cause=unexpanded.cause,
        hint=unexpanded.hint,
    )


def _invalid_name_error(text: str) -> InvalidNameError:
    """Return the error for `text`, with the likeliest reason."""
    if unexpanded := _unexpanded_error(text):
        return unexpanded
    name, colon, tag = text.strip().partition(":")
    if not name or (colon and not tag):
        part = "NAME:TAG" if not (name or colon) else f"The {'tag' if name else 'name'} in {text!r}"
        return InvalidNameError(
            f"{part} is empty.",
            cause="It probably comes from a variable that is not set.",
            hint=f"Set the variable in this job, or use a name such as {suggest_name(text)!r}.",
        )
    lacks_tag_alone = not colon and _REPOSITORY.fullmatch(name)
    problem = "has no tag" if lacks_tag_alone else "is not a name that LUSID accepts"
    return InvalidNameError(
        f"{_quote(text)} {problem}.",
        cause=NAME_RULE,
        hint=f"Use {suggest_name(text)!r}, for example.",
    )


def _quote(text: str) -> str:
    return (
        repr(text)
        if len(text) <= MAX_NAME_CHARACTERS
        else f"{text[:40]!r}... ({len(text)} characters)"
    )
