"""The examples for Azure, Jenkins, Bitbucket and CircleCI, run as each of them runs a job.

Of an example these are replaced: the image's reference, the name of the job, and for Azure, whose
agent is this machine, the path of the engine's socket and the network in which the Scheduler is.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from releasing.owner import image_of

from tests.integration.parts import ENGINE_SOCKET, ROOT, command_environment

EXAMPLES: Final = ROOT / "examples"
REFERENCE: Final = f"{image_of(ROOT)}:1"
COMMIT: Final = "0123456789abcdef0123456789abcdef01234567"
IS_ROOT: Final = os.geteuid() == 0
JENKINS_USER: Final = "1000:1000" if IS_ROOT else f"{os.geteuid()}:{os.getegid()}"
_VSO: Final = re.compile(r"^##vso\[(\S+)(?: ([^\]]*))?\](.*)$", re.MULTILINE)
_STAGE: Final = re.compile(r"stage\('(.+?)'\)(.*?)(?=stage\('|\Z)", re.DOTALL)
_SH: Final = re.compile(r"\bsh(?:\(.*?script:)? ('''|')(.*?)\1", re.DOTALL)


@dataclass
class Outcome:
    """How a job ended, what each step wrote, and the files that the CI keeps."""

    result: str = "succeeded"
    logs: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    code: int = 0

    def ended(self, name: str, done: subprocess.CompletedProcess[str]) -> None:
        """Add what a step wrote; the first code that is not 0 is the job's."""
        self.logs[name] = self.logs.get(name, "") + done.stdout + done.stderr
        self.code = self.code or done.returncode

    def keep(self, folder: Path, *patterns: str) -> None:
        """Keep the files that match."""
        for path in (path for pattern in patterns for path in folder.glob(pattern)):
            self.kept[path.name] = path.read_text()


@dataclass(frozen=True)
class Checkout:
    """A project's checkout in `folder`, whose image is called `job`; `image` is the tool's."""

    folder: Path
    job: str
    image: str
    settings: dict[str, str]
    secret: dict[str, str]

    def example(self, name: str) -> str:
        """Return the text of an example, for this project."""
        text = (EXAMPLES / name).read_text()
        return text.replace(REFERENCE, self.image).replace("my-job", self.job)

    def load(self, name: str) -> Any:
        """Return an example in YAML, for this project."""
        return yaml.safe_load(self.example(name))

    def copy(self, name: str) -> Path:
        """Return a new clone."""
        return Path(shutil.copytree(self.folder, self.folder.with_name(name)))


