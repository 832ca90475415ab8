"""The registry: a `registry:2` container on 127.0.0.1 that requires a password.

Its storage is a volume: a named one is kept, with its images, when the container is removed.
"""

import logging
import os
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final, Self

import docker.errors
import httpx
from docker import DockerClient
from docker.models.containers import Container
from docker.types import Mount
from httpx_retries import Retry, RetryTransport

from lusid_image_publish.engine import ENGINE_FAILURES, engine_message
from lusid_image_publish.errors import ConfigurationError, EngineError
from lusid_image_publish.local_scheduler.htpasswd import (
    HtpasswdFile,
    RegistryUser,
    tar_file,
    tar_of,
)
from lusid_image_publish.local_scheduler.storage import (
    TagLink,
    files_of,
    links_of_domain,
    links_of_repository,
)
from lusid_image_publish.system import is_running

logger = logging.getLogger(__name__)

_LABEL: Final = "lusid-image-publish.local-scheduler"
_VOLUME_PATH: Final = "/var/lib/registry"
_STATE_PATH: Final = "scheduler"  # below the volume; the images are in `docker`
_PORT: Final = "5000/tcp"
_PID_NAMESPACE: Final = Path("/proc/self/ns/pid")
_START_SECONDS: Final = 30.0
_RETRY: Final = Retry(total=5, backoff_factor=0.01, backoff_jitter=0, status_forcelist=(400, 500))
"""A registry answers 400 while its password file is replaced, 500 while it writes a tag's link."""
_CONFIG: Final = """\
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: /var/lib/registry}
  delete: {enabled: true}
http:
  addr: :5000
  secret: %s
auth:
  htpasswd: {realm: local, path: /auth/htpasswd}
"""


class Registry:
    """A running registry; a context manager that removes the container and keeps the volume.

    Without the name of a volume it has one of its own, which is removed with the container.
    """

    def __init__(
        self, engine: DockerClient, *, image: str, volume: str, port: int, domain: str
    ) -> None:
        self._engine = engine
        self._image = image
        self._volume = volume
        self._wanted_port = port
        self._domain = domain
        self._credentials = HtpasswdFile(domain)
        self._lock = threading.Lock()
        self._container: Container | None = None
        self._own_user = self._credentials.issue(timedelta(days=3650).total_seconds())
        self.port = 0
        self.http: httpx.Client

    def __enter__(self) -> Self:
        try:
            _remove_leftovers(self._engine)
            _require_image(self._engine, self._image)
            self._start()
        except ENGINE_FAILURES as error:
            self._remove()
            raise self._not_started(engine_message(error)) from error
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self._remove()

    @property
    def host(self) -> str:
        """The host in the instructions, with its port unless that is HTTP's default."""
        return "localhost" if self.port == 80 else f"127.0.0.1:{self.port}"  # noqa: PLR2004

    def issue(self, lifetime: float) -> RegistryUser:
        """Return a new user that the registry accepts for `lifetime` seconds."""
        with self._lock:
            credential = self._credentials.issue(lifetime)
            self._credentials.drop_expired()
            self._update_registry()
        return credential

    def withdraw_expired(self) -> None:
        """Remove the expired users from the registry."""
        with self._lock:
            self._credentials.drop_expired()
            self._update_registry()

    def tags(self, repository: str) -> list[TagLink]:
        """Return the tags of a repository of the domain, none if it does not exist."""
        return links_of_repository(self._running(), f"{self._domain}/{repository}")

    def tags_by_repository(self) -> dict[str, list[TagLink]]:
        """Return the tags of each repository of the domain that has any."""
        found = links_of_domain(self._running(), self._domain)
        if found is None:
            found = {name: self.tags(name) for name in self._repositories()}
        return {name: tags for name, tags in found.items() if tags}

    def read_files(self, folder: str, name: str = "") -> dict[str, bytes]:
        """Return the existing files of a folder next to the images by name, or only `name`."""
        path = f"{_VOLUME_PATH}/{_STATE_PATH}/{folder}/{name}".rstrip("/")
        try:
            chunks, _ = self._running().get_archive(path)
        except docker.errors.NotFound:
            return {}
        return files_of(b"".join(chunks))

    def write_file(self, folder: str, name: str, content: bytes) -> None:
        """Write a file in a folder next to the images, and create the folder if needed."""
        text = content.decode()
        member = tar_file(f"{_STATE_PATH}/{folder}/{name}", text, int(time.time()))
        self._running().put_archive(_VOLUME_PATH, tar_of((member, text)))

    def _repositories(self) -> Iterator[str]:
        prefix, url = f"{self._domain}/", "/v2/_catalog?n=1000"  # registry:3 refuses more
        while url:
            answer = self.http.get(url).raise_for_status()
            for path in answer.json()["repositories"] or ():
                name = path.removeprefix(prefix)
                if path.startswith(prefix) and "/" not in name:
                    yield name
            url = answer.links.get("next", {}).get("url", "")

    def _start(self) -> None:
        self._container = self._engine.containers.create(
            self._image,
            labels=own_labels(),
            ports={_PORT: ("127.0.0.1", self._wanted_port)},
            mounts=[_storage(self._volume)],
        )
        config = _CONFIG % secrets.token_hex(32)
        self._container.put_archive(
            "/", tar_of((tar_file("etc/docker/registry/config.yml", config), config))
        )
        self._update_registry()
        self._container.start()
        self._container.reload()
        self.port = _published_port(self._container)
        without_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # no authorities to read
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            auth=httpx.BasicAuth(self._own_user.username, self._own_user.password),
            transport=RetryTransport(httpx.HTTPTransport(verify=without_tls), retry=_RETRY),
            trust_env=False,
        )
        self._wait_until_it_answers()

    def _not_started(self, words: str) -> EngineError | ConfigurationError:
        if "port is already allocated" in words or "address already in use" in words:
            return ConfigurationError(
                f"The registry cannot use port {self._wanted_port}, because it is in use.",
                cause=words,
                hint="Choose another with --registry-port; 0 uses a free port.",
            )
        return EngineError("The local Scheduler's registry did not start.", cause=words)

    def _wait_until_it_answers(self) -> None:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            try:
                if self.http.get("/v2/").is_success:
                    return
            except httpx.TransportError:
                pass  # it is still starting
            time.sleep(0.02)
        logs = self._running().logs(tail=5).decode(errors="replace")
        raise EngineError(
            f"The local Scheduler's registry does not answer at 127.0.0.1:{self.port}.",
            cause=logs.strip() or "The engine runs on another machine.",
            hint="The local Scheduler needs an engine on this machine.",
        )

    def _update_registry(self) -> None:
        if self._credentials.is_stale:
            self._running().put_archive("/", self._credentials.archive())
            self._credentials.is_stale = False

    def _running(self) -> Container:
        if self._container is None:  # pragma: no cover - used between __enter__ and __exit__ only
            raise AssertionError
        return self._container

    def _remove(self) -> None:
        if self._container:
            container, self._container = self._container, None
            try:
                container.remove(force=True, v=True)
            except docker.errors.NotFound:
                pass  # another process removed it
            except ENGINE_FAILURES as error:
                logger.warning(
                    "the registry's container was not removed: %s", engine_message(error)
                )


