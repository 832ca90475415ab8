"""A stage for faults: an image that nobody has pushed, and a proxy before each of the servers."""

import io
import json
import os
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from docker import DockerClient

from lusid_image_publish.local_scheduler.server import LocalScheduler
from tests.integration.cleanup import cleaned_up, label
from tests.integration.faults import Proxy, running
from tests.integration.leaks import (
    configured_secrets,
    find_secrets,
    find_secrets_below,
    passwords_in,
    poisoned_configuration,
)
from tests.integration.parts import command_environment
from tests.plain_http import HTTP


class Api:
    """The local Scheduler without a proxy: what is true."""

    def __init__(self, scheduler: LocalScheduler) -> None:
        self.scheduler = scheduler
        self._headers = {"Authorization": f"Bearer {scheduler.access_token.reveal()}"}

    def tags(self, repository: str) -> dict[str, str]:
        """Return the tags of a repository and the digests that they point to."""
        url = f"{self.scheduler.url}/api/images/repository/{repository}"
        answer = HTTP.get(url, headers=self._headers)
        images = answer.json()["values"] if answer.is_success else []
        return {tag["name"]: image["digest"] for image in images for tag in image["tags"]}

    def config_digest(self, name: str) -> str:
        """Return the digest of an image's config in the registry, empty when it is not there."""
        url = f"{self.scheduler.url}/api/images/{name}/contents"
        answer = HTTP.get(url, headers=self._headers)
        if not answer.is_success:
            return ""
        with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
            index = json.load(archive.extractfile("index.json") or io.BytesIO(b"{}"))
            digest = index["manifests"][0]["digest"].replace(":", "/")
            manifest = json.load(archive.extractfile(f"blobs/{digest}") or io.BytesIO(b"{}"))
        return str(manifest["config"]["digest"])


@dataclass
class Stage:
    """The engine has the image as `local`; `environ` lets a command publish it through proxies."""

    engine: DockerClient
    repository: str
    image_id: str
    folder: Path
    lusid: Proxy
    registry: Proxy
    environ: dict[str, str]

    @property
    def local(self) -> str:
        """The image's name in the engine."""
        return f"{self.repository}:local"

    def archive(self) -> str:
        """Save the image, and return the file's name."""
        with (self.folder / "image.tar").open("wb") as file:
            file.writelines(self.engine.api.get_image(self.image_id))
        return "image.tar"

    @property
    def name(self) -> str:
        """The name to publish it as."""
        return f"{self.repository}:1.0"

    def leaks(self, shown: str) -> list[str]:
        """Return the secrets that are in `shown`, or on disk."""
        secrets = configured_secrets(self.environ)
        secrets += passwords_in(answered.body for _, answered in self.lusid.answered)
        return find_secrets(shown, secrets) + find_secrets_below(self.folder, secrets)


@contextmanager
def staged(
    engine: DockerClient, scheduler: LocalScheduler, folder: Path, *, size: int = 100_000
) -> Iterator[Stage]:
    """Set a stage before `scheduler`; the image is of so many bytes."""
    repository = f"test-{uuid.uuid4().hex[:12]}"
    folder = folder / repository
    folder.mkdir()
    registry = Proxy(lambda: scheduler.registry_host)
    lusid = Proxy(lambda: scheduler.url.split("/")[2])
    lusid.rewrites = {scheduler.registry_host.encode(): registry.host.encode()}
    environ = command_environment(
        **scheduler.environment(),
        HOME=str(folder),
        TMPDIR=str(folder),
        DOCKER_CONFIG=str(poisoned_configuration(folder, registry.host)),
    )
    environ["FBN_SCHEDULER_URL"] = f"http://{lusid.host}/scheduler2"
    with cleaned_up(engine, repository):
        image_id = import_image(engine, f"{repository}:local", size)
        with running(registry), running(lusid):
            yield Stage(engine, repository, image_id, folder, lusid, registry, environ)


def import_image(engine: DockerClient, name: str, size: int) -> str:
    """Have an image of so many random bytes in the engine; return its id.

    Its repository is the test's own.
    """
    content = os.urandom(size)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("content")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    repository, _, tag = name.partition(":")
    engine.api.import_image_from_data(
        buffer.getvalue(), repository=repository, tag=tag, changes=[f"LABEL {label(repository)}"]
    )
    return str(engine.images.get(name).id)
