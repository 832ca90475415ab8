"""`make demo`, with an image and a volume of the test's own."""

import shutil
import subprocess
import sys
from pathlib import Path

from docker import DockerClient

from tests.integration.cleanup import cleaned_up
from tests.integration.parts import ROOT, Job, command_environment

EXAMPLES = ROOT / "examples"


def test_the_demo_ends_with_the_greeting_of_its_job_also_the_second_time(
    engine: DockerClient, own_volume: str, repository: str, tmp_path: Path
) -> None:
    examples = tmp_path / "examples"
    shutil.copytree(EXAMPLES / "hello-job", examples / repository)
    Job(examples / repository, repository).write((EXAMPLES / "hello-job/Dockerfile").read_text())
    demo = examples / "demo.py"
    demo.write_text((EXAMPLES / "demo.py").read_text().replace("hello-job", repository))
    with cleaned_up(engine, repository):
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, str(demo)],
                env=command_environment(LUSID_LOCAL_VOLUME=own_volume),
                capture_output=True,
                text=True,
                check=False,
                timeout=240,
            )
            assert done.returncode == 0, done.stderr
            digest, greeting = done.stdout.splitlines()
            assert digest.startswith("sha256:")
            assert greeting.startswith("Hello from a LUSID job")
    assert "it already has this image" in done.stderr
