"""What people read is plain English: the words of .ci/plain-english.yml are in none of it.

The file has the format of prh, so that textlint can apply the same rules to the documents.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.test_commands import helps

ROOT = Path(__file__).parents[2]
RULES: list[dict[str, Any]] = yaml.safe_load((ROOT / ".ci/plain-english.yml").read_text())["rules"]
MODULES = sorted([*(ROOT / "lusid_image_publish").rglob("*.py"), *(ROOT / "examples").glob("*.py")])
CI_FILES = [
    ROOT / "action.yml",
    *sorted((ROOT / "templates").glob("*.yml")),
    *sorted((ROOT / "examples").glob("*.yml")),
]
_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "u": re.UNICODE, "g": 0}


def compiled(rule: dict[str, Any]) -> re.Pattern[str]:
    """Return a rule's pattern: a text, or a regular expression as in /text/i."""
    found = re.fullmatch(r"/(.*)/([a-z]*)", rule["pattern"], re.DOTALL)
    if not found:
        return re.compile(re.escape(rule["pattern"]))
    return re.compile(found[1], sum(_FLAGS[flag] for flag in set(found[2])))


PATTERNS = [(compiled(rule), rule["expected"]) for rule in RULES]


def findings(text: str) -> list[str]:
    """Return the old words in `text`, each with what to write instead."""
    line = " ".join(text.split())
    return [
        f"{match[0]!r} in ...{line[max(0, match.start() - 40) : match.end() + 40]}...: {expected}"
        for pattern, expected in PATTERNS
        for match in pattern.finditer(line)
    ]


def texts_of(tree: ast.AST) -> Iterator[str]:
    """Yield the strings and docstrings of a module; an f-string has X for each value."""
    if isinstance(tree, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "X" for part in tree.values]
        yield "".join(map(str, parts))
    elif isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        yield tree.value
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(tree, ast.JoinedStr) and isinstance(child, ast.Constant)):
            yield from texts_of(child)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["pattern"])
def test_a_rule_finds_what_it_is_for(rule: dict[str, Any]) -> None:
    pattern = compiled(rule)
    assert rule["specs"]
    for spec in rule["specs"]:
        assert findings(spec["from"])
        replaced = pattern.sub(lambda match: in_place_of(match, rule["expected"]), spec["from"])
        assert replaced == spec["to"]


def in_place_of(match: re.Match[str], expected: str) -> str:
    """Return `expected` with the groups of `match` for $1, as prh replaces."""
    return re.sub(r"\$(\d)", lambda group: match[int(group[1])] or "", expected)


def test_an_old_word_is_found_across_lines_and_in_an_f_string() -> None:
    assert findings("The run ends\n    well.")
    [text, *_] = texts_of(ast.parse('f"{name} is " f"no {kind} of {place}"'))
    assert text == "X is no X of X"
    assert findings(text)


@pytest.mark.parametrize(
    "text",
    [
        "There is no image, and there are no jobs.",
        "It is no longer listed.",
        "It failed for good reason.",
        "Authorization: Bearer ***",
        "The name ends with a tag.",
        "Recommended: follow the link.",
        "The tag follows. Let it pass.",
    ],
)
def test_usual_english_is_not_found(text: str) -> None:
    assert findings(text) == []


@pytest.mark.parametrize(("name", "text"), helps().items(), ids=helps())
def test_a_help_has_no_old_words(name: str, text: str) -> None:
    assert name in text
    assert findings(text) == []


@pytest.mark.parametrize("path", CI_FILES, ids=lambda path: path.name)
def test_what_a_ci_shows_has_no_old_words(path: Path) -> None:
    text = re.sub(r"^ *# ?", "", path.read_text(), flags=re.MULTILINE)
    assert findings(text) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_s_texts_have_no_old_words(path: Path) -> None:
    texts = texts_of(ast.parse(path.read_text()))
    assert [finding for text in texts for finding in findings(text)] == []
