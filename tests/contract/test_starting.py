"""The ways to start lusid-publish: its script, one named like the package, and `python -m`."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from lusid_image_publish import __version__
from lusid_image_publish.errors import ExitCode
from tests.environment import OF_A_CI

ROOT = Path(__file__).parents[2]
PACKAGE = "lusid-image-publish"
MODULE = f"python -m {PACKAGE.replace('-', '_')}"
"""What people type, and what usage lines and errors call the command then."""


def start_of(typed: str) -> list[str]:
    if typed.startswith("python "):
        return [sys.executable, *typed.split()[1:]]
    script = shutil.which(typed, path=sysconfig.get_path("scripts"))
    assert script, f"{typed} is not installed: run `make unit`"
    return [script]


def run(
    command: Sequence[str], variables: Mapping[str, str] | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith((*OF_A_CI, "LUSID_PUBLISH_"))
    }
    return subprocess.run(
        command,
        cwd=folder,
        env=environ | dict(variables or {}),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(params=["lusid-publish", PACKAGE, MODULE])
def typed(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_it_shows_its_help_under_the_name_that_was_typed(typed: str) -> None:
    done = run([*start_of(typed), "--help"])
    assert (done.returncode, done.stderr) == (ExitCode.DONE, "")
    assert done.stdout.startswith(f"Usage: {typed} [OPTIONS] SOURCE NAME:TAG\n")


def test_it_shows_the_version_of_the_command(typed: str) -> None:
    done = run([*start_of(typed), "--version"])
    assert done.stdout == f"lusid-publish, version {__version__}\n"


def test_an_error_names_what_was_typed(typed: str) -> None:
    done = run([*start_of(typed), "--nonsense"])
    assert done.returncode == ExitCode.USAGE
    assert f"Usage: {typed} " in done.stderr
    assert f"Try '{typed} --help' for help." in done.stderr


def test_it_publishes_as_the_same_command(typed: str, tmp_path: Path) -> None:
    done = run([*start_of(typed), "./none", "a:1"], folder=tmp_path)
    assert done.returncode == ExitCode.SOURCE
    assert "Error: " in done.stderr


@pytest.mark.parametrize("script", ["lusid-publish", PACKAGE])
def test_a_shell_completes_each_script(script: str) -> None:
    variable = f"_{script.replace('-', '_').upper()}_COMPLETE"
    for shell in ("bash", "zsh", "fish"):
        source = run(start_of(script), {variable: f"{shell}_source"})
        assert f"{variable}={shell}_complete" in source.stdout
    asked = {"COMP_WORDS": f"{script} --fail", "COMP_CWORD": "--fail"}
    completed = run(start_of(script), asked | {variable: "fish_complete"})
    assert completed.stdout.startswith("plain,--fail-on")


def test_a_wrong_completion_is_a_usage_error() -> None:
    done = run(start_of(PACKAGE), {"_LUSID_IMAGE_PUBLISH_COMPLETE": "tcsh_complete"})
    assert done.returncode == ExitCode.USAGE
    assert "bash, zsh and fish" in done.stderr


def test_one_script_has_the_name_of_the_package() -> None:
    """`uvx` and `pipx run` start the script that is called like the package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    scripts = project["scripts"]
    assert scripts[project["name"]] == scripts["lusid-publish"]


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Return a folder with modules that would be imported in place of libraries."""
    for name in ("click", "httpx", "tomllib"):
        (tmp_path / f"{name}.py").write_text(
            "from pathlib import Path\nPath(__file__).with_name('imported').touch()\n"
            "raise SystemExit(99)\n"
        )
    return tmp_path


def test_a_script_imports_nothing_of_the_folder(hostile: Path) -> None:
    for script in ("lusid-publish", PACKAGE):
        done = run([*start_of(script), "--version"], folder=hostile)
        assert done.returncode == ExitCode.DONE
    assert not (hostile / "imported").exists()


def test_python_m_imports_modules_of_the_folder_as_python_does(hostile: Path) -> None:
    """docs/security.md says so; `python -P -m` does not."""
    safe = [sys.executable, "-P", *start_of(MODULE)[1:], "--version"]
    assert run(safe, folder=hostile).returncode == ExitCode.DONE
    assert not (hostile / "imported").exists()
    assert run([*start_of(MODULE), "--version"], folder=hostile).returncode == 99
    assert (hostile / "imported").exists()
