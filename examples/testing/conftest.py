"""Set up the Scheduler for these tests: one job, and one image with a vulnerability."""

import pytest

from lusid_image_publish.testing import SchedulerOptions


@pytest.fixture(scope="session")
def lusid_scheduler_settings() -> SchedulerOptions:
    """Return the options of the local Scheduler."""
    finding = {"name": "CVE-2026-1234", "severity": "Critical", "package": "zlib"}
    return {
        "jobs": {"me/report": ["date"]},
        "scan_findings": {"report-job:vulnerable": {"vulnerabilities": [finding]}},
    }
