"""What the documents tell people to type exists: commands, options and inputs."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from tests.contract.documents import parts_of
from tests.contract.test_ci import ACTION, INPUTS
from tests.contract.test_commands import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
GENERATED = re.compile(r"<!-- generated: help of .*?<!-- end of generated -->", re.DOTALL)
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def blocks(path: Path, *languages: str) -> Iterator[str]:
    """Yield the code blocks of a page that are written by hand."""
    for _, language, text in BLOCK.findall(GENERATED.sub("", path.read_text())):
        if language in languages:
            yield text


def typed(path: Path) -> Iterator[list[str]]:
    """Yield the words of each command of this package in a page."""
    for text in blocks(path, "sh", "console"):
        for line in text.replace("\\\n", " ").splitlines():
            for part in re.split(r"[|;&]+ ", line.removeprefix("$ ")):
                words = shlex.split(part, comments=True) if "'" not in part else part.split()
                if words and words[0] in COMMANDS:
                    yield words


def options_of(words: list[str]) -> set[str]:
    """Return the options that a command takes, with those of its group."""
    command = COMMANDS[words[0]]
    known = {name for parameter in command.params for name in parameter.opts}
    if isinstance(command, click.Group):
        for word in words[1:]:
            if word in command.commands:
                found = command.commands[word]
                return known | {name for parameter in found.params for name in parameter.opts}
    return known


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_options_in_commands_exist(path: Path) -> None:
    for words in typed(path):
        given = {word.partition("=")[0] for word in words if re.match("--?[a-z]", word)}
        assert given <= options_of(words) | {"--help", "-h"}, words


def test_the_readme_shows_commands() -> None:
    assert {words[0] for words in typed(PAGES[0])} == {"lusid-publish", "lusid-images"}


def inputs_in(path: Path) -> Iterator[tuple[set[str], set[str], set[str]]]:
    """Yield the inputs that a page gives to the action or the template, the known and required."""
    for text in blocks(path, "yaml"):
        for part in parts_of(yaml.safe_load(text)):
            if "lusid-image-publish@" in str(part.get("uses")):
                required = {name for name, each in ACTION["inputs"].items() if each["required"]}
                yield set(dict(part["with"])), set(ACTION["inputs"]), required
            if "lusid-publish" in str(part.get("component") or part.get("file") or ""):
                required = {name for name, each in INPUTS.items() if "default" not in each}
                yield set(dict(part["inputs"])), set(INPUTS), required


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_inputs_in_workflows_and_pipelines_exist(path: Path) -> None:
    for given, known, required in inputs_in(path):
        assert required <= given <= known


def test_the_readme_has_a_step_for_github_and_an_include_for_gitlab() -> None:
    assert len(list(inputs_in(PAGES[0]))) == 2
