"""Git repositories of a test's own."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
PACKAGE: Final = "lusid_image_publish/__init__.py"
_ENVIRON: Final = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "tests",
    "GIT_AUTHOR_EMAIL": "tests@example.com",
    "GIT_COMMITTER_NAME": "tests",
    "GIT_COMMITTER_EMAIL": "tests@example.com",
}

PINNED: Final = ("action.yml", "docs/ci/gitlab.md", "templates/lusid-publish.yml")
"""The files that a release pins."""


def git(folder: Path, *arguments: str) -> str:
    """Return what a git command prints."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=_ENVIRON, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit_all(folder: Path, message: str = "Change") -> str:
    """Commit all files; return the commit."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def copy_file(folder: Path, name: str) -> None:
    """Copy a file of this project, as the branch has it, also in the commit of a release."""
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / name, target)
    if name in PINNED:
        text = re.sub(rb"docker://\S+@sha256:[0-9a-f]{64}", b"Dockerfile", target.read_bytes())
        target.write_bytes(re.sub(rb"@sha256:[0-9a-f]{64}", b":1", text))


def copy_of_project(folder: Path, *names: str) -> Path:
    """Make a repository of this project's files as they are now, all if none is named."""
    for name in names or git(ROOT, "ls-files", "-z").split("\0"):
        if name and (ROOT / name).is_file():
            copy_file(folder, name)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    return folder


def set_version(folder: Path, version: str) -> None:
    """Set `__version__` in a copy of the project, whatever it is."""
    path = folder / PACKAGE
    line = f'__version__ = "{version}"'
    new, count = re.subn(r"^__version__ = .*$", line, path.read_text(), flags=re.MULTILINE)
    assert count == 1
    path.write_text(new)
