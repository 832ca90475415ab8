"""Inputs of the GitHub Action."""

import copy
from typing import Any

import click
import pytest

from lusid_image_publish.cli import publish
from lusid_image_publish.cli.action import (
    SETTINGS,
    is_action,
    read_inputs,
    variable_of,
)
from lusid_image_publish.cli.command import CommandWithVariables
from lusid_image_publish.cli.inputs import in_inputs
from lusid_image_publish.cli.parameters import key_of
from lusid_image_publish.config import SECRET_VARIABLES, VARIABLES

INPUTS = {key: key for key in (*map(key_of, publish.command.params), *SETTINGS)}
RUNNER = {"GITHUB_ACTIONS": "true", "INPUT_SOURCE": ""}


@pytest.fixture
def command() -> CommandWithVariables:
    """The command of the test's own: inputs change it."""
    return copy.deepcopy(publish.command)


def parameters(
    command: CommandWithVariables, monkeypatch: pytest.MonkeyPatch, **inputs: str
) -> dict[str, Any]:
    """Return what the command makes of inputs, which the runner sets all, most of them empty."""
    for parameter in command.params:
        monkeypatch.setenv(variable_of(str(parameter.name).replace("_", "-")), "")
    for name, value in ({"source": "my-job:ci", "name": "my-job:1.0"} | inputs).items():
        monkeypatch.setenv(variable_of(name.replace("_", "-")), value)
    read_inputs(command, {})
    return command.make_context("lusid-publish", []).params


@pytest.mark.parametrize(
    ("environ", "arguments", "expected"),
    [
        (RUNNER, [], True),
        (RUNNER, ["my-job:ci", "my-job:1.0"], False),
        (RUNNER | {"GITHUB_ACTIONS": ""}, [], False),
        ({"GITHUB_ACTIONS": "true"}, [], False),
    ],
)
def test_an_action_has_inputs_and_no_arguments(
    environ: dict[str, str], arguments: list[str], *, expected: bool
) -> None:
    assert is_action(environ, arguments) is expected


def test_inputs_are_options(command: CommandWithVariables, monkeypatch: pytest.MonkeyPatch) -> None:
    found = parameters(command, monkeypatch, fail_on="high", label="a=1\nb=2 3\n", latest="true")
    assert (found["source"], found["name"]) == ("my-job:ci", "my-job:1.0")
    assert (found["fail_on"], found["latest"], found["force"]) == ("high", True, False)
    assert found["labels"] == {"a": "1", "b": "2 3"}


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Wait longer with --wait-timeout.", "Wait longer with input wait-timeout."),
        ("1 high where --fail-on high allows none", "1 high where input fail-on high allows none"),
        ("Set FBN_SCHEDULER_URL. To try without LUSID, use --local.", "Set input scheduler-url."),
        ("with FBN_PROXY_ADDRESS or --proxy-address.", "with input proxy-address."),
        ("FBN_PASSWORD; --verbose shows", "Input password; debug logging shows"),
        ("--force cannot be used.", "Input force cannot be used."),
        (
            "Set in the environment variable FBN_TOKEN_URL.",
            "Set in the environment variable FBN_TOKEN_URL.",
        ),
        (
            "Check with `lusid-images scan a:1`, or wait longer with --scan-timeout.",
            "Check with `lusid-images scan a:1`, or wait longer with input scan-timeout.",
        ),
        ("Free some space. Or use --ci none.", "Free some space."),
        ("FBN_TOTAL_TIMEOUT_MS and --unknown", "FBN_TOTAL_TIMEOUT_MS and --unknown"),
        ("SOURCE and NAME:TAG are swapped.", "Input source and input name are swapped."),
        ("Swap them. SOURCE comes first: `lusid-publish . my-job:1`.", "Swap them."),
        ("docker build --platform linux/amd64 .", "docker build --platform linux/amd64 ."),
    ],
)
def test_what_is_said_of_options_is_said_of_inputs(said: str, shown: str) -> None:
    assert in_inputs(said, INPUTS, "debug logging") == shown


def test_the_action_is_not_shown_a_command_line(
    command: CommandWithVariables, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(click.UsageError) as caught:
        parameters(command, monkeypatch, build_arg="A=1\nB")
    said = in_inputs(caught.value.format_message(), INPUTS, "debug logging")
    assert said.endswith("into .lusid-publish.toml, as a list or a table.")


@pytest.mark.parametrize("value", ["-x", "--force", "--", "$(id)", '" --force "', "a;b"])
def test_no_value_becomes_an_option(
    value: str, command: CommandWithVariables, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = parameters(command, monkeypatch, source=value, target=value, build_arg=f"A={value}")
    assert (found["source"], found["target"]) == (value, value)
    assert (found["build_args"], found["force"]) == ({"A": value}, False)


def test_white_space_around_a_value_does_not_count(command: CommandWithVariables) -> None:
    environ = {"INPUT_FAIL-ON": " high\n", "INPUT_ACCESS-TOKEN": "\nt0ken \n", "OTHER": " x "}
    settings = read_inputs(command, environ)
    assert environ == {"INPUT_FAIL-ON": "high", "OTHER": " x "}
    assert settings == {"access_token": ("t0ken", "input access-token")}


def test_what_is_secret_is_taken_out_of_the_environment(command: CommandWithVariables) -> None:
    environ = {variable_of(name): "hush" for name in SETTINGS}
    settings = read_inputs(command, environ)
    assert environ == {}
    assert set(settings) == set(SETTINGS.values())
    secret = {VARIABLES[variable] for variable in SECRET_VARIABLES}
    assert secret == set(SETTINGS.values()) - {"proxy_username"}, "each secret is an input"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"source": ""}, "The input source is not given."),
        ({"name": ""}, "The input name is not given."),
        ({"fail_on": "awful"}, "Invalid value for input fail-on"),
        ({"force": "perhaps"}, "Invalid value for input force"),
        ({"max": "high"}, "Invalid value for input max"),
        ({"build_arg": "A=1\nB"}, "Invalid value for input build-arg: Line 2 is not NAME=VALUE."),
        ({"label": "a=1\nb c"}, "Invalid value for input label: Line 2 is not NAME=VALUE."),
        ({"max": "high=1\n\nlow"}, "Invalid value for input max: Line 3 is not SEVERITY=N"),
        ({"ignore": "a\nb c"}, "Invalid value for input ignore: Line 2 is not one vulnerability"),
        ({"report": "json\nMIIEvQ"}, "Invalid value for input report: Line 2 is not FORMAT or"),
    ],
)
def test_what_is_wrong_is_reported_with_the_input(
    inputs: dict[str, str],
    message: str,
    command: CommandWithVariables,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(click.UsageError) as caught:
        parameters(command, monkeypatch, **inputs)
    assert message in caught.value.format_message()
