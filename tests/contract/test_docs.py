"""The documents: what is made from something else is current, and each link leads somewhere."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from lusid_image_publish.errors import ExitCode

ROOT: Final = Path(__file__).parents[2]
README: Final = ROOT / "README.md"
DOCS: Final = ROOT / "docs"
DOCUMENTS: Final = [
    README,
    *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(DOCS.rglob("*.md")),
]


def read(path: Path) -> str:
    """Return the text of a file."""
    return path.read_text(encoding="utf-8")


@cache
def parsed(path: Path) -> list[Token]:
    """Return the document in parts, as GitHub shows it."""
    return MarkdownIt("commonmark").enable("table").parse(read(path))


def anchors(path: Path) -> set[str]:
    """Return the anchors of the headings of a document, as GitHub and the site name them."""
    tokens = parsed(path)
    titles = [
        "".join(child.content for child in tokens[number + 1].children or ())
        for number, token in enumerate(tokens)
        if token.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(path: Path) -> Iterator[str]:
    """Yield where the links and pictures of a document lead."""
    for token in parsed(path):
        for child in token.children or ():
            target = child.attrGet("href" if child.type == "link_open" else "src")
            if isinstance(target, str):
                yield target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_link_to_a_file_leads_to_it_and_to_its_section(path: Path) -> None:
    for target in links(path):
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.exists(), f"{path.name} links to {target}"
        if anchor:
            assert anchor in anchors(file), f"{path.name} links to {target}"


def test_what_is_made_from_something_else_is_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci/generate_docs.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", [README, DOCS / "cli.md"], ids=lambda path: path.name)
def test_each_exit_code_is_in_the_table(path: Path) -> None:
    rows = re.findall(r"^\| (\d+) \|", read(path), re.MULTILINE)
    assert [int(row) for row in rows] == [code.value for code in ExitCode]


def test_the_links_of_the_readme_are_absolute_where_pypi_shows_it() -> None:
    project = tomllib.loads(read(ROOT / "pyproject.toml"))
    hook = project["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    assert hook["fragments"] == [{"path": "README.md"}]
    text = read(README)
    for substitution in hook["substitutions"]:
        text = re.sub(substitution["pattern"], substitution["replacement"], text)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    children = [child for token in tokens for child in token.children or ()]
    targets = [child.attrGet("href") or child.attrGet("src") for child in children]
    assert [
        target
        for target in targets
        if target and not re.match(r"https://(?!.*https://)|#", str(target))
    ] == []
    assert sum("raw.githubusercontent.com" in str(target) for target in targets) == 2


def test_the_readme_can_be_read_at_one_sitting() -> None:
    assert len(read(README).splitlines()) < 270


def messages() -> str:
    """Return all texts of the package, one a line, with `*` for each value that varies."""
    texts = []
    for path in (ROOT / "lusid_image_publish").rglob("*.py"):
        for node in ast.walk(ast.parse(read(path))):
            if isinstance(node, ast.JoinedStr):
                parts = [
                    part.value if isinstance(part, ast.Constant) else "*" for part in node.values
                ]
                texts.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(map(without_values, texts))


def without_values(text: str) -> str:
    """Return a message with `*` for the values that the document gives as examples."""
    return re.sub(r"\b2\b|linux/a\w+64|\bNAME\b|\.\.\.", "*", text)


def test_the_messages_that_are_explained_are_those_that_are_printed() -> None:
    explained = re.findall(r"^\| `(.+?)` \|", read(DOCS / "troubleshooting.md"), re.MULTILINE)
    assert len(explained) > 20
    printed = messages()
    assert [text for text in explained if without_values(text) not in printed] == []


@pytest.mark.parametrize("name", ["run", "gate"])
def test_a_picture_shows_a_whole_run_and_no_folder_of_a_machine(name: str) -> None:
    picture = read(DOCS / f"{name}.svg")
    assert "sha256:" in picture
    assert not re.search(r"/(tmp|home|root|work|Users|var)/", picture)
    assert "@font-face" not in picture
