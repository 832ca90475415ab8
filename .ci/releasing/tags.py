"""Point the tags of a release to a commit whose action and template use the prebuilt image.

The release commit is a child of the tagged commit, and changes only these two files and the table
that shows the image. The tag of the
version moves to it, so that `@v1.2.3` uses the image too; the branch does not have it. It has the
date of its parent, so a second run makes the same commit.
"""

import os
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

import click

from releasing.checkout import VERSION_FILE, git, version_in
from releasing.pin import PLACES, pin
from releasing.stopping import StoppedError
from releasing.versions import Version, version_of

STEP: Final = "tags"
_NONE: Final = ""
_COMMITTER: Final = "lusid-image-publish release"
_EMAIL: Final = "noreply@github.com"


class Remote(NamedTuple):
    """What a tag of the remote is: the object that it names, and its commit; empty without it."""

    object: str
    commit: str


def move_tags(root: Path, tag: str, reference: str, *, remote: str = "origin") -> list[str]:
    """Make the release commit for the image `reference`, and push the tags; return what moved.

    `HEAD` is the tagged commit. The tag of the major version moves only with a final release that
    is not earlier than the one it points to. Both are pushed or neither, and not if another push
    came first.
    """
    version = version_of(tag)
    tagged = git(root, "rev-parse", "HEAD", step=STEP)
    release = _release_commit(root, version, tagged, reference)
    found = _tags_of(root, remote, tag, version.moving_tag)
    if found[tag].commit not in {tagged, release}:
        raise StoppedError(
            STEP,
            f"{tag} is {found[tag].commit or 'missing'} on {remote}, not {tagged}: somebody moved "
            "it. Nothing was pushed; find out why, and release a new version",
        )
    moves = _moves(root, remote, version, found[version.moving_tag])
    names = [tag, version.moving_tag] if moves else [tag]
    moving = [name for name in names if found[name].commit != release]
    if moving:
        _push(root, remote, release, {name: found[name].object for name in moving})
    return moving


def _release_commit(root: Path, version: Version, tagged: str, reference: str) -> str:
    """Return the commit with the pinned files; the checkout and its index stay as they are."""
    with tempfile.TemporaryDirectory() as folder:
        environ = os.environ | {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git(root, "read-tree", tagged, step=STEP, environ=environ)
        pinned = Path(folder) / "files"
        names = [place.path for place in PLACES]
        git(
            root,
            *("checkout-index", f"--prefix={pinned}/", "--", *names),
            step=STEP,
            environ=environ,
        )
        pin(pinned, reference)
        for name in names:
            blob = git(root, "hash-object", "-w", "--no-filters", str(pinned / name), step=STEP)
            git(
                root,
                *("update-index", "--cacheinfo", f"100644,{blob},{name}"),
                step=STEP,
                environ=environ,
            )
        tree = git(root, "write-tree", step=STEP, environ=environ)
    when = git(root, "show", "--no-patch", "--format=%ct +0000", tagged, step=STEP)
    identity = {
        f"GIT_{role}_{field}": value
        for role in ("AUTHOR", "COMMITTER")
        for field, value in (("NAME", _COMMITTER), ("EMAIL", _EMAIL), ("DATE", when))
    }
    message = f"Release {version} with its prebuilt image"
    return git(
        root,
        *("commit-tree", tree, "-p", tagged, "-m", message),
        step=STEP,
        environ=os.environ | identity,
    )


def _tags_of(root: Path, remote: str, *names: str) -> dict[str, Remote]:
    """Return these tags as the remote has them."""
    listed = git(root, "ls-remote", remote, *(f"refs/tags/{name}*" for name in names), step=STEP)
    objects = {ref: sha for sha, _, ref in (line.partition("\t") for line in listed.splitlines())}
    return {
        name: Remote(
            objects.get(f"refs/tags/{name}", _NONE),
            objects.get(f"refs/tags/{name}^{{}}", objects.get(f"refs/tags/{name}", _NONE)),
        )
        for name in names
    }


def _moves(root: Path, remote: str, version: Version, current: Remote) -> bool:
    """Return whether the tag of the major version, now at `current`, must point to `version`."""
    if not version.is_final or not current.object:
        return version.is_final
    ref = f"refs/tags/{version.moving_tag}"
    git(root, "fetch", "--quiet", "--no-tags", remote, ref, step=STEP)
    try:
        released = version_in(git(root, "show", f"{current.commit}:{VERSION_FILE}", step=STEP))
        later = version_of(f"v{released}")
    except StoppedError as error:
        raise StoppedError(
            STEP,
            f"{version.moving_tag} on {remote} is not a release of this project. No tag was moved; "
            f"delete {version.moving_tag} there if nobody needs it, and run this again",
        ) from error
    if later > version:
        click.echo(f"{version.moving_tag} stays at {later}", err=True)
    return later <= version


def _push(root: Path, remote: str, commit: str, expected: dict[str, str]) -> None:
    """Push `commit` as these tags, if the remote still has the `expected` objects."""
    leases = [f"--force-with-lease=refs/tags/{tag}:{sha}" for tag, sha in expected.items()]
    refs = [f"{commit}:refs/tags/{tag}" for tag in expected]
    try:
        options = ["--quiet", "--atomic", "--no-follow-tags", *leases]
        git(root, "push", *options, remote, *refs, step=STEP)
    except StoppedError as error:
        raise StoppedError(STEP, f"no tag was moved; {error.message}") from error
