"""Policy and Limits: what a publication may do, and how long it may take. Only values."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import repeat
from typing import Literal

from lusid_image_publish.arguments import argument_error, require_choice, require_number
from lusid_image_publish.scan.verdict import ScanPolicy
from lusid_image_publish.waiting import quick_then_patient


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Timeouts in seconds, numbers of retries, and sizes.

    `push_timeout` limits the push with all its retries and checks of the registry;
    `push_idle_timeout` ends an attempt in which the engine stops reporting progress, or no byte of
    an archive is sent; `push_retries` is the number of retries after a temporary failure.
    `wait_timeout` counts from the end of the push, `scan_timeout` from when LUSID lists the image;
    `poll_interval` is the pause between two requests to LUSID, None for short pauses at first and
    longer ones later. `max_archive_size` limits, in GiB, the decompressed archive and the bytes
    that are read of its layers. Raises `ConfigurationError` unless each is a number, 0 or greater.
    """

    push_timeout: float = 3600.0
    push_idle_timeout: float = 300.0
    push_retries: int = 3
    wait_timeout: float = 300.0
    scan_timeout: float = 600.0
    poll_interval: float | None = None
    max_archive_size: float = 64.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name != "poll_interval" or value is not None:
                require_number(name, value, is_whole=name == "push_retries")

    @property
    def max_archive_bytes(self) -> int:
        """The largest size of an archive."""
        return int(self.max_archive_size * (1 << 30))

    def pauses(self, *, first: float, quick_for: float) -> Iterable[float]:
        """Return the pauses between two polls; without an interval, as `quick_then_patient`."""
        if self.poll_interval is None:
            return quick_then_patient(first=first, quick_for=quick_for)
        return repeat(self.poll_interval)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What to do with existing tags, and what the scan of the image may find.

    `if_exists` is for NAME:TAG itself: `verify` accepts the same image and refuses a different one,
    `fail` refuses any, `skip` accepts any. `force` replaces a different image. `latest` also moves
    the tag `latest`. `reuse` does not send layers of an archive that earlier images of the
    repository have. With `scan` None, the scan is not waited for.

    Raises `ConfigurationError` for what is not allowed.
    """

    if_exists: Literal["fail", "skip", "verify"] = "verify"
    force: bool = False
    latest: bool = False
    reuse: bool = True
    scan: ScanPolicy | None = field(default_factory=ScanPolicy)

    def __post_init__(self) -> None:
        require_choice("if_exists", self.if_exists, ("verify", "fail", "skip"))
        if not (self.scan is None or isinstance(self.scan, ScanPolicy)):
            raise argument_error("scan", self.scan, "a ScanPolicy or None")
