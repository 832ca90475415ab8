"""The image of a release is looked at before its digest is used, and its tags never go back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from releasing import image
from releasing.checks import Destination
from releasing.image import Build, move_image_tags, push_image
from releasing.remote import Registry, RegistryImage
from releasing.stopping import StoppedError
from releasing.versions import version_of

from tests.unit.release.repositories import ROOT, git

DIGEST = f"sha256:{'0a' * 32}"
OTHER = f"sha256:{'0b' * 32}"
NAME = "ghcr.io/acme/lusid-image-publish"


@dataclass(frozen=True)
class Known(Registry):
    """A registry that knows the versions of its tags, and the commit that they are made from."""

    versions: dict[str, str] = field(default_factory=dict)
    revision: str = ""

    def find(self, tag: str) -> RegistryImage | None:
        found = self.versions.get(tag)
        return None if found is None else RegistryImage(OTHER, found, self.revision)


EMPTY = Known.of(NAME, "", "")


class Docker:
    """What stands for the `docker` command: it answers with `index`, and keeps what it is given."""

    def __init__(self, index: dict[str, Any]) -> None:
        self.index = index
        self.commands: list[list[str]] = []

    def run(self, _: str, words: Sequence[str | Path]) -> str:
        command = [str(word) for word in words]
        self.commands.append(command)
        for word in command:
            name, _sign, path = word.partition("=")
            if name == "--metadata-file":
                Path(path).write_text(json.dumps({"containerimage.digest": DIGEST}))
        return json.dumps(self.index)


def index_of(*platforms: str) -> dict[str, Any]:
    """Return an index with an image and its attestations for each platform."""
    manifests: list[dict[str, Any]] = []
    for number, platform in enumerate(platforms):
        system, architecture = platform.split("/")
        digest = f"sha256:{number:064}"
        what = {"os": system, "architecture": architecture}
        manifests.append({"digest": digest, "platform": what})
        annotations = {
            "vnd.docker.reference.digest": digest,
            "vnd.docker.reference.type": "attestation-manifest",
        }
        unknown = {"os": "unknown", "architecture": "unknown"}
        manifests.append({"digest": OTHER, "platform": unknown, "annotations": annotations})
    return {"manifests": manifests}


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> Docker:
    fake = Docker(index_of(*image.PLATFORMS))
    monkeypatch.setattr(image, "run", fake.run)
    return fake


def test_an_image_without_its_attestations_is_not_used(docker: Docker) -> None:
    docker.index = index_of("linux/amd64")
    with pytest.raises(StoppedError, match="no image with attestations for linux/arm64"):
        push_image(ROOT, EMPTY, version_of("v1.2.3"), Build())


def test_an_existing_image_of_another_commit_stops_the_release(docker: Docker) -> None:
    known = Known("ghcr.io", "acme/x", versions={"1.2.3": "1.2.3"}, revision="0" * 40)
    with pytest.raises(StoppedError, match=f"1.2.3 already exists \\({OTHER}\\), but is not an"):
        push_image(ROOT, known, version_of("v1.2.3"), Build())
    assert docker.commands == []


def test_an_existing_image_of_the_commit_is_verified_and_not_built_again(docker: Docker) -> None:
    revision = git(ROOT, "rev-parse", "HEAD")
    known = Known("ghcr.io", "acme/x", versions={"1.2.3": "1.2.3"}, revision=revision)
    assert push_image(ROOT, known, version_of("v1.2.3"), Build()) == OTHER
    [inspect] = docker.commands
    assert inspect[-1] == f"ghcr.io/acme/x@{OTHER}"
    docker.index = index_of("linux/amd64")
    with pytest.raises(StoppedError, match="no image with attestations for linux/arm64"):
        push_image(ROOT, known, version_of("v1.2.3"), Build())


def test_the_digest_of_the_index_is_returned(docker: Docker) -> None:
    assert push_image(ROOT, EMPTY, version_of("v1.2.3"), Build()) == DIGEST
    build, inspect = docker.commands
    assert [word for word in build if word.startswith("--tag=")] == [f"--tag={NAME}:1.2.3"]
    assert {"--provenance=mode=max", "--sbom=true", "--push"} < set(build)
    assert inspect[-1] == f"{NAME}@{DIGEST}"


@pytest.mark.parametrize("digest", ["", "latest", DIGEST[:-1], DIGEST.upper(), f"{DIGEST}\n"])
def test_tags_do_not_move_to_what_is_not_a_digest(docker: Docker, digest: str) -> None:
    with pytest.raises(StoppedError, match="is not a digest"):
        move_image_tags(Known("ghcr.io", "acme/x"), "v1.2.3", digest)
    assert docker.commands == []


def test_a_password_is_not_shown() -> None:
    assert "word" not in repr(Registry.of(NAME, "me", "word"))
    assert "word" not in repr(Destination("https://pypi.org", NAME, "me", "word"))


@pytest.mark.parametrize("version", ["", "main", "1.2"])
def test_a_tag_that_does_not_say_its_version_does_not_move(docker: Docker, version: str) -> None:
    known = Known("ghcr.io", "acme/x", versions={"1": version})
    with pytest.raises(StoppedError, match=r"ghcr\.io/acme/x:1 does not say its version; move it"):
        move_image_tags(known, "v1.2.3", DIGEST)
    assert docker.commands == []


@pytest.mark.parametrize(
    ("tag", "versions", "moved"),
    [
        ("v1.2.3", {}, ["1", "1.2"]),
        ("v1.2.3", {"1": "1.2.3", "1.2": "1.2.3"}, ["1", "1.2"]),
        ("v1.2.3", {"1": "1.10.0", "1.2": "1.2.2"}, ["1.2"]),
        ("v1.2.3", {"1": "1.10.0", "1.2": "1.2.10"}, []),
        ("v1.2.4rc1", {"1": "1.2.3", "1.2": "1.2.3"}, []),
    ],
)
def test_tags_move_forward_and_never_back(
    docker: Docker, tag: str, versions: dict[str, str], moved: list[str]
) -> None:
    known = Known("ghcr.io", "acme/x", versions=versions)
    assert move_image_tags(known, tag, DIGEST) == moved
    options = [word for command in docker.commands for word in command if "--tag=" in word]
    assert options == [f"--tag=ghcr.io/acme/x:{each}" for each in moved]
