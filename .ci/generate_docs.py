"""The parts of the documents that are made from something else.

python .ci/generate_docs.py            write them
python .ci/generate_docs.py --check    write nothing; exit 1 and name what is stale

Each stands between two comments, `<!-- generated: PART -->` and `<!-- end of generated -->`, and
PART says what it is:

help of COMMAND                                 what --help prints, that of subcommands too
inputs of action.yml, outputs of action.yml     tables
inputs of templates/lusid-publish.yml           a table
examples/NAME.yml, examples/Jenkinsfile         the file
README.md#SECTION                               that section of the README, without its title
"""

import re
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import yaml
from click.testing import CliRunner

from lusid_image_publish.cli import images, jobs, local, publish

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
WIDTH_COLUMNS: Final = 80
COMMANDS: Final[Mapping[str, click.Command]] = {
    "lusid-publish": publish.command,
    "lusid-images": images.command,
    "lusid-jobs": jobs.command,
    "lusid-scheduler-local": local.command,
}
_PART = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end of generated -->\n)", re.DOTALL)


def main(arguments: list[str]) -> int:
    """Write what is stale, or with `--check` name it and return 1."""
    stale = [path for path, text in documents() if read(path) != text]
    if arguments == ["--check"]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: run `make docs-generated`")
        return 1 if stale else 0
    for path, text in documents():
        path.write_text(text, encoding="utf-8", newline="\n")
    return 0


def read(path: Path) -> str:
    """Return the text of a file."""
    return path.read_text(encoding="utf-8")


def documents() -> Iterator[tuple[Path, str]]:
    """Yield each document that has generated parts, with what it should be."""
    for path in sorted(DOCS.rglob("*.md")):
        text = read(path)
        if _PART.search(text):
            yield path, _PART.sub(partial(generated, path), text)


def generated(path: Path, match: re.Match[str]) -> str:
    """Return a generated part of the document at `path`, between its comments."""
    return match[1] + part(match[2], path) + match[3]


def help_of(name: str, command: click.Command, *, arguments: tuple[str, ...] = ()) -> str:
    """Return the help of a command, and that of each subcommand in a section of its own."""
    result = CliRunner(env={"COLUMNS": str(WIDTH_COLUMNS)}).invoke(
        COMMANDS[name], [*arguments, "--help"], prog_name=name
    )
    assert result.exit_code == 0, result.output
    text = f"\n```text\n{result.output}```\n\n"
    subcommands = command.commands if isinstance(command, click.Group) else {}
    for word, declared in sorted(subcommands.items()):
        text += f"### {name} {word}\n" + help_of(name, declared, arguments=(word,))
    return text


def part(name: str, path: Path) -> str:
    """Return the generated part `name` for the document at `path`."""
    if name.startswith("examples/"):
        language = "yaml" if name.endswith(".yml") else "groovy"
        return f"```{language}\n{read(ROOT / name)}```\n"
    if name.startswith("README.md#"):
        return section_of_readme(name.partition("#")[2], path)
    members, _, source = name.partition(" of ")
    if members == "help":
        return help_of(source, COMMANDS[source])
    [document, *_] = yaml.safe_load_all(read(ROOT / source))
    declared: dict[str, dict[str, Any]] = (document.get("spec") or document)[members]
    if source == "action.yml":
        return table_of_action(declared)
    return table_of_template(declared)


def table_of_action(declared: dict[str, dict[str, Any]]) -> str:
    """Return the table of the action's inputs or outputs."""
    cells = {name: [f"{described(value)}{required(value)}"] for name, value in declared.items()}
    return table(["Name", "What it is"], cells)


def required(value: Mapping[str, Any]) -> str:
    """Return the remark that an input of the action must be given, if it must."""
    return " **Required.**" if value.get("required") else ""


def table_of_template(declared: dict[str, dict[str, Any]]) -> str:
    """Return the table of the template's inputs."""
    cells = {name: [described(value), default_of(value)] for name, value in declared.items()}
    return table(["Name", "What it is", "Default"], cells)


def table(head: list[str], cells: Mapping[str, list[str]]) -> str:
    """Return a table; `cells` are those of each name."""
    lines = [head, ["---"] * len(head), *([f"`{name}`", *row] for name, row in cells.items())]
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def described(value: Mapping[str, Any]) -> str:
    """Return the description of an input or an output, as a cell of a table."""
    return cell(value["description"])


def default_of(value: Mapping[str, Any]) -> str:
    """Return the default of an input of the template, as a cell of a table."""
    if "default" not in value:
        return "**required**"
    return f"`{value['default']}`" if value["default"] else ""


def cell(text: str) -> str:
    """Return a text for a cell of a table; `<domain>` is not HTML."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


def section_of_readme(title: str, path: Path) -> str:
    """Return a section of the README for the document at `path`, with links that work there."""
    readme = read(ROOT / "README.md")
    match = re.search(rf"^## {re.escape(title)}\n\n(.*?)(?=^## )", readme, re.DOTALL | re.MULTILINE)
    assert match, f"the README has no section {title!r}"
    up = "../" * len(path.relative_to(DOCS).parents[:-1])
    return re.sub(
        r"\]\((?!https?:|#)(docs/)?(\S+?)\)",
        lambda link: f"]({up if link[1] else up + '../'}{link[2]})",
        match[1].rstrip() + "\n",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
