"""The other tools that put an archive into a registry, as a person would run them there.

Each starts without anything that it remembers of earlier pushes, as on a new runner of a CI.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from docker import DockerClient

from benchmarks.measure import Run, measure
from lusid_image_publish.local_scheduler.server import LocalScheduler
from lusid_image_publish.registry.session import MANIFEST_TYPES
from tests.integration.cleanup import cleaned_up

_OWN_STATE = {"_CONTAINERS_ROOTLESS_UID": "1"}  # then skopeo keeps it below XDG_DATA_HOME


@dataclass(frozen=True)
class Target:
    """Where the service lets `name` be pushed, at `host` if another one stands before it."""

    reference: str
    host: str
    username: str
    password: str

    @classmethod
    def ask(cls, scheduler: LocalScheduler, name: str, host: str = "") -> "Target":
        """Ask for the upload instructions of `name`."""
        answer = httpx.post(
            f"{scheduler.url}/api/images",
            json={"imageName": name},
            headers={"Authorization": f"Bearer {scheduler.access_token.reveal()}"},
            trust_env=False,
        ).json()
        _, _, _, username, _, password, own = answer["dockerLoginCommand"].split()
        reference = answer["pushVersionedDockerImageCommand"].split()[2]
        return cls(reference.replace(own, host or own), host or own, username, password)

    def layer_bytes(self) -> int:
        """Return the size of all layers that the registry has under the name."""
        path, _, tag = self.reference.partition("/")[2].rpartition(":")
        answer = httpx.get(
            f"http://{self.host}/v2/{path}/manifests/{tag}",
            auth=(self.username, self.password),
            headers={"Accept": ", ".join(MANIFEST_TYPES)},
            trust_env=False,
        )
        return sum(layer["size"] for layer in answer.raise_for_status().json()["layers"])


def skopeo_copy(archive: Path, target: Target) -> Run:
    """Run `skopeo copy` of a Docker archive, or of an OCI layout in a folder."""
    skopeo = shutil.which("skopeo") or sys.exit("skopeo is needed to compare with.")
    kind = "oci" if archive.is_dir() else "docker-archive"
    with tempfile.TemporaryDirectory(prefix="lusid-bench-") as folder:
        environ = os.environ | _OWN_STATE | {"XDG_DATA_HOME": folder}
        command = [skopeo, "copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false"]
        command += ["--dest-creds", f"{target.username}:{target.password}"]
        return measure([*command, f"{kind}:{archive}", f"docker://{target.reference}"], environ)


@contextmanager
def loaded(engine: DockerClient, archive: Path, reference: str, label: str) -> Iterator[None]:
    """Load `archive` into the engine as `reference`, and remove it again; it has the `label`."""
    with cleaned_up(engine, label):
        with archive.open("rb") as file:
            [image] = engine.images.load(file)
        image.tag(reference)
        os.sync()
        yield


def docker_push(target: Target) -> Run:
    """Run `docker push` as the service's instructions say."""
    docker = shutil.which("docker") or sys.exit("The `docker` command is needed to compare with.")
    with tempfile.TemporaryDirectory(prefix="lusid-bench-") as folder:
        environ = os.environ | {"DOCKER_CONFIG": folder}
        login = [docker, "login", "-u", target.username, "--password-stdin", target.host]
        subprocess.run(
            login, env=environ, input=target.password, text=True, check=True, capture_output=True
        )
        return measure([docker, "push", "--quiet", target.reference], environ)
