"""FINBOURNE's own SDK works with the local Scheduler as with the service."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from lusid_image_publish.local.server import LocalScheduler, LocalSchedulerSettings
from tests.integration.parts import ROOT, Job

VERSION = "2.1.136"  # the last release with all six operations
SCRIPT = Path(__file__).with_name("official_sdk.py")


@pytest.fixture(scope="session")
def sdk_python() -> Path:
    """The interpreter of an environment with the SDK, made once and kept."""
    folder = ROOT / ".cache" / f"lusid-scheduler-sdk-{VERSION}"
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        wanted = f"lusid-scheduler-sdk=={VERSION}"
        subprocess.run([python, "-m", "pip", "install", "--quiet", wanted], check=True)
        (folder / "installed").touch()
    return python


class Sdk:
    """The SDK, configured for one Scheduler; each call is a process of its own."""

    def __init__(self, python: Path, scheduler: LocalScheduler, *, sign_in: bool) -> None:
        self.python = python
        variables = scheduler.environment()
        if sign_in:
            del variables["FBN_ACCESS_TOKEN"]
        self.environ = {"PATH": os.environ["PATH"], **variables}

    def __call__(self, operation: str, *names: str) -> Any:
        result = subprocess.run(
            [self.python, SCRIPT, operation, *names],
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)


@pytest.fixture(params=[0, 80], ids=["registry with a port", "registry without a port"])
def scheduler(request: pytest.FixtureRequest, volume: str) -> Iterator[LocalScheduler]:
    settings = LocalSchedulerSettings(
        volume=volume, domain="foo", registry_port=request.param, scan_duration=0
    )
    with LocalScheduler(settings) as running:
        assert (running.registry_host == "localhost") == (request.param == 80)
        yield running


def test_all_six_operations(
    scheduler: LocalScheduler,
    sdk_python: Path,
    clean_engine: DockerClient,
    job: Job,
    repository: str,
) -> None:
    # Both ways to sign in are tried, one with each kind of registry host.
    sdk = Sdk(sdk_python, scheduler, sign_in=scheduler.registry_host == "localhost")
    name = f"{repository}:1.0"
    assert sdk("get_image", name)["status"] == 404
    instructions = sdk("upload_image", name)
    words = instructions["dockerLoginCommand"].split(" ")
    remote = instructions["pushVersionedDockerImageCommand"].split(" ")[2]
    assert words[6] == scheduler.registry_host == remote.split("/")[0]
    assert remote.split(":")[-1] == "1.0"

    # With a port the first blank-separated word's first colon is not the tag's: FINBOURNE's
    # configuration tool takes it for that, and so needs a host without one.
    if scheduler.registry_host == "localhost":
        assert remote.split(":")[0] == f"localhost/foo/{repository}"

    clean_engine.images.build(path=str(job.folder), tag=remote)
    credential = {"username": words[3], "password": words[5]}
    events = list(
        clean_engine.api.push(
            remote.rpartition(":")[0], tag="1.0", stream=True, decode=True, auth_config=credential
        )
    )
    digest = next(event["aux"]["Digest"] for event in events if event.get("aux"))

    image = sdk("get_image", name)
    assert (image["name"], image["digest"]) == (repository, digest)
    assert [tag["name"] for tag in image["tags"]] == ["1.0"]
    assert image["pullTime"].startswith("0001-01-01")
    assert image["scanReport"]["summary"]["critical"] == 0
    (summary,) = sdk("list_images", repository)["values"]
    assert (summary["digest"], summary["scanStatus"]) == (digest, "COMPLETE")
    repositories = sdk("list_repositories")["values"]
    assert repository in [entry["name"] for entry in repositories]
    refused = sdk("upload_image", name)
    assert refused["status"] == 400
    assert json.loads(refused["body"])["errors"]["imageName"]
    assert sdk("download_image", name)["start"] == "manifest.json"
    assert sdk("delete_image", name) == f"The image {name} was deleted."
    assert sdk("delete_image", name)["status"] == 404
