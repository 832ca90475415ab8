"""What the tests leave in the engine: what they made goes, and everybody else's work stays."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker.errors
import pytest
from docker import DockerClient

from tests.integration.cleanup import cleaned_up
from tests.integration.parts import BUSYBOX, Job
from tests.integration.stage import import_image


class Somebody:
    """A person who works with the same engine."""

    def __init__(self, engine: DockerClient, folder: Path, name: str) -> None:
        self._engine = engine
        self._folder = folder
        self.name = f"{name}:1.0"
        self.images: list[str] = []

    def work(self) -> None:
        """Build an image with a name and one without."""
        for tag in (self.name, None):
            text = f"FROM {BUSYBOX}\nENV WHO={self.name} TAG={tag}\n"
            (self._folder / "Dockerfile").write_text(text)
            image, _ = self._engine.images.build(path=str(self._folder), tag=tag, rm=True)
            self.images.append(str(image.id))

    def stop(self) -> None:
        for image in self.images:
            self._engine.images.remove(image, force=True)


@pytest.fixture
def somebody(engine: DockerClient, tmp_path: Path, repository: str) -> Iterator[Somebody]:
    somebody = Somebody(engine, tmp_path, repository.replace("test", "somebody"))
    yield somebody
    somebody.stop()


def made_for(repository: str, engine: DockerClient) -> list[Any]:
    """Return the images and containers of a test's Dockerfile, whatever their names."""
    filters = {"label": f"made-for={repository}"}
    images = engine.api.images(all=True, filters=filters)
    return [*images, *engine.api.containers(all=True, filters=filters)]


def test_what_a_test_made_goes_and_what_others_made_meanwhile_stays(
    engine: DockerClient, job: Job, repository: str, somebody: Somebody
) -> None:
    own, remote = f"{repository}:local", f"127.0.0.1:1/foo/{repository}"
    with cleaned_up(engine, repository):
        somebody.work()
        start = f"FROM {BUSYBOX}\nLABEL made-for={repository}\n"
        for number in (1, 2):  # the second takes the name of the first
            job.write(f"{start}ENV NUMBER={number}\n")
            engine.images.build(path=str(job.folder), tag=own, rm=True)
        engine.api.tag(own, remote, "1.0")
        job.write(f"{start}ENV HAS=none\n")
        engine.images.build(path=str(job.folder), rm=True)
        job.write(f"{start}ENV IS=new\nRUN exit 1\n")
        with pytest.raises(docker.errors.BuildError):
            engine.images.build(path=str(job.folder), tag=own, rm=True)
        engine.containers.create(own, "nothing")
        first = import_image(engine, f"{repository}:imported", 10)
        second = import_image(engine, f"{repository}:imported", 10)
        assert made_for(repository, engine)

    assert made_for(repository, engine) == []
    for image in (own, f"{remote}:1.0", first, second):
        with pytest.raises(docker.errors.ImageNotFound):
            engine.images.get(image)
    assert [engine.images.get(image).id for image in somebody.images] == somebody.images
    assert engine.images.get(somebody.name).id == somebody.images[0]


def test_a_test_that_fails_is_cleaned_up_as_well(
    engine: DockerClient, job: Job, repository: str
) -> None:
    engine.images.build(path=str(job.folder), tag=f"{repository}:local", rm=True)
    with pytest.raises(docker.errors.ImageNotFound), cleaned_up(engine, repository):
        engine.images.get(f"{repository}:absent")
    with pytest.raises(docker.errors.ImageNotFound):
        engine.images.get(f"{repository}:local")


def test_a_name_of_somebody_elses_image_goes_but_not_the_image(
    engine: DockerClient, repository: str, somebody: Somebody
) -> None:
    somebody.work()
    with cleaned_up(engine, repository):
        engine.api.tag(somebody.name, repository, "ci")
    assert engine.images.get(somebody.images[0]).tags == [somebody.name]
