"""A project with a pipeline, run by gitlab-ci-local as GitLab and its runners would."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from tests.environment import OF_A_CI
from tests.integration.parts import ENGINE_SOCKET, ROOT, interpreter, npm_tool

HELPER = "lusid-tests-helper:1"
"""In which gitlab-ci-local copies files; `.ci/engine helper` sees that it is there."""

COMPONENT = "$CI_SERVER_FQDN/$CI_PROJECT_PATH/lusid-publish@$CI_COMMIT_SHA"
_PASSED = re.compile(r"^ PASS +(\S+) *$", re.MULTILINE)
_ENDED = re.compile(r"^(\S+) +finished in .* (FAIL|WARN) (\d+) *$", re.MULTILINE)


@dataclass(frozen=True)
class PipelineResult:
    """What is known at the end: the log, and of each job its end and exit code."""

    code: int
    log: str
    folder: Path

    @property
    def jobs(self) -> dict[str, tuple[str, int]]:
        """Return `PASS`, `FAIL` or `WARN` and the exit code of each job that ran."""
        passed = dict.fromkeys(_PASSED.findall(self.log), ("PASS", 0))
        return passed | {name: (end, int(code)) for name, end, code in _ENDED.findall(self.log)}

    def log_of(self, job: str) -> str:
        """Return what a job wrote."""
        return (self.folder / f".gitlab-ci-local/output/{job}.log").read_text()

    def artifact(self, job: str, name: str) -> str:
        """Return a file that a job left behind."""
        return (self.folder / f".gitlab-ci-local/artifacts/{job}/{name}").read_text()


class Project:
    """A project in `folder`; `image` is what the template's job runs in."""

    def __init__(self, folder: Path, image: str) -> None:
        self.folder = folder
        self.image = image
        shutil.copytree(ROOT / "templates", folder / "templates")
        (folder / ".gitignore").write_text(".gitlab-ci-local/\n")
        self._git("init", "--quiet", "--initial-branch=main")
        self._git("remote", "add", "origin", "git@gitlab.example.com:us/job.git")

    def inputs(self, **others: str) -> dict[str, str]:
        """Return inputs of the template."""
        names = {name.replace("_", "-"): value for name, value in others.items()}
        return {"image": self.image} | names

    def pipeline(
        self, include: Mapping[str, Any], jobs: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return a pipeline that includes the template, and has these jobs beside it."""
        stages = ["build", "deploy", "use"]
        return {"stages": stages, "include": [dict(include)], **(jobs or {})}

    def run(
        self, pipeline: Mapping[str, Any], *options: str, variables: Mapping[str, str]
    ) -> PipelineResult:
        """Commit the pipeline and run it; `variables` are the project's."""
        (self.folder / ".gitlab-ci.yml").write_text(yaml.safe_dump(dict(pipeline)))
        self._git("add", "--all")
        self._git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "-mx")
        project = {"GITLAB_CI": "true"} | dict(variables)
        with subprocess.Popen(
            [
                *(npm_tool(".bin/gitlab-ci-local"), "--ignore-predefined-vars", "GITLAB_CI"),
                *("--pull-policy", "if-not-present", "--helper-image", HELPER),
                *(() if VALIDATED in options else ("--no-json-schema-validation",)),
                *(word for name, value in project.items() for word in _variable(name, value)),
                *options,
            ],
            cwd=self.folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                log, _ = process.communicate(timeout=240)
            except BaseException:
                process.terminate()  # it removes its containers and volumes then
                process.communicate()
                raise
        return PipelineResult(process.returncode, click.unstyle(log), self.folder)

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.folder, capture_output=True, check=True)


VALIDATED = "--json-schema-validation"
"""Validate the pipeline first by GitLab's schema, which takes a second."""

SHELL = ("--force-shell-executor",)
"""The shell executor: jobs run on this machine, with what is on its PATH."""

SOCKET = ("--network", "host", "--volume", f"{ENGINE_SOCKET}:/run/docker.sock")
"""The docker executor, with the engine's socket in the containers.

Not at /var/run, which is a link: `docker cp` of Docker 28.5 then refuses the container.
"""

NO_ENGINE = ("--network", "host")
"""The docker executor, without an engine for the jobs."""


def _variable(name: str, value: str) -> tuple[str, str]:
    return "--variable", f"{name}={value}"


def _environment() -> dict[str, str]:
    """Return this process's environment, with the commands of this package on PATH."""
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith((*OF_A_CI, "FBN_"))
    }
    return environ | {"PATH": f"{Path(interpreter()).parent}:{environ['PATH']}"}
