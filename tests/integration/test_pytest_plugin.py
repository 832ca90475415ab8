"""The pytest plugin in a project of its own, with an engine: what it gives, and what it leaves.

Each test runs sessions of pytest in a folder. What these make is written to `made.txt`: the number
of the process and the name of the volume of each Scheduler.
"""

import os
import re
import signal
import subprocess
import sys
import sysconfig
from collections import Counter
from pathlib import Path
from typing import Final

import pytest
from docker import DockerClient

from tests.environment import OF_A_CI
from tests.integration.cleanup import cleaned_up, labelled
from tests.integration.parts import ROOT, command_environment

ON_ITS_OWN: Final = ("-p", "no:cacheprovider", "--basetemp", "tmp")
"""Other sessions of the same person remove old folders of their tests at the same time."""
EXAMPLE: Final = ROOT / "examples/testing"
THEIRS: Final = """\
import os
import subprocess

import docker
import pytest

from lusid_image_publish import ImagesClient, load_settings, publish
from lusid_image_publish.local_scheduler.registry_container import own_labels


@pytest.fixture(scope="session", autouse=True)
def made(lusid_scheduler):
    (label,) = own_labels().items()
    client = docker.from_env()
    (volume,) = client.volumes.list(filters={"label": "=".join(label)})
    client.close()
    with open("made.txt", "a") as file:
        file.write(f"{os.getpid()} {volume.name}\\n")


def test_it_starts_empty(lusid_scheduler):
    with ImagesClient(lusid_scheduler.settings) as images:
        assert [name for name in images.iter_repositories() if name.name != "OWN"] == []


def test_publish_finds_it_in_the_environment(lusid_environment):
    assert publish(".", "OWN:1.0").outcome == "published"


@pytest.fixture
def other_environment(monkeypatch):
    monkeypatch.setenv("FBN_ACCESS_TOKEN_FILE", "absent")
    monkeypatch.setenv("LUSID_PUBLISH_SCHEDULER_URL", "https://real.lusid.com/scheduler2")


def test_a_command_finds_it_too(other_environment, lusid_environment):
    assert "LUSID_PUBLISH_SCHEDULER_URL" not in os.environ
    assert load_settings().scheduler_url == lusid_environment.url
    shown = subprocess.run(["lusid-images", "repos"], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr


def test_the_environment_is_as_before():
    assert "FBN_SCHEDULER_URL" not in os.environ


def test_of_theirs_that_ends_badly(lusid_scheduler):
    END
"""
FAILS: Final = "assert lusid_scheduler.url == 'something else'"
KILLS: Final = "os.kill(os.getpid(), {})"
TESTS_NUMBER: Final = 5


class Project:
    """A project with a test file, whose last test ends with `end`."""

    def __init__(self, folder: Path, repository: str, end: str) -> None:
        self.folder = folder
        (folder / "content").write_text(repository)
        (folder / "Dockerfile").write_text(
            labelled("FROM scratch\nCOPY content /content\n", repository)
        )
        (folder / "pyproject.toml").write_text(
            "[tool.pytest.ini_options]\nfilterwarnings = ['error']\n"
        )
        (folder / "test_theirs.py").write_text(
            THEIRS.replace("OWN", repository).replace("END", end)
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run pytest there; return its exit code and what it writes."""
        done = pytest_in(self.folder, *arguments)
        return done.returncode, done.stdout

    def made(self) -> list[str]:
        """Return the volume of each Scheduler."""
        lines = (self.folder / "made.txt").read_text().splitlines()
        return [line.split()[1] for line in lines]


def pytest_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, with the commands of this environment."""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    return subprocess.run(
        [sys.executable, "-m", "pytest", *ON_ITS_OWN, *arguments],
        env=command_environment(PATH=path),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def outcomes(shown: str) -> Counter[str]:
    """Return how many tests passed, failed and so on."""
    summary = shown.splitlines()[-1]
    return Counter({word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", summary)})


def require_nothing_is_left(engine: DockerClient, volumes: list[str]) -> None:
    """Require that each Scheduler had a volume of its own, which is gone like its container."""
    assert len(set(volumes)) == len(volumes)
    assert {volume.name for volume in engine.volumes.list()} & set(volumes) == set()
    for volume in volumes:
        assert engine.containers.list(all=True, filters={"volume": volume}) == []


def test_a_session_with_a_failed_test_leaves_nothing_behind_and_so_does_the_next(
    clean_engine: DockerClient, repository: str, tmp_path: Path
) -> None:
    project = Project(tmp_path, repository, FAILS)
    for _ in range(2):
        code, shown = project.run()
        assert code == pytest.ExitCode.TESTS_FAILED, shown
        assert outcomes(shown) == {"passed": TESTS_NUMBER - 1, "failed": 1}, shown
        assert "FAILED test_theirs.py::test_of_theirs_that_ends_badly" in shown
    assert len(project.made()) == 2
    require_nothing_is_left(clean_engine, project.made())


def test_each_worker_of_xdist_has_its_own_scheduler(
    clean_engine: DockerClient, repository: str, tmp_path: Path
) -> None:
    project = Project(tmp_path, repository, FAILS)
    code, shown = project.run("-n", "2")
    assert code == pytest.ExitCode.TESTS_FAILED, shown
    assert outcomes(shown) == {"passed": TESTS_NUMBER - 1, "failed": 1}, shown
    assert len(project.made()) == 2
    require_nothing_is_left(clean_engine, project.made())


def test_what_a_killed_session_leaves_behind_is_removed_by_the_next_also_if_that_is_interrupted(
    clean_engine: DockerClient, repository: str, tmp_path: Path
) -> None:
    code, _ = Project(tmp_path, repository, KILLS.format(int(signal.SIGKILL))).run()
    assert code == -signal.SIGKILL
    project = Project(tmp_path, repository, KILLS.format(int(signal.SIGINT)))
    code, shown = project.run()
    assert code == pytest.ExitCode.INTERRUPTED, shown
    assert len(project.made()) == 2
    require_nothing_is_left(clean_engine, project.made())


def test_the_example_of_a_project_passes(
    engine: DockerClient, repository: str, tmp_path: Path
) -> None:
    for file in EXAMPLE.iterdir():
        if file.is_file():
            text = file.read_text().replace("report-job", repository)
            is_dockerfile = file.name == "Dockerfile"
            (tmp_path / file.name).write_text(labelled(text, repository) if is_dockerfile else text)
    with cleaned_up(engine, repository):
        done = pytest_in(tmp_path)
    assert done.returncode == pytest.ExitCode.OK, done.stdout
    assert outcomes(done.stdout) == {"passed": 3}


def test_the_environment_of_these_tests_is_that_of_a_person() -> None:
    assert not [name for name in command_environment() if name.startswith(OF_A_CI)]
