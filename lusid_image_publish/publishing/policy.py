"""Policy and Limits: what a publication may do, and how long it may take. Values alone."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import repeat
from typing import Literal

from lusid_image_publish.scan.verdict import ScanPolicy
from lusid_image_publish.waiting import quick_then_patient


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long things may take, in seconds, how often they are retried, and how large they are.

    `push_timeout` bounds the push with all its retries and looks at the registry;
    `push_idle_timeout` ends an attempt in which the engine has begun to report progress and then
    stopped, or nothing of an archive moves; `push_retries` counts the retries after a temporary
    failure. `wait_timeout` counts from the end of the push, `scan_timeout` from when LUSID lists
    the image; `poll_interval` is the pause between two looks at LUSID, None for short ones at first
    and longer ones later. `max_archive_size` is how many GiB an archive may be decompressed to, and
    read of its layers.
    """

    push_timeout: float = 3600.0
    push_idle_timeout: float = 300.0
    push_retries: int = 3
    wait_timeout: float = 300.0
    scan_timeout: float = 600.0
    poll_interval: float | None = None
    max_archive_size: float = 64.0

    @property
    def max_archive_bytes(self) -> int:
        """The largest size of an archive."""
        return int(self.max_archive_size * (1 << 30))

    def pauses(self, *, first: float, quick_for: float) -> Iterable[float]:
        """Return the pauses between two looks; without an interval, as `quick_then_patient`."""
        if self.poll_interval is None:
            return quick_then_patient(first=first, quick_for=quick_for)
        return repeat(self.poll_interval)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What to do about tags that exist, and what the scan of the image may find.

    `if_exists` is about NAME:TAG itself: `verify` accepts the same image and refuses another one,
    `fail` refuses any, `skip` accepts any. `force` pushes over another image. `latest` moves the
    tag `latest`, too. `reuse` uses layers of an archive that earlier images of the repository have.
    A `scan` of None does not wait for the scan.
    """

    if_exists: Literal["fail", "skip", "verify"] = "verify"
    force: bool = False
    latest: bool = False
    reuse: bool = True
    scan: ScanPolicy | None = field(default_factory=ScanPolicy)
