"""The suite also passes in the commit that a release makes, which is what people clone and fork."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from releasing.owner import image_of, replace
from releasing.pin import pin

from tests.environment import OF_A_CI
from tests.unit.release.repositories import commit_all, copy_of_project, set_version

CHANGELOG: Final = """\
# Changelog

## [Unreleased]

## [1.0.0] - 2026-01-31

- The first release.
"""
ABOUT_A_RELEASE: Final = (
    *("tests/unit/release", "tests/unit/reports/test_golden.py", "tests/contract/test_ci.py"),
    "tests/contract/test_owner.py",
    "tests/contract/test_docs.py::test_what_is_made_from_something_else_is_current",
    "tests/processes/test_release_check.py::test_a_release_that_is_ready_passes",
)


def test_the_suite_passes_in_the_commit_of_a_release(tmp_path: Path) -> None:
    copy_of_project(tmp_path)
    replace(tmp_path, "Acme-Capital")
    set_version(tmp_path, "1.0.0")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    pin(tmp_path, f"{image_of(tmp_path)}@sha256:{'0a' * 32}")
    commit_all(tmp_path, "Release 1.0.0 with its prebuilt image")
    own = {name: value for name, value in os.environ.items() if not name.startswith(OF_A_CI)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--quiet", *ABOUT_A_RELEASE],
        cwd=tmp_path,
        env=own | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
