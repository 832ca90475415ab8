"""How far the scan of an image is, from what LUSID says in two places.

`list_images` has a status and figures, `get_image` a report with a status of its own. Either may be
absent or behind the other, and the words are those of the scanner behind LUSID: Amazon ECR has been
seen to say COMPLETE before there were findings.
"""

import re
from dataclasses import dataclass
from typing import Final

from lusid_image_publish.redact import plain
from lusid_image_publish.scan.verdict import has_figures
from lusid_image_publish.scheduler.models import ImageSummary, ScanReport

_DONE: Final = {"COMPLETE", "ACTIVE", "SUCCESS"}  # ACTIVE: done, and to be done again and again
_GOING_ON: Final = {
    "": "not begun",
    "PENDING": "waiting for its turn",
    "IN_PROGRESS": "in progress",
}
ENDED: Final = {
    "FAILED": "The scanner failed.",
    "UNSUPPORTED_IMAGE": "The scanner does not know what the image is built on: it is FROM "
    "scratch, or its operating system is too new or too old.",
    "SCAN_ELIGIBILITY_EXPIRED": "The image was pushed too long ago to be scanned.",
    "FINDINGS_UNAVAILABLE": "The scanner has no findings for this image.",
    "LIMIT_EXCEEDED": "The image has been scanned as often as is allowed for now.",
}
"""What a scan ends with that has no findings, and what that means."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a scan is.

    `status` is the word that decides, in upper case, empty where there is none; `text` says it to a
    person. `report` is what there is to judge once the scan is done. `is_known` is False for a word
    that this program has never heard; then the scan is taken to go on.
    """

    status: str
    text: str
    report: ScanReport | None = None
    is_known: bool = True

    @property
    def has_failed(self) -> bool:
        """Whether the scan ended, and there will be no findings."""
        return self.status in ENDED


def progress_of(report: ScanReport | None, summary: ImageSummary | None) -> Progress:
    """Return how far the scan is by `get_image`'s report and the image's entry in `list_images`."""
    words = (
        _normalised(summary.scan_status if summary else None),
        _normalised(report.status if report else None),
    )
    # An end is believed wherever it is said, then what goes on; that it is done comes after them.
    status = min(words, key=_rank)
    if status in ENDED:
        return Progress(status=status, text=status)
    if status in _DONE or (status == "" and _says_when_it_ended(report)):
        found = _content(report, summary)
        text = "done" if found else f"{status or 'done'}, but the findings are not there yet"
        return Progress(status=status, text=text, report=found)
    known = status in _GOING_ON
    text = _GOING_ON[status] if known else f"LUSID says {status}"
    return Progress(status=status, text=text, is_known=known)


def _normalised(status: str | None) -> str:
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


def _says_when_it_ended(report: ScanReport | None) -> bool:
    """Return whether the report has an end; the year 1 is how the service writes "never"."""
    return bool(report and report.end_time and report.end_time.year > 1)


def _content(report: ScanReport | None, summary: ImageSummary | None) -> ScanReport | None:
    """Return what there is to judge: the report, with the list's figures where it has none.

    None without findings and figures. An empty list alone may be one that is not filled yet, unless
    its report says that it is done.
    """
    report = report or ScanReport()
    figures = summary.scan_summary if summary else None
    if has_figures(figures) and not has_figures(report.summary):
        report = report.model_copy(update={"summary": figures})
    if report.vulnerabilities or has_figures(report.summary):
        return report
    is_done = report.vulnerabilities == [] and _normalised(report.status) in _DONE
    return report if is_done else None
