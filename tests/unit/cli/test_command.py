"""Variables that stand for options."""

from pathlib import Path
from typing import Any

import click
import pytest

from lusid_image_publish.cli import publish
from lusid_image_publish.cli.command import variable_of
from lusid_image_publish.cli.parameters import key_of


def parameters(*arguments: str) -> dict[str, Any]:
    return publish.command.make_context("lusid-publish", list(arguments)).params


@pytest.fixture(autouse=True)
def _arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUSID_PUBLISH_SOURCE", "my-job:ci")
    monkeypatch.setenv("LUSID_PUBLISH_NAME", "my-job:1.0")


def test_every_option_has_a_variable_of_its_own() -> None:
    variables = {key_of(param): param.envvar for param in publish.command.params}
    assert (variables.pop("version"), variables.pop("quiet")) == (None, None)
    assert variables == {key: [variable_of(key)] for key in variables}
    assert variables["fail-on"] == ["LUSID_PUBLISH_FAIL_ON"]


def test_source_and_name_may_come_from_variables() -> None:
    assert parameters()["source"] == "my-job:ci"
    assert parameters("other:ci")["source"] == "other:ci"
    assert parameters("other:ci")["name"] == "my-job:1.0"


@pytest.mark.parametrize(
    ("variable", "value", "name", "expected"),
    [
        ("FORCE", "true", "force", True),
        ("FORCE", "False", "force", False),
        ("PLATFORM", "linux/arm64", "platform", "linux/arm64"),
        ("PUSH_RETRIES", "7", "push_retries", 7),
        ("LABEL", "a=1 2\n\n  b=x,y \n", "labels", {"a": "1 2", "b": "x,y"}),
        ("BUILD_ARG", "A\nB=2", "build_args", {"A": None, "B": "2"}),
        ("MAX", "high=1\r\nlow=2", "limits", {"high": 1, "low": 2}),
        ("IGNORE", "CVE-1\nCVE-2\n", "ignored", ("CVE-1", "CVE-2")),
        (
            "REPORT",
            "markdown\nsarif=my report.sarif",
            "reports",
            (("markdown", Path("lusid-publish-report.md")), ("sarif", Path("my report.sarif"))),
        ),
        ("REPORT", "\n \n", "reports", ()),
        ("FAIL_ON", "", "fail_on", "none"),
    ],
)
def test_a_variable_is_an_option(
    variable: str, value: str, name: str, expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"LUSID_PUBLISH_{variable}", value)
    assert parameters()[name] == expected


def test_an_option_is_stronger_than_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUSID_PUBLISH_FAIL_ON", "high")
    assert parameters("--fail-on", "low")["fail_on"] == "low"


def test_a_variable_is_stronger_than_the_project_s_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".lusid-publish.toml").write_text('fail-on = "low"\nlatest = true\npull = true\n')
    monkeypatch.setenv("LUSID_PUBLISH_FAIL_ON", "high")
    monkeypatch.setenv("LUSID_PUBLISH_LATEST", "false")
    found = parameters()
    assert (found["fail_on"], found["latest"], found["pull"]) == ("high", False, True)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FORCE", "perhaps"),
        ("FAIL_ON", "awful"),
        ("PUSH_RETRIES", "-1"),
        ("WAIT_TIMEOUT", "nan"),
        ("MAX", "high"),
        ("LABEL", "=x"),
        ("PLATFORM", "linux"),
        ("REPORT", "sarif=/gone/x"),
        ("CI", "jenkins"),
    ],
)
def test_a_value_that_cannot_be_used_is_reported_with_its_variable(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"LUSID_PUBLISH_{variable}", value)
    with pytest.raises(click.BadParameter) as caught:
        parameters()
    option = variable.lower().replace("_", "-")
    assert f"'--{option}' (LUSID_PUBLISH_{variable})" in caught.value.format_message()


@pytest.mark.parametrize(
    ("variable", "meant"),
    [("FAILON", "FAIL_ON"), ("FAIL_ONN", "FAIL_ON"), ("IGNORED", "IGNORE")],
)
def test_a_variable_that_does_not_exist_is_refused(
    variable: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"LUSID_PUBLISH_{variable}", "")
    with pytest.raises(click.UsageError) as caught:
        parameters()
    text = caught.value.format_message()
    meant = f"did you mean LUSID_PUBLISH_{meant}?"
    assert text == f"There is no variable LUSID_PUBLISH_{variable}, {meant}"


def test_help_needs_no_correct_variables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LUSID_PUBLISH_FAILON", "high")
    with pytest.raises(click.exceptions.Exit):
        parameters("--help")
    assert capsys.readouterr().out.startswith("Usage: ")
