"""What the steps of one publication share: whom they talk to, for which image, in what limits."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from typing import Literal, Self

from docker import DockerClient

from lusid_image_publish.archives.tars import LARGEST_ARCHIVE
from lusid_image_publish.config import Settings
from lusid_image_publish.errors import EngineError
from lusid_image_publish.names import ImageName
from lusid_image_publish.platforms import DEFAULT_PLATFORM
from lusid_image_publish.progress import Listener, ignore
from lusid_image_publish.scan.verdict import ScanPolicy
from lusid_image_publish.scheduler.client import ImagesClient
from lusid_image_publish.waiting import Clock, Sleep, quick_then_patient


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long things may take, in seconds, how often they are tried again, and how large they are.

    `push_timeout` bounds the push with all its retries and looks at the registry;
    `push_idle_timeout` ends an attempt in which the engine has begun to report progress and then
    stopped, or nothing of an archive moves;
    `push_retries` counts the tries after the first, for what may pass. `wait_timeout` counts from
    the end of the push, `scan_timeout` from when LUSID lists the image; `poll_interval` is the
    pause between two looks at LUSID, None for short ones at first and longer ones later.
    `max_archive_size` is how many GiB an archive may be decompressed to, and read of its layers.
    """

    push_timeout: float = 3600.0
    push_idle_timeout: float = 300.0
    push_retries: int = 3
    wait_timeout: float = 300.0
    scan_timeout: float = 600.0
    poll_interval: float | None = None
    max_archive_size: float = LARGEST_ARCHIVE / (1 << 30)

    @property
    def most_bytes(self) -> int:
        """The largest size of an archive, in bytes."""
        return int(self.max_archive_size * (1 << 30))

    def pauses(self, *, first: float, quick_for: float) -> Iterable[float]:
        """Return the pauses between two looks; without an interval, as `quick_then_patient`."""
        if self.poll_interval is None:
            return quick_then_patient(first=first, quick_for=quick_for)
        return repeat(self.poll_interval)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What to do about tags that exist, and what the scan of the image may find.

    `if_exists` is for the name itself: `verify` takes the same image for a success and another one
    for an error, `fail` takes any for an error, `skip` takes any for a success. `force` pushes over
    another image. `latest` lets the tag `latest` follow. `scan` of None does not wait for the scan.
    """

    if_exists: Literal["fail", "skip", "verify"] = "verify"
    force: bool = False
    latest: bool = False
    scan: ScanPolicy | None = field(default_factory=ScanPolicy)


@dataclass(frozen=True, kw_only=True)
class Watch:
    """One image of LUSID that is looked at, again and again, as `name`.

    Clock, sleep and `now` (which gives UTC) are parameters, so that a test can wait an hour in no
    time.
    """

    name: ImageName
    images: ImagesClient
    limits: Limits = field(default_factory=Limits)
    listener: Listener = ignore
    clock: Clock = time.monotonic
    sleep: Sleep = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Run(Watch):
    """One publication as `name`; `platform` is what the image must be for.

    `environ` is the environment of the builder and its choice. `engine` may be None for an image
    in an archive. `secrets_file` is the file that the settings were read from, if one was named: no
    build is given it.
    """

    engine: DockerClient | None
    settings: Settings
    platform: str = DEFAULT_PLATFORM
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    secrets_file: Path | None = None

    def under(self, tag: str) -> Self:
        """Return the same for another tag of the repository."""
        return replace(self, name=self.name.with_tag(tag))

    def require_engine(self) -> DockerClient:
        """Return the engine. Raises `EngineError` where there is none."""
        if self.engine is None:
            raise EngineError(
                "This image needs a Docker engine, and the run was given none.",
                hint="Give the run a client of an engine, or publish an image archive.",
            )
        return self.engine
