"""Look for the project's file in the working directory and in its parents in the repository.

The search ends at the root of the repository, the directory that has `.git`. Outside a repository
only the working directory is searched, because the files above it do not belong to the project.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lusid_image_publish.cli.console import console
from lusid_image_publish.system import trusted_users

OWN_FILE: Final = Path(".lusid-publish.toml")
PYPROJECT: Final = Path("pyproject.toml")


def find_candidates() -> Iterator[list[Path]]:
    """Yield the files of each directory that may be the project's, the nearest directory first.

    They are paths from the working directory. On a shared machine anybody could have put a file
    into a parent directory. So it is left out, unread and with a warning, unless it belongs to you,
    to root, or to the owner of the working directory, whose files are read anyway: in the container
    of a CI root works in a directory of the runner's user.
    """
    for folder in _folders():
        files = [folder / name for name in (OWN_FILE, PYPROJECT) if _exists(folder / name)]
        yield [file for file in files if folder == Path() or _is_trusted(file)]


def _folders() -> list[Path]:
    """Return the directories to search, the nearest first, as paths from the working directory."""
    try:
        here = Path.cwd()
    except OSError:  # it was removed
        return []
    for levels, folder in enumerate((here, *here.parents)):
        if _exists(folder / ".git"):  # a directory, or a file in a worktree or a submodule
            return [Path(*[".."] * up) for up in range(levels + 1)]
    return [Path()]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder that this user may not search
        return False


def _is_trusted(file: Path) -> bool:
    if _owners(file) <= trusted_users() | _owners(Path()):
        return True
    console.warn(
        f"{file} is not used: it is in a parent directory and belongs to another user. If you "
        f"trust it, use --config {file}."
    )
    return False


def _owners(path: Path) -> set[int]:
    """Return the owner of a file or folder, and that of the link to it."""
    return {path.lstat().st_uid, path.stat().st_uid}
