"""A command knows the CI that it runs in by its environment, unless an option says another."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lusid_image_publish.errors import ExitCode
from tests.environment import OF_A_CI

START = "from lusid_image_publish.cli.start import lusid_publish; lusid_publish()"
ON = {
    "github": {"GITHUB_ACTIONS": "true"},
    "gitlab": {"GITLAB_CI": "true"},
}
OFF = [(("--ci", "none"), {}), ((), {"LUSID_PUBLISH_CI": "none"})]


def failing(folder: Path, *options: str, **variables: str) -> tuple[str, Path]:
    """Return what the command says of a SOURCE that is none, and where its outputs would be."""
    outputs = folder / "outputs"
    environ = {name: value for name, value in os.environ.items() if not name.startswith(OF_A_CI)}
    done = subprocess.run(
        [sys.executable, "-c", START, "./none", "a:1", *options],
        env=environ | {"GITHUB_OUTPUT": str(outputs)} | variables,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.SOURCE
    assert done.stdout == ""
    return done.stderr, outputs


def test_the_command_detects_github_by_itself(tmp_path: Path) -> None:
    said, outputs = failing(tmp_path, **ON["github"])
    assert said.startswith("::error title=LUSID%3A source (exit code 6)::There is no file")
    assert "a:1" in outputs.read_text()


def test_the_command_detects_gitlab_by_itself(tmp_path: Path) -> None:
    said, outputs = failing(tmp_path, **ON["gitlab"])
    assert said.startswith("\x1b[31mError: There is no file"), "its log takes colours"
    assert not outputs.exists()


@pytest.mark.parametrize("name", ON)
@pytest.mark.parametrize(("options", "variables"), OFF, ids=["option", "variable"])
def test_ci_none_turns_that_off(
    name: str, options: tuple[str, ...], variables: dict[str, str], tmp_path: Path
) -> None:
    said, outputs = failing(tmp_path, *options, **ON[name], **variables)
    assert said.startswith("Error: There is no file")
    assert not outputs.exists()
