"""The scripts of a release, from a clean checkout: a fresh environment, and a registry."""

import base64
import io
import json
import shutil
import subprocess
import sys
import tarfile
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from docker import DockerClient
from releasing import image
from releasing.distributions import Distributions, build, verify_contents, verify_metadata
from releasing.stopping import StoppedError

from tests.integration.cleanup import cleaned_up, labelled
from tests.integration.engines import NEW_BUILDX_CONFIG, Engine
from tests.integration.github_step import BASE
from tests.integration.parts import BUSYBOX, ROOT, Registry, command_environment
from tests.unit.release.repositories import commit_all, copy_of_project, set_version

VERSION: Final = "1.12.3"
PACKAGE: Final = "lusid_image_publish/__init__.py"
# What BuildKit expects of a scanner: docs/attestations/sbom-protocol.md in its repository.
STATEMENT: Final = {
    "_type": "https://in-toto.io/Statement/v0.1",
    "predicateType": "https://spdx.dev/Document",
    "predicate": {"name": "scanned"},
}
SCANNER: Final = f"""\
FROM {BUSYBOX}
ENV STATEMENT='{json.dumps(STATEMENT)}'
ENTRYPOINT ["sh", "-c", "echo \\"$STATEMENT\\" > $BUILDKIT_SCAN_DESTINATION/sbom.spdx.json"]
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean checkout of this project, with another version."""
    folder = copy_of_project(tmp_path_factory.mktemp("checkout"))
    set_version(folder, VERSION)
    commit_all(folder)
    return folder