def on_this_machine(
    words: Sequence[str], folder: Path, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command as an agent on this machine does."""
    return subprocess.run(
        words,
        cwd=folder,
        env=command_environment(**environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def in_container(
    image: str, words: Sequence[str], folder: Path, at: str, environ: Mapping[str, str], *more: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in an image whose entrypoint the CI ignores; `more` are options of docker."""
    docker = ["docker", "run", "--rm", "--network", "host", *more, "--entrypoint", words[0]]
    docker += ["--volume", f"{folder}:{at}", "--workdir", at, *_by_name(environ), image, *words[1:]]
    return on_this_machine(docker, folder, environ)


def _by_name(environ: Mapping[str, str]) -> list[str]:
    return [word for name in environ for word in ("--env", name)]


class Azure:
    """An agent on a machine with Docker; a step's script is a file for bash, without `-e`."""

    file = "azure-pipelines.yml"
    environ: Final = {"TF_BUILD": "True", "BUILD_SOURCEVERSION": COMMIT}

    def run(self, checkout: Checkout) -> Outcome:
        """Run the job's steps, each if those before succeeded, or as its condition says."""
        [job] = checkout.load(self.file)["jobs"]
        outcome = Outcome()
        variables = dict(checkout.settings)
        for step in job["steps"]:
            is_after_failure = step.get("condition") == "succeededOrFailed()"
            if outcome.result == "failed" and not is_after_failure:
                continue
            if "bash" in step:
                self._run_step(step, checkout, variables, outcome)
            if "publish" in step:
                outcome.keep(checkout.folder / step["publish"], "*")
        return outcome

    def _run_step(
        self, step: Mapping[str, Any], checkout: Checkout, variables: dict[str, str], to: Outcome
    ) -> None:
        given = {
            name: _without_macros(value, variables | checkout.secret)
            for name, value in step.get("env", {}).items()
        }
        script = checkout.folder.with_name("script.sh")
        script.write_text(_on_this_engine(step["bash"]))
        environ = self.environ | variables | given
        done = on_this_machine(
            ["bash", "--noprofile", "--norc", str(script)], checkout.folder, environ
        )
        to.ended(step["displayName"], done)
        if done.returncode:
            to.result = "failed"
        for command, properties, data in _VSO.findall(done.stdout):
            if command == "task.setvariable":
                variables[properties.removeprefix("variable=")] = data
            if command == "task.complete" and properties == "result=SucceededWithIssues":
                to.result = "warning"


def _without_macros(text: str, variables: Mapping[str, str]) -> str:
    """Return a text with the macros `$(NAME)`, of which Azure leaves unknown ones as they are."""
    return re.sub(r"\$\((\w+)\)", lambda match: variables.get(match[1], match[0]), text)


def _on_this_engine(script: str) -> str:
    script = script.replace("/var/run/docker.sock:", f"{ENGINE_SOCKET}:")
    return script.replace("docker run --rm", "docker run --rm --network host")


class Jenkins:
    """An agent on a machine with Docker, which is not root in the containers that it starts."""

    file = "Jenkinsfile"
    environ: Final = {"CI": "true", "JENKINS_URL": "https://ci.example.com/", "GIT_COMMIT": COMMIT}

    def run(self, checkout: Checkout) -> Outcome:
        """Run the `sh` steps of the stages."""
        text = checkout.example(self.file)
        outcome = Outcome()
        for name, stage in _STAGE.findall(text):
            environ = self.environ | checkout.settings
            if "withCredentials" in stage:
                environ |= checkout.secret
            with self._place(stage, checkout, environ) as prefix:
                for _, script in _SH.findall(stage):
                    assert "\\" not in script, "Groovy would read it"
                    words = [*prefix, "sh", "-xec", script]
                    outcome.ended(name, on_this_machine(words, checkout.folder, environ))
            outcome.result = self._result(stage, outcome)
            for pattern in re.findall(r"archiveArtifacts artifacts: '(.*?)'", stage):
                outcome.keep(checkout.folder, pattern)
            if outcome.result == "failed":
                break
        return outcome

    def _result(self, stage: str, outcome: Outcome) -> str:
        soft = re.search(r"code in \[(.*?)\]\) \{.*?\n\s*unstable", stage)
        if soft and str(outcome.code) in soft[1].split(", "):
            outcome.code = 0
            return "warning"
        return "failed" if outcome.code else outcome.result

    @contextmanager
    def _place(
        self, stage: str, checkout: Checkout, environ: Mapping[str, str]
    ) -> Iterator[list[str]]:
        """Yield what stands before each command: `docker exec` where the stage has an image."""
        image = re.search(r"image '(.*?)'", stage)
        if not image:
            yield []
            return
        args = re.search(r"args '(.*?)'", stage)
        folder = str(checkout.folder)
        if IS_ROOT:  # no agent is
            subprocess.run(["chown", "-R", JENKINS_USER, folder], check=True)
        words = [
            "docker",
            "run",
            "-t",
            "-d",
            "-u",
            JENKINS_USER,
            *(args[1].split() if args else []),
        ]
        words += ["--network", "host", "-w", folder, "-v", f"{folder}:{folder}:rw,z"]
        done = on_this_machine([*words, image[1], "cat"], checkout.folder, environ)
        container = done.stdout.strip()
        try:
            yield ["docker", "exec", *_by_name(environ), container]
        finally:
            subprocess.run(["docker", "rm", "-f", container], capture_output=True, check=True)


class Bitbucket:
    """Each step has its own clone and container, and gets the artifacts of those before it."""

    file = "bitbucket-pipelines.yml"
    at: Final = "/opt/atlassian/pipelines/agent/build"
    environ: Final = {
        "CI": "true",
        "BITBUCKET_BUILD_NUMBER": "1",
        "BITBUCKET_CLONE_DIR": at,
        "BITBUCKET_COMMIT": COMMIT,
    }

    def run(self, checkout: Checkout) -> Outcome:
        """Run the steps of the branch main until one fails."""
        outcome = Outcome()
        shared: dict[str, Path] = {}
        for number, each in enumerate(checkout.load(self.file)["pipelines"]["branches"]["main"]):
            step, folder = each["step"], checkout.copy(f"step-{number}")
            for name, path in shared.items():
                shutil.copy(path, folder / name)
            environ = self.environ | self._variables(step, checkout)
            script = "set -e\n" + "\n".join(step["script"])
            run = self._in_image if "image" in step else self._in_the_default_image
            outcome.ended(step["name"], run(step, script, folder, environ))
            for name in self._captured(step.get("artifacts", []), has_failed=bool(outcome.code)):
                if (folder / name).exists():
                    shared[name] = folder / name
                    if name != "image.tar":
                        outcome.keep(folder, name)
            if outcome.code:
                outcome.result = "failed"
                break
        return outcome

    def _variables(self, step: Mapping[str, Any], checkout: Checkout) -> dict[str, str]:
        is_deployed = step.get("deployment") == "lusid"
        return {**checkout.settings, **checkout.secret} if is_deployed else {}

    def _in_image(
        self, step: Mapping[str, Any], script: str, folder: Path, environ: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        return in_container(step["image"], ["bash", "-c", script], folder, self.at, environ)

    def _in_the_default_image(
        self, step: Mapping[str, Any], script: str, folder: Path, environ: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        assert "docker " not in script or step["services"] == ["docker"]
        return on_this_machine(["bash", "-c", script], folder, environ)

    def _captured(self, artifacts: Any, *, has_failed: bool) -> list[str]:
        """Return the names of the files that are kept; a plain list is kept after success."""
        uploads = artifacts["upload"] if isinstance(artifacts, dict) else [{"paths": artifacts}]
        state = "failed" if has_failed else "success"
        return [
            path
            for upload in uploads
            if upload.get("capture-on", "success") in {state, "always"}
            for path in upload["paths"]
        ]


class CircleCi:
    """Each job has its own container, whose steps get a terminal; a workspace links them."""

    file = "circleci-config.yml"
    at: Final = "/root/project"
    shell: Final = ("/bin/bash", "-eo", "pipefail", "-c")
    environ: Final = {"CI": "true", "CIRCLECI": "true", "CIRCLE_SHA1": COMMIT}

    def run(self, checkout: Checkout) -> Outcome:
        """Run the jobs of the workflow in its order until one fails."""
        document = checkout.load(self.file)
        outcome = Outcome()
        for each in document["workflows"]["publish"]["jobs"]:
            name, options = next(iter(each.items())) if isinstance(each, dict) else (each, {})
            has_context = options.get("context") == "lusid"
            given = {**checkout.settings, **checkout.secret} if has_context else {}
            self._run_job(document["jobs"][name], checkout, self.environ | given, outcome)
            if outcome.code:
                outcome.result = "failed"
                break
        return outcome

    def _run_job(
        self,
        job: Mapping[str, Any],
        checkout: Checkout,
        environ: Mapping[str, str],
        to: Outcome,
    ) -> None:
        [image] = [each["image"] for each in job["docker"]]
        workspace = checkout.folder.with_name("workspace.tar.gz")
        folder = checkout.folder.with_name(f"job-{image.partition(':')[0].replace('/', '-')}")
        folder.mkdir()
        for step in job["steps"]:
            [(kind, value)] = step.items() if isinstance(step, dict) else [(step, {})]
            if kind == "checkout":
                shutil.copytree(checkout.folder, folder, dirs_exist_ok=True)
            elif kind == "store_artifacts":
                to.keep(folder, value["path"])
            elif to.code:
                continue
            elif kind == "persist_to_workspace":
                words = ["tar", "-czf", str(workspace), "-C", value["root"], *value["paths"]]
                subprocess.run(words, cwd=folder, check=True)
            elif kind == "attach_workspace":
                shutil.copy(workspace, folder)
                unpack = f"tar -xzf {workspace.name} -C {value['at']}"
                to.ended(kind, in_container(image, [*self.shell, unpack], folder, self.at, environ))
            elif kind == "run":
                words = [*self.shell, value["command"]]
                done = (
                    on_this_machine(words, folder, environ)
                    if image.startswith("cimg/")
                    else in_container(image, words, folder, self.at, environ, "-t")
                )
                to.ended(value["name"], done)


Ci = Azure | Jenkins | Bitbucket | CircleCi
ALL: Final[tuple[Ci, ...]] = (Azure(), Jenkins(), Bitbucket(), CircleCi())
