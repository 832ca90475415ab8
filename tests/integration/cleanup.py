"""Removing from an engine what a test made there, and nothing else.

A person works with the same engine, and so may another run of the tests. What a test made is
therefore known by its `own` word, which no other test has, and never by when it appeared:

* a name contains the word;
* what has no name has it as a label: what a failed build leaves, and an image whose name another
  one took. A container has the labels of its image.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

import docker.errors
import httpx
from docker import DockerClient

_FROM: Final = re.compile(r"^FROM .*$", re.MULTILINE)


def label(own: str) -> str:
    """Return the label of all that the test makes, for a filter or a Dockerfile's `LABEL`."""
    return f"lusid-image-publish.tests={own}"


def labelled(dockerfile: str, own: str) -> str:
    """Return the Dockerfile with the label in each stage, from its start: a step may fail."""
    return _FROM.sub(rf"\g<0>\nLABEL {label(own)}", dockerfile)


def images_without_other_tests(engine: DockerClient, own: str) -> list[str]:
    """Return the ids of all images but those of other tests, which run at the same time."""
    key, _, _ = label(own).partition("=")
    return sorted(
        str(image["Id"])
        for image in engine.api.images()  # engine.images.list() inspects each, and one may go
        if (image["Labels"] or {}).get(key, own) == own
        and not (
            (tags := _names(image, "RepoTags"))
            and all("test-" in tag and own not in tag for tag in tags)
        )
    )


@contextmanager
def cleaned_up(engine: DockerClient, own: str) -> Iterator[None]:
    """Remove in the end what has `own` in a name or as its label.

    Names go, and an image with them when it was the last. Images that have other names stay.
    """
    try:
        yield
    finally:
        filters = {"label": label(own)}
        for container in engine.api.containers(all=True, filters=filters):
            _remove_container(engine, container["Id"])
        for image in engine.api.images():
            for name in (*_names(image, "RepoTags"), *_names(image, "RepoDigests")):
                if own in name:
                    _remove_image(engine, name)
        for image in engine.api.images(filters=filters):
            if not _names(image, "RepoTags"):
                _remove_image(engine, image["Id"])


def _names(image: Mapping[str, list[str] | None], key: str) -> list[str]:
    """Return names of an image as the engine lists it, where "<none>" stands for none."""
    return [name for name in image.get(key) or () if not name.startswith("<none>")]


def _remove_container(engine: DockerClient, container: str) -> None:
    with suppress(docker.errors.NotFound):
        try:
            engine.api.remove_container(container, force=True, v=True)
        except docker.errors.APIError as error:
            if error.status_code != httpx.codes.CONFLICT:
                raise
            # The engine is removing it already, after a build that was cancelled.
            engine.api.wait(container, timeout=60, condition="removed")


def _remove_image(engine: DockerClient, image: str) -> None:
    # It went together with another; Podman says so in words that docker-py takes for less.
    with suppress(docker.errors.NotFound):
        engine.api.remove_image(image, force=True)
