"""A step of a GitHub workflow that uses the action, run as the runner runs it."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import yaml
from docker import DockerClient

from lusid_image_publish.waiting import Deadline, poll
from tests.environment import OF_A_CI
from tests.github_runner import Runner
from tests.integration.cleanup import cleaned_up, labelled
from tests.integration.parts import ENGINE_SOCKET, ROOT, command_environment, communicate, run

BASE = "lusid-tests-python:3.13"
"""The Dockerfile's base, or the stand-in for it; `.ci/engine base` sees that it is there."""

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())

# In the runner's order; each is passed by name, with its value in the client's environment.
_VARIABLES = {
    "HOME": "/github/home",
    "GITHUB_ACTION": "__self",
    "GITHUB_ACTOR": "somebody",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_EVENT_PATH": "/github/workflow/event.json",
    "GITHUB_JOB": "publish",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_REPOSITORY": "us/job",
    "GITHUB_RUN_ID": "1",
    "GITHUB_SHA": "0" * 40,
    "GITHUB_WORKSPACE": "/github/workspace",
    "RUNNER_OS": "Linux",
    "RUNNER_TEMP": "/github/runner_temp",
    "RUNNER_WORKSPACE": "/home/runner/work/job",
}


@dataclass(frozen=True)
class StepResult:
    """What is known after the step; `log` is what the container wrote."""

    code: int
    runner: Runner
    log: str
    outputs: dict[str, str]
    summary: str

    @property
    def shown(self) -> str:
        """All that a reader of the log sees."""
        return "\n".join(self.runner.shown)