def release(
    checkout: Path, environ: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run a step of a release in the checkout."""
    return subprocess.run(
        [sys.executable, ".ci/release.py", *arguments],
        cwd=checkout,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def distributions(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, module_volume: str
) -> Path:
    """The folder with the wheel and the sdist, which were built, checked and used."""
    folder = tmp_path_factory.mktemp("distributions")
    environ = command_environment(LUSID_LOCAL_VOLUME=module_volume)
    done = release(checkout, environ, "distributions", str(folder), "--source", BUSYBOX)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("sha256:")
    assert len(done.stdout) == len("sha256:\n") + 64
    return folder


def test_the_wheel_publishes_from_a_fresh_environment(distributions: Path) -> None:
    assert {path.name for path in distributions.iterdir()} == {
        f"lusid_image_publish-{VERSION}-py3-none-any.whl",
        f"lusid_image_publish-{VERSION}.tar.gz",
    }


def test_what_was_built_is_verified_without_what_built_it(
    checkout: Path, distributions: Path, tmp_path: Path
) -> None:
    done = release(checkout, command_environment(), "verify", str(distributions))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    folder = tmp_path / "dist"
    shutil.copytree(distributions, folder)
    (folder / "other.whl").write_bytes(b"")
    done = release(checkout, command_environment(), "verify", str(folder))
    assert done.returncode == 1
    assert 'release stopped at "distributions": ' in done.stderr
    assert "other.whl, not one wheel and one sdist alone" in done.stderr
    (folder / "other.whl").unlink()
    wheel, _ = both(folder)
    wheel.write_bytes(without(wheel, tmp_path, "lusid_image_publish/py.typed").read_bytes())
    done = release(checkout, command_environment(), "verify", str(folder))
    assert "does not have lusid_image_publish/py.typed" in done.stderr


def test_a_folder_that_is_not_empty_stops_the_release(checkout: Path, distributions: Path) -> None:
    with pytest.raises(StoppedError, match="is not empty; remove it"):
        build(checkout, distributions)


def without(wheel: Path, folder: Path, name: str, extra: str = "") -> Path:
    """Return a copy of a wheel without a file, and with another one."""
    target = folder / wheel.name
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            if info.filename != name:
                new.writestr(info, old.read(info))
        if extra:
            new.writestr(extra, "")
    return target


def both(folder: Path) -> Distributions:
    return Distributions(*(next(folder.glob(kind)) for kind in ("*.whl", "*.tar.gz")))


@pytest.mark.parametrize(
    ("missing", "extra", "message"),
    [
        ("lusid_image_publish/py.typed", "", "does not have lusid_image_publish/py.typed"),
        ("", "lusid_image_publish/x.py", "that are not in git: lusid_image_publish/x.py"),
        ("", "x.pth", r"that are not in git: x\.pth"),
    ],
)
def test_a_wheel_with_other_files_stops_the_release(
    checkout: Path, distributions: Path, tmp_path: Path, missing: str, extra: str, message: str
) -> None:
    built = both(distributions)
    wheel = without(built.wheel, tmp_path, missing, extra)
    with pytest.raises(StoppedError, match=message):
        verify_contents(checkout, built._replace(wheel=wheel))


def test_a_wheel_with_a_changed_file_stops_the_release(
    checkout: Path, distributions: Path, tmp_path: Path
) -> None:
    built = both(distributions)
    wheel = without(built.wheel, tmp_path, PACKAGE, PACKAGE)
    with pytest.raises(StoppedError, match=f"other contents than the checkout: {PACKAGE}$"):
        verify_contents(checkout, built._replace(wheel=wheel))


def test_an_sdist_without_a_file_stops_the_release(
    checkout: Path, distributions: Path, tmp_path: Path
) -> None:
    built = both(distributions)
    sdist = tmp_path / built.sdist.name
    with tarfile.open(built.sdist) as old, tarfile.open(sdist, "w:gz") as new:
        for member in old:
            if not member.name.endswith("/action.yml"):
                new.addfile(member, old.extractfile(member))
    with pytest.raises(StoppedError, match=r"tar\.gz does not have action\.yml"):
        verify_contents(checkout, built._replace(sdist=sdist))


def test_other_metadata_than_the_checkout_s_stops_the_release(
    distributions: Path, tmp_path: Path
) -> None:
    built = both(distributions)
    other = copy_of_project(tmp_path / "other")
    set_version(other, "1.12.4")
    message = rf"the wheel is lusid-image-publish {VERSION}, not 1\.12\.4"
    with pytest.raises(StoppedError, match=message):
        verify_metadata(other, built.wheel)
    set_version(other, VERSION)
    verify_metadata(other, built.wheel)
    project = (other / "pyproject.toml").read_text()
    (other / "pyproject.toml").write_text(project.replace("/issues", "/problems"))
    with pytest.raises(StoppedError, match=r"URLs of the wheel are not those in pyproject\.toml"):
        verify_metadata(other, built.wheel)
    command = "lusid_image_publish.cli.start:lusid_jobs"
    (other / "pyproject.toml").write_text(project.replace(command, "os:system"))
    with pytest.raises(StoppedError, match="the entry points of the wheel are not those in"):
        verify_metadata(other, built.wheel)


@dataclass(frozen=True)
class Pushed:
    """An image that the script pushed to `registry`; `environ` is that of its commands."""

    registry: Registry
    path: str
    environ: dict[str, str]
    reference: str

    @property
    def name(self) -> str:
        return f"{self.registry.host}/{self.path}"

    def document(self, kind: str, reference: str) -> Any:
        return self.registry.get(f"/v2/{self.path}/{kind}/{reference}").raise_for_status().json()


@pytest.fixture(scope="module")
def pushed(
    checkout: Path,
    docker_containerd: Engine,
    registry: Registry,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pushed]:
    """The image of the release, with provenance and the SBOM of a scanner of the test's own."""
    folder = tmp_path_factory.mktemp("docker-config")
    own = f"test-{uuid.uuid4().hex[:12]}"
    login = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": login}}}))
    (folder / "cli-plugins").symlink_to(NEW_BUILDX_CONFIG / "cli-plugins")
    environ = docker_containerd.environment(
        DOCKER_CONFIG=str(folder),
        REGISTRY_USERNAME=registry.username,
        REGISTRY_PASSWORD=registry.password,
    )
    path = f"{own}/lusid-image-publish"
    with cleaned_up(docker_containerd.client, own):
        scanner = f"{own}:scanner"
        _build(docker_containerd.client, labelled(SCANNER, own), scanner)
        done = release(
            *(checkout, environ, "image", f"v{VERSION}"),
            *("--registry", f"{registry.host}/{path}", "--platform", "linux/amd64"),
            *("--sbom", f"generator={scanner}", "--base", BASE, "--network", "host"),
        )
        assert done.returncode == 0, done.stderr
        [reference] = done.stdout.splitlines()
        yield Pushed(registry, path, environ, reference)


def _build(engine: DockerClient, dockerfile: str, tag: str) -> None:
    engine.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=tag, rm=True)


