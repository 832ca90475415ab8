"""What the action's image is made of: pinned, each file by its hash, and complete."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
CONSTRAINTS = (ROOT / "constraints.txt").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
_PIN = re.compile(r"(\S+==[^\s;]+)(?: ; [^\\]+)?((?: --hash=sha256:[0-9a-f]{64})+)")


def pins() -> dict[str, Requirement]:
    """Return the pins by name; every line that is not a comment is a pin with hashes."""
    text = re.sub(r"^#.*\n", "", CONSTRAINTS, flags=re.MULTILINE)
    lines = re.sub(r"\s*\\\n\s*", " ", text).splitlines()
    matches = [_PIN.fullmatch(line.strip()) for line in lines]
    assert all(matches), [line for line, match in zip(lines, matches, strict=True) if not match]
    found = [Requirement(match[1]) for match in matches if match]
    return {canonicalize_name(pin.name): pin for pin in found}


def test_all_that_the_image_is_made_of_is_pinned_with_hashes() -> None:
    needed = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
    found = pins()
    for requirement in map(Requirement, needed):
        [pinned] = found[canonicalize_name(requirement.name)].specifier
        assert requirement.specifier.contains(pinned.version), requirement


def test_a_pin_has_the_hashes_of_files_for_several_machines() -> None:
    for name in ("pydantic-core", "backports-zstd"):
        [block] = re.findall(rf"^{name}==.*?(?=^\S)", CONSTRAINTS, re.MULTILINE | re.DOTALL)
        assert block.count("--hash=") > 10


def test_no_index_is_named() -> None:
    assert not re.search(r"://|^\s*-(?!-hash)", CONSTRAINTS, re.MULTILINE)


def test_the_image_is_made_of_files_with_these_hashes_alone() -> None:
    runs = re.findall(r"^RUN (.*?[^\\])$", DOCKERFILE, re.MULTILINE | re.DOTALL)
    commands = [part for run in runs for part in run.split("&&") if "-m pip" in part]
    assert len(commands) == 2
    for option in ("--require-hashes", "--only-binary :all:", "-r constraints.txt"):
        assert option in commands[0]
    assert "--no-index" in commands[1], "what is installed was downloaded, and so verified, before"


def test_the_pins_are_made_by_one_target_and_kept_current() -> None:
    assert "make constraints" in CONSTRAINTS.splitlines()[1]
    assert re.search(r"^constraints: ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    assert {"pip", "docker"} <= {update["package-ecosystem"] for update in updates}
