"""Builds with both builders: the same options, the same result, the same failures."""

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import docker.errors
import pytest
from docker import DockerClient

from lusid_image_publish.errors import BuildError
from lusid_image_publish.progress import BuildOutput, Event
from lusid_image_publish.sources import builder as builders
from lusid_image_publish.sources.build import build_image
from lusid_image_publish.sources.build_recipe import BuildOptions
from lusid_image_publish.sources.dockerfile_source import DockerfileSource
from lusid_image_publish.sources.find_source import find_source
from lusid_image_publish.sources.image import LocalImage
from lusid_image_publish.sources.source import ImageRequest
from tests.integration.cleanup import label, labelled
from tests.integration.parts import BUSYBOX, Job, command_environment


class Builder:
    """One of the two builders, with the engine and a place for the image's name."""

    def __init__(self, engine: DockerClient, chosen: builders.Builder, tag: str) -> None:
        self.engine = engine
        self.chosen = chosen
        self.tag = tag
        self.output: list[str] = []

    def listen(self, event: Event) -> None:
        assert isinstance(event, BuildOutput)
        self.output.append(event.line)

    def build(
        self,
        folder: Path,
        options: BuildOptions | None = None,
        *,
        platform: str = "linux/amd64",
        environ: Mapping[str, str] | None = None,
    ) -> LocalImage:
        source = find_source(str(folder), options)
        assert isinstance(source, DockerfileSource)
        request = ImageRequest(
            name=self.tag,
            platform=platform,
            engine=self.engine,
            environ=environ or command_environment(),
            listener=self.listen,
        )
        return build_image(source, self.chosen, request)

    def config(self) -> dict[str, object]:
        config = self.engine.images.get(self.tag).attrs["Config"]
        assert isinstance(config, dict)
        return config


def chosen(**changes: str) -> builders.Builder:
    return builders.choose_builder(command_environment(**changes), "Docker")


@pytest.fixture(params=["1", "0"], ids=["buildkit", "classic"])
def builder(request: pytest.FixtureRequest, clean_engine: DockerClient, repository: str) -> Builder:
    return Builder(clean_engine, chosen(DOCKER_BUILDKIT=request.param), f"{repository}:1.0")


def test_buildx_is_there_and_chosen_unless_it_is_switched_off() -> None:
    assert (chosen().buildx, chosen().driver) == ("default", "docker")
    assert not chosen(DOCKER_BUILDKIT="0").buildx


def test_without_the_plugin_or_the_command_the_engine_builds(tmp_path: Path) -> None:
    assert not chosen(PATH=str(tmp_path)).buildx
    docker_command = tmp_path / "docker"
    docker_command.write_text("#!/bin/sh\nexit 1\n")
    docker_command.chmod(0o755)
    assert not chosen(PATH=str(tmp_path)).buildx


def test_the_image_is_in_the_engine_under_its_name(builder: Builder, job: Job) -> None:
    image = builder.build(job.folder)
    assert builder.engine.images.get(builder.tag).id == image.id
    assert image.platform == "linux/amd64"
    assert builder.output


def test_build_options_reach_the_builder(builder: Builder, job: Job) -> None:
    job.write(
        f"FROM {BUSYBOX} AS first\nARG GIVEN\nARG TAKEN\nENV SEEN=$GIVEN-$TAKEN\nCOPY content /\n"
        "FROM first AS second\nENV SECOND=yes\n"
    )
    options = BuildOptions(
        build_args={"GIVEN": "a b=c", "TAKEN": None, "ABSENT": None},
        labels={"team": "quant desk"},
        target="first",
    )
    builder.build(job.folder, options, environ=command_environment(TAKEN="from outside"))
    config = builder.config()
    assert "SEEN=a b=c-from outside" in str(config["Env"])
    assert "SECOND" not in str(config["Env"])
    assert {"team": "quant desk"}.items() <= dict(config["Labels"]).items()  # type: ignore[call-overload]  # a JSON object


