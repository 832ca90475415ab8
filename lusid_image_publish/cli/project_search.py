"""Look for the project's file in the working directory and in the parent folders of a repository.

The search ends with the root of the repository, the folder that has `.git`. Outside a repository it
is only the working directory: what lies above belongs to nobody that the project knows.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lusid_image_publish.cli.console import console
from lusid_image_publish.system import trusted_users

OWN_FILE: Final = Path(".lusid-publish.toml")
PYPROJECT: Final = Path("pyproject.toml")


def find_candidates() -> Iterator[list[Path]]:
    """Yield the files of each folder that may be the project's, those of the nearest folder first.

    They are paths from the working directory. A file in a parent folder is left out with a warning
    if it belongs neither to you, nor to root, nor to the owner of the working directory, whose
    files are read anyway: on a shared machine anybody could have put it there. Its content is not
    read.
    """
    for folder in _folders():
        files = [folder / name for name in (OWN_FILE, PYPROJECT) if _exists(folder / name)]
        yield [file for file in files if folder == Path() or _is_trusted(file)]


def _folders() -> list[Path]:
    """Return the folders to look in, the nearest first, as paths from the working directory."""
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
