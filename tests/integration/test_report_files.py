"""What a run that publishes nothing makes of the files that --report names."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from lusid_image_publish.local_scheduler.server import LocalScheduler
from tests.integration.parts import command_environment, run

FORMER = {
    "important.txt": "important\n",
    "own.md": "## `other:1.0` is in LUSID; its scan passes\n",
    "own.env": "LUSID_IMAGE_NAME=other:1.0\nLUSID_IMAGE_PUSHED=true\n",
}
REPORTS = ["text=important.txt", "markdown=own.md", "dotenv=own.env", "json=new.json"]
NOWHERE = {
    "FBN_SCHEDULER_URL": "https://none.invalid/scheduler2",
    "DOCKER_HOST": "tcp://127.0.0.1:1",
}
SIGNED_IN = {"FBN_ACCESS_TOKEN": "a-token-of-nobody"}
OF_DEPENDABOT = {"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "dependabot[bot]"}


def files_after(folder: Path, code: int, *options: str, **environ: str) -> Mapping[str, str]:
    """Return the files that are there after a run that ends with `code`."""
    for name, text in FORMER.items():
        (folder / name).write_text(text)
    reports = [word for report in REPORTS for word in ("--report", report)]
    arguments = ["my-job:ci", "my-job:1.0", *reports, *options]
    done = run("publish", *arguments, cwd=folder, environ=command_environment() | environ)
    assert done.returncode == code, done.stderr
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("code", "options", "environ"),
    [
        (2, ["--no-such-option"], SIGNED_IN),
        (2, ["--no-build"], SIGNED_IN),
        (2, ["--target", "stage"], SIGNED_IN),
        (2, ["--proxy-address", "nonsense"], SIGNED_IN),
        (3, [], {}),
        (0, ["--on-missing-credentials", "skip"], OF_DEPENDABOT),
        (6, ["--dry-run"], SIGNED_IN),
    ],
)
def test_nothing_is_written_or_removed(
    tmp_path: Path, code: int, options: list[str], environ: dict[str, str]
) -> None:
    assert files_after(tmp_path, code, *options, **NOWHERE, **environ) == FORMER


def test_a_dry_run_that_succeeds_writes_and_removes_nothing(
    tmp_path: Path, scheduler: LocalScheduler
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    environ = command_environment(**scheduler.environment())
    for name, text in FORMER.items():
        (tmp_path / name).write_text(text)
    reports = [word for report in REPORTS for word in ("--report", report)]
    arguments = ["Dockerfile", "my-job:1.0", "--dry-run", "--no-build", *reports]
    done = run("publish", *arguments, cwd=tmp_path, environ=environ)
    assert done.returncode == 0, done.stderr
    assert "a dry run writes no reports" in done.stderr
    (tmp_path / "Dockerfile").unlink()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == FORMER


def test_a_failed_run_removes_what_this_program_wrote_and_nothing_else(tmp_path: Path) -> None:
    left = files_after(tmp_path, 6, **NOWHERE, **SIGNED_IN)
    assert left.keys() == {"important.txt", "own.env"}
    assert left["important.txt"] == FORMER["important.txt"]
    assert "my-job:1.0" in left["own.env"]
    assert "PUSHED" not in left["own.env"]