class Step:
    """One step; its folders are in `folder`, which stays with the runner.

    `network` is what the containers of a job with services share.
    """

    def __init__(self, image: str, folder: Path, network: str = "") -> None:
        self.image = image
        self._network = ["--network", network] if network else []
        self.name = f"lusidtests_{uuid.uuid4().hex[:12]}"
        self._folder = folder
        self.workspace = folder / "workspace"
        for name in ("workspace", "temp", "home", "workflow", "commands"):
            (folder / name).mkdir(exist_ok=True)
        (folder / "workflow" / "event.json").write_text("{}")
        # The runner makes these before the step, one each.
        self._output = folder / "commands" / f"set_output_{uuid.uuid4()}"
        self._summary = folder / "commands" / f"step_summary_{uuid.uuid4()}"
        for file in (self._output, self._summary):
            file.touch()

    def start(self, inputs: Mapping[str, str], environ: Mapping[str, str]) -> subprocess.Popen[str]:
        """Start the container; `environ` is what the workflow's `env` has."""
        variables = (
            dict(environ)
            | input_variables(inputs)
            | {name: environ.get(name, value) for name, value in _VARIABLES.items()}
            | {
                "GITHUB_OUTPUT": f"/github/file_commands/{self._output.name}",
                "GITHUB_STEP_SUMMARY": f"/github/file_commands/{self._summary.name}",
            }
        )
        mounts = {
            ENGINE_SOCKET: "/var/run/docker.sock",
            self._folder / "temp": "/github/runner_temp",
            self._folder / "home": "/github/home",
            self._folder / "workflow": "/github/workflow",
            self._folder / "commands": "/github/file_commands",
            self.workspace: "/github/workspace",
        }
        return subprocess.Popen(
            [
                *("docker", "run", "--name", self.name, "--label", "lusidtests"),
                *("--workdir", "/github/workspace", "--rm"),
                *(word for name in variables for word in ("-e", name)),
                *("-e", "GITHUB_ACTIONS=true", "-e", "CI=true"),
                *self._network,
                *(word for of, at in mounts.items() for word in ("-v", f"{of}:{at}")),
                self.image,
            ],
            env=_clean_environment() | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def result(self, code: int, log: str) -> StepResult:
        """Return what the runner makes of the log and the files."""
        runner = Runner().read(log)
        return StepResult(
            code,
            runner,
            log,
            runner.outputs(self._output.read_text()),
            runner.summary(self._summary.read_text()),
        )

    def run(
        self, inputs: Mapping[str, str], environ: Mapping[str, str] | None = None
    ) -> StepResult:
        """Run the step to its end."""
        process = self.start(inputs, environ or {})
        try:
            out, err = communicate(process)
        finally:
            self.remove()
        assert out == "", "the runner would show it somewhere between the lines of the other stream"
        return self.result(process.returncode, err)

    def run_without_container(self, inputs: Mapping[str, str]) -> StepResult:
        """Run the step's command with its variables and files on this machine: that is quicker."""
        folders = {
            "HOME": self._folder / "home",
            "GITHUB_WORKSPACE": self.workspace,
            "GITHUB_EVENT_PATH": self._folder / "workflow" / "event.json",
            "RUNNER_TEMP": self._folder / "temp",
            "GITHUB_OUTPUT": self._output,
            "GITHUB_STEP_SUMMARY": self._summary,
        }
        variables = _VARIABLES | input_variables(inputs) | {k: str(v) for k, v in folders.items()}
        environ = command_environment(GITHUB_ACTIONS="true", CI="true", **variables)
        done = run("publish", cwd=self.workspace, environ=environ)
        assert done.stdout == ""
        return self.result(done.returncode, done.stderr)

    def remove(self) -> None:
        """Let no container stay behind, whatever happened."""
        subprocess.run(["docker", "rm", "--force", self.name], capture_output=True, check=False)


def input_variables(inputs: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the runner makes of the inputs."""
    unknown = inputs.keys() - ACTION["inputs"].keys()
    assert not unknown, f"action.yml has no input {unknown}"
    return {
        f"INPUT_{name.replace(' ', '_').upper()}": inputs.get(name, "") for name in ACTION["inputs"]
    }


@contextmanager
def built_action(engine: DockerClient) -> Iterator[str]:
    """Build the action as the runner does, but for the base, which it cannot name."""
    own = uuid.uuid4().hex
    image = f"lusidtests:{own}"
    with cleaned_up(engine, own):
        build_action(image, own)
        yield image


def build_action(image: str, own: str, *options: str, base: str = BASE) -> None:
    """Build the action with the label of a test; `options` are more of `docker build`."""
    subprocess.run(
        [
            *("docker", "build", "-t", image, "--build-arg", f"BASE={base}"),
            *("--network", "host", "--force-rm", *options, "-f", "-", str(ROOT)),
        ],
        input=labelled((ROOT / "Dockerfile").read_text(), own),
        text=True,
        env=_clean_environment() | {"DOCKER_BUILDKIT": "0"},
        capture_output=True,
        check=True,
    )


def pull(reference: str) -> subprocess.CompletedProcess[str]:
    """Pull the image of an action as the runner does before the first step of the job."""
    words = ["docker", "pull", reference]
    return subprocess.run(
        words, env=_clean_environment(), capture_output=True, text=True, check=False
    )


def push(image: str) -> str:
    """Push an image to its registry, and return its reference by digest."""
    subprocess.run(["docker", "push", "--quiet", image], capture_output=True, check=True)
    words = ["docker", "image", "inspect", "--format", "{{json .RepoDigests}}", image]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    [reference] = [
        each for each in json.loads(done.stdout) if each.startswith(f"{image.rpartition(':')[0]}@")
    ]
    return str(reference)


@contextmanager
def network_with(registry_host: str, gateway: str, engine: DockerClient) -> Iterator[str]:
    """Make a network in which a registry on 127.0.0.1 of this machine has that address too.

    A real one has the same name everywhere. `gateway` is this machine as containers see it.
    """
    port = registry_host.rpartition(":")[2]
    script = Path(__file__).with_name("forward.py")
    with subprocess.Popen(
        [sys.executable, script, gateway, port, "127.0.0.1", port], stdout=subprocess.PIPE
    ) as outside:
        inside = engine.containers.run(
            BASE,
            ["-c", script.read_text(), "127.0.0.1", port, gateway, port],
            entrypoint="python3",
            detach=True,
        )
        try:
            assert outside.stdout
            assert outside.stdout.readline() == b"ready\n"
            assert (
                poll(lambda: inside.logs() or None, deadline=Deadline(30), pauses=repeat(0.05))
                == b"ready\n"
            )
            yield f"container:{inside.id}"
        finally:
            inside.remove(force=True)
            outside.kill()


def _clean_environment() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.startswith((*OF_A_CI, "FBN_"))
    }
