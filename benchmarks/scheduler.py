"""The local Scheduler over a volume that fills: how long it takes with few and with many images."""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from benchmarks.measure import Number, measure
from lusid_image_publish.local_scheduler.server import LocalScheduler, LocalSchedulerSettings
from tests.integration.seeding import Seeder

SIZES = (10, 100, 300)  # repositories
TAGS = [f"1.{number}" for number in range(5)]
ROUNDS = 9
LIST_LIMIT = 0.5  # seconds
COMPLETION_LIMIT = 1.5  # seconds; a shell waits for twice as long
SLACK = 0.03  # seconds

OPERATIONS = {
    "list_repositories": "/repository",
    "list_images": "/repository/job-007",
    "get_image": "/job-007:1.0",
}


def filling_volume(volume: str) -> Iterator[Number]:
    """Yield what each operation takes at each size: the slower of the first time and the median."""
    seconds: dict[str, dict[int, float]] = {}
    for size, before in zip(SIZES, (0, *SIZES), strict=False):
        settings = LocalSchedulerSettings(volume=volume, domain="filling", scan_delay=0)
        with LocalScheduler(settings) as scheduler, Seeder(scheduler, "filling") as seeder:
            seeder.push([f"job-{number:03}" for number in range(before, size)], TAGS)
        os.sync()
        # A new one, which remembers nothing.
        with LocalScheduler(settings) as scheduler, _client(scheduler) as http:
            for name, measured in _operations(scheduler, http).items():
                first, *later = (measured() for _ in range(ROUNDS))
                taken = seconds.setdefault(name, {})
                taken[size] = max(first, statistics.median(later))
                yield Number(
                    f"{name}, {size} repositories",
                    taken[size],
                    "s",
                    f"first {first:.3f} s, then {statistics.median(later):.3f} s; of {ROUNDS}",
                    _limit(name, taken),
                )


def _limit(name: str, taken: dict[int, float]) -> float:
    if name == "completion of a name":
        return COMPLETION_LIMIT
    if name == "list_repositories":
        return LIST_LIMIT
    return 1.5 * taken[SIZES[0]] + SLACK


def _client(scheduler: LocalScheduler) -> httpx.Client:
    return httpx.Client(
        base_url=f"{scheduler.url}/api/images",
        headers={"Authorization": f"Bearer {scheduler.access_token.reveal()}"},
        timeout=60,
        trust_env=False,
    )


def _operations(scheduler: LocalScheduler, http: httpx.Client) -> dict[str, Callable[[], float]]:
    def asking(path: str) -> Callable[[], float]:
        def ask() -> float:
            began = time.perf_counter()
            http.get(path).raise_for_status()
            return time.perf_counter() - began

        return ask

    environ = os.environ | scheduler.environment()
    environ |= {"_LUSID_IMAGES_COMPLETE": "bash_complete", "COMP_WORDS": "lusid-images list job-00"}
    command = [str(Path(sys.executable).with_name("lusid-images"))]
    asked = {name: asking(path) for name, path in OPERATIONS.items()}
    return asked | {"completion of a name": lambda: measure(command, environ).seconds}
