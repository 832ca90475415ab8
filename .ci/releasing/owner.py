"""The owner of this project on GitHub, named in `[project.urls]`, and wherever people copy from."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from releasing.stopping import StoppedError

STEP: Final = "owner"
PLACEHOLDER: Final = "OWNER"
PROJECT: Final = "lusid-image-publish"
REGISTRY: Final = "ghcr.io"
_NAME: Final = re.compile(r"(?!-)(?!.*--)[A-Za-z0-9-]{1,39}(?<!-)")  # GitHub's rule
_MENTION: Final = re.compile(
    r"(?P<before>github\.com/|githubusercontent\.com/|ghcr\.io/|\$CI_SERVER_FQDN/|uses: |project: )"
    rf"(?P<owner>[A-Za-z0-9-]+)(?=/{PROJECT}\b)"
)
_EXCLUDED: Final = "tests/"  # these name owners that do not exist


def owner_of(root: Path) -> str:
    """Return the owner in the URL of the sources in pyproject.toml."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = _MENTION.match(project["urls"]["Source"].removeprefix("https://"))
    if not found:
        raise StoppedError(STEP, "Source in [project.urls] of pyproject.toml is not on github.com")
    return found["owner"]


def in_place(before: str, owner: str) -> str:
    """Return `owner` as it is written after `before`: a registry takes lower case alone."""
    is_registry = before == f"{REGISTRY}/" and owner != PLACEHOLDER
    return owner.lower() if is_registry else owner


def image_of(root: Path) -> str:
    """Return the name of this project's image in the registry of its owner."""
    return f"{REGISTRY}/{in_place(f'{REGISTRY}/', owner_of(root))}/{PROJECT}"


def texts(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file that can name the owner, with its text."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.split("\0"):
        path = root / name
        if name and not name.startswith(_EXCLUDED) and path.is_file():
            yield path, path.read_bytes().decode(errors="surrogateescape")


def mentions(text: str) -> Iterator[tuple[str, str]]:
    """Yield what comes before each name of the owner in `text`, and the name."""
    for found in _MENTION.finditer(text):
        yield found["before"], found["owner"]


def others(root: Path) -> list[str]:
    """Return where another owner is named than in pyproject.toml, as FILE: OWNER."""
    owner = owner_of(root)
    return [
        f"{path.relative_to(root).as_posix()}: {name}"
        for path, text in texts(root)
        for before, name in mentions(text)
        if name != in_place(before, owner)
    ]


def replace(root: Path, owner: str) -> list[Path]:
    """Name `owner` everywhere; return the files that changed. Other text stays as it is."""
    if not _NAME.fullmatch(owner):
        raise StoppedError(
            STEP,
            f"{owner!r} is not a name on GitHub: use up to 39 letters, digits and single hyphens, "
            "without a hyphen at the start or end",
        )
    changed = []
    for path, text in texts(root):
        new = _MENTION.sub(lambda found: found[1] + in_place(found[1], owner), text)
        if new != text:
            path.write_bytes(new.encode(errors="surrogateescape"))
            changed.append(path)
    return changed
