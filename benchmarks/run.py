"""The numbers of this package, each in one run beside what it is compared with.

`make bench` runs it with the real engine, a local Scheduler and its registry. It builds images of
random bytes, a new one for each measurement, because an engine remembers what it pushed where.
"""

import filecmp
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
from docker import DockerClient

from benchmarks.action import action_overhead
from benchmarks.action_image import action_images
from benchmarks.archives import archive_numbers
from benchmarks.measure import Number, measure
from benchmarks.peers import Target, docker_push
from benchmarks.scheduler import filling_volume
from lusid_image_publish.engine import connect
from lusid_image_publish.local_scheduler.server import LocalScheduler, LocalSchedulerSettings
from lusid_image_publish.reports.formats import FORMATS
from lusid_image_publish.scan.verdict import ScanPolicy
from tests.faults import Fault
from tests.integration.cleanup import cleaned_up, labelled
from tests.integration.faults import Proxy, running
from tests.unit.reports.contents import many, published, scanned

MEGABYTES = 300
DOWNLOADED = 1000  # megabytes
LAYERS = 3
ROUNDS = 5
FINDINGS = 50_000
HIDDEN_FOR = 3.1  # seconds between the push and the moment at which the image is shown
OWN = f"lusid-bench-{uuid.uuid4().hex[:12]}"  # in the names of all images of this run; its volume
PUBLISH = [sys.executable, "-m", "lusid_image_publish.cli.publish"]
IMAGES = [sys.executable, "-m", "lusid_image_publish.cli.images"]
ROOT = Path(__file__).parents[1]
SDK = "lusid-scheduler-sdk==2.1.136"  # FINBOURNE's last one that downloads
SDK_DOWNLOAD = """
import sys
from lusid_scheduler.api.images_api import ImagesApi
from lusid_scheduler.extensions.api_client_factory import SyncApiClientFactory
with SyncApiClientFactory() as factory, open(sys.argv[2], "wb") as file:
    file.write(factory.build(ImagesApi).download_image(sys.argv[1]))
"""


def start_up() -> Number:
    """`lusid-publish --help` beside a bare interpreter; medians of 20 runs each, in turn."""
    environ = dict(os.environ)
    command = [str(Path(sys.executable).with_name("lusid-publish")), "--help"]
    bare, helped = [], []
    for _ in range(20):
        bare.append(measure([sys.executable, "-c", "pass"], environ).seconds)
        helped.append(measure(command, environ).seconds)
    python = statistics.median(bare)
    return Number(
        "lusid-publish --help",
        statistics.median(helped),
        "s",
        f"bare interpreter {python:.3f} s, times 8",
        8 * python,
    )


def imports(sdk: str) -> Number:
    """`import` the client beside httpx and pydantic; medians of 20 runs each, in turn."""
    environ = dict(os.environ)
    codes = {
        "ours": [sys.executable, "-c", "import lusid_image_publish as p; p.ImagesClient"],
        "base": [sys.executable, "-c", "import httpx, pydantic"],
        "sdk": [sdk, "-c", "import lusid_scheduler.api.images_api"],
    }
    runs: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(20):
        for name, code in codes.items():
            runs[name].append(measure(code, environ).seconds)
    median = {name: statistics.median(seconds) for name, seconds in runs.items()}
    return Number(
        "import ImagesClient",
        median["ours"],
        "s",
        f"httpx and pydantic {median['base']:.3f} s, times 1.3; the SDK {median['sdk']:.3f} s",
        1.3 * median["base"],
    )


