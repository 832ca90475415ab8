"""Tag and push with the real engine into a real registry."""

import socket
import time

import pytest
from docker import DockerClient

from lusid_image_publish.credential import Credential
from lusid_image_publish.errors import PushError
from lusid_image_publish.names import ImageReference
from lusid_image_publish.progress import Event, LayerProgress, ignore
from lusid_image_publish.redact import Secret
from lusid_image_publish.registry.push_engine import push_image
from lusid_image_publish.sources.engine_source import inspect_image
from lusid_image_publish.sources.image import LocalImage
from lusid_image_publish.waiting import Deadline
from tests.integration.parts import Job, Registry


@pytest.fixture
def image(clean_engine: DockerClient, job: Job, repository: str) -> LocalImage:
    clean_engine.images.build(path=str(job.folder), tag=f"{repository}:local")
    return inspect_image(clean_engine, f"{repository}:local", "linux/amd64")


@pytest.fixture
def target(registry: Registry, repository: str) -> ImageReference:
    return ImageReference(registry.host, f"foo/{repository}", "1.0")


def push(
    engine: DockerClient,
    image: LocalImage,
    target: ImageReference,
    registry: Registry,
    *,
    password: str = "",
    listener: object = ignore,
) -> str:
    assert callable(listener)
    return push_image(
        engine,
        image.id,
        image.platform,
        target,
        Credential(registry.username, Secret(password or registry.password)),
        deadline=Deadline(60),
        idle=30,
        listener=listener,
    )


def test_the_digest_is_the_registry_s(
    clean_engine: DockerClient, image: LocalImage, target: ImageReference, registry: Registry
) -> None:
    seen: list[Event] = []
    digest = push(clean_engine, image, target, registry, listener=seen.append)
    assert digest == registry.digest(target.path, target.tag) != ""
    assert [event for event in seen if isinstance(event, LayerProgress)]
    assert str(target) not in clean_engine.images.get(image.id).tags


def test_an_image_whose_layers_are_there_has_the_same_digest_again(
    clean_engine: DockerClient, image: LocalImage, target: ImageReference, registry: Registry
) -> None:
    first = push(clean_engine, image, target, registry)
    assert push(clean_engine, image, target, registry) == first


def test_a_wrong_password_is_a_failure(
    clean_engine: DockerClient, image: LocalImage, target: ImageReference, registry: Registry
) -> None:
    with pytest.raises(PushError) as caught:
        push(clean_engine, image, target, registry, password="wrong-password")
    assert "The credential has expired" in caught.value.cause
    assert registry.digest(target.path, target.tag) == ""
    assert str(target) not in clean_engine.images.get(image.id).tags


def test_a_registry_that_is_not_there_is_a_failure(
    clean_engine: DockerClient, image: LocalImage, registry: Registry, repository: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(PushError, match="refused"):
        push(clean_engine, image, ImageReference(f"127.0.0.1:{port}", repository, "1.0"), registry)


@pytest.fixture
def big_image(clean_engine: DockerClient, job: Job, repository: str) -> LocalImage:
    """An image that takes the engine seconds to push."""
    with (job.folder / "content").open("wb") as file, open("/dev/urandom", "rb") as noise:  # noqa: PTH123  # a device, not a path of ours
        for _ in range(200):
            file.write(noise.read(1_000_000))
    clean_engine.images.build(path=str(job.folder), tag=f"{repository}:local")
    return inspect_image(clean_engine, f"{repository}:local", "linux/amd64")


def test_ctrl_c_cancels_the_push_in_the_engine(
    clean_engine: DockerClient, big_image: LocalImage, target: ImageReference, registry: Registry
) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, LayerProgress) and event.current:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push(clean_engine, big_image, target, registry, listener=interrupt)
    assert str(target) not in clean_engine.images.get(big_image.id).tags
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:  # an engine that went on would be done by then
        assert registry.digest(target.path, target.tag) == ""
        time.sleep(0.5)
