"""The builder of an image: BuildKit if it is available, else the engine's own.

BuildKit runs through the `docker` command with buildx: Dockerfiles are written for it, and
docker-py has the engine's classic builder only (docker-py issue 2230).
"""

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lusid_image_publish.engine import engine_address
from lusid_image_publish.environment import without_secrets
from lusid_image_publish.errors import EngineError
from lusid_image_publish.sources.build_recipe import BuildRecipe
from lusid_image_publish.text import shorten_message

_PROBE_SECONDS: Final = 60.0
_BUILDX_HINT: Final = (
    "If the Dockerfile needs BuildKit, install Docker's buildx plugin (docker-buildx-plugin, on "
    "Debian docker-buildx)."
)
_PODMAN: Final = "podman"  # its `docker` command has another buildx
_REMOTE_DRIVER: Final = "remote"  # of a builder that buildx does not start
_ENGINE_DRIVER: Final = "docker"
_BUILDX_FIELD: Final = re.compile(r"^(Name|Driver|Endpoint|Status|Error):[ \t]*(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Builder:
    """The chosen builder; if it is not BuildKit, `reason` says why and `remedy` what to do.

    `buildx` is the name of the builder of buildx, empty for the engine's own; buildx reports
    `driver`, `endpoint` and `status`.
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
        if self.driver == _ENGINE_DRIVER:
            return "BuildKit (docker buildx)"
        return f"BuildKit (docker buildx, builder {self.buildx}, driver {self.driver})"

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is BuildKit outside the engine, which loads the image into the engine."""
        return bool(self.buildx) and self.driver != _ENGINE_DRIVER


def choose_builder(environ: Mapping[str, str], engine: str) -> Builder:
    """Return the current builder of buildx, else the engine's own.

    It is the engine's own where the `docker` command has no buildx, with `DOCKER_BUILDKIT=0` as for
    `docker build`, and where `engine` (the engine's name) has no BuildKit: buildx would start it in
    a container. A builder that somebody chose with buildx is used. Raises `EngineError` when the
    `docker` command does not answer, or the current builder cannot be used.
    """
    if environ.get("DOCKER_BUILDKIT") == "0":
        return Builder(reason="DOCKER_BUILDKIT=0 selects it.")
    docker_command = shutil.which("docker", path=environ.get("PATH"))
    if not docker_command:
        return Builder(reason="The `docker` command is not installed.", remedy=_BUILDX_HINT)
    probe = _run_buildx(docker_command, "inspect", environ)
    about, _, nodes = probe.stdout.partition("\nNodes:")
    found, node = _parse_fields(about), _parse_fields(nodes)
    if probe.returncode != 0 and _run_buildx(docker_command, "version", environ).returncode != 0:
        return Builder(reason="The `docker` command has no buildx plugin.", remedy=_BUILDX_HINT)
    has_no_builder = "no builder" in probe.stderr  # so buildx says, and Podman does not
    podman_failed = engine.lower() == _PODMAN and probe.returncode != 0 and not has_no_builder
    if found.get("Driver") == _PODMAN or podman_failed:
        return Builder(reason="The `docker` command is Podman's.", remedy=_BUILDX_HINT)
    if probe.returncode != 0 or found.get("Error") or not found.get("Driver"):
        raise _unusable_error(found, probe.stderr, environ)
    builder = Builder(
        found["Name"], found["Driver"], node.get("Endpoint", ""), node.get("Status", "")
    )
    if builder.driver == _REMOTE_DRIVER and builder.status == "inactive":
        words = f"It does not answer at {builder.endpoint}."
        raise _unusable_error(found, words, environ)
    # The default builder has the name of its endpoint, the Docker context.
    if builder.is_elsewhere and builder.buildx == builder.endpoint:
        return Builder(
            reason=f"{engine} has no BuildKit of its own: buildx would start it in a container.",
            remedy="If the Dockerfile needs BuildKit, run `docker buildx create --use`.",
        )
    return builder


def unread_dockerignore(builder: Builder, engine: str, recipe: BuildRecipe) -> Path | None:
    """Return the Dockerfile's own `.dockerignore` if the builder does not read it, else None.

    BuildKit and Podman read `X.dockerignore` beside `X` in place of the context's `.dockerignore`;
    the classic builder of Docker does not. `engine` is the engine's name.
    """
    is_read = builder.buildx or engine.lower() == _PODMAN
    return None if is_read else recipe.own_ignore_file


def _run_buildx(
    docker_command: str, verb: str, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603  # fixed words
            [docker_command, "buildx", verb],
            env=without_secrets(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_PROBE_SECONDS,
            encoding="utf-8",
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(
            "Cannot determine whether the `docker` command has buildx.",
            cause=str(error),
            hint="Fix the `docker` command on the PATH, or set DOCKER_BUILDKIT=0 to build without "
            "it.",
        ) from error


def _parse_fields(text: str) -> dict[str, str]:
    """Return the fields that buildx shows, those of the first node where each has one."""
    return dict(reversed(_BUILDX_FIELD.findall(text)))


def _unusable_error(
    found: Mapping[str, str], words: str, environ: Mapping[str, str]
) -> EngineError:
    name = found.get("Name") or environ.get("BUILDX_BUILDER")
    builder = f"The buildx builder {name}" if name else "The current buildx builder"
    return EngineError(
        f"{builder} cannot be used with the engine at {engine_address(environ)}.",
        cause=shorten_message(found.get("Error") or words) or "buildx gives no reason.",
        hint="List the builders with `docker buildx ls`. For the engine's BuildKit, run `docker "
        "buildx use default` and unset BUILDX_BUILDER; for its own builder, set DOCKER_BUILDKIT=0.",
    )