def test_the_image_has_provenance_an_sbom_and_its_version(pushed: Pushed, checkout: Path) -> None:
    digest = pushed.registry.digest(pushed.path, VERSION)
    assert pushed.reference == f"{pushed.name}@{digest}"
    index = pushed.document("manifests", digest)
    assert index["annotations"]["org.opencontainers.image.version"] == VERSION
    platform, attestations = index["manifests"]
    assert platform["platform"] == {"os": "linux", "architecture": "amd64"}
    layers = pushed.document("manifests", attestations["digest"])["layers"]
    kinds = {layer["annotations"]["in-toto.io/predicate-type"] for layer in layers}
    assert len(kinds) == 2
    assert "https://spdx.dev/Document" in kinds
    assert any("slsa.dev/provenance" in kind for kind in kinds)
    manifest = pushed.document("manifests", platform["digest"])
    labels = pushed.document("blobs", manifest["config"]["digest"])["config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == VERSION
    assert labels["org.opencontainers.image.source"].endswith("/lusid-image-publish")
    assert labels["org.opencontainers.image.revision"] == (
        (checkout / ".git/refs/heads/main").read_text().strip()
    )


def test_only_the_tag_of_the_version_is_pushed_and_the_others_move_later(pushed: Pushed) -> None:
    def tags() -> list[str]:
        listed = pushed.registry.get(f"/v2/{pushed.path}/tags/list").json()["tags"]
        return sorted(listed)

    def move(tag: str, reference: str = pushed.reference) -> tuple[int, str]:
        done = release(ROOT, pushed.environ, "image-tags", tag, reference)
        return done.returncode, done.stdout

    assert tags() == [VERSION]
    assert move("v1.13.0rc1") == (0, "")
    assert tags() == [VERSION]
    assert move(f"v{VERSION}") == (0, "1\n1.12\n")
    assert tags() == ["1", "1.12", VERSION]
    digest = pushed.registry.digest(pushed.path, VERSION)
    assert {pushed.registry.digest(pushed.path, tag) for tag in tags()} == {digest}
    other = f"{pushed.name}@sha256:{'0' * 64}"
    assert move("v1.12.2", other) == (0, ""), "an earlier version moves no tag back"
    assert move("v1.11.9", other)[0] == 1, "1.11 would move, and the image does not exist"
    assert move("v1.13.0", pushed.name)[0] == 1, "it is not a digest"
    assert tags() == ["1", "1.12", VERSION]


def test_the_image_is_the_command(pushed: Pushed) -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", pushed.reference, "--version"],
        env=pushed.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith(f" {VERSION}\n")


def test_an_image_without_a_platform_stops_the_release(
    pushed: Pushed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PATH", "DOCKER_CONFIG", "DOCKER_HOST"):
        monkeypatch.setenv(name, pushed.environ[name])
    name, _, digest = pushed.reference.partition("@")
    image._verify(name, digest, ("linux/amd64",))
    with pytest.raises(StoppedError, match="no image with attestations for linux/arm64"):
        image._verify(name, digest, image.PLATFORMS)
    manifest = pushed.document("manifests", digest)["manifests"][0]["digest"]
    with pytest.raises(StoppedError, match="no image with attestations for linux/amd64"):
        image._verify(name, manifest, ("linux/amd64",))
