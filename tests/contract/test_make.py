"""What a target installs: the demo only what the commands need, every other one its tools too."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "pip install -qq --editable '.[local]'"
TOOLS = "pip install -qq --group dev"
FREE_OF_TOOLS = ("demo", "engine", "release-check")
WITH_TOOLS = (
    *("test", "unit", "inprocess", "processes", "lint", "format", "typecheck", "coverage"),
    *("bench", "performance", "engines-table", "reliability", "build", "constraints"),
)

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="Windows has no make")


def commands_of(target: str, *options: str) -> str:
    """Return what `make TARGET` would run."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", *options, target],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("target", FREE_OF_TOOLS)
def test_the_demo_installs_no_tools(target: str) -> None:
    commands = commands_of(target, "--always-make")
    assert PACKAGE in commands
    assert TOOLS not in commands


@pytest.mark.parametrize("target", WITH_TOOLS)
def test_other_targets_install_their_tools_after_the_package(target: str) -> None:
    package, tools, _ = commands_of(target, "--always-make").partition(TOOLS)
    assert PACKAGE in package
    assert tools


def test_what_is_installed_is_not_installed_again(tmp_path: Path) -> None:
    """The stamps of a new machine, in the order in which the two steps make them."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    venv = f"VENV={tmp_path}"
    for stamp, target in (("package", "demo"), ("installed", "lint"), ("installed", "demo")):
        (tmp_path / stamp).touch()
        assert "pip install" not in commands_of(target, venv)


def test_the_benchmark_names_the_sdk_as_its_script_takes_it() -> None:
    script = (ROOT / ".ci/sdk").read_text()
    [accepted] = re.findall(r"\[\[ \$1 =~ (\S+) \]\]", script)
    [named] = re.findall(r'^SDK = "(.*)"', (ROOT / "benchmarks/run.py").read_text(), re.MULTILINE)
    assert re.fullmatch(accepted, named)
