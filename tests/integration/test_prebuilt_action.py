"""The action of a release: GitHub's runner pulls its image by digest, and builds nothing."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from docker import DockerClient
from releasing.remote import VERSION_ANNOTATION

from lusid_image_publish import __version__
from lusid_image_publish.errors import ExitCode
from lusid_image_publish.local_scheduler.server import LocalScheduler, LocalSchedulerSettings
from tests.integration.cleanup import cleaned_up, labelled
from tests.integration.github_step import Step, StepResult, pull, push
from tests.integration.parts import ROOT, gateway_of
from tests.integration.registries import running_registry
from tests.unit.release.repositories import PINNED, copy_file

MISSING = f"sha256:{'0a' * 32}"


@pytest.fixture(scope="module")
def prebuilt(
    action: str, engine: DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The image of a release, by its digest: a public registry has it, and the engine does not."""
    own = f"test-{uuid.uuid4().hex[:12]}"
    folder = tmp_path_factory.mktemp("auth")
    with running_registry(folder, is_public=True) as (find, _), cleaned_up(engine, own):
        image = f"{find().host}/{own}/lusid-image-publish:{__version__}"
        dockerfile = f"FROM {action}\nLABEL {VERSION_ANNOTATION}={__version__}\n"
        subprocess.run(
            ["docker", "build", "--tag", image, "-"],
            input=labelled(dockerfile, own),
            text=True,
            capture_output=True,
            check=True,
        )
        reference = push(image)
        engine.images.remove(image)
        assert own not in str([each.attrs for each in engine.images.list()])
        yield reference


@pytest.fixture(scope="module")
def lusid(engine: DockerClient, module_volume: str) -> Iterator[LocalScheduler]:
    settings = LocalSchedulerSettings(
        host=gateway_of(engine), volume=module_volume, domain="foo", scan_delay=0
    )
    with LocalScheduler(settings) as running:
        yield running


@dataclass(frozen=True)
class Release:
    """A checkout whose action is pinned."""

    folder: Path

    def pin(self, reference: str) -> None:
        """Pin the action, as a release does."""
        for name in PINNED:
            copy_file(self.folder, name)
        words = [sys.executable, str(ROOT / ".ci/release.py"), "pin", reference]
        subprocess.run(words, cwd=self.folder, capture_output=True, check=True)

    def run(self, folder: Path, inputs: dict[str, str]) -> StepResult | str:
        """Run a step with the action, as the runner does; return why it could not pull."""
        action = yaml.safe_load((self.folder / "action.yml").read_text())
        assert action["runs"]["using"] == "docker"
        kind, _, reference = action["runs"]["image"].partition("://")
        assert kind == "docker", "the runner would build it"
        pulled = pull(reference)
        return pulled.stderr if pulled.returncode else Step(reference, folder).run(inputs)


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return Release(tmp_path / "release")


def inputs_for(built: str, tag: str, scheduler: LocalScheduler) -> dict[str, str]:
    return {
        "source": built,
        "name": f"{built.partition(':')[0]}:{tag}",
        "scheduler-url": scheduler.url,
        "allow-http": "true",
        "access-token": scheduler.access_token.reveal(),
    }


def test_a_digest_that_the_registry_does_not_have_runs_nothing(
    prebuilt: str, release: Release, built: str, lusid: LocalScheduler, tmp_path: Path
) -> None:
    release.pin(f"{prebuilt.partition('@')[0]}@{MISSING}")
    why = release.run(tmp_path, inputs_for(built, "1.0", lusid))
    assert isinstance(why, str)
    assert "manifest unknown" in why or "not found" in why


def test_it_publishes_with_the_same_outputs_as_from_the_dockerfile(
    prebuilt: str,
    action: str,
    release: Release,
    built: str,
    lusid: LocalScheduler,
    tmp_path: Path,
) -> None:
    release.pin(prebuilt)
    result = release.run(tmp_path, inputs_for(built, "1.0", lusid))
    assert isinstance(result, StepResult), result
    assert result.code == ExitCode.DONE, result.log
    assert result.outputs["pushed"] == "true"
    other = Step(action, tmp_path).run(inputs_for(built, "2.0", lusid))
    of_the_name = {"name": other.outputs["name"], "tag": other.outputs["tag"]}
    assert result.outputs | of_the_name == other.outputs
    assert result.summary.replace(":1.0", ":2.0").splitlines()[0] == other.summary.splitlines()[0]


def test_its_label_is_the_version_that_it_prints(
    prebuilt: str, engine: DockerClient, action: str
) -> None:
    assert pull(prebuilt).returncode == 0
    printed = engine.containers.run(prebuilt, ["--version"], remove=True).decode()
    labels = engine.images.get(prebuilt).labels
    assert printed == f"lusid-publish, version {labels[VERSION_ANNOTATION]}\n"
    assert engine.containers.run(action, ["--version"], remove=True).decode() == printed
