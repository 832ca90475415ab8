"""The pytest plugin in projects of other people, where no Scheduler can start."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

import pytest

from tests.environment import OF_A_CI

ON_ITS_OWN: Final = ("-p", "no:cacheprovider", "--basetemp", "tmp")
"""Other sessions of the same person remove old folders of their tests at the same time."""
USES_NOTHING = """\
import sys

def test_nothing_heavy_is_loaded():
    heavy = {"docker", "httpx", "pydantic", "fastapi", "uvicorn", "requests"}
    assert heavy & set(sys.modules) == set()
"""
USES_THE_FIXTURES = """\
import pytest

@pytest.mark.parametrize("number", [1, 2])
def test_scheduler(lusid_scheduler, number):
    pass

def test_environment(lusid_environment):
    pass
"""
USES_THE_ENVIRONMENT = """\
import os
from types import SimpleNamespace

import pytest

@pytest.fixture(scope="session")
def lusid_scheduler():
    return SimpleNamespace(environ={"FBN_SCHEDULER_URL": "http://127.0.0.1:1/scheduler2"})

def test_of_theirs_only_other_variables_stay(lusid_environment):
    names = {name for name in os.environ if name.startswith(("FBN_", "LUSID_PUBLISH_"))}
    assert names == {"FBN_SCHEDULER_URL"}
    assert os.environ["FBN_SCHEDULER_URL"] == "http://127.0.0.1:1/scheduler2"
    assert os.environ["THEIR_OWN"] == "stays"

def test_afterwards_it_is_theirs_again():
    assert "FBN_SCHEDULER_URL" not in os.environ
    assert os.environ["FBN_PASSWORD"] == os.environ["LUSID_PUBLISH_LATEST"] == "theirs"
"""


def session(folder: Path, test: str, *arguments: str, **variables: str) -> tuple[int, str]:
    """Run pytest with a test file; return its exit code and what it writes."""
    assert "lusid_image_publish" in entry_points(group="pytest11").names, (
        "install the package again"
    )
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (folder / "test_theirs.py").write_text(test)
    without_engine = f"unix://{folder}/none.sock" if os.name == "posix" else "tcp://127.0.0.1:9"
    environ = {name: value for name, value in os.environ.items() if not name.startswith(OF_A_CI)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *ON_ITS_OWN, *arguments],
        env=environ | {"DOCKER_HOST": without_engine} | variables,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "INTERNALERROR" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout


def test_a_project_that_does_not_use_it_does_not_pay_for_it(tmp_path: Path) -> None:
    code, shown = session(tmp_path, USES_NOTHING)
    assert code == pytest.ExitCode.OK, shown
    assert "lusid-image-publish-" in shown, "it is among the plugins"


def test_pytest_lists_the_fixtures(tmp_path: Path) -> None:
    code, shown = session(tmp_path, USES_NOTHING, "--fixtures", "-v")
    assert code == pytest.ExitCode.OK, shown
    section = shown.partition("fixtures defined from lusid_image_publish.pytest_plugin")[2]
    assert "lusid_scheduler_settings [session scope]" in section
    assert "lusid_scheduler [session scope]" in section
    assert "its container and volume are removed at the\n    end." in section
    assert "lusid_environment --" in section


def test_without_an_engine_the_tests_fail_and_say_why(tmp_path: Path) -> None:
    code, shown = session(tmp_path, USES_THE_FIXTURES)
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "3 errors" in shown
    assert shown.count("\nThe local Scheduler did not start.\nError: No Docker engine answers") == 3
    assert "Next step: Start Docker" in shown
    assert "During handling" not in shown


def test_the_environment_has_no_other_lusid_during_a_test(tmp_path: Path) -> None:
    theirs = {"FBN_PASSWORD": "theirs", "LUSID_PUBLISH_LATEST": "theirs", "THEIR_OWN": "stays"}
    code, shown = session(tmp_path, USES_THE_ENVIRONMENT, **theirs)
    assert code == pytest.ExitCode.OK, shown
    assert "2 passed" in shown


def test_without_the_extra_the_tests_fail_and_say_what_to_install(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "uvicorn.py").write_text("raise ModuleNotFoundError(name='uvicorn')")
    path = os.pathsep.join([str(hidden), os.environ.get("PYTHONPATH", "")])
    code, shown = session(tmp_path, USES_THE_FIXTURES, PYTHONPATH=path)
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "Error: The local Scheduler is not installed: uvicorn is missing." in shown
    assert "Next step: Run `pip install 'lusid-image-publish[local]'`." in shown


def test_an_option_that_does_not_exist_is_named(tmp_path: Path) -> None:
    override = """\
@pytest.fixture(scope="session")
def lusid_scheduler_settings():
    return {"scan_finding": {}}
"""
    code, shown = session(tmp_path, USES_THE_FIXTURES + override)
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "Error: The local Scheduler has no option scan_finding." in shown
    assert "Next step: Its options are scan_findings, scan_delay" in shown
