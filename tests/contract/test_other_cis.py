"""The examples for Azure, Jenkins, Bitbucket and CircleCI: what they name exists.

`tests/integration/test_other_cis.py` runs them.
"""

import json
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Final

import pytest
import yaml
from groovy_parser.parser import parse_groovy_content
from lark.exceptions import LarkError
from releasing.owner import image_of

from lusid_image_publish.cli import publish
from lusid_image_publish.config import SECRET_VARIABLES
from lusid_image_publish.errors import ExitCode
from lusid_image_publish.reports.formats import FORMATS
from lusid_image_publish.reports.outputs import OUTPUTS, variable_of_output
from lusid_image_publish.system import is_ci
from tests.contract.documents import parts_of

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs/ci/others.md"
IMAGE: Final = f"{image_of(ROOT)}:1"
SCHEMAS: Final = {
    "azure-pipelines.yml": "azure-pipelines",
    "bitbucket-pipelines.yml": "bitbucket-pipelines",
    "circleci-config.yml": "circle-ci",
}
EXAMPLES: Final = [ROOT / "examples" / name for name in (*SCHEMAS, "Jenkinsfile")]
OWN_KEYS: Final = {"FBN_ACCESS_TOKEN", "build", "main", "publish"}
"""Keys of the examples that are names: of a variable, jobs and a branch."""
WORDS_OF_JENKINS: Final = {
    *("pipeline", "agent", "label", "docker", "image", "args", "alwaysPull", "reuseNode"),
    *("stages", "stage", "when", "branch", "steps", "sh", "script", "returnStatus", "post"),
    *("always", "archiveArtifacts", "artifacts", "allowEmptyArchive", "unstable", "error"),
    *("withCredentials", "string", "credentialsId", "variable"),
    *("int", "code", "if", "else", "in", "true"),
}
"""The words of declarative pipelines, of the two plugins and of Groovy that the file uses."""

each_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)


def options_of(name: str) -> list[str]:
    # `u`, the usual flag of a pattern, refuses an escape in Azure's schema.
    return ["--regex-variant", "nonunicode"] if name == "azure-pipelines.yml" else []


def complaints(path: Path, name: str) -> str:
    """Return what the schema has against a file, empty if it accepts the file."""
    schema = f"vendor.{SCHEMAS[name]}"
    words = ["-m", "check_jsonschema", *options_of(name), "--builtin-schema", schema, str(path)]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def unknown_keys(document: object, name: str) -> set[str]:
    """Return the keys that no property of the schema is called, and that are no names."""
    folder = files("check_jsonschema") / "builtin_schemas/vendor"
    schema = json.loads((folder / f"{SCHEMAS[name]}.json").read_text())
    known = {key for part in parts_of(schema) for key in part.get("properties", {})}
    used = {str(key) for part in parts_of(document) for key in part}
    return used - known - OWN_KEYS


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_accepts_the_example(name: str) -> None:
    path = ROOT / "examples" / name
    assert complaints(path, name) == ""
    assert unknown_keys(yaml.safe_load(path.read_text()), name) == set()
    assert f"{options_of(name)[-1] if options_of(name) else ''} examples/{name}" in " ".join(
        line for line in (ROOT / "Makefile").read_text().splitlines() if SCHEMAS[name] in line
    )


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("azure-pipelines.yml", "displayName: Build\n", "displayNam: Build\n"),
        ("azure-pipelines.yml", "checkout: self", "checkuot: self"),
        ("bitbucket-pipelines.yml", "script:", "script: 1 #"),
        ("bitbucket-pipelines.yml", "capture-on: always", "capture-on: allways"),
        ("circleci-config.yml", "command: |", "comand: |"),
        ("circleci-config.yml", "version: 2.1", "version: two"),
    ],
)
def test_the_schema_finds_a_mistake(name: str, right: str, wrong: str, tmp_path: Path) -> None:
    text = (ROOT / "examples" / name).read_text()
    assert right in text
    mistaken = tmp_path / name
    mistaken.write_text(text.replace(right, wrong))
    assert complaints(mistaken, name)


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("azure-pipelines.yml", "vmImage:", "vmImag:"),
        ("bitbucket-pipelines.yml", "deployment:", "deploiment:"),
        ("bitbucket-pipelines.yml", "capture-on:", "captured-on:"),
        ("circleci-config.yml", "context:", "contexts:"),
        ("circleci-config.yml", "attach_workspace:", "attach_workspaces:"),
    ],
)
def test_a_misspelt_key_is_found_that_the_schema_accepts(
    name: str, right: str, wrong: str, tmp_path: Path
) -> None:
    text = (ROOT / "examples" / name).read_text().replace(right, wrong)
    mistaken = tmp_path / name
    mistaken.write_text(text)
    assert complaints(mistaken, name) == "", "then this test of ours is no longer needed"
    assert unknown_keys(yaml.safe_load(text), name) == {wrong.removesuffix(":")}