def own_labels() -> dict[str, str]:
    """Return the labels of this process's containers: the next process removes leftover ones."""
    return {_LABEL: own_name()}


def own_name() -> str:
    """Return the name of this process, as machine/number."""
    return f"{machine_name()}/{os.getpid()}"


def machine_name() -> str:
    """Return the name of this machine, with the namespace in which its processes are numbered.

    Containers on the host's network have the host's name, and numbers of their own.
    """
    try:
        return f"{socket.gethostname()}-{_PID_NAMESPACE.stat().st_ino}"
    except OSError:  # only Linux has it
        return socket.gethostname()


def has_gone(name: str, *, elsewhere: bool) -> bool:
    """Return whether the process of this name has ended; `elsewhere` is for other machines."""
    machine, _, process = name.rpartition("/")
    if machine != machine_name():
        return elsewhere
    return not (process.isdecimal() and is_running(int(process)))


def _storage(volume: str) -> Mount:
    """Return the mount of the named volume, or of one that goes with the container."""
    labels = None if volume else own_labels()
    return Mount(target=_VOLUME_PATH, source=volume, type="volume", labels=labels)


def _published_port(container: Container) -> int:
    bindings = container.ports.get(_PORT)
    if not bindings:
        raise EngineError("The engine did not publish the registry's port.")
    return int(bindings[0]["HostPort"])


def _remove_leftovers(engine: DockerClient) -> None:
    """Remove the containers of killed Schedulers: a running one still reads the output of jobs."""
    for container in engine.containers.list(
        all=True, filters={"label": _LABEL}, ignore_removed=True
    ):
        ended = container.status in {"exited", "dead"}
        if has_gone(container.labels[_LABEL], elsewhere=ended):
            try:
                container.remove(force=True, v=True)
            except docker.errors.APIError as error:
                if error.status_code not in {404, 409}:  # another run removes the same container
                    raise


def _require_image(engine: DockerClient, image: str) -> None:
    try:
        engine.images.get(image)
    except docker.errors.ImageNotFound:
        try:
            engine.images.pull(image)
        except ENGINE_FAILURES as error:
            raise EngineError(
                f"The image {image} of the local Scheduler's registry is not in the engine, and "
                "cannot be pulled.",
                cause=engine_message(error),
                hint="Load it with `docker load`, or name an image of a mirror with "
                "--registry-image or LUSID_LOCAL_REGISTRY_IMAGE.",
            ) from error
