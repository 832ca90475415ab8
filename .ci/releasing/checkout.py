"""What a release reads from the checkout: the version, the changelog, and git."""

import re
import subprocess
from datetime import date
from pathlib import Path
from typing import Final

from releasing.stopping import StoppedError
from releasing.versions import Version

PACKAGE: Final = "lusid_image_publish"
VERSION_FILE: Final = f"{PACKAGE}/__init__.py"
_VERSION: Final = re.compile(r'^__version__ = "(.*)"$', re.MULTILINE)
_HEADING: Final = re.compile(r"^## \[(?P<name>[^\]]+)\](?P<rest>.*)$", re.MULTILINE)
_LINK: Final = re.compile(r"^\[(Unreleased|\d[^\]]*)\]: .*$", re.MULTILINE)  # of a version
_CODE: Final = re.compile(r"^(```|~~~).*?(^\1|\Z)", re.MULTILINE | re.DOTALL)


def git(root: Path, *arguments: str, step: str, environ: dict[str, str] | None = None) -> str:
    """Return what a git command prints; a failure stops the release with git's own message."""
    done = subprocess.run(
        ["git", *arguments], cwd=root, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StoppedError(step, f"`git {arguments[0]}` failed: {done.stderr.strip()}")
    return done.stdout.strip()


def version_in(source: str) -> str:
    """Return `__version__` in the text of the package's `__init__.py`, empty without it."""
    found = _VERSION.search(source)
    return found[1] if found else ""


def sections(changelog: str) -> dict[str, tuple[str, str]]:
    """Return what follows each version in its heading, and the text of its section.

    Headings in code blocks are not counted. A version with two sections stops the release.
    """
    blank = _CODE.sub(lambda code: " " * len(code[0]), changelog)
    headings = list(_HEADING.finditer(blank))
    starts = [heading.start() for heading in headings]
    found: dict[str, tuple[str, str]] = {}
    for heading, end in zip(headings, [*starts[1:], len(changelog)], strict=False):
        if (name := heading["name"]) in found:
            raise StoppedError(
                "changelog", f"CHANGELOG.md has two sections for {name}; join them into one"
            )
        found[name] = (heading["rest"], _LINK.sub("", changelog[heading.end() : end]).strip())
    return found


def notes(root: Path, version: Version) -> str:
    """Return the section of the changelog for `version`; stop if it is not complete."""
    found = sections((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    heading = f"## [{version}] - {date.today().isoformat()}"  # noqa: DTZ011  # an example
    if str(version) not in found:
        raise StoppedError(
            "changelog", f'CHANGELOG.md has no section for {version}; add "{heading}"'
        )
    rest, text = found[str(version)]
    if not _is_dated(rest):
        raise StoppedError(
            "changelog", f'the heading of {version} in CHANGELOG.md has no date; write "{heading}"'
        )
    if not re.search(r"^[-*] ", text, re.MULTILINE):
        raise StoppedError(
            "changelog", f"the section for {version} in CHANGELOG.md is empty; say what changed"
        )
    if version.is_final and found.get("Unreleased", ("", ""))[1]:
        raise StoppedError(
            "changelog",
            f'"[Unreleased]" in CHANGELOG.md still has entries; move them below "{heading}"',
        )
    return text


def with_full_links(text: str, url: str) -> str:
    """Return Markdown whose relative links begin with `url`; a release on GitHub needs this."""
    return re.sub(r"\]\((?![a-z]+:|#)(\S+?)\)", rf"]({url}/\1)", text)


def _is_dated(rest: str) -> bool:
    """Return whether a heading continues with a day, as in ` - 2026-01-31`."""
    found = re.fullmatch(r" - (\d{4}-\d{2}-\d{2})\s*", rest)
    try:
        return bool(found and date.fromisoformat(found[1]))
    except ValueError:
        return False
