"""The progress of the scan of an image, as LUSID reports it in two places.

`list_images` has a status and counts, `get_image` a report with its own status. Either may be
missing or out of date, and the words are those of the scanner behind LUSID: Amazon ECR is known to
report COMPLETE before there are findings.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lusid_image_publish.scan.verdict import has_counts
from lusid_image_publish.text import plain

if TYPE_CHECKING:
    from lusid_image_publish.scheduler.models import ImageSummary, ScanReport

_DONE: Final = {"COMPLETE", "ACTIVE", "SUCCESS"}  # ACTIVE: done, and to be done again and again
_IN_PROGRESS: Final = {
    "": "not started",
    "PENDING": "pending",
    "IN_PROGRESS": "in progress",
}
ENDED: Final = {
    "FAILED": "The scanner failed.",
    "UNSUPPORTED_IMAGE": "The scanner does not support the image: it is built FROM scratch, or its "
    "operating system is too new or too old.",
    "SCAN_ELIGIBILITY_EXPIRED": "The image was pushed too long ago to be scanned.",
    "FINDINGS_UNAVAILABLE": "The scanner has no findings for this image.",
    "LIMIT_EXCEEDED": "The image has reached the limit of scans for now.",
}
"""The statuses of a scan that ended without a result, and what each one means."""


@dataclass(frozen=True, kw_only=True)
class ScanProgress:
    """The progress of a scan.

    `status` is LUSID's decisive status in upper case, empty without one; `text` describes it.
    `report` is the report to judge, None until the scan is done. `is_known` is False for a status
    that this program does not know; the scan is then treated as in progress.
    """

    status: str
    text: str
    report: "ScanReport | None" = None
    is_known: bool = True

    @property
    def has_failed(self) -> bool:
        """Whether the scan ended, and there will be no findings."""
        return self.status in ENDED


def read_progress(report: "ScanReport", summary: "ImageSummary") -> ScanProgress:
    """Return the progress from `get_image`'s report and the image's entry in `list_images`."""
    words = (_normalise(summary.scan_status), _normalise(report.status))
    # An end counts wherever it is reported, then a scan in progress, and last that it is done.
    status = min(words, key=_rank)
    if status in ENDED:
        return ScanProgress(status=status, text=status)
    has_end = report.end_time and report.end_time.year > 1  # the year 1 is "never"
    if status in _DONE or (status == "" and has_end):
        found = _complete(report, summary)
        text = "done" if found else f"{status or 'done'}, but the findings are not available yet"
        return ScanProgress(status=status, text=text, report=found)
    is_known = status in _IN_PROGRESS
    text = _IN_PROGRESS[status] if is_known else f"status {status}"
    return ScanProgress(status=status, text=text, is_known=is_known)


def _normalise(status: str | None) -> str:
    """Return a status as `list_images` writes it: `IN_PROGRESS` for `In progress`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[\s_-]+", "_", plain(status or "", longest=60))
    return words.strip("_").upper()


def _rank(word: str) -> int:
    """Return how decisive a word is: the lowest decides."""
    if word == "":
        return 3
    if word in _DONE:
        return 2
    return 0 if word in ENDED else 1


def _complete(report: "ScanReport", summary: "ImageSummary") -> "ScanReport | None":
    """Return the report, with the counts of `list_images` where it has none of its own.

    None without findings and counts. An empty list of findings may be one that is not filled yet,
    unless the report says that it is done.
    """
    if has_counts(summary.scan_summary) and not has_counts(report.summary):
        report = report.model_copy(update={"summary": summary.scan_summary})
    if report.vulnerabilities or has_counts(report.summary):
        return report
    is_done = report.vulnerabilities == [] and _normalise(report.status) in _DONE
    return report if is_done else None
