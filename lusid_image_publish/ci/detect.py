"""On which CI platform this is."""

from collections.abc import Mapping

from lusid_image_publish.ci.github import GitHub
from lusid_image_publish.ci.gitlab import GitLab
from lusid_image_publish.ci.platform import Nowhere, Platform

CHOICES = ("auto", "github", "gitlab", "none")
"""What can be asked for."""


def platform_of(environ: Mapping[str, str], choice: str = "auto") -> Platform:
    """Return the platform: the one that `choice` names, of `auto` what the variables tell."""
    if choice == "github" or (choice == "auto" and environ.get("GITHUB_ACTIONS") == "true"):
        return GitHub(environ)
    if choice == "gitlab" or (choice == "auto" and environ.get("GITLAB_CI") == "true"):
        return GitLab(environ)
    return Nowhere()