def test_the_jenkinsfile_is_groovy() -> None:
    parse_groovy_content((ROOT / "examples/Jenkinsfile").read_text())


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("agent { label 'docker' }", "agent { label 'docker' "),
        ("[9, 10])", "[9, 10]"),
    ],
)
def test_a_broken_jenkinsfile_is_not_groovy(right: str, wrong: str) -> None:
    text = (ROOT / "examples/Jenkinsfile").read_text()
    assert right in text
    with pytest.raises(LarkError):
        parse_groovy_content(text.replace(right, wrong))


def words_of_jenkins(text: str) -> set[str]:
    """Return the words of a Jenkinsfile outside strings and comments."""
    code = re.sub(r"'''.*?'''|'[^'\n]*'|\"[^\"\n]*\"|//[^\n]*", "", text, flags=re.DOTALL)
    return set(re.findall(r"[A-Za-z_]\w*", code))


def test_the_jenkinsfile_has_no_word_that_jenkins_does_not_know() -> None:
    text = (ROOT / "examples/Jenkinsfile").read_text()
    assert words_of_jenkins(text) == WORDS_OF_JENKINS
    assert "when" not in words_of_jenkins(text.replace("when {", "wen {"))


def test_the_steps_of_circleci_without_settings_are_its_own() -> None:
    jobs = yaml.safe_load((ROOT / "examples/circleci-config.yml").read_text())["jobs"].values()
    steps = [step for job in jobs for step in job["steps"] if isinstance(step, str)]
    assert steps == ["checkout", "setup_remote_docker"]


def commands_in(text: str) -> list[str]:
    """Return the words after the image or the command, of each line that publishes."""
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    return re.findall(rf"(?:lusid-publish|{re.escape(IMAGE)}) (\S+ \S*my-job:.*)", joined)


@each_example
def test_the_options_and_formats_of_the_command_exist(path: Path) -> None:
    known = {name for parameter in publish.command.params for name in parameter.opts}
    [command] = commands_in(path.read_text())
    assert set(re.findall(r"(?<=\s)--[\w-]+", command)) <= known
    reports = re.findall(r"--report ([a-z]+)", command)
    assert set(reports) <= set(FORMATS)
    assert reports[0] == "dotenv"
    assert "--fail-on critical" in command


@each_example
def test_the_variables_that_are_named_exist(path: Path) -> None:
    text = path.read_text()
    outputs = set(re.findall(r"\$(LUSID_\w+)", text))
    assert outputs == {variable_of_output(name) for name in ("name", "digest")}
    assert {"name", "digest"} <= set(OUTPUTS)
    assert set(re.findall(r"\bFBN_\w+", text)) == {"FBN_SCHEDULER_URL", "FBN_ACCESS_TOKEN"}
    assert "FBN_ACCESS_TOKEN" in SECRET_VARIABLES
    files_of_reports = {form.file for form in FORMATS.values()}
    named = set(re.findall(r"\blusid-publish[\w-]*\.(?:env|md|json)\b", text))
    assert "lusid-publish.env" in named <= files_of_reports


@each_example
def test_no_secret_is_on_a_command_line(path: Path) -> None:
    assert not re.search(r"FBN_ACCESS_TOKEN=|\$\{?FBN_ACCESS_TOKEN", path.read_text())


@pytest.mark.parametrize("path", [*EXAMPLES, PAGE], ids=lambda path: path.name)
def test_the_image_is_the_same_everywhere(path: Path) -> None:
    found = set(re.findall(r"[\w.-]+/\S+?/lusid-image-publish:[\w.]+", path.read_text()))
    assert found == {IMAGE}


@pytest.mark.parametrize("path", [*EXAMPLES, PAGE], ids=lambda path: path.name)
def test_a_container_knows_that_it_runs_in_a_ci(path: Path) -> None:
    """A CI's own variables reach `docker run` only by name; without them secrets.json is read."""
    commands = re.findall(r"docker run (?:.*\\\n)*.*", path.read_text())
    assert commands or path.name != "azure-pipelines.yml"
    for command in commands:
        passed = re.findall(r"(?:-e|--env) (\w+)", command)
        assert is_ci(dict.fromkeys(passed, "True")), command


@pytest.mark.parametrize("name", ["azure-pipelines.yml", "Jenkinsfile"])
def test_a_soft_gate_is_soft_for_what_scans_find_alone(name: str) -> None:
    text = (ROOT / "examples" / name).read_text()
    [codes] = re.findall(r"code in \[(.*?)\]|^ +(\d+ \| \d+)\)", text, re.MULTILINE)
    numbers = [int(code) for code in re.findall(r"\d+", "".join(codes))]
    assert numbers == [ExitCode.SCAN_GATE, ExitCode.SCAN_UNAVAILABLE]


@each_example
def test_the_page_shows_the_example_in_a_section_of_its_own(path: Path) -> None:
    sections = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    [section] = [text for text in sections if f"<!-- generated: examples/{path.name} -->" in text]
    assert path.read_text() in section
    assert f"(../../examples/{path.name})" in section


def test_the_readme_leads_to_the_page() -> None:
    assert "](docs/ci/others.md)" in (ROOT / "README.md").read_text()
