"""What the tests of reports are made from."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from lusid_image_publish.names import ImageName, ImageReference
from lusid_image_publish.publishing.results import PublishResult, ScanResult, Transfer
from lusid_image_publish.publishing.wait_for_scan import ended_error
from lusid_image_publish.reports.content import ReportContent
from lusid_image_publish.scan.verdict import Ignore, ScanPolicy, Severity, judge
from lusid_image_publish.scheduler.models import ListedImage, ScanReport

NAME = ImageName("hello-job", "1.0.0")
DIGEST = "sha256:" + "ab" * 32
MADE = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
PUSHED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

FOUND: list[dict[str, Any]] = [
    {
        "name": "CVE-2026-1234",
        "package": "openssl",
        "version": "3.0.1",
        "fixVersion": "3.0.2",
        "severity": "Critical",
        "description": "A certificate that is too long overflows a buffer.",
        "links": ["https://example.com/CVE-2026-1234", "https://example.org/1234"],
    },
    {"name": "CVE-2026-2222", "package": "zlib", "version": "1.2.11", "severity": "High"},
    {
        "name": "GHSA-xxxx-yyyy",
        "package": "requests",
        "version": "2.0",
        "fixVersion": "2.1",
        "severity": "High",
        "links": ["https://example.com/GHSA-xxxx-yyyy"],
    },
    {"name": "CVE-2026-3333", "package": "bash", "version": "5.1", "severity": "Medium"},
    {"name": "CVE-2026-4444", "package": "tar", "version": "1.34", "severity": "Negligible"},
    {"name": "OTHER-5", "package": "odd", "version": "0", "severity": "Severe"},
]
POLICY = ScanPolicy(
    fail_on=Severity.HIGH,
    limits={Severity.LOW: 3},
    ignores=(
        Ignore("CVE-2026-2222", "our job reads no archives", date(2027, 1, 31)),
        Ignore("CVE-2026-3333", "mended next month", date(2026, 2, 28)),
        Ignore("CVE-2026-9999"),
    ),
)


def report_of(found: list[dict[str, Any]], **members: Any) -> ScanReport:
    document = {
        "status": "Success",
        "startTime": "2026-03-01T12:00:01.0000000+00:00",
        "endTime": "2026-03-01T12:00:13.0000000+00:00",
        "scanDuration": 12,
        "vulnerabilities": found,
    }
    return ScanReport.model_validate(document | members)


def scanned(
    found: list[dict[str, Any]], policy: ScanPolicy = POLICY, status: str = "COMPLETE"
) -> ScanResult:
    """Return the result of a scan that found this."""
    report = report_of(found)
    image = ListedImage(name="job", digest=DIGEST, size=2_100_000, push_time=PUSHED)
    verdict = judge(report, policy, MADE.date())
    return ScanResult(name=NAME, image=image, status=status, report=report, verdict=verdict)


def unscanned(status: str = "UNSUPPORTED_IMAGE", *, tolerated: bool = False) -> ScanResult:
    """Return the result of a scan that ended without findings."""
    return ScanResult(
        name=NAME,
        image=ListedImage(name="job", digest=DIGEST),
        status=status,
        unavailable=ended_error(NAME, "UNSUPPORTED_IMAGE"),
        tolerated=tolerated,
    )


def published(scan: ScanResult | None) -> ReportContent:
    """Return the content of a publication."""
    result = PublishResult(
        name=NAME,
        outcome="published",
        digest=DIGEST,
        image_id="sha256:" + "cd" * 32,
        platform="linux/amd64",
        reference=ImageReference("foo.lusid.com", "foo/hello-job", "1.0.0"),
        size=2_100_000,
        push_time=PUSHED,
        transfer=Transfer(sent=400_000, reused=1_700_000),
        scan=scan,
    )
    return ReportContent(result=result, made=MADE)


def timed(began: datetime | None, ended: datetime | None) -> ReportContent:
    """Return the content of a scan that took place then."""
    scan = scanned(FOUND)
    assert scan.report
    report = scan.report.model_copy(update={"start_time": began, "end_time": ended})
    return published(replace(scan, report=report))


def looked_at(scan: ScanResult) -> ReportContent:
    """Return the content of `lusid-images scan`."""
    return ReportContent(result=scan, made=MADE)


def many(number: int, **members: Any) -> list[dict[str, Any]]:
    """Return so many findings, of all severities."""
    words = ("Low", "Critical", "Medium", "High", "Negligible", "Unknown")
    return [
        {
            "name": f"CVE-2026-{index}",
            "package": f"package-{index % 500}",
            "version": "1.2.3-4+deb12u1",
            "fixVersion": "1.2.4" if index % 2 else "",
            "severity": words[index % len(words)],
            "description": "Something that takes a line or two to describe, as it mostly does.",
            "links": [f"https://security-tracker.example.org/tracker/CVE-2026-{index}"],
        }
        | members
        for index in range(number)
    ]
