"""The workflows of this project are pinned, may do little, and publish after all checks alone."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import release
import yaml
from releasing.image import PLATFORMS
from releasing.remote import PYPI

ROOT: Final = Path(__file__).parents[2]
PATHS: Final = {path.stem: path for path in (ROOT / ".github/workflows").glob("*.yml")}
WORKFLOWS: Final = {name: yaml.safe_load(path.read_text()) for name, path in PATHS.items()}
JOBS: Final[dict[str, dict[str, Any]]] = WORKFLOWS["release"]["jobs"]
READ: Final = {"contents": "read"}
CHECKS: Final = {"check", "test", "distributions", "verify"}
PUBLISHING: Final = ("image", "pypi", "image-tags", "finish")
"""The jobs that change something elsewhere, in the order in which it cannot be undone."""


def steps_of(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job.get("steps", [])]


def needed_by(name: str) -> set[str]:
    """Return all jobs that must succeed before a job starts."""
    needs = JOBS[name].get("needs", [])
    direct = {needs} if isinstance(needs, str) else set(needs)
    return direct | {each for other in direct for each in needed_by(other)}


def commands(name: str) -> str:
    return "\n".join(step.get("run", "") for step in JOBS[name].get("steps", []))


@pytest.mark.parametrize("name", WORKFLOWS)
def test_what_a_workflow_uses_is_pinned_to_a_commit(name: str) -> None:
    lines = re.findall(r"^ *(?:- )?uses: (.*)$", PATHS[name].read_text(), re.MULTILINE)
    own = [line for line in lines if line.startswith("./")]
    assert {re.sub(" #.*", "", line) for line in own} <= {"./", "./.github/workflows/check.yml"}
    pinned = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [line for line in lines if line not in own and not pinned.fullmatch(line)] == []


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_value_becomes_a_command(name: str) -> None:
    assert [step["run"] for step in steps_of(WORKFLOWS[name]) if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_secret_is_used_but_the_token_of_the_run(name: str) -> None:
    text = PATHS[name].read_text()
    assert set(re.findall(r"secrets\.?(\w*)", text)) <= {"GITHUB_TOKEN"}
    checkouts = [step for step in steps_of(WORKFLOWS[name]) if "checkout@" in step.get("uses", "")]
    assert {step["with"]["persist-credentials"] for step in checkouts} == {False}


def test_the_check_may_nothing_and_has_every_python() -> None:
    workflow = WORKFLOWS["check"]
    assert workflow["permissions"] == {}
    assert [job["permissions"] for job in workflow["jobs"].values()] == [READ] * 5
    pythons = [job.get("strategy", {}).get("matrix", {}) for job in workflow["jobs"].values()]
    assert {"python": ["3.11", "3.12", "3.13", "3.14"]} in pythons
    uses = [step.get("uses") for step in steps_of(workflow)]
    assert uses.count("./") == 2, "the action, as it passes and as its gate fails"


def test_a_job_of_the_release_has_the_permissions_that_it_needs() -> None:
    assert WORKFLOWS["release"]["permissions"] == {}
    packages = {"contents": "read", "packages": "write"}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "check": {"contents": "read", "packages": "read"},
        "test": READ,
        "distributions": READ,
        "verify": READ,
        "image": packages,
        "pypi": {"id-token": "write"},
        "image-tags": packages,
        "finish": {"contents": "write"},
    }


def test_nothing_is_published_before_all_checks_passed() -> None:
    assert JOBS.keys() == CHECKS | set(PUBLISHING)
    for number, name in enumerate(PUBLISHING):
        assert needed_by(name) >= CHECKS | set(PUBLISHING[:number])
        assert "if" not in JOBS[name], "it would run after a failure"
    steps = steps_of(WORKFLOWS["release"])
    assert [step for step in steps if step.keys() & {"if", "continue-on-error", "shell"}] == []
    assert "|| true" not in PATHS["release"].read_text()


def test_a_release_starts_with_a_tag_and_runs_alone() -> None:
    workflow = WORKFLOWS["release"]
    assert workflow[True] == {"push": {"tags": ["v*"]}}, "a tag that is not a version fails visibly"
    assert workflow["concurrency"] == "release"
    assert workflow["env"] == {"TAG": "${{ github.ref_name }}"}
    assert JOBS["test"]["uses"] == "./.github/workflows/check.yml"
    assert "workflow_call" in WORKFLOWS["check"][True]


def test_pypi_gets_what_was_tried_from_a_trusted_publisher() -> None:
    download, upload = JOBS["pypi"]["steps"]
    [kept] = [step for step in JOBS["distributions"]["steps"] if "upload-" in step.get("uses", "")]
    assert kept["with"]["name"] == download["with"]["name"]
    assert kept["with"]["if-no-files-found"] == "error"
    assert "release.py distributions dist" in commands("distributions")
    assert (kept["with"]["path"], download["with"]["path"]) == ("dist", "dist")
    assert upload["with"] == {"attestations": True}
    assert JOBS["pypi"]["environment"] == "pypi"


def test_the_image_is_for_both_platforms_with_attestations() -> None:
    assert PLATFORMS == ("linux/amd64", "linux/arm64")
    [command] = re.findall(r"release\.py image (.*)\)", commands("image"))
    assert command == '"$TAG" --builder release', "the defaults of the rest"
    environ = next(step["env"] for step in JOBS["image"]["steps"] if step.get("name"))
    assert all(re.search(r":\S+@sha256:[0-9a-f]{64}$", each) for each in environ.values())


def scripts() -> Iterator[str]:
    for name in JOBS:
        for line in commands(name).splitlines():
            if "release.py" in line:
                yield line.strip()


def test_the_steps_of_a_release_are_in_their_order_and_nothing_hides_their_failure() -> None:
    assert list(scripts()) == [
        'python .ci/release.py check "$TAG"',
        ".venv/bin/python .ci/release.py distributions dist",
        "python .ci/release.py verify dist",
        'reference=$(python .ci/release.py image "$TAG" --builder release)',
        'python .ci/release.py image-tags "$TAG" "$REFERENCE"',
        'python .ci/release.py tags "$TAG" "$REFERENCE"',
        'python .ci/release.py notes "$TAG" >notes.md',
    ]


def test_the_check_compares_with_main_and_with_pypi() -> None:
    defaults = {parameter.name: parameter.default for parameter in release.check.params}
    assert defaults["branch"] == "origin/main"
    assert defaults["index"] == PYPI == "https://pypi.org"
    assert checkout_of("check")["fetch-depth"] == 0, "main and the tags"


def checkout_of(name: str) -> dict[str, Any]:
    [found] = [step["with"] for step in JOBS[name]["steps"] if "checkout@" in step.get("uses", "")]
    return dict(found)


def test_the_tags_move_from_the_commit_that_was_checked() -> None:
    assert checkout_of("finish")["ref"] == "${{ github.sha }}"
    for name in ("check", "distributions", "verify", "image", "image-tags"):
        assert "ref" not in checkout_of(name)


@pytest.mark.parametrize("name", JOBS)
def test_an_output_is_of_a_job_that_is_needed_directly(name: str) -> None:
    """Other jobs are not in the context `needs`: their outputs would be empty."""
    text = yaml.safe_dump(JOBS[name])
    outputs = re.findall(r"needs\.([\w-]+)\.outputs\.(\w+)", text)
    assert {job for job, _ in outputs} <= set(JOBS[name].get("needs", []))
    assert all(output in JOBS[job]["outputs"] for job, output in outputs)
    ids = {step.get("id") for step in JOBS[name].get("steps", [])}
    assert set(re.findall(r"steps\.([\w-]+)\.outputs", text)) <= ids
    assert bool(outputs) is (name in {"image-tags", "finish"})


def test_what_needs_a_login_has_one() -> None:
    login = {"REGISTRY_USERNAME": "${{ github.actor }}", "REGISTRY_PASSWORD": "${{ github.token }}"}
    for name in ("check", "image"):
        assert login == JOBS[name]["steps"][-1]["env"]
    assert login.items() <= JOBS["image-tags"]["env"].items()
    for name in ("image", "image-tags"):
        before, _, _ = commands(name).partition("release.py image")
        assert "docker login ghcr.io " in before
    before, _, _ = commands("finish").partition("release.py tags")
    assert "gh auth setup-git" in before
    assert JOBS["finish"]["env"]["GH_TOKEN"] == "${{ github.token }}"


def test_the_release_on_github_has_an_existing_tag_and_marks_a_pre_release() -> None:
    script = commands("finish")
    assert "[[ $TAG =~ ^v[0-9.]+$ ]] || prerelease=--prerelease\n" in script
    assert 'gh release create "$TAG" --verify-tag ' in script
    assert script.endswith('${prerelease:+"$prerelease"}\n')


def test_the_wheel_is_tried_with_an_engine() -> None:
    assert "make .venv/installed engine" in commands("distributions").splitlines()


def test_what_is_published_is_verified_apart_from_the_tools_that_built_it() -> None:
    [download] = [step for step in JOBS["verify"]["steps"] if "download-" in step.get("uses", "")]
    assert download["with"] == JOBS["pypi"]["steps"][0]["with"]
    assert "release.py verify dist" in commands("verify")


def test_what_writes_installs_only_files_with_hashes() -> None:
    for name in ("check", "verify", "image", "image-tags", "finish"):
        installs = [line for line in commands(name).splitlines() if re.search("pip|make", line)]
        [install] = [line for line in installs if "install" in line]
        assert "--require-hashes --only-binary :all: -r constraints.txt" in install
        assert not [line for line in installs if line.startswith("make")]
