"""Test a job as LUSID will run it: build its image, publish it, check its scan, run it."""

import subprocess
from pathlib import Path

import pytest

from lusid_image_publish import ImagesClient, Policy, ScanPolicy, Severity, errors, publish
from lusid_image_publish.testing import LusidScheduler

FOLDER = Path(__file__).parent


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command; it finds the Scheduler in the environment."""
    return subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("lusid_environment")
def test_the_job_writes_its_report() -> None:
    published = run("lusid-publish", "Dockerfile", "report-job:1.0.0", "--job", "me/report")
    assert published.returncode == 0, published.stderr
    ran = run("lusid-jobs", "run", "me/report", "--argument", "date=2026-01-31")
    assert ran.stdout == "Report of 2026-01-31\n", ran.stderr
    refused = run("lusid-jobs", "run", "me/report")
    assert refused.returncode == errors.ExitCode.JOB_RUN
    assert "the argument date is missing" in refused.stdout + refused.stderr


def test_the_image_is_in_lusid(lusid_scheduler: LusidScheduler) -> None:
    result = publish(FOLDER, "report-job:1.1.0", settings=lusid_scheduler.settings)
    with ImagesClient(lusid_scheduler.settings) as images:
        assert images.get_image("report-job:1.1.0").digest == result.digest


def test_a_critical_finding_fails_the_publication(lusid_scheduler: LusidScheduler) -> None:
    policy = Policy(scan=ScanPolicy(fail_on=Severity.HIGH))
    result = publish(
        FOLDER, "report-job:vulnerable", settings=lusid_scheduler.settings, policy=policy
    )
    with pytest.raises(errors.ScanGateError, match="1 critical"):
        result.raise_for_scan()