def test_the_context_may_be_elsewhere_and_ignores_what_it_says(
    builder: Builder, job: Job, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "docker" / "job.Dockerfile"
    elsewhere.parent.mkdir()
    text = f"FROM {BUSYBOX}\nCOPY . /job\nRUN ls /job > /seen && cat /seen >&2\n"
    elsewhere.write_text(labelled(text, job.own))
    (job.folder / ".dockerignore").write_text("Dockerfile\n.dockerignore\nsecret*\n")
    (job.folder / "secret.txt").write_text("x")
    builder.build(elsewhere, BuildOptions(context=job.folder, no_cache=True))
    text = "\n".join(builder.output)
    assert "content" in text
    assert "secret.txt" not in text


def test_no_cache_runs_every_step_again(builder: Builder, job: Job) -> None:
    job.write(f"FROM {BUSYBOX}\nCOPY content /\nRUN cat /proc/sys/kernel/random/uuid > /random\n")
    first = builder.build(job.folder)
    assert builder.build(job.folder).id == first.id
    assert builder.build(job.folder, BuildOptions(no_cache=True)).id != first.id


FAILING = {
    "a step fails": (f"FROM {BUSYBOX}\nRUN echo about to fail && exit 7\n", "about to fail"),
    "nothing to copy": ("FROM scratch\nCOPY absent /\n", "absent"),
    "syntax": ("FROM scratch\nCOPI content /\n", "COPI"),
    "no base image": ("FROM localhost:1/no/such:image\n", "localhost:1"),
    "no such stage": ("FROM nowhere.invalid/x:1 AS a\n", "nowhere.invalid"),
}


@pytest.mark.parametrize(("dockerfile", "words"), FAILING.values(), ids=FAILING.keys())
def test_a_failing_build_is_reported_with_its_log(
    builder: Builder, job: Job, dockerfile: str, words: str
) -> None:
    job.write(dockerfile)
    with pytest.raises(BuildError) as caught:
        builder.build(job.folder)
    assert words in "\n".join([*caught.value.log, caught.value.cause])
    assert caught.value.hint
    with pytest.raises(docker.errors.ImageNotFound):
        builder.engine.images.get(builder.tag)


def test_an_unknown_target_is_told(builder: Builder, job: Job) -> None:
    with pytest.raises(BuildError, match="failed"):
        builder.build(job.folder, BuildOptions(target="absent"))


def test_a_foreign_platform_is_what_comes_out(builder: Builder, job: Job) -> None:
    # A label before the first layer has the wrong platform for Docker 20.10's classic builder.
    (job.folder / "Dockerfile").write_text(
        f"FROM scratch\nCOPY content /\nLABEL {label(job.own)}\n"
    )
    builder.build(job.folder)
    image = builder.build(job.folder, platform="linux/arm64")
    assert image.platform == "linux/arm64"


def test_ctrl_c_ends_the_build_in_the_engine(builder: Builder, job: Job) -> None:
    sleeper = f"60{os.getpid()}"
    job.write(f"FROM {BUSYBOX}\nRUN echo now-sleeping && sleep {sleeper}\n")

    def interrupt(event: Event) -> None:
        builder.listen(event)
        if builder.output[-1].endswith("now-sleeping") and "RUN" not in builder.output[-1]:
            raise KeyboardInterrupt

    source = find_source(str(job.folder), BuildOptions(no_cache=True))
    assert isinstance(source, DockerfileSource)
    request = ImageRequest(
        name=builder.tag,
        engine=builder.engine,
        environ=command_environment(),
        listener=interrupt,
    )
    with pytest.raises(KeyboardInterrupt):
        build_image(source, builder.chosen, request)
    deadline = time.monotonic() + 30
    while subprocess.run(["pgrep", "-f", f"sleep {sleeper}"], check=False).returncode == 0:
        assert time.monotonic() < deadline, "the build goes on in the engine"
        time.sleep(0.2)
