"""Detect the CI that a command runs in."""

from collections.abc import Mapping

from lusid_image_publish.ci.ci_platform import CiPlatform
from lusid_image_publish.ci.github import GitHub
from lusid_image_publish.ci.gitlab import GitLab
from lusid_image_publish.system import is_ci

CHOICES = ("auto", "github", "gitlab", "none")
"""The values of `--ci`."""


class OtherCi(CiPlatform):
    """Any other CI. Its log is read later too, although CircleCI gives each step a terminal."""

    is_ci = True


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
    if choice == "auto" and is_ci(environ):
        return OtherCi()
    return CiPlatform()
