"""The parts that the integration tests are made of, and the commands run as processes."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

import httpx
import pytest
from docker import DockerClient

from lusid_image_publish import JobsClient, load_settings
from lusid_image_publish.registry.session import MANIFEST_TYPES
from lusid_image_publish.scheduler.job_models import (
    ArgumentDefinition,
    CreateJobRequest,
    ResourceId,
)
from tests.environment import OF_A_CI
from tests.integration.cleanup import labelled
from tests.plain_http import HTTP
from tests.zygote import Process, Zygote

ROOT = Path(__file__).parents[2]
BUSYBOX = "busybox:1.37"
"""What the tests' images are built on; `make test` sees that it is there."""

BUILDX_CONFIG = ROOT / ".cache" / "docker-config"
"""Where `make test` puts the buildx plugin."""


def end_without(missing: str, variable: str) -> NoReturn:
    """Skip a test for what is `missing`; let it fail in CI, which requires that by `variable`."""
    if os.environ.get(variable):
        pytest.fail(missing)
    pytest.skip(missing)


def npm_tool(path: str) -> Path:
    """Return a program that `.ci/npm-tools` installs; without npm a test is skipped, not in CI."""
    found = ROOT / ".cache/npm/node_modules" / path
    if not found.exists():
        end_without(f"{path} is not there: see .ci/npm-tools", "REQUIRE_NPM")
    return found


def write_certificate(certificate: Path, key: Path, name: str) -> None:
    """Write a self-signed certificate for `name`, like `DNS:localhost`, and its key."""
    words = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        f"-keyout {key} -out {certificate} -subj /CN={name.partition(':')[2]} "
        f"-addext subjectAltName={name}"
    )
    subprocess.run(words.split(), check=True, capture_output=True)


@dataclass(frozen=True)
class Registry:
    """A registry of the test's own."""

    host: str
    username: str
    password: str

    def get(self, path: str) -> httpx.Response:
        """Return what the registry answers to an authenticated GET."""
        return HTTP.get(
            f"http://{self.host}{path}",
            auth=(self.username, self.password),
            headers={"Accept": ", ".join(MANIFEST_TYPES)},
        )

    def digest(self, repository: str, tag: str) -> str:
        """Return the digest that the tag has in the registry, empty when it is not there."""
        answer = self.get(f"/v2/{repository}/manifests/{tag}")
        return answer.headers.get("docker-content-digest", "") if answer.is_success else ""


def gateway_of(engine: DockerClient) -> str:
    """Return the address of this machine as containers see it."""
    routes = engine.containers.run(BUSYBOX, ["ip", "route"], remove=True).decode()
    return str(routes.partition("default via ")[2].split()[0])


@dataclass
class Job:
    """A directory with a Dockerfile; each one builds another image.

    `own` is how the test knows again what is built of it, see `cleanup`.
    """

    folder: Path
    own: str
    content: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "content").write_text(self.content)
        self.write("FROM scratch\nCOPY content /content\n")

    def write(self, dockerfile: str) -> None:
        (self.folder / "Dockerfile").write_text(labelled(dockerfile, self.own))


_ENVIRON: Final = dict(os.environ)
"""This process's environment: pytest changes it between tests, also while threads read it."""

ENGINE_SOCKET: Final = (
    _ENVIRON.get("DOCKER_HOST", "").removeprefix("unix://") or "/var/run/docker.sock"
)
"""Where the engine answers that tests use if they choose none."""


def command_environment(**changes: str) -> dict[str, str]:
    """Return this process's environment without anything that is configuration, plus `changes`."""
    environ = {
        name: value
        for name, value in _ENVIRON.items()
        if not name.startswith((*OF_A_CI, "FBN_")) and not name.lower().endswith("_proxy")
    }
    return environ | {"PYTHONPATH": str(ROOT), "DOCKER_CONFIG": str(BUILDX_CONFIG)} | changes


Started = Process | subprocess.Popen[str]
_ZYGOTE: Final = Zygote()


def start(module: str, *arguments: str, cwd: Path, environ: Mapping[str, str]) -> Started:
    """Start a command of this package as a person would."""
    if _ZYGOTE.can_start(environ):
        return _ZYGOTE.start(module, *arguments, cwd=cwd, environ=environ)
    return subprocess.Popen(
        [sys.executable, "-m", f"lusid_image_publish.cli.{module}", *arguments],
        cwd=cwd,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def interpreter() -> str:
    """Return the path of a Python that runs this package's commands quickly, for shells."""
    return _ZYGOTE.interpreter


def run(
    module: str, *arguments: str, cwd: Path, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command of this package to its end."""
    process = start(module, *arguments, cwd=cwd, environ=environ)
    out, err = communicate(process)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def communicate(process: Started) -> tuple[str, str]:
    """Return what a process writes to stdout and stderr until it ends; kill it if that is late."""
    try:
        return process.communicate(timeout=240)
    except BaseException:
        process.kill()
        process.communicate()
        raise


def interrupt_at(process: Started, words: str, *numbers: signal.Signals) -> tuple[int, str]:
    """Send signals when a line with `words` comes; return the exit code and all of stderr.

    SIGINT without any.
    """
    assert process.stderr
    seen = ""
    try:
        for line in process.stderr:
            seen += line
            if words in line:
                for position, number in enumerate(numbers or (signal.SIGINT,)):
                    if position:
                        time.sleep(0.1)  # the command `docker` may forward two at once in any order
                    process.send_signal(number)
                break
        _, rest = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError("it does not end:\n" + seen + process.communicate()[1]) from None
    finally:
        process.kill()
        process.communicate()
    assert "Traceback" not in seen + rest
    return process.returncode, seen + rest


def add_job(environ: Mapping[str, str], code: str, **arguments: ArgumentDefinition) -> str:
    """Let the Scheduler of `environ` have a job without a good image; return SCOPE/CODE."""
    request = CreateJobRequest(
        job_id=ResourceId(scope="me", code=code),
        name=code,
        description="Of a test",
        image_name="old",
        image_tag="1",
        argument_definitions=arguments,
    )
    allowed = {"allow_http": ("true", "the tests")}  # containers reach another address
    with JobsClient(load_settings(allowed, environ)) as jobs:
        jobs.create_job(request)
    return f"me/{code}"
