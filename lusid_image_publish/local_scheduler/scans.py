"""The current state of an image's scan."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.local_scheduler.documents import wire_date
from lusid_image_publish.local_scheduler.findings import Findings, summary_of, worst_of
from lusid_image_publish.local_scheduler.storage import StoredImage

_STAGES: Final = ((0.25, ""), (0.5, "PENDING"), (1.0, "IN_PROGRESS"))
"""The status in `list_images` until that part of the delay has passed."""

_WITH_FINDINGS: Final = {"COMPLETE", "ACTIVE"}
_MAX_CHARACTERS: Final = 64


@dataclass(frozen=True, kw_only=True)
class Scans:
    """The scans of all images: findings come `delay` seconds after the push.

    `status` replaces the status in `list_images` from the push on; then only COMPLETE and ACTIVE
    have findings. `now` returns UTC. Raises `ConfigurationError` for an unprintable status.
    """

    delay: float = 2.0
    status: str | None = None
    findings: Findings = field(default_factory=Findings)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        status = self.status or ""
        if len(status) > _MAX_CHARACTERS or not status.isprintable():
            raise ConfigurationError(
                "--scan-status is not a valid status.",
                hint=f"Use at most {_MAX_CHARACTERS} printable characters, "
                "for example UNSUPPORTED_IMAGE.",
            )

    def status_of(self, image: StoredImage) -> str:
        """Return the `scanStatus` of `list_images`."""
        if self.status is not None:
            return self.status
        done = self._age(image) / self.delay if self.delay else 1.0
        return next((status for until, status in _STAGES if done < until), "COMPLETE")

    def is_done(self, image: StoredImage) -> bool:
        """Return whether the scan has finished without a failure."""
        return self.status_of(image).upper() in _WITH_FINDINGS

    def report_of(self, image: StoredImage) -> dict[str, Any] | None:
        """Return the `ScanReport` of `get_image`, None until there is one."""
        if not self._has_findings(image):
            return None
        found = self.findings.of(image)
        return {
            "severity": worst_of(found.get("vulnerabilities")),
            "status": "Success",
            "startTime": wire_date(image.pushed),
            "endTime": wire_date(image.pushed + timedelta(seconds=self.delay)),
            "scanDuration": round(self.delay),
        } | found

    def summary_of(self, image: StoredImage) -> dict[str, Any]:
        """Return the `scanSummary` of `list_images`, empty until there are findings."""
        return summary_of(self.findings.of(image)) if self._has_findings(image) else {}

    def _has_findings(self, image: StoredImage) -> bool:
        if self.status is not None and self.status.upper() not in _WITH_FINDINGS:
            return False
        return self._age(image) >= self.delay

    def _age(self, image: StoredImage) -> float:
        return (self.now() - image.pushed).total_seconds()
