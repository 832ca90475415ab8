"""Which CI this is."""

import click
import pytest

from lusid_image_publish.ci.ci_platform import CiPlatform
from lusid_image_publish.ci.detect import OtherCi, detect_ci
from lusid_image_publish.ci.github import GitHub
from lusid_image_publish.ci.gitlab import GitLab

ON_GITHUB = {"GITHUB_ACTIONS": "true", "CI": "true"}
ON_GITLAB = {"GITLAB_CI": "true", "CI": "true"}


@pytest.mark.parametrize(
    ("environ", "choice", "kind"),
    [
        ({}, "auto", CiPlatform),
        ({"CI": "true"}, "auto", OtherCi),  # Bitbucket, CircleCI and most others
        ({"TF_BUILD": "True"}, "auto", OtherCi),  # Azure
        ({"JENKINS_URL": "https://ci.example.com/"}, "auto", OtherCi),
        ({"CI": "true"}, "none", CiPlatform),
        ({"CI": "false"}, "auto", CiPlatform),
        (ON_GITHUB, "auto", GitHub),
        (ON_GITLAB, "auto", GitLab),
        ({"GITLAB_CI": "false"}, "auto", CiPlatform),
        ({"GITHUB_ACTIONS": ""}, "auto", CiPlatform),
        (ON_GITHUB, "none", CiPlatform),
        (ON_GITHUB, "gitlab", GitLab),
        ({}, "github", GitHub),
    ],
)
def test_the_ci(environ: dict[str, str], choice: str, kind: type) -> None:
    assert type(detect_ci(environ, choice)) is kind


def test_nothing_moves_in_the_log_of_any_ci() -> None:
    assert [detect_ci(environ).is_ci for environ in (ON_GITHUB, ON_GITLAB, {"CI": "true"}, {})] == [
        *(True, True, True, False)
    ]


def test_no_ci_is_a_log_like_any_other() -> None:
    log = CiPlatform()
    assert [click.unstyle(line) for line in log.begin("Building")] == ["==> Building"]
    assert log.text("::error::x") == ["::error::x"]
    assert [*log.end(), *log.annotation("error", "a", "b"), *log.mask("x"), *log.finish()] == []
