"""The package works where the calls that only POSIX systems have are missing."""

import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import lusid_image_publish

ROOT = Path(__file__).parents[2]
WITHOUT = "tests.without_posix"
AFFECTED = (
    "cli",
    "registry/test_push_engine.py",
    "scheduler/test_async_client.py",
    "sources/test_build.py",
    "sources/test_builder.py",
    "sources/test_engine_image.py",
    "sources/test_source.py",
    "test_engine.py",
    "test_interrupts.py",
    "test_system.py",
)
"""The unit tests of what uses signals, processes, descriptors and sockets: all of them would be too
many to be run twice. The workflow of the project runs all on Windows and macOS."""


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_every_module_can_be_imported() -> None:
    found = pkgutil.walk_packages(lusid_image_publish.__path__, "lusid_image_publish.")
    names = [module.name for module in found]
    assert len(names) > 80
    run("-c", f"import {WITHOUT}, {', '.join(names)}")


@pytest.mark.parametrize("name", ["publish", "images", "local"])
def test_every_command_shows_its_help(name: str) -> None:
    code = f"import {WITHOUT}; from lusid_image_publish.cli.{name} import main; main()"
    assert "Usage:" in run("-c", code, "--help")


def test_the_unit_tests_of_what_is_affected_pass(tmp_path: Path) -> None:
    tests = [str(ROOT / "tests" / "unit" / name) for name in AFFECTED]
    # Without --basetemp pytest looks for the user's number, which only POSIX systems have.
    options = ["-q", "-p", WITHOUT, f"--basetemp={tmp_path / 'unit'}"]
    said = run("-m", "pytest", *options, *tests)
    assert " passed" in said


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is there to be taken away")
@pytest.mark.parametrize(
    ("module", "name"),
    [("signal", "SIGHUP"), ("os", "killpg"), ("os", "pread"), ("socket", "AF_UNIX")],
)
def test_what_is_taken_away_is_missing_indeed(module: str, name: str) -> None:
    code = f"import {module} as m; print(hasattr(m, {name!r})); import {WITHOUT}; "
    assert run("-c", f"{code} print(hasattr(m, {name!r}))").split() == ["True", "False"]
