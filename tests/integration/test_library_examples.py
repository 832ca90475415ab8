"""The examples of docs/library.md, as programs, against a local Scheduler."""

import subprocess
import sys
from pathlib import Path

from docker import DockerClient

from lusid_image_publish import ImagesClient
from lusid_image_publish.errors import ExitCode
from lusid_image_publish.testing import LusidScheduler, running_scheduler
from tests.integration.parts import ROOT, Job, command_environment


def run(
    scheduler: LusidScheduler, example: str, *arguments: str, code: int = ExitCode.DONE
) -> subprocess.CompletedProcess[str]:
    """Run an example; require the exit code."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / f"examples/library_{example}.py"), *arguments],
        env=command_environment(**scheduler.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == code, done.stderr
    return done


def test_the_examples_publish_list_and_prune(
    clean_engine: DockerClient, repository: str, tmp_path: Path
) -> None:
    worse = {"vulnerabilities": [{"name": "CVE-1", "severity": "Critical"}]}
    with running_scheduler({"scan_findings": {f"{repository}:bad": worse}}) as scheduler:
        for tag in ("1.0", "2.0", "3.0"):
            job = Job(tmp_path / tag, repository)
            done = run(scheduler, "publish", str(job.folder), f"{repository}:{tag}")
            assert done.stdout.startswith(f"{repository}:{tag} published sha256:")
            assert f"Building {job.folder}/Dockerfile" in done.stderr
        digest = done.stdout.split()[-1]
        listed = run(scheduler, "async").stdout
        assert listed == f"{repository} {digest} COMPLETE critical: 0\n"
        pruned = run(scheduler, "prune", repository, "1").stdout
        assert sorted(pruned.splitlines()) == [
            f"deleted {repository}:1.0",
            f"deleted {repository}:2.0",
        ]
        with ImagesClient(scheduler.settings) as images:
            assert [image.digest for image in images.iter_images(repository)] == [digest]
        bad = Job(tmp_path / "bad", repository)
        failed = run(
            *(scheduler, "publish", str(bad.folder), f"{repository}:bad"), code=ExitCode.SCAN_GATE
        )
        assert f"Error: {repository}:bad is in LUSID and stays there" in failed.stderr
        assert "\nNext step: None of them has a fix yet: build on another" in failed.stderr
        assert failed.stdout == ""
        assert clean_engine.images.get(f"{repository}:bad").tags == [f"{repository}:bad"]
