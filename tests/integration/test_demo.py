"""`make demo`, with an image and a volume of the test's own."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from docker import DockerClient

from lusid_image_publish.errors import ExitCode
from tests.integration.cleanup import cleaned_up
from tests.integration.parts import ROOT, Job, command_environment

EXAMPLES = ROOT / "examples"
MAX_LINES = 66


def copy_of_demo(folder: Path, repository: str, lines: str = "") -> Path:
    """Return a demo that publishes to a repository of the test's own."""
    examples = folder / "examples"
    shutil.copytree(EXAMPLES / "hello-job", examples / repository)
    dockerfile = (EXAMPLES / "hello-job/Dockerfile").read_text()
    Job(examples / repository, repository).write(dockerfile + lines)
    demo = examples / "demo.py"
    demo.write_text((EXAMPLES / "demo.py").read_text().replace("hello-job", repository))
    return demo


def run(demo: Path, volume: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(demo)],
        env=command_environment(LUSID_LOCAL_VOLUME=volume),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_the_demo_ends_with_the_greeting_of_its_job_also_the_second_time(
    engine: DockerClient, own_volume: str, repository: str, tmp_path: Path
) -> None:
    demo = copy_of_demo(tmp_path, repository)
    with cleaned_up(engine, repository):
        for _ in range(2):
            done = run(demo, own_volume)
            assert done.returncode == 0, done.stderr
            digest, greeting = done.stdout.splitlines()
            assert digest.startswith("sha256:")
            assert greeting.startswith("Hello from a LUSID job")
            said = done.stderr.splitlines()
            assert len(said) < MAX_LINES
            assert [line[:2] for line in said if line[:1].isdigit()] == ["1.", "2.", "3.", "4."]
            assert not any(line.startswith(("Error", "    |")) for line in said)
            assert "Done. Try next:" in said
    assert "An earlier demo published" in done.stderr
    assert "it already has this image" in done.stderr


def test_a_build_that_fails_shows_what_the_builder_said(
    engine: DockerClient, own_volume: str, repository: str, tmp_path: Path
) -> None:
    demo = copy_of_demo(tmp_path, repository, "RUN exit 3\n")
    with cleaned_up(engine, repository):
        done = run(demo, own_volume)
    assert done.returncode == ExitCode.SOURCE
    assert done.stdout == ""
    assert re.search(r"^    \| .*exit 3", done.stderr, re.MULTILINE)
    assert "Try next" not in done.stderr
