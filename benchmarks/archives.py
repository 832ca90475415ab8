"""Publishing an archive beside the other tools that put one into a registry.

Whole processes, each into a new repository and without anything remembered of earlier pushes, in
turn, so that all meet the same machine; medians of `ROUNDS`.
"""

import os
import statistics
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from docker import DockerClient

from benchmarks.made_archives import (
    docker_archive,
    empty_layer,
    oci_layout,
    random_layer,
    real_layers,
)
from benchmarks.measure import Number, Run, measure
from benchmarks.peers import Target, docker_push, loaded, skopeo_copy
from benchmarks.slow_link import slow_link
from lusid_image_publish.local_scheduler.server import LocalScheduler
from tests.integration.faults import Proxy, running

ROUNDS = 5
MEGABYTES = 300
LINK = 100_000_000  # bits a second
SIZES = (10, 30, 100, 300, 600)  # megabytes, of the plot
PUBLISH = [sys.executable, "-m", "lusid_image_publish.cli.publish", "--wait-for", "visible"]

Times = dict[str, dict[int, float]]
"""Seconds of each tool, by megabytes."""


@dataclass
class ArchiveBench:
    """Archives in `folder`, published to `scheduler`; `own` is in the names of all images."""

    engine: DockerClient
    scheduler: LocalScheduler
    folder: Path
    own: str

    def ours(self, archive: Path, name: str = "", *, host: str = "") -> Run:
        """Publish `archive` as `name`, by default in a new repository."""
        name = name or self._new_name()
        if not host:
            return measure([*PUBLISH, str(archive), name], self._environ())
        lusid = Proxy(lambda: self.scheduler.url.split("/")[2])
        lusid.rewrites = {self.scheduler.registry_host.encode(): host.encode()}
        with running(lusid):
            environ = self._environ() | {"FBN_SCHEDULER_URL": f"http://{lusid.host}/scheduler2"}
            return measure([*PUBLISH, str(archive), name], environ)

    def skopeo(self, archive: Path, name: str = "", *, host: str = "") -> Run:
        """Copy `archive` with skopeo."""
        return skopeo_copy(archive, Target.ask(self.scheduler, name or self._new_name(), host))

    def docker(self, archive: Path) -> tuple[Run, int]:
        """Push the image of `archive` with Docker, and return the bytes of its layers as well."""
        target = Target.ask(self.scheduler, self._new_name())
        with loaded(self.engine, archive, target.reference, self.own):
            return docker_push(target), target.layer_bytes()

    def sent(self, archive: Path) -> int:
        """Return the bytes of all layers that a publication makes of `archive`."""
        name = self._new_name()
        self.ours(archive, name)
        # LUSID gives no credential for a tag that exists; that of another one is as good.
        target = Target.ask(self.scheduler, name.replace(":1", ":other"))
        reference = target.reference.replace(":other", ":1")
        return replace(target, reference=reference).layer_bytes()

    def numbers(self) -> Iterator[Number]:
        """Yield the numbers of the table."""
        one = self._archive("one", real_layers(self.folder, MEGABYTES))
        yield self._beside("one layer", one, 0.75)
        yield self._bytes(one)
        yield self._through_a_link(one)
        layers = real_layers(self.folder, MEGABYTES, 8)
        yield self._beside("8 layers", self._archive("eight", layers), 0.7)
        layout = oci_layout(self.folder / "layout", real_layers(self.folder, 320, 8))
        yield self._beside("OCI layout of 100 MB, compressed", layout, 0.8)
        yield self._changed()
        yield from self._fixed(one)
        yield from self._mixed(one)

    def plot(self) -> Times:
        """Return the seconds of each tool at each of `SIZES`, medians of 3; of Docker, of 1."""
        times: Times = {"lusid-publish": {}, "skopeo copy": {}, "docker push": {}}
        for size in SIZES:
            archive = self._archive(f"plot-{size}", real_layers(self.folder, size))
            ours, theirs = self._in_turn(archive, 3)
            times["lusid-publish"][size], times["skopeo copy"][size] = ours, theirs
            times["docker push"][size] = self.docker(archive)[0].seconds
            archive.unlink()
        return times

    def _beside(self, what: str, archive: Path, share: float) -> Number:
        ours, theirs = self._in_turn(archive, ROUNDS)
        return _share(f"archive, {what}", ours, theirs, share)

    def _in_turn(self, archive: Path, rounds: int, host: str = "") -> tuple[float, float]:
        """Return our median and skopeo's."""
        ours, theirs = [], []
        for _ in range(rounds):
            theirs.append(self.skopeo(archive, host=host).seconds)
            ours.append(self.ours(archive, host=host).seconds)
        return statistics.median(ours), statistics.median(theirs)

    def _bytes(self, archive: Path) -> Number:
        run, theirs = self.docker(archive)
        ours = self.sent(archive)
        beside = f"docker push {theirs / 1e6:.1f} MB, in {run.seconds:.1f} s"
        return Number(
            "archive, bytes of one layer", ours / 1e6, "MB", beside, theirs / 1e6, ours / theirs
        )

    def _through_a_link(self, archive: Path) -> Number:
        with slow_link(self.scheduler.registry_host, LINK) as host:
            ours, theirs = self._in_turn(archive, 3, host)
        return _share(f"archive, {LINK // 1_000_000} Mbit/s", ours, theirs, 1.0)

    def _changed(self) -> Number:
        """Publish an image of which one layer of two is in the repository."""
        [large] = real_layers(self.folder, MEGABYTES)
        runs: list[tuple[float, ...]] = []
        for _ in range(ROUNDS):
            seconds = []
            for publish in (self.skopeo, self.ours):
                name = self._new_name()
                for tag in ("1", "2"):
                    small = random_layer(self.folder, 5)
                    archive = self._archive("changed", [large, small])
                    run = publish(archive, name.replace(":1", f":{tag}"))
                seconds.append(run.seconds)
            runs.append(tuple(seconds))
        theirs, ours = map(statistics.median, zip(*runs, strict=True))
        return _share("archive, 5 MB of 305 changed", ours, theirs, 0.3)

    def _fixed(self, one: Path) -> Iterator[Number]:
        """Yield what a publication takes beside the push, and when nothing is to be done."""
        tiny = self._archive("tiny", real_layers(self.folder, 1))
        ours, theirs = self._in_turn(tiny, 2 * ROUNDS)
        yield Number(
            "archive, fixed cost",
            ours - theirs,
            "s",
            f"1 MB: {ours:.3f} s, skopeo {theirs:.3f} s",
            0.6,
        )
        name = self._new_name()
        self.ours(one, name)
        again = statistics.median(self.ours(one, name).seconds for _ in range(2 * ROUNDS))
        yield Number("archive, unchanged re-run", again, "s", f"{MEGABYTES} MB", 0.6)

    def _mixed(self, one: Path) -> Iterator[Number]:
        """Yield memory, and time in proportion, of a large image of layers of all kinds."""
        layers = [
            *real_layers(self.folder, 700, 4),
            random_layer(self.folder, 150),
            empty_layer(self.folder, 150),
        ]
        large = self._archive("mixed", layers)
        runs, small = [], []
        for _ in range(3):
            small.append(self.ours(one).seconds / MEGABYTES)
            runs.append(self.ours(large))
        yield Number("archive of 1 GB, peak memory", max(r.megabytes for r in runs), "MB", "", 130)
        per_gigabyte = statistics.median(run.seconds for run in runs)
        beside = 1000 * statistics.median(small)
        yield _share("archive of 1 GB, mixed", per_gigabyte, beside, 1.1, f"{MEGABYTES} MB a byte")

    def _archive(self, name: str, layers: list[Path]) -> Path:
        return docker_archive(self.folder / f"{name}.tar", layers)

    def _new_name(self) -> str:
        return f"{self.own}-{uuid.uuid4().hex[:8]}:1"

    def _environ(self) -> dict[str, str]:
        return os.environ | self.scheduler.environment()


def _share(
    name: str, ours: float, theirs: float, share: float, beside: str = "skopeo copy"
) -> Number:
    text = f"{beside} {theirs:.3f} s, times {share:g}; it is {ours / theirs:.2f}"
    return Number(name, ours, "s", text, share * theirs, ours / theirs)


def archive_numbers(engine: DockerClient, scheduler: LocalScheduler, own: str) -> Iterator[Number]:
    """Yield what publishing an archive takes, beside its peers."""
    with tempfile.TemporaryDirectory(prefix="lusid-bench-") as folder:
        yield from ArchiveBench(engine, scheduler, Path(folder), own).numbers()
