"""What a scan says at a moment."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.local_scheduler.findings import Findings
from lusid_image_publish.local_scheduler.scans import Scans
from lusid_image_publish.local_scheduler.storage import StoredImage

PUSHED = datetime(2026, 3, 1, tzinfo=UTC)
IMAGE = StoredImage("job", "sha256:1", {"1.0": PUSHED})
BAD = Findings.of_document({"vulnerabilities": [{"name": "CVE-1", "severity": "High"}]})


def scans_at(seconds: float, **settings: Any) -> Scans:
    return Scans(now=lambda: PUSHED + timedelta(seconds=seconds), **({"delay": 8} | settings))


@pytest.mark.parametrize(
    ("seconds", "status"),
    [(0, ""), (1.9, ""), (2, "PENDING"), (4, "IN_PROGRESS"), (7.9, "IN_PROGRESS")],
)
def test_a_scan_goes_through_its_states(seconds: float, status: str) -> None:
    scans = scans_at(seconds)
    assert scans.status_of(IMAGE) == status
    assert scans.summary_of(IMAGE) == {}
    assert scans.report_of(IMAGE) is None


@pytest.mark.parametrize("delay", [0, 8])
def test_in_the_end_it_has_a_report(delay: float) -> None:
    scans = scans_at(8, delay=delay)
    assert scans.status_of(IMAGE) == "COMPLETE"
    assert scans.summary_of(IMAGE)["total"] == 0
    report = scans.report_of(IMAGE)
    assert report is not None
    assert (report["severity"], report["status"], report["scanDuration"]) == (
        "None",
        "Success",
        delay,
    )


def test_the_findings_are_those_of_the_file() -> None:
    scans = scans_at(8, findings=BAD)
    report = scans.report_of(IMAGE)
    assert report is not None
    assert report["severity"] == "High"
    assert "summary" not in report
    assert scans.summary_of(IMAGE)["high"] == 1


@pytest.mark.parametrize("status", ["COMPLETE", "active"])
def test_a_status_may_come_before_the_findings(status: str) -> None:
    early, late = scans_at(0, status=status), scans_at(8, status=status)
    assert (early.status_of(IMAGE), early.report_of(IMAGE)) == (status, None)
    assert early.summary_of(IMAGE) == {}
    assert late.report_of(IMAGE) is not None


@pytest.mark.parametrize("status", ["", "PENDING", "FAILED", "SOMETHING_NEW"])
def test_another_status_stays_and_has_no_findings(status: str) -> None:
    scans = scans_at(1e6, status=status)
    assert scans.status_of(IMAGE) == status
    assert scans.report_of(IMAGE) is None
    assert scans.summary_of(IMAGE) == {}


@pytest.mark.parametrize("status", ["x" * 65, "a\nb", "\x1b[31m"])
def test_a_status_is_a_word(status: str) -> None:
    with pytest.raises(ConfigurationError, match="--scan-status"):
        Scans(status=status)
