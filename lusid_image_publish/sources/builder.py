"""What builds a Dockerfile: BuildKit where that works, else the engine's own builder.

BuildKit is used through the `docker` command where that has buildx: Dockerfiles are written for it
today, and docker-py speaks to the engine's classic builder only (docker-py issue 2230).
"""

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lusid_image_publish.engine import engine_address, shorten_message
from lusid_image_publish.environment import without_secrets
from lusid_image_publish.errors import EngineError

_PROBE_TIMEOUT: Final = 60.0  # seconds
_BUILDX: Final = (
    "Install Docker's buildx plugin (docker-buildx-plugin, on Debian docker-buildx) if the "
    "Dockerfile needs BuildKit."
)
_PODMAN: Final = "podman"  # its own `docker` command has a buildx that is not Docker's
_REMOTE: Final = "remote"  # the driver of a builder that buildx does not start
_OWN_DRIVER: Final = "docker"
_FIELD: Final = re.compile(r"^(Name|Driver|Endpoint|Status|Error):[ \t]*(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Builder:
    """A builder that was chosen; where it is not BuildKit, `reason` and `remedy` say why, and how.

    `buildx` is the name of the builder that buildx uses, empty for the engine's own; `driver`,
    `endpoint` and `status` are what buildx says of it.
    """

    buildx: str = ""
    driver: str = ""
    endpoint: str = ""
    status: str = ""
    reason: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        if not self.buildx:
            return "the engine's own builder"
        if self.driver == _OWN_DRIVER:
            return "BuildKit (docker buildx)"
        return f"BuildKit (docker buildx, builder {self.buildx}, driver {self.driver})"

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is BuildKit outside the engine, which loads the image into that afterwards."""
        return bool(self.buildx) and self.driver != _OWN_DRIVER


def choose_builder(environ: Mapping[str, str], engine: str) -> Builder:
    """Return the current builder of buildx, else the engine's own.

    It is the engine's own where the `docker` command has no buildx, with `DOCKER_BUILDKIT=0`, as
    with `docker build`, and where `engine` (the engine's name) has no BuildKit in it: buildx would
    start a container with BuildKit there. A builder that somebody made current is taken. Raises
    `EngineError` when the `docker` command does not say, or the current builder cannot be used.
    """
    if environ.get("DOCKER_BUILDKIT") == "0":
        return Builder(reason="DOCKER_BUILDKIT=0 asks for it.")
    docker_command = shutil.which("docker", path=environ.get("PATH"))
    if not docker_command:
        return Builder(reason="There is no `docker` command here.", remedy=_BUILDX)
    probe = _buildx(docker_command, "inspect", environ)
    about, _, nodes = probe.stdout.partition("\nNodes:")
    found, node = _fields_in(about), _fields_in(nodes)
    if probe.returncode != 0 and _buildx(docker_command, "version", environ).returncode != 0:
        return Builder(reason="The `docker` command has no buildx.", remedy=_BUILDX)
    if found.get("Driver") == _PODMAN or _is_podmans(probe, engine):
        return Builder(reason="The `docker` command is Podman's.", remedy=_BUILDX)
    if probe.returncode != 0 or found.get("Error") or not found.get("Driver"):
        raise _unusable(found, probe.stderr, environ)
    builder = Builder(
        found["Name"], found["Driver"], node.get("Endpoint", ""), node.get("Status", "")
    )
    if builder.driver == _REMOTE and builder.status == "inactive":
        words = f"It does not answer at {builder.endpoint}."
        raise _unusable(found, words, environ)
    # A builder that nobody made has the name of its endpoint, the Docker context.
    if builder.is_elsewhere and builder.buildx == builder.endpoint:
        return Builder(
            reason=f"{engine} has no BuildKit of its own: buildx would start it in a container.",
            remedy="Where the Dockerfile needs BuildKit: `docker buildx create --use`.",
        )
    return builder


def unread_dockerignore(builder: Builder, engine: str, dockerfile: Path) -> Path | None:
    """Return the `.dockerignore` of `dockerfile` alone, where there is one that is not read.

    BuildKit and Podman take `X.dockerignore` beside `X` in place of the context's `.dockerignore`;
    the own builder of Docker's engine does not. `engine` is the engine's name.
    """
    file = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    is_read = builder.buildx or engine.lower() == _PODMAN
    return None if is_read or not file.is_file() else file


def _buildx(
    docker_command: str, verb: str, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603  # fixed words
            [docker_command, "buildx", verb],
            env=without_secrets(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_PROBE_TIMEOUT,
            encoding="utf-8",
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(
            "The `docker` command does not say whether it has buildx.",
            cause=str(error),
            hint="Correct the `docker` that PATH leads to, or set DOCKER_BUILDKIT=0 to build "
            "without it.",
        ) from error


def _is_podmans(probe: subprocess.CompletedProcess[str], engine: str) -> bool:
    """Return whether it was Podman that did not understand, and not buildx that has no builder."""
    is_podman = engine.lower() == _PODMAN
    return is_podman and probe.returncode != 0 and "no builder" not in probe.stderr


def _fields_in(text: str) -> dict[str, str]:
    """Return the fields that buildx shows; of one that comes for each node, the first node's."""
    return dict(reversed(_FIELD.findall(text)))


def _unusable(found: Mapping[str, str], words: str, environ: Mapping[str, str]) -> EngineError:
    name = found.get("Name") or environ.get("BUILDX_BUILDER") or "the current one"
    return EngineError(
        f"The builder of buildx, {name}, cannot be used with the engine at "
        f"{engine_address(environ)}.",
        cause=shorten_message(found.get("Error") or words) or "buildx does not say why.",
        hint="`docker buildx ls` lists the builders. `docker buildx use default`, and no "
        "BUILDX_BUILDER, takes the engine's BuildKit; DOCKER_BUILDKIT=0 its own builder.",
    )
