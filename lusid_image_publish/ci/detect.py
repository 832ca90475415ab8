"""On which CI platform this is."""

from collections.abc import Mapping

from lusid_image_publish.ci.ci_platform import Nowhere, Platform

# A platform's own module is imported where it is needed: on a terminal, for --help, none is.

CHOICES = ("auto", "github", "gitlab", "none")
"""What can be asked for."""


def on_github(environ: Mapping[str, str]) -> bool:
    """Return whether this is a job of GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


def on_gitlab(environ: Mapping[str, str]) -> bool:
    """Return whether this is a job of GitLab CI."""
    return environ.get("GITLAB_CI") == "true"


def platform_of(environ: Mapping[str, str], choice: str = "auto") -> Platform:
    """Return the platform: the one that `choice` names, of `auto` what the variables tell."""
    if choice == "github" or (choice == "auto" and on_github(environ)):
        from lusid_image_publish.ci.github import GitHub  # noqa: PLC0415

        return GitHub(environ)
    if choice == "gitlab" or (choice == "auto" and on_gitlab(environ)):
        from lusid_image_publish.ci.gitlab import GitLab  # noqa: PLC0415

        return GitLab(environ)
    return Nowhere()
