"""Push the image of a release, and move the tags of its major and minor version."""

import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from releasing.checkout import git
from releasing.owner import PROJECT, owner_of
from releasing.remote import REVISION_ANNOTATION, VERSION_ANNOTATION, Registry
from releasing.run import run
from releasing.stopping import StoppedError
from releasing.versions import Version, version_of

STEP: Final = "image"
PLATFORMS: Final = ("linux/amd64", "linux/arm64")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Build:
    """How the image is built: with the builder and the base of the Dockerfile if they are empty.

    `sbom` is what buildx takes: true, or generator=IMAGE.
    """

    platforms: Sequence[str] = PLATFORMS
    sbom: str = "true"
    builder: str = ""
    base: str = ""
    network: str = ""

    def options(self) -> list[str]:
        """Return the options of buildx."""
        return [
            f"--platform={','.join(self.platforms)}",
            "--provenance=mode=max",
            f"--sbom={self.sbom}",
            *([f"--builder={self.builder}"] if self.builder else []),
            *([f"--build-arg=BASE={self.base}"] if self.base else []),
            *([f"--network={self.network}"] if self.network else []),
        ]


def push_image(root: Path, registry: Registry, version: Version, build: Build) -> str:
    """Build the image, push it under its version, and return the digest of its index.

    No other tag is pushed, so that nobody gets it before the rest of the release succeeds. An
    existing image of this commit is not built again: a release may already use its digest.
    """
    name = f"{registry.host}/{registry.path}"
    revision = git(root, "rev-parse", "HEAD", step=STEP)
    found = registry.find(str(version))
    if found and found.revision != revision:
        raise StoppedError(
            STEP,
            f"{name}:{version} already exists ({found.digest}), but is not an image of {revision}; "
            "release a new version",
        )
    digest = found.digest if found else _build(root, name, version, build, revision)
    _verify(name, digest, build.platforms)
    return digest


def _build(root: Path, name: str, version: Version, build: Build, revision: str) -> str:
    labels = {
        VERSION_ANNOTATION: str(version),
        REVISION_ANNOTATION: revision,
        "org.opencontainers.image.source": f"https://github.com/{owner_of(root)}/{PROJECT}",
    }
    with tempfile.TemporaryDirectory() as folder:
        metadata = Path(folder) / "metadata.json"
        run(
            STEP,
            [
                *("docker", "buildx", "build", "--push", f"--tag={name}:{version}"),
                *build.options(),
                *(f"--label={key}={value}" for key, value in labels.items()),
                *(f"--annotation=index:{key}={value}" for key, value in labels.items()),
                *(f"--metadata-file={metadata}", "--progress=plain", str(root)),
            ],
        )
        return str(json.loads(metadata.read_text())["containerimage.digest"])


def _verify(name: str, digest: str, platforms: Sequence[str]) -> None:
    """Stop unless the registry has an image and its attestations for each platform."""
    reference = f"{name}@{digest}"
    index = json.loads(run(STEP, ["docker", "buildx", "imagetools", "inspect", "--raw", reference]))
    entries = index.get("manifests", [])
    digests = {
        "{os}/{architecture}".format(**entry["platform"]): entry["digest"] for entry in entries
    }
    attested = {
        entry["annotations"]["vnd.docker.reference.digest"]
        for entry in entries
        if entry.get("annotations", {}).get("vnd.docker.reference.type") == "attestation-manifest"
    }
    for platform in platforms:
        if digests.get(platform) not in attested:
            raise StoppedError(
                STEP, f"{reference} has no image with attestations for {platform}; build it again"
            )


def move_image_tags(registry: Registry, tag: str, digest: str) -> list[str]:
    """Point the tags of the major and the minor version to `digest`; return those that moved.

    A pre-release moves none, and a tag does not go back to an earlier version.
    """
    version = version_of(tag)
    if not _DIGEST.fullmatch(digest):
        raise StoppedError("image-tags", f"{digest} is not a digest")
    if not version.is_final:
        return []
    moved = [name for name in version.moving_image_tags if _moves(registry, name, version)]
    name = f"{registry.host}/{registry.path}"
    if moved:
        options = [f"--tag={name}:{each}" for each in moved]
        run(
            "image-tags",
            ["docker", "buildx", "imagetools", "create", *options, f"{name}@{digest}"],
        )
    return moved


def _moves(registry: Registry, name: str, version: Version) -> bool:
    found = registry.find(name)
    if not found:
        return True
    try:
        later = version_of(f"v{found.version}")
    except StoppedError as error:
        raise StoppedError(
            "image-tags",
            f"{registry.host}/{registry.path}:{name} does not say its version; move it by hand "
            "with `docker buildx imagetools create`",
        ) from error
    if later > version:
        click.echo(f"{name} stays at {later}", err=True)
    return later <= version
