"""Detect the CI that a command runs in."""

from collections.abc import Mapping

from lusid_image_publish.ci.ci_platform import CiPlatform
from lusid_image_publish.ci.github import GitHub
from lusid_image_publish.ci.gitlab import GitLab

CHOICES = ("auto", "github", "gitlab", "none")
"""The values of `--ci`."""


def on_github(environ: Mapping[str, str]) -> bool:
    """Return whether this is a job of GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


def on_gitlab(environ: Mapping[str, str]) -> bool:
    """Return whether this is a job of GitLab CI."""
    return environ.get("GITLAB_CI") == "true"


def detect_ci(environ: Mapping[str, str], choice: str = "auto") -> CiPlatform:
    """Return the CI that `choice` names, or with `auto` the one detected from `environ`."""
    if choice == "github" or (choice == "auto" and on_github(environ)):
        return GitHub(environ)
    if choice == "gitlab" or (choice == "auto" and on_gitlab(environ)):
        return GitLab(environ)
    return CiPlatform()
