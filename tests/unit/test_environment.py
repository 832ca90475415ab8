"""Which variables hold a secret, and what a command that is started sees."""

import pytest

from lusid_image_publish.environment import blank_secrets, variable_holds_secret, without_secrets
from lusid_image_publish.redact import Secret

OF_LUSID = [
    *("FBN_ACCESS_TOKEN", "FBN_PASSWORD", "FBN_CLIENT_SECRET", "FBN_PROXY_PASSWORD"),
    *("INPUT_ACCESS-TOKEN", "INPUT_ACCESS_TOKEN", "INPUT_PASSWORD", "INPUT_CLIENT-SECRET"),
    *("INPUT_PROXY-PASSWORD", "LUSID_PUBLISH_ACCESS_TOKEN", "LUSID_PUBLISH_PASSWORD"),
]
OF_CI = [
    *("GITHUB_TOKEN", "GH_TOKEN", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
    *("CI_JOB_TOKEN", "CI_REGISTRY_PASSWORD", "CI_REPOSITORY_URL", "CI_DEPLOY_PASSWORD"),
]
NONE = [
    *(
        "PATH",
        "FBN_USERNAME",
        "FBN_ACCESS_TOKEN_FILE",
        "HTTPS_PROXY",
        "GITHUB_SHA",
        "CI_COMMIT_SHA",
    ),
    *("INPUT_SOURCE", "LUSID_PUBLISH_BUILD_ARG", "TOKEN", "VERSION"),
]


@pytest.mark.parametrize("name", [*OF_LUSID, *OF_CI, "fbn_access_token"])
def test_a_variable_that_holds_a_secret(name: str) -> None:
    assert variable_holds_secret(name)


@pytest.mark.parametrize("name", NONE)
def test_any_other_variable(name: str) -> None:
    assert not variable_holds_secret(name)


def test_a_command_sees_no_secret_of_lusid_under_whatever_name() -> None:
    Secret("from-a-secrets-file")
    environ = {
        **dict.fromkeys(OF_LUSID, "hunter2-hunter2"),
        **dict.fromkeys([*OF_CI, *NONE], "other"),
        "COPY": "hunter2-hunter2",
        "ANOTHER": "from-a-secrets-file",
        "LIKE_IT": "hunter2-hunter2-and-more",
        "EMPTY": "",
    }
    seen = without_secrets(environ)
    assert seen.keys() == {*OF_CI, *NONE, "LIKE_IT", "EMPTY"}
    assert {**environ, **blank_secrets(environ)} == dict.fromkeys(environ, "") | seen


def test_a_short_secret_takes_no_variable_of_the_same_value_away() -> None:
    Secret("true")
    assert without_secrets({"CI": "true", "FBN_PASSWORD": "true"}) == {"CI": "true"}
