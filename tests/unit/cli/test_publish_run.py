"""What is made of credentials that are missing."""

import pytest

from lusid_image_publish.ci.ci_platform import CiPlatform
from lusid_image_publish.ci.github import GitHub
from lusid_image_publish.ci.gitlab import GitLab
from lusid_image_publish.cli.connection_options import Connection
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.publish_run import explain_missing_credentials, is_to_be_skipped
from lusid_image_publish.errors import MissingCredentialsError

DEPENDABOT = GitHub({"GITHUB_ACTOR": "dependabot[bot]"})
OWN = GitHub({"GITHUB_ACTOR": "somebody"})
UNPROTECTED = GitLab({"CI_COMMIT_REF_PROTECTED": "false"})


def given(**values: str) -> Connection:
    return Connection(
        local=False,
        secrets_file=None,
        overrides={name: (value, "somewhere") for name, value in values.items()},
    )


@pytest.mark.parametrize(
    ("ci", "choice", "connection", "expected"),
    [
        (DEPENDABOT, "skip", given(), True),
        (DEPENDABOT, "skip", given(username="me", token_url="https://x", client_id="a"), True),
        (UNPROTECTED, "skip", given(), True),
        (DEPENDABOT, "fail", given(), False),
        (DEPENDABOT, "skip", given(access_token="t0ken"), False),
        (DEPENDABOT, "skip", given(client_secret="hush"), False),
        (OWN, "skip", given(), False),
        (CiPlatform(), "skip", given(), False),
    ],
)
def test_only_a_run_that_is_given_no_secrets_is_skipped(
    ci: CiPlatform,
    choice: str,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    *,
    expected: bool,
) -> None:
    monkeypatch.setattr(console, "ci", ci)
    assert is_to_be_skipped(choice, connection) is expected


def test_a_local_scheduler_needs_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "ci", DEPENDABOT)
    connection = Connection(local=True, secrets_file=None, overrides={})
    assert not is_to_be_skipped("skip", connection)


def test_gitlab_says_first_where_a_variable_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "ci", GitLab({"CI_COMMIT_REF_PROTECTED": "false"}))
    error = MissingCredentialsError("There are none.", hint="set them")
    explain_missing_credentials(error, given())
    assert error.hint.startswith("Set FBN_SCHEDULER_URL and FBN_ACCESS_TOKEN under Settings >")
    assert error.hint.endswith("--on-missing-credentials skip.")


@pytest.mark.parametrize(
    ("ci", "cause"),
    [
        (DEPENDABOT, "started by Dependabot"),
        (OWN, "Settings > Secrets and variables > Actions"),
        (GitLab({}), "Settings > CI/CD > Variables"),
        (CiPlatform(), "what it was"),
    ],
)
def test_an_error_has_the_cause_that_the_ci_knows(
    ci: CiPlatform, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "ci", ci)
    error = MissingCredentialsError("There are none.", cause="what it was", hint="set them")
    explain_missing_credentials(error, given())
    assert cause in error.cause
    assert ("on-missing-credentials" in error.hint) == bool(ci.why_no_secrets())
    error = MissingCredentialsError("There are not all.", cause="what it was")
    explain_missing_credentials(error, given(password="hush"))
    assert error.cause == "what it was"
