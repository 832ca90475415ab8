"""What docs/library.md and docs/testing.md say, held against the package and the examples."""

import ast
import re
import textwrap
from pathlib import Path

import pytest

import lusid_image_publish
from lusid_image_publish import errors
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