@contextmanager
def random_image(engine: DockerClient, tag: str, megabytes: int = MEGABYTES) -> Iterator[str]:
    """Build an image of so many random megabytes in `LAYERS` layers, and remove it again."""
    with cleaned_up(engine, OWN):
        with tempfile.TemporaryDirectory(prefix="lusid-bench-") as folder:
            lines = ["FROM scratch"]
            for layer in range(LAYERS):
                with Path(folder, f"layer{layer}").open("wb") as file:
                    file.writelines(os.urandom(1_000_000) for _ in range(megabytes // LAYERS))
                lines.append(f"COPY layer{layer} /")
            Path(folder, "Dockerfile").write_text(labelled("\n".join(lines), OWN))
            engine.images.build(path=folder, tag=tag, rm=True, forcerm=True)
        os.sync()  # or what was just written would be flushed while the push is measured
        yield tag


def pushes(engine: DockerClient, scheduler: LocalScheduler) -> list[Number]:
    """Publish and `docker push` in turn, each of a new image into a new repository."""
    environ = os.environ | scheduler.environment()
    theirs, ours = [], []
    for number in range(ROUNDS):
        target = Target.ask(scheduler, f"{OWN}-docker-{number}:1")
        with random_image(engine, target.reference):
            theirs.append(docker_push(target))
        with random_image(engine, f"{OWN}:{number}") as tag:
            ours.append(measure([*PUBLISH, tag, f"bench-publish-{number}:1"], environ))
    docker = statistics.median(run.seconds for run in theirs)
    peak = max(run.megabytes for run in ours)
    return [
        Number(
            f"publish {MEGABYTES} MB",
            statistics.median(run.seconds for run in ours),
            "s",
            f"docker push {docker:.3f} s, times 1.05 plus 1 s; medians of {ROUNDS}",
            1.05 * docker + 1,
        ),
        Number(f"peak memory, {MEGABYTES} MB", peak, "MB", "", 120),
    ]


def again(engine: DockerClient, scheduler: LocalScheduler) -> list[Number]:
    """Publish the same image twice, the first time with a reset right before its end.

    A proxy before the registry counts the bytes that the engine sends.
    """
    registry = Proxy(lambda: scheduler.registry_host)
    lusid = Proxy(lambda: scheduler.url.split("/")[2])
    lusid.rewrites = {scheduler.registry_host.encode(): registry.host.encode()}
    registry.fault = Fault.RESET
    registry.at = lambda asked, _: asked.method == "PUT" and "/manifests/" in asked.path

    def sent() -> float:
        return sum(len(asked.body) for asked, _ in registry.answered) / 1e6

    environ = os.environ | scheduler.environment()
    environ["FBN_SCHEDULER_URL"] = f"http://{lusid.host}/scheduler2"
    with running(registry), running(lusid), random_image(engine, f"{OWN}:again") as tag:
        measure([*PUBLISH, tag, "bench-again:1"], environ)
        first = sent()
        runs = [measure([*PUBLISH, tag, "bench-again:1"], environ) for _ in range(ROUNDS)]
    return [
        Number(
            f"sent of {MEGABYTES} MB, with a retry",
            first,
            "MB",
            "a reset right before the end; times 1.02",
            1.02 * MEGABYTES,
        ),
        Number(
            f"unchanged re-run, {MEGABYTES} MB",
            max(run.seconds for run in runs),
            "s",
            f"worst of {ROUNDS}; it sent {sent() - first:.3f} MB",
            2,
        ),
    ]


def local_memory(engine: DockerClient) -> Number:
    """Measure the peak memory of a publication with the Scheduler in the same process."""
    environ = os.environ | {"LUSID_LOCAL_VOLUME": OWN}
    with random_image(engine, f"{OWN}:local") as tag:
        run = measure([*PUBLISH, "--local", tag, "bench-local:1"], environ)
    return Number("peak memory with --local", run.megabytes, "MB", "", 120)


def downloads(engine: DockerClient, scheduler: LocalScheduler, sdk: str) -> list[Number]:
    """Measure the download of one large image, by us and by FINBOURNE's SDK."""
    environ = os.environ | scheduler.environment()
    name = "bench-download:1"
    with random_image(engine, f"{OWN}:download", DOWNLOADED) as tag:
        measure([*PUBLISH, tag, name], environ)
    with tempfile.TemporaryDirectory(prefix="lusid-bench-") as folder:
        os.sync()
        ours = measure([*IMAGES, "download", name, "-o", f"{folder}/ours.tar"], environ)
        os.sync()
        theirs = measure([sdk, "-c", SDK_DOWNLOAD, name, f"{folder}/theirs.tar"], environ)
        if not filecmp.cmp(f"{folder}/ours.tar", f"{folder}/theirs.tar", shallow=False):
            sys.exit("The two downloads differ.")
    return [
        Number(
            f"peak memory, download {DOWNLOADED} MB",
            ours.megabytes,
            "MB",
            f"the SDK {theirs.megabytes:.0f} MB",
            100,
        ),
        Number(
            f"download {DOWNLOADED} MB, checked",
            ours.seconds,
            "s",
            f"the SDK {theirs.seconds:.1f} s, without checks or fsync; times 2",
            2 * theirs.seconds,
        ),
    ]


class HidingProxy(ThreadingHTTPServer):
    """Stands before a Scheduler and shows an image `HIDDEN_FOR` seconds after it is there."""

    def __init__(self, scheduler: LocalScheduler) -> None:
        super().__init__(("127.0.0.1", 0), _Forward)
        self.upstream = scheduler.url.removesuffix("/scheduler2")
        self.shown_at = 0.0

    def is_hidden(self) -> bool:
        """Return whether an image that is there is not shown yet."""
        self.shown_at = self.shown_at or time.monotonic() + HIDDEN_FOR
        return time.monotonic() < self.shown_at


class _Forward(BaseHTTPRequestHandler):
    server: HidingProxy

    def do_GET(self) -> None:
        self._forward()

    def do_POST(self) -> None:
        self._forward()

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
        request = urllib.request.Request(  # noqa: S310  # the URL is the local Scheduler's
            self.server.upstream + self.path, data=body, method=self.command
        )
        for name in ("Authorization", "Content-Type"):
            if self.headers.get(name):
                request.add_header(name, self.headers[name])
        try:
            with urllib.request.urlopen(request) as answer:  # noqa: S310
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        if self.command == "GET" and status == httpx.codes.OK and self.server.is_hidden():
            status, content = httpx.codes.NOT_FOUND, b"{}"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def after_appearance(scheduler: LocalScheduler) -> Number:
    """How long `publish` goes on after the image is shown: the worst of a few runs."""
    waits = []
    for number in range(ROUNDS):
        with HidingProxy(scheduler) as proxy:
            threading.Thread(target=proxy.serve_forever, daemon=True).start()
            environ = os.environ | scheduler.environment()
            environ["FBN_SCHEDULER_URL"] = f"http://127.0.0.1:{proxy.server_port}/scheduler2"
            measure([*PUBLISH, "busybox:1.37", f"bench-appears:{number}"], environ)
            waits.append(time.monotonic() - proxy.shown_at)
            proxy.shutdown()
    return Number("end after the image appears", max(waits), "s", f"worst of {ROUNDS}", 0.5)


def after_scan(engine: DockerClient) -> Number:
    """How long `publish` goes on after the scan is done: the worst of a few runs."""
    waits = []
    settings = LocalSchedulerSettings(volume=OWN, scan_delay=HIDDEN_FOR)
    with LocalScheduler(settings) as scheduler:
        environ = os.environ | scheduler.environment()
        headers = {"Authorization": f"Bearer {scheduler.access_token.reveal()}"}
        for number in range(ROUNDS):
            name = f"bench-scanned:{number}"
            with random_image(engine, f"{OWN}:scanned", 1) as tag:
                measure([*PUBLISH, tag, name], environ)
                ended = datetime.now(UTC)
            answer = httpx.get(f"{scheduler.url}/api/images/{name}", headers=headers)
            pushed = datetime.fromisoformat(answer.json()["pushTime"])
            waits.append((ended - pushed).total_seconds() - HIDDEN_FOR)
    return Number("end after the scan is done", max(waits), "s", f"worst of {ROUNDS}", 0.8)


def reports() -> Iterator[Number]:
    """How long each report takes of a scan that found very much, and how large it gets."""
    content = published(scanned(many(FINDINGS), ScanPolicy()))
    for form in FORMATS.values():
        began = time.perf_counter()
        text = form.render(content)
        seconds = time.perf_counter() - began
        size = len(text.encode()) / 1e6
        yield Number(f"{form.name} report, {FINDINGS} findings", seconds, "s", f"{size:.1f} MB", 10)


def main() -> int:
    """Print each number as it comes; return 1 when one is over its limit."""
    numbers: list[Number] = []

    def show(*found: Number) -> None:
        numbers.extend(found)
        for number in found:
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()

    making = subprocess.run(
        [ROOT / ".ci" / "sdk", SDK], stdout=subprocess.PIPE, text=True, check=True
    )
    sdk = making.stdout.strip()
    engine = connect()
    engine.volumes.create(OWN)
    try:
        show(start_up(), imports(sdk), action_overhead(engine), local_memory(engine))
        for number in action_images(engine):
            show(number)
        show(after_scan(engine))
        for number in filling_volume(OWN):
            show(number)
        with LocalScheduler(LocalSchedulerSettings(volume=OWN, scan_delay=0)) as scheduler:
            show(*pushes(engine, scheduler))
            for number in archive_numbers(engine, scheduler, OWN):
                show(number)
            show(after_appearance(scheduler))
            show(*downloads(engine, scheduler, sdk))
            # The last: a child's peak memory counts from its parent's, and the proxy keeps bodies.
            show(*again(engine, scheduler))
        show(*reports())
    finally:
        engine.volumes.get(OWN).remove(force=True)
        engine.close()
    return 0 if all(number.is_met for number in numbers) else 1


if __name__ == "__main__":
    sys.exit(main())
