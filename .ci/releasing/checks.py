"""What must be true before anything of a release is published."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from releasing import owner
from releasing.checkout import PACKAGE, VERSION_FILE, git, notes, version_in
from releasing.remote import Registry, require_free_in_index
from releasing.stopping import StoppedError
from releasing.versions import Version, version_of


@dataclass(frozen=True)
class Destination:
    """Where a release is published; `registry` is an image's name, that of the owner if empty.

    `repository` is OWNER/NAME of the repository that the release is made in, empty if not known.
    """

    index: str
    registry: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    repository: str = ""


def failures(root: Path, tag: str, branch: str, destination: Destination) -> Iterator[StoppedError]:
    """Yield why the release of `tag` from the checkout must not continue, each reason once.

    The commit must be on `branch`. A tag that is not a version has no other check.
    """
    try:
        version = version_of(tag)
    except StoppedError as error:
        yield error
        return
    checks: list[Callable[[], object]] = [
        lambda: _require_version(root, version),
        lambda: notes(root, version),
        lambda: _require_owner(root, destination.repository),
        lambda: _require_commit(root, tag, branch),
        lambda: _require_clean(root),
        lambda: require_free_in_index(destination.index, version),
    ]
    if destination.registry or owner.owner_of(root) != owner.PLACEHOLDER:
        checks.append(lambda: registry_of(root, destination).require_free(version))
    for check in checks:
        try:
            check()
        except StoppedError as error:
            yield error


def _require_version(root: Path, version: Version) -> None:
    found = version_in((root / VERSION_FILE).read_text(encoding="utf-8"))
    if found != str(version):
        raise StoppedError(
            "version", f'__version__ is "{found}"; set it to "{version}" in {VERSION_FILE}'
        )


def _require_owner(root: Path, repository: str) -> None:
    name = owner.owner_of(root)
    if name == owner.PLACEHOLDER:
        raise StoppedError(
            owner.STEP,
            f"the owner is still {name}; name yours with `make owner NAME=...`, and commit that",
        )
    if found := owner.others(root):
        raise StoppedError(
            owner.STEP,
            f"these files name another owner than {name}, run `make owner NAME={name}`: "
            f"{', '.join(found)}",
        )
    if repository and repository.lower() != f"{name}/{owner.PROJECT}".lower():
        raise StoppedError(
            owner.STEP, f"this is the repository {repository}, not {name}/{owner.PROJECT}"
        )


def _require_commit(root: Path, tag: str, branch: str) -> None:
    ref = f"refs/tags/{tag}"
    head = git(root, "rev-parse", "HEAD", step="commit")
    if ref not in git(root, "for-each-ref", "--format=%(refname)", ref, step="commit").split():
        raise StoppedError("commit", f"the tag {tag} is missing here; create or fetch it")
    if head != (tagged := git(root, "rev-parse", f"{ref}^{{commit}}", step="commit")):
        raise StoppedError(
            "commit", f"{tag} is {tagged}, but {head} is checked out; check out the tag"
        )
    if head not in git(root, "rev-list", branch, "--", step="commit").split():
        raise StoppedError(
            "commit", f"{tag} is not on {branch}; merge the commit first, then tag it there"
        )


def _require_clean(root: Path) -> None:
    """Stop if a file is not as git has it, or if the package has one that git ignores.

    A wheel or an image that is built here would contain it.
    """
    status = git(root, "status", "--porcelain", "--untracked-files=all", step="files")
    changed = [re.sub(r"^.{1,2} +", "", line) for line in status.splitlines()]
    others = ("ls-files", "--others", "--exclude=__pycache__", "--", PACKAGE)
    if found := {*changed, *git(root, *others, step="files").splitlines()}:
        names = ", ".join(sorted(found))
        raise StoppedError("files", f"the checkout has changes that are not committed: {names}")


def registry_of(root: Path, destination: Destination) -> Registry:
    """Return the repository of the registry that the image of a release is pushed to."""
    name = destination.registry or owner.image_of(root)
    return Registry.of(name, destination.username, destination.password)
