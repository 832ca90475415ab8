"""What docs/library.md and docs/testing.md say, held against the package and the examples."""

import ast
import re
import subprocess
import sys
import textwrap
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

import lusid_image_publish
from lusid_image_publish import Event, Settings, errors
from lusid_image_publish.config_sources import NAMES
from lusid_image_publish.testing import SchedulerOptions

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "docs/library.md"
TESTING = ROOT / "docs/testing.md"
PROGRAMS = sorted((ROOT / "examples").glob("library_*.py"))
PROJECT = sorted((ROOT / "examples/testing").glob("*.py"))
MAX_LINES = 22


def blocks(document: Path, language: str) -> list[str]:
    """Return the blocks of a language in a document."""
    found = re.findall(
        rf"^```{language}\n(.*?)^```$",
        document.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    assert found
    return [str(block) for block in found]


def names_in_tables(document: Path) -> list[str]:
    """Return the code in the first column of all tables."""
    rows = re.findall(r"^\| (`.*?) \|", document.read_text(encoding="utf-8"), re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_the_library_s_document_shows_each_program_as_it_is(path: Path) -> None:
    assert path.read_text(encoding="utf-8") in blocks(LIBRARY, "python")
    assert f"](../examples/{path.name})" in LIBRARY.read_text(encoding="utf-8")
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", PROJECT, ids=lambda path: path.stem)
def test_the_document_about_tests_shows_the_project_as_it_is(path: Path) -> None:
    assert path.read_text(encoding="utf-8") in blocks(TESTING, "python")


@pytest.mark.parametrize("document", [LIBRARY, TESTING], ids=lambda path: path.stem)
def test_python_in_the_documents_imports_what_there_is(document: Path) -> None:
    for block in blocks(document, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module == "lusid_image_publish":
                names = {alias.name for alias in node.names}
                assert names <= set(lusid_image_publish.__all__), block


@pytest.mark.parametrize("document", [LIBRARY, TESTING], ids=lambda path: path.stem)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
    for link in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = link.partition("#")
        assert (document.parent / path).exists(), link
        assert path or anchor in anchors, link


def test_every_public_name_is_in_the_table() -> None:
    names = names_in_tables(LIBRARY)
    assert set(lusid_image_publish.__all__) <= set(names)


def test_the_tree_of_errors_is_that_of_the_module() -> None:
    (shown,) = blocks(LIBRARY, "text")
    assert textwrap.indent(shown, "    ") in (errors.__doc__ or "")
    assert all(name in shown for name in vars(errors) if name.endswith("Error"))


def test_every_option_of_the_fixture_is_in_the_table() -> None:
    assert SchedulerOptions.__annotations__.keys() <= set(names_in_tables(TESTING))


def test_every_event_and_its_attributes_are_in_the_table() -> None:
    shown: dict[str, set[str]] = {}
    for row in LIBRARY.read_text(encoding="utf-8").partition("\n## Progress\n")[2].splitlines():
        if row.startswith("| `"):
            names, attributes = (re.findall(r"`([^`]+)`", cell) for cell in row.split("|")[1:3])
            shown |= {name: set(attributes) for name in names}
        elif row.startswith("## "):
            break
    events = {kind.__name__: {item.name for item in fields(kind)} for kind in get_args(Event)}
    assert shown == events


def test_every_setting_is_in_the_table_with_its_default_and_variable() -> None:
    rows = {names[0]: (names, row) for names, row in _settings_rows()}
    settings = {item.name: item for item in fields(Settings)}
    assert rows.keys() == settings.keys() - {"origins", "remarks"}
    for name, (names, row) in rows.items():
        variables = NAMES[name].variables if name in NAMES else ()
        assert [word for word in names if word.startswith("FBN_")] == [*variables[:1]], name
        default = settings[name].default
        if isinstance(default, int):
            assert re.search(rf"\| {default} \|", row.replace("`", "")), name


def _settings_rows() -> list[tuple[list[str], str]]:
    below = LIBRARY.read_text(encoding="utf-8").partition("\n## Settings\n")[2]
    table = re.search(r"^(?:\|.*\n)+", below, re.MULTILINE)
    assert table
    return [(re.findall(r"`([^`]+)`", row), row) for row in table[0].splitlines()[2:]]


def test_a_type_checker_refuses_a_public_name_that_is_misspelt(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("from lusid_image_publish import publish, publsh\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--config-file=", "--follow-imports=skip"),
            *(f"--cache-dir={tmp_path}", "--no-warn-unused-ignores", str(program)),
            str(ROOT / "lusid_image_publish/__init__.py"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    (refused,) = [line for line in done.stdout.splitlines() if "program.py" in line]
    assert 'has no attribute "publsh"' in refused
