"""Run the image of a job in the engine, in its own container."""

import logging
import re
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import docker.errors
from docker import DockerClient
from docker.models.containers import Container
from requests.exceptions import ConnectionError as NoAnswerError
from requests.exceptions import ReadTimeout

from lusid_image_publish.engine import ENGINE_FAILURES, engine_message
from lusid_image_publish.local_scheduler.catalogue import Catalogue
from lusid_image_publish.local_scheduler.job_runs import MAX_CONSOLE_BYTES, RunEnd, RunOrder
from lusid_image_publish.local_scheduler.registry_container import has_gone, own_labels, own_name

logger = logging.getLogger(__name__)

_MEMORY: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(i?)B?", re.IGNORECASE)
_CPU: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m?)")
_NANO_FACTOR: Final = 10**9
_MIN_NANO_CPU_NUMBER: Final = 10**7
"""The minimum that engines accept."""

_KILLED_CODE: Final = 137
_REPOSITORY: Final = "lusid-local-run"
_POWERS: Final = {"": 3, "K": 1, "M": 2, "G": 3, "T": 4}  # a bare number is in GiB


class ContainerRunner:
    """Runs images of `catalogue` in the engine, each in a container that is removed afterwards."""

    def __init__(self, engine: DockerClient, catalogue: Catalogue) -> None:
        self._engine = engine
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._containers: list[Container] = []
        self._is_stopped = False
        self._images = threading.Lock()
        self._brought: dict[str, str] = {}
        self._users: Counter[str] = Counter()

    def run(self, order: RunOrder, began: Callable[[], None]) -> RunEnd:
        """Run the image until it ends or its time is up. Never raises errors of the engine."""
        try:
            with self._image(order) as image, self._container(order, image) as container:
                container.start()
                if self._is_stopped:  # it was stopped while it started
                    _kill(container)
                began()
                return self._end_of(container, order)
        except ENGINE_FAILURES as error:
            if self._is_stopped:
                return RunEnd("Cancelled", "The local Scheduler was stopped.")
            return RunEnd("Failed", f"The engine could not run the image: {engine_message(error)}")

    def remove_leftovers(self) -> None:
        """Remove the images that killed Schedulers loaded for a run."""
        with suppress(*ENGINE_FAILURES):  # they do no harm
            for image in self._engine.images.list(_REPOSITORY):
                for name in image.tags:
                    owner = name.partition(":")[2].rpartition(".")[0]
                    if has_gone("/".join(owner.rsplit(".", 1)), elsewhere=False):
                        self._engine.images.remove(name)

    def stop(self) -> None:
        """Stop all runs, and start no new ones."""
        with self._lock:
            self._is_stopped = True
            containers = list(self._containers)
        for container in containers:
            _kill(container)

    def _end_of(self, container: Container, order: RunOrder) -> RunEnd:
        try:
            code = container.wait(timeout=order.ttl)["StatusCode"]
            status, message = ("Succeeded", "") if code == 0 else ("Failed", f"Exit code {code}.")
            if code == _KILLED_CODE and _ran_out_of_memory(container):
                message += " It used more memory than the job's maxMemory allows."
        except (ReadTimeout, NoAnswerError) as error:
            if "timed out" not in str(error).lower():
                raise  # the engine has gone
            _kill(container)
            status, message = "TimedOut", f"It did not finish within {order.ttl} seconds."
        if self._is_stopped:
            status, message = "Cancelled", "The local Scheduler was stopped."
        return RunEnd(status, message, _written(container))

    @contextmanager
    def _image(self, order: RunOrder) -> Iterator[str]:
        """Yield the id of the image in the engine; a loaded image is removed after its last run."""
        with self._images:
            image = self._known(order) or self._bring(order)
            self._users[image] += 1
        try:
            yield image
        finally:
            with self._images:
                self._users[image] -= 1
                if not self._users[image] and (name := self._brought.pop(image, "")):
                    with suppress(*ENGINE_FAILURES):
                        self._engine.images.remove(name)

    def _known(self, order: RunOrder) -> str:
        """Return the id of the image if the engine has it, else an empty string."""
        for known in self._catalogue.ids(order.image):
            with suppress(docker.errors.ImageNotFound):
                return str(self._engine.images.get(known).id)
        return ""

    def _bring(self, order: RunOrder) -> str:
        """Load the image into the engine, and return its id."""
        name = f"{_REPOSITORY}:{own_name().replace('/', '.')}.{uuid.uuid4().hex[:8]}"
        archive = self._catalogue.archive(order.image, name)
        blobs = archive.stream(
            lambda digest: self._catalogue.stream_blob(order.image.repository, digest)
        )
        [loaded, *_] = self._engine.images.load(blobs)  # type: ignore[arg-type]  # any iterable
        image = str(loaded.id)
        self._brought[image] = name
        return image

    @contextmanager
    def _container(self, order: RunOrder, image: str) -> Iterator[Container]:
        container = self._engine.containers.create(
            image,
            list(order.words),
            environment=dict(order.variables),
            labels=own_labels(),
            **self._limits(order),
        )
        try:
            with self._lock:
                self._containers.append(container)
                if self._is_stopped:
                    raise docker.errors.DockerException("the Scheduler is being stopped")
            yield container
        finally:
            with self._lock:
                self._containers.remove(container)
            try:
                container.remove(force=True, v=True)
            except ENGINE_FAILURES as error:
                logger.debug("a run's container: %s", engine_message(error))

    def _limits(self, order: RunOrder) -> dict[str, Any]:
        """Return the limits as arguments of docker-py; an unknown text sets none."""
        limits: dict[str, Any] = {}
        if memory := memory_bytes(order.memory):
            limits["mem_limit"] = memory
        if cpu := nano_cpus(order.cpu):
            most = int(self._engine.info().get("NCPU") or 1) * _NANO_FACTOR
            limits["nano_cpus"] = min(cpu, most)
        return limits


def memory_bytes(text: str | None) -> int:
    """Return the bytes in a text like `4`, `4Gi` or `512M`, 0 for any other."""
    found = _MEMORY.fullmatch(text or "")
    if not found:
        return 0
    unit = found[2].upper()
    base = 1000 if unit and not found[3] else 1024
    return int(float(found[1]) * base ** _POWERS[unit])


def nano_cpus(text: str | None) -> int:
    """Return the billionths of a CPU in a text like `2`, `0.5` or `500m`, 0 for any other."""
    found = _CPU.fullmatch(text or "")
    number = int(float(found[1]) * _NANO_FACTOR / (1000 if found[2] else 1)) if found else 0
    return max(number, _MIN_NANO_CPU_NUMBER) if number else 0


def _ran_out_of_memory(container: Container) -> bool:
    container.reload()
    return bool(container.attrs["State"].get("OOMKilled"))


def _kill(container: Container) -> None:
    with suppress(*ENGINE_FAILURES):  # it has already ended
        container.kill()


def _written(container: Container) -> bytes:
    """Return the end of a container's output."""
    content = bytearray()
    for part in container.logs(stream=True, follow=False, stdout=True, stderr=True):
        content += part
        del content[:-MAX_CONSOLE_BYTES]
    return bytes(content)
