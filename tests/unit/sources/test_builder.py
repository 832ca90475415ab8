"""Which builder is chosen, by what real versions of buildx say; here a script says it."""

from pathlib import Path

import pytest

from lusid_image_publish.errors import EngineError
from lusid_image_publish.sources.build_recipe import BuildOptions, BuildRecipe
from lusid_image_publish.sources.builder import (
    Builder,
    choose_builder,
    unread_dockerignore,
)
from tests.systems import NEEDS_SCRIPTS

pytestmark = NEEDS_SCRIPTS

OWN = """\
Name:          default
Driver:        docker
Last Activity: 2026-11-28 18:56:34 +0000 UTC

Nodes:
Name:             default
Endpoint:         default
Status:           running
BuildKit version: v0.0.0+unknown
Labels:
 org.mobyproject.buildkit.worker.executor:             containerd
"""
WITHOUT_BUILDKIT = """\
Name:          default
Driver:        docker-container
Last Activity: 2026-11-28 18:56:34 +0000 UTC

Nodes:
Name:     default
Endpoint: default
Status:   inactive
"""
MADE = """\
Name:          builder-5f0c
Driver:        docker-container

Nodes:
Name:      builder-5f0c0
Endpoint:  unix:///var/run/docker.sock
Status:    running
Error:     of one node
Name:      builder-5f0c1
Endpoint:  ssh://other
"""
REMOTE = """\
Name:          far
Driver:        remote

Nodes:
Name:      far0
Endpoint:  tcp://far:1234
Status:    inactive
"""
NO_ENGINE = """\
Name:          default
Driver:
Last Activity: 2026-11-28 18:56:34 +0000 UTC
Error:         Cannot connect to the Docker daemon at unix:///nowhere.sock.
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment whose `docker` says what a file says, and has buildx."""
    said = 'cat "$(dirname "$0")/said" | tee /dev/stderr'
    return docker(tmp_path, f'{said}; test "$2" = version || exit ${{EXIT:-0}}')


def docker(folder: Path, script: str) -> dict[str, str]:
    command = folder / "docker"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def chosen(environ: dict[str, str], said: str, **changes: str) -> Builder:
    Path(environ["PATH"].partition(":")[0], "said").write_text(said)
    return choose_builder(environ | changes, "Podman")


def test_the_engine_s_own_buildkit_is_taken(environ: dict[str, str]) -> None:
    builder = chosen(environ, OWN)
    assert builder == Builder("default", "docker", "default", "running")
    assert str(builder) == "BuildKit (docker buildx)"


def test_a_builder_that_somebody_made_current_is_taken_and_named(environ: dict[str, str]) -> None:
    builder = chosen(environ, MADE)
    assert (builder.buildx, builder.endpoint) == ("builder-5f0c", "unix:///var/run/docker.sock")
    assert builder.is_elsewhere
    assert "builder-5f0c" in str(builder)


def test_an_engine_without_buildkit_builds_itself(environ: dict[str, str]) -> None:
    builder = chosen(environ, WITHOUT_BUILDKIT)
    assert not builder.buildx
    assert "Podman has no BuildKit" in builder.reason
    assert builder.remedy
    assert str(builder) == "the engine's own builder"


def test_the_engine_s_builder_can_be_asked_for(environ: dict[str, str]) -> None:
    assert chosen(environ, OWN, DOCKER_BUILDKIT="0").reason == "DOCKER_BUILDKIT=0 selects it."


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Name: default\nDriver: podman\n\nNodes:\nName: default\nEndpoint: default\n", "0"),
        ("Error: unrecognized command `podman buildx inspect`", "125"),
    ],
)
def test_the_buildx_of_podman_s_own_docker_command_is_none(
    environ: dict[str, str], said: str, code: str
) -> None:
    builder = chosen(environ, said, EXIT=code)
    assert not builder.buildx
    assert "Podman's" in builder.reason


@pytest.mark.parametrize("script", ["exit 1", "echo unknown command >&2; exit 125"])
def test_without_buildx_the_engine_builds(tmp_path: Path, script: str) -> None:
    builder = choose_builder(docker(tmp_path, script), "Docker")
    assert not builder.buildx
    assert "no buildx" in builder.reason


def test_without_a_docker_command_the_engine_builds(tmp_path: Path) -> None:
    assert (
        "`docker` command is not installed"
        in choose_builder({"PATH": str(tmp_path)}, "Docker").reason
    )


@pytest.mark.parametrize(
    ("said", "changes", "words"),
    [
        (NO_ENGINE, {}, "unix:///nowhere.sock"),
        ("", {}, "gives no reason"),
        (REMOTE, {}, "does not answer at tcp://far:1234"),
        ('ERROR: no builder "gone" found', {"EXIT": "1", "BUILDX_BUILDER": "gone"}, ""),
    ],
)
def test_a_builder_that_cannot_be_used_is_reported_with_its_engine(
    environ: dict[str, str], said: str, changes: dict[str, str], words: str
) -> None:
    with pytest.raises(EngineError, match="builder") as caught:
        chosen(environ, said, DOCKER_HOST="unix:///some.sock", **changes)
    assert "unix:///some.sock (DOCKER_HOST)" in caught.value.message
    assert changes.get("BUILDX_BUILDER", "") in caught.value.message
    assert words in caught.value.cause
    assert "docker buildx ls" in caught.value.hint


def test_a_docker_command_that_cannot_be_run_is_reported_as_that(tmp_path: Path) -> None:
    command = tmp_path / "docker"
    command.write_text("no program")
    command.chmod(0o755)
    with pytest.raises(EngineError, match="whether the `docker` command has buildx") as caught:
        choose_builder({"PATH": str(tmp_path)}, "Docker")
    assert caught.value.cause
    own = choose_builder({"PATH": str(tmp_path), "DOCKER_BUILDKIT": "0"}, "Docker")
    assert not own.buildx


@pytest.mark.parametrize(
    ("builder", "engine", "is_unread"),
    [
        (Builder(), "Docker", True),
        (Builder(), "Podman", False),
        (Builder("default", "docker"), "Docker", False),
    ],
)
def test_the_ignore_file_of_one_dockerfile_is_not_read_by_docker_s_own_builder(
    builder: Builder, engine: str, *, is_unread: bool, tmp_path: Path
) -> None:
    dockerfile, file = tmp_path / "my.Dockerfile", tmp_path / "my.Dockerfile.dockerignore"
    (tmp_path / ".dockerignore").touch()
    recipe = BuildRecipe(dockerfile, tmp_path, BuildOptions())
    assert unread_dockerignore(builder, engine, recipe) is None
    file.touch()
    assert unread_dockerignore(builder, engine, recipe) == (file if is_unread else None)


def test_the_docker_command_sees_no_secret_of_lusid(tmp_path: Path) -> None:
    environ = docker(tmp_path, f"env > {tmp_path}/seen; exit 1")
    choose_builder(environ | {"FBN_PASSWORD": "hunter2-hunter2", "OTHER": "yes"}, "Docker")
    seen = (tmp_path / "seen").read_text().splitlines()
    assert "OTHER=yes" in seen
    assert "hunter2" not in str(seen)
