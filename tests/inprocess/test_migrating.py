"""What docs/migrating.md promises to people who come from another tool."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from lusid_image_publish.local_scheduler.app import TOKEN_PATH
from tests.inprocess.stage import MakeStage, Stage

PAGE: Final = (Path(__file__).parents[2] / "docs" / "migrating.md").read_text()
DOMAIN: Final = "acme.lusid.com"
FINDING: Final = {"severity": "High", "name": "CVE-2026-1", "package": "p", "version": "1"}
SIGN_IN: Final = {
    "FBN_TOKEN_URL": "tokenUrl",
    "FBN_USERNAME": "username",
    "FBN_PASSWORD": "password",
    "FBN_CLIENT_ID": "clientId",
    "FBN_CLIENT_SECRET": "clientSecret",
}
URLS: Final = {
    "FBN_SCHEDULER_URL": f"https://{DOMAIN}/scheduler2",
    "FBN_SCHEDULER_API_URL": f"https://{DOMAIN}/scheduler2",
    "FBN_LUSID_SCHEDULER_API_URL": f"https://{DOMAIN}/scheduler2",
    "FBN_BASE_URL": f"https://{DOMAIN}",
    "LUSID_ENV": f"https://{DOMAIN}",
    "FBN_BASE_API_URL": f"https://{DOMAIN}",
    "FBN_LUSID_API_URL": f"https://{DOMAIN}/api",
    "FBN_LUSID_URL": f"https://{DOMAIN}/api",
}


def blocks(language: str, heading: str) -> list[str]:
    """Return the code blocks of the page that begin with `# heading`."""
    found = re.findall(rf"```{language}\n# {heading}[^\n]*\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found


COMMANDS: Final = [
    line
    for block in blocks("sh", "after")
    for line in block.splitlines()
    if line.startswith("lusid-")
]


@pytest.fixture
def acme(make_stage: MakeStage) -> Stage:
    """A domain of LUSID, for people who have nothing set but what their older tool needs."""
    return at_acme(make_stage())


def at_acme(stage: Stage) -> Stage:
    stage.network.servers[DOMAIN] = stage.lusid
    (stage.folder / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    stage.hold("docker.io/alpine:3.22")
    stage.environ["DOCKER_BUILDKIT"] = "0"
    for name in [name for name in stage.environ if name.startswith("FBN_")]:
        del stage.environ[name]
    return stage


def sign_in(stage: Stage) -> dict[str, str]:
    """Return the variables to sign in with user name and password."""
    tokens = stage.tokens
    values = (
        f"https://{DOMAIN}{TOKEN_PATH}",
        tokens.username,
        tokens.password.reveal(),
        tokens.client_id,
        tokens.client_secret.reveal(),
    )
    return dict(zip(SIGN_IN, values, strict=True))


def docker_setup(stage: Stage) -> dict[str, str]:
    """Return the environment of docker-setup.sh."""
    return sign_in(stage) | {"FBN_LUSID_API_URL": URLS["FBN_LUSID_API_URL"]}


def finbourne_sdk(stage: Stage) -> dict[str, str]:
    """Return the environment of finbourne-sdk with an access token."""
    return {
        "FBN_BASE_URL": URLS["FBN_BASE_URL"],
        "FBN_ACCESS_TOKEN": stage.tokens.access_token.reveal(),
    }


def fbnconfig(stage: Stage) -> dict[str, str]:
    """Return the environment of fbnconfig."""
    return {
        "LUSID_ENV": URLS["LUSID_ENV"],
        "FBN_ACCESS_TOKEN": stage.tokens.access_token.reveal(),
    }


Environment = Callable[[Stage], dict[str, str]]


@pytest.mark.parametrize("tool", [docker_setup, finbourne_sdk, fbnconfig])
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_works_with_the_environment_of_each_tool(
    acme: Stage, command: str, tool: Environment
) -> None:
    program, *arguments = shlex.split(command)
    acme.hold("old:1")
    acme.publish("old:1", "old:1", **tool(acme)).require(0)
    acme.add_job("me/my-job", "old:1")
    ended = acme.run(program.removeprefix("lusid-"), *arguments, variables=tool(acme)).require(0)
    name = arguments[1]
    repository, tag = name.split(":")
    assert acme.tags(repository)[tag] == ended.stdout.strip()
    assert ("latest" in acme.tags(repository)) == ("--latest" in arguments)
    job = acme.job("me/my-job")
    assert f"{job['imageName']}:{job['imageTag']}" == (name if "--job" in arguments else "old:1")
    assert acme.leaks(ended.stdout + ended.stderr) == []


@pytest.mark.parametrize("variable", URLS)
def test_each_variable_of_a_url_leads_to_the_scheduler(acme: Stage, variable: str) -> None:
    environ = {variable: URLS[variable], "FBN_ACCESS_TOKEN": acme.tokens.access_token.reveal()}
    assert f"`{variable}`" in PAGE
    ended = acme.run("images", "repos", "-v", variables=environ)
    shown = f"scheduler_url = https://{DOMAIN}/scheduler2  ("
    ended.require(0, shown, f"environment variable {variable})")


def test_the_older_name_of_a_token_works(acme: Stage) -> None:
    token = acme.tokens.access_token.reveal()
    environ = {"LUSID_ENV": URLS["LUSID_ENV"], "FBN_LUSID_ACCESS_TOKEN": token}
    ended = acme.run("images", "repos", variables=environ).require(0)
    assert acme.leaks(ended.stdout + ended.stderr) == []


def api_form(values: dict[str, str]) -> dict[str, Any]:
    return {"api": values | {"apiUrl": f"https://{DOMAIN}/api"}}


def profiles_form(values: dict[str, str]) -> dict[str, Any]:
    return {"profiles": {"default": values | {"baseUrl": f"https://{DOMAIN}"}}}


def flat_form(values: dict[str, str]) -> dict[str, Any]:
    images = f"https://{DOMAIN}/scheduler2/api/images"
    return values | {"apiUrl": f"https://{DOMAIN}/api", "schedulerUrl": images}


@pytest.mark.parametrize("form", [api_form, profiles_form, flat_form])
def test_each_form_of_secrets_json_works(
    acme: Stage, form: Callable[[dict[str, str]], dict[str, Any]]
) -> None:
    values = {SIGN_IN[name]: value for name, value in sign_in(acme).items()}
    file = acme.folder / "secrets.json"
    (acme.folder / ".dockerignore").write_text("secrets.json\n")
    file.write_text(json.dumps(form(values)))
    ended = acme.publish(".", "my-job:1.0.0", "--latest", "-v")
    file.unlink()  # it is a secret on the disk, and no leak
    ended.require(0, f"scheduler_url = https://{DOMAIN}/scheduler2  (", "secrets.json (")
    assert set(acme.tags("my-job")) == {"1.0.0", "latest"}
    assert acme.leaks(ended.stdout + ended.stderr) == []


def test_a_secrets_file_beside_the_dockerfile_is_kept_out_as_the_page_says(acme: Stage) -> None:
    file = acme.folder / "secrets.json"
    values = {SIGN_IN[name]: value for name, value in sign_in(acme).items()}
    file.write_text(json.dumps(api_form(values)))
    command = shlex.split(COMMANDS[0])[1:]
    [block] = blocks("sh", "once, if secrets.json is beside the Dockerfile")
    refused = acme.publish(*command)
    refused.fails(2, "contains a file with secrets", f"`{block.strip()}`")
    line, ignore_file = block.removeprefix("echo ").strip().split(" >> ")
    (acme.folder / ignore_file).write_text(f"{line}\n")
    acme.publish(*command).require(0)
    file.unlink()  # it is a secret on the disk, and no leak


def test_a_token_file_in_quotes_or_with_bearer_is_the_code_of_credentials(acme: Stage) -> None:
    for content in ('"t0ken-t0ken"', "Bearer t0ken-t0ken"):
        (acme.folder / "token").write_text(content)
        environ = {"LUSID_ENV": URLS["LUSID_ENV"], "FBN_ACCESS_TOKEN_FILE": "token"}
        acme.run("images", "repos", variables=environ).fails(3, "token")
    (acme.folder / "token").unlink()


@pytest.mark.parametrize("variable", [{}, {"CI": "true"}])
def test_a_mistake_in_a_url_does_not_lead_a_token_elsewhere(
    acme: Stage, variable: dict[str, str]
) -> None:
    acme.network.servers["evil.lusid.com"] = acme.lusid
    (acme.folder / ".lusid-publish.toml").write_text(
        'scheduler-url = "https://evil.lusid.com/scheduler2"\n'
    )
    environ = {"FBN_BASE_URL": f"https://{DOMAIN}/app/home", "FBN_ACCESS_TOKEN": "t0ken"}
    ended = acme.publish(".", "my-job:1.0.0", **environ, **variable)
    ended.fails(2, "FBN_BASE_URL is the address of LUSID's web page")
    assert acme.lusid.asked == []


def test_verbose_shows_credentials_that_are_not_used(acme: Stage) -> None:
    environ = docker_setup(acme) | {"FBN_ACCESS_TOKEN": acme.tokens.access_token.reveal()}
    ended = acme.run("images", "repos", "-v", variables=environ)
    ended.require(0, "password = ***  (environment variable FBN_PASSWORD; not used, because")
    assert acme.leaks(ended.stdout + ended.stderr) == []


def test_a_named_secrets_file_is_used_before_the_environment(acme: Stage) -> None:
    token = acme.tokens.access_token.reveal()
    path = acme.folder / "secrets.json"
    path.write_text(json.dumps(profiles_form({"accessToken": token})))
    environ = {"FBN_BASE_URL": "https://other.lusid.com", "FBN_ACCESS_TOKEN": "another"}
    acme.run("images", "repos", "--secrets-file", "secrets.json", variables=environ).require(0)
    acme.run("images", "repos", variables={"CI": "true"}).fails(2, "FBN_SCHEDULER_URL")


@pytest.mark.parametrize(
    ("variables", "code", "words"),
    [
        ({"FBN_ACCESS_TOKEN": "t0ken"}, 2, "URL of the LUSID Scheduler is not set"),
        ({"LUSID_ENV": URLS["LUSID_ENV"]}, 3, "no LUSID credentials"),
        ({"LUSID_ENV": URLS["LUSID_ENV"], "FBN_ACCESS_TOKEN": '"abc"'}, 2, "is in quotes"),
        ({"LUSID_ENV": URLS["LUSID_ENV"], "FBN_ACCESS_TOKEN": "Bearer a"}, 2, "word Bearer"),
        ({"LUSID_ENV": "https://<domain>.lusid.com"}, 2, "placeholder <domain>"),
        ({"LUSID_ENV": "https://a.lusid.com", "FBN_BASE_URL": "https://b.lusid.com"}, 2, "Two"),
        ({"FBN_SECRETS_PATH": "/x"}, 2, "--secrets-file"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_done(
    acme: Stage, variables: dict[str, str], code: int, words: str
) -> None:
    ended = acme.publish(".", "my-job:1.0.0", "--latest", **variables)
    ended.fails(code, words, "Next step: ")
    assert acme.lusid.asked == []
    assert {asked.path for asked in acme.engine.asked} <= {"/version"}


def test_a_tag_that_exists_is_judged_as_the_page_says(acme: Stage) -> None:
    environ = docker_setup(acme)
    acme.hold("job:ci")
    acme.hold("job:other", b"another")
    acme.publish("job:ci", "my-job:1.0.0", **environ).require(0)
    acme.publish("job:ci", "my-job:1.0.0", **environ).require(0)
    acme.publish("job:other", "my-job:1.0.0", **environ).fails(11)
    acme.publish("job:ci", "my-job:1.0.0", "--if-exists", "fail", **environ).fails(11)
    acme.publish("job:other", "my-job:1.0.0", "--force", **environ).require(0)


def test_findings_end_a_run_with_a_policy_and_latest_stays(make_stage: MakeStage) -> None:
    finding = {"summary": {"high": 1, "total": 1}, "vulnerabilities": [FINDING]}
    stage = at_acme(make_stage(findings={"my-job": finding}))
    environ = docker_setup(stage)
    [gated] = [command for command in COMMANDS if "--latest --fail-on high" in command]
    stage.publish(*shlex.split(gated)[1:], **environ).require(9)
    assert set(stage.tags("my-job")) == {"1.0.0"}
    stage.publish(".", "my-job:1.0.0", "--latest", **environ).require(0)
    assert set(stage.tags("my-job")) == {"1.0.0", "latest"}


def test_the_step_of_the_workflow_works(acme: Stage) -> None:
    [block] = blocks("yaml", "after")
    [step] = yaml.safe_load(block)
    assert step["uses"].endswith("/lusid-image-publish@v1")
    assert set(step["env"]) == set(docker_setup(acme))
    inputs = dict(step["with"])
    name = inputs.pop("name").replace("${{ github.run_number }}", "7")
    assert inputs.pop("latest") is True
    options = [
        word for key, value in inputs.items() if key != "source" for word in (f"--{key}", value)
    ]
    # An input is the option of the same name, which tests/contract/test_ci.py holds.
    acme.publish(inputs["source"], name, "--latest", *options, **docker_setup(acme)).require(0)
    assert set(acme.tags("my-job")) == {"7", "latest"}
