"""What the commands promise to people and scripts."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
MAX_LINE_CHARACTERS = 80


def helps(**settings: Any) -> dict[str, str]:
    """Return the help of each command and subcommand, hidden ones too, by their names."""
    return {context.command_path: context.get_help() for context in contexts(**settings)}


def contexts(**settings: Any) -> Iterator[click.Context]:
    for name, command in COMMANDS.items():
        context = command.make_context(name, [], resilient_parsing=True, **settings)
        yield context
        if isinstance(command, click.Group):
            for subname, subcommand in command.commands.items():
                yield subcommand.make_context(subname, [], context, resilient_parsing=True)


@pytest.mark.parametrize("columns", [80, 200])
def test_a_help_is_no_wider_than_a_small_terminal(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = helps()
    assert len(shown) > len(COMMANDS)
    lines = [line for text in shown.values() for line in text.splitlines()]
    assert [line for line in lines if len(line) > MAX_LINE_CHARACTERS] == []


def test_a_help_breaks_no_line_within_a_word() -> None:
    whole = helps(terminal_width=100_000)
    for name, text in helps(terminal_width=MAX_LINE_CHARACTERS).items():
        assert text.split() == whole[name].split()


def test_the_list_of_commands_shows_whole_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(MAX_LINE_CHARACTERS))
    shown = helps()
    for name, command in COMMANDS.items():
        for subname in command.commands if isinstance(command, click.Group) else ():
            [line] = re.findall(rf"^  {subname} +(\S.*)$", shown[name], re.MULTILINE)
            sentence = shown[f"{name} {subname}"].split("\n\n")[1]
            assert " ".join(sentence.split()) == line
            assert re.fullmatch(r"[A-Z].*\.", line)


def test_every_option_is_explained_by_a_sentence() -> None:
    options = [
        option
        for context in contexts()
        for option in context.command.params
        if isinstance(option, click.Option)
    ]
    texts = [option.help or "" for option in options]
    assert [text for text in texts if not re.fullmatch(r"[A-Z].*\.", text)] == []


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
