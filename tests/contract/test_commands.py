"""What the commands promise to people and scripts."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lusid_image_publish import __version__
from lusid_image_publish.cli import images, jobs, local, publish
from lusid_image_publish.errors import ExitCode

COMMANDS: dict[str, click.Command] = {
    "lusid-images": images.command,
    "lusid-jobs": jobs.command,
    "lusid-publish": publish.command,
    "lusid-scheduler-local": local.command,
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_version_is_the_package_s(name: str) -> None:
    result = CliRunner().invoke(COMMANDS[name], ["--version"])
    assert result.output == f"{name}, version {__version__}\n"


def test_help_imports_nothing_that_takes_time() -> None:
    code = (
        "import sys;"
        "from lusid_image_publish.cli import images, jobs, local, publish;"
        "print(*{'docker', 'httpx', 'pydantic', 'rich', 'fastapi', 'uvicorn', 'requests'}"
        " & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""


@pytest.mark.parametrize("name", ["images", "jobs", "local", "publish"])
def test_a_command_is_also_a_module(name: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", f"lusid_image_publish.cli.{name}", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Usage:" in result.stdout


def test_without_the_extra_the_local_scheduler_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError(name='uvicorn')")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv[1:] = [];"
        "from lusid_image_publish.cli.local import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == ExitCode.USAGE
    assert "pip install 'lusid-image-publish[local]'" in result.stderr
    assert "Traceback" not in result.stderr
