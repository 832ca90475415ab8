"""How long a job waits for the image of the action: built in the job, or pulled prebuilt.

Both are without a cache of the action's own. The registry is on this machine, so a pull takes the
time of the engine alone; the size says what a network adds. The base is a copy of the Dockerfile's,
whose layers nothing else needs, so that they can be absent.
"""

import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from docker import DockerClient

from benchmarks.action import first_request
from benchmarks.measure import Number
from tests.integration.cleanup import cleaned_up, label
from tests.integration.github_step import BASE, build_action, pull, push
from tests.integration.parts import Registry
from tests.integration.registries import running_registry

BUILDS = 3
PULLS = 5
MOST_SECONDS = 60


def action_images(engine: DockerClient) -> Iterator[Number]:
    """Measure both ways, and what follows a pull."""
    own = f"lusid-bench-{uuid.uuid4().hex[:12]}"
    with (
        tempfile.TemporaryDirectory(prefix="lusid-bench-") as folder,
        running_registry(Path(folder), is_public=True) as (find, _),
    ):
        image = f"{find().host}/{own}/action:1"
        with _copy_of_the_base(engine, own) as base:
            builds = [
                _seconds(partial(build_action, image, own, "--no-cache", base=base))
                for _ in range(BUILDS)
            ]
            reference = push(image)
            layers = len(engine.images.get(base).attrs["RootFS"]["Layers"])
            sizes = _layer_sizes(find(), reference)
            engine.images.remove(image)
            with_base = _pulls(engine, reference, len(sizes) - layers)
        with cleaned_up(engine, own):
            without_base = _pulls(engine, reference, len(sizes))
            assert pull(reference).returncode == 0
            request = first_request("pulled action: to first request", engine, reference)
    build = statistics.median(builds)
    beside = f"--no-cache, base present, packages from a near index; median of {BUILDS}"
    yield Number("action: docker build", build, "s", beside, MOST_SECONDS)
    for name, seconds, size in (
        ("action: docker pull, base present", with_base, sum(sizes[layers:])),
        ("action: docker pull, nothing present", without_base, sum(sizes)),
    ):
        beside = f"{size / 1e6:.1f} MB compressed; docker build {build:.3f} s; median of {PULLS}"
        yield Number(name, statistics.median(seconds), "s", beside, build)
    yield request


@contextmanager
def _copy_of_the_base(engine: DockerClient, own: str) -> Iterator[str]:
    """Have a copy of the base whose layers no other image has; all of `own` is removed after."""
    name = f"{own}:base"
    with cleaned_up(engine, own):
        key, _, value = label(own).partition("=")
        container = engine.api.create_container(BASE, "true", labels={key: value})["Id"]
        changes = [f"LABEL {label(own)}"]
        changes += [f"ENV {each}" for each in engine.images.get(BASE).attrs["Config"]["Env"]]
        words = ["docker", "import", *(word for each in changes for word in ("--change", each))]
        with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as export:
            subprocess.run(
                [*words, "-", name], stdin=export.stdout, stdout=subprocess.DEVNULL, check=True
            )
        yield name


def _layer_sizes(registry: Registry, reference: str) -> list[int]:
    """Return the sizes of the layers as they are sent, in bytes, those of the base first."""
    repository, _, digest = reference.partition("/")[2].partition("@")
    manifest = registry.get(f"/v2/{repository}/manifests/{digest}").json()
    return [layer["size"] for layer in manifest["layers"]]


def _pulls(engine: DockerClient, reference: str, layers: int) -> list[float]:
    """Pull so many layers of an image, again and again, and remove them each time."""
    seconds = []
    for _ in range(PULLS):
        began = time.perf_counter()
        pulled = pull(reference)
        seconds.append(time.perf_counter() - began)
        assert pulled.stdout.count("Pull complete") == layers, pulled.stdout + pulled.stderr
        engine.images.remove(reference)
    return seconds


def _seconds(do: Callable[[], object]) -> float:
    """Return how long something takes."""
    began = time.perf_counter()
    do()
    return time.perf_counter() - began
