"""Build arguments and labels, on each way in."""

from pathlib import Path
from typing import Any

import click
import pytest

from lusid_image_publish.cli import publish
from lusid_image_publish.errors import ConfigurationError

KEY = "-----BEGIN KEY-----\nMIIEvQ\nabc=\n-----END KEY-----"


def parameters(*arguments: str) -> dict[str, Any]:
    words = ["my-job:ci", "my-job:1.0", *arguments]
    return publish.command.make_context("lusid-publish", words).params


def refusal(*arguments: str) -> str:
    with pytest.raises(click.BadParameter) as caught:
        parameters(*arguments)
    return caught.value.format_message()


@pytest.mark.parametrize("name", ["A", "_a1", "build-id", "a.b"])
def test_a_name_is_what_arg_can_name(name: str) -> None:
    found = parameters("--build-arg", f"{name}=", "--build-arg", f"{name}x")
    assert found["build_args"] == {name: "", f"{name}x": None}


@pytest.mark.parametrize("text", ["", "=x", "a b", "a =1", " a=1", "1a", "é=1", "a+b", "-a", "#a"])
def test_a_build_argument_without_a_usable_name_is_refused(text: str) -> None:
    assert f"{text!r} is neither NAME nor NAME=VALUE." in refusal("--build-arg", text)


@pytest.mark.parametrize("text", ["", "=x", "x", "a b=1", "a\t=1", "a\u2028b=1"])
def test_a_label_without_a_usable_name_or_a_value_is_refused(text: str) -> None:
    assert f"{text!r} is not NAME=VALUE." in refusal("--label", text)


def test_a_value_of_several_lines_stays_whole_on_the_command_line() -> None:
    found = parameters("--build-arg", f"KEY={KEY}", "--label", f"my.label={KEY}")
    assert (found["build_args"], found["labels"]) == ({"KEY": KEY}, {"my.label": KEY})


@pytest.mark.parametrize(
    "table", ['build-arg = ["KEY=a\\nb=\\n\\nc"]', '[build-arg]\nKEY = """a\nb=\n\nc"""']
)
def test_a_value_of_several_lines_stays_whole_in_the_project_s_file(table: str) -> None:
    Path(".lusid-publish.toml").write_text(table)
    assert parameters()["build_args"] == {"KEY": "a\nb=\n\nc"}


@pytest.mark.parametrize("option", ["--build-arg", "--label"])
def test_a_long_text_without_a_name_is_not_shown(option: str) -> None:
    for text in (KEY, "a/" * 50):
        said = refusal(option, text)
        assert text[:10] not in said
        assert f"A value of {len(text)} characters" in said


@pytest.mark.parametrize("option", ["BUILD_ARG", "LABEL"])
def test_a_value_of_several_lines_is_not_cut_in_a_variable(
    option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"LUSID_PUBLISH_{option}", f"A=1\n\nKEY={KEY}\n")
    said = refusal()
    # A build argument may be a NAME alone, so that the third line could be one.
    assert f"Line {'6' if option == 'BUILD_ARG' else '4'} is " in said
    key = option.lower().replace("_", "-")
    assert f"Each line is one {key}. Write a value of several lines into .lusid-publish" in said
    assert "MIIE" not in said
    assert "END KEY" not in said


def test_a_name_alone_is_for_a_plain_variable_and_not_for_a_job_of_gitlab(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LUSID_PUBLISH_BUILD_ARG", "A=1\nMIIEvQ")
    assert parameters()["build_args"] == {"A": "1", "MIIEvQ": None}
    monkeypatch.setenv("GITLAB_CI", "true")
    assert "Line 2 is not NAME=VALUE." in refusal()
    assert parameters("--build-arg", "A")["build_args"] == {"A": None}


@pytest.mark.parametrize("text", ["FBN_ACCESS_TOKEN", "GITHUB_TOKEN=x", "INPUT_PASSWORD="])
def test_a_variable_that_holds_a_secret_is_refused_from_any_source(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "can pull the image" in refusal("--build-arg", text)
    Path(".lusid-publish.toml").write_text(f'build-arg = ["{text}"]')
    with pytest.raises(ConfigurationError, match="build-arg"):
        parameters()
    Path(".lusid-publish.toml").unlink()
    monkeypatch.setenv("LUSID_PUBLISH_BUILD_ARG", f"A=1\n{text}")
    assert "is a secret" in refusal()
