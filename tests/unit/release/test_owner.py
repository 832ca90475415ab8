"""`make owner NAME=acme` names the owner everywhere, and changes nothing else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from releasing.owner import image_of, others, owner_of, replace
from releasing.stopping import StoppedError

from tests.unit.release.repositories import ROOT, commit_all, copy_of_project, git


@pytest.fixture
def project(tmp_path: Path) -> Path:
    copy_of_project(tmp_path)
    commit_all(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "a--b", "a/b", "a.b", "a_b", "a b", "a\n", "é", "a" * 40, "$(id)"]
)
def test_a_name_that_github_does_not_allow_is_refused(name: str) -> None:
    with pytest.raises(StoppedError, match="is not a name on GitHub"):
        replace(ROOT, name)


def test_a_file_that_names_another_owner_is_found(project: Path) -> None:
    path = project / "docs/index.md"
    path.write_text(f"{path.read_text()}\nhttps://github.com/other/lusid-image-publish\n")
    assert others(project) == ["docs/index.md: other"]


def test_the_owner_is_replaced_from_and_to_any_name(project: Path) -> None:
    before = {owner_of(project)}
    for name in ("somebody", "Some-Body-2", "a" * 39, "github", "project", *before):
        changed = replace(project, name)
        assert {"README.md", "pyproject.toml", "mkdocs.yml"} <= {path.name for path in changed}
        assert owner_of(project) == name
        assert others(project) == []
    assert git(project, "status", "--porcelain") == ""


def test_a_registry_has_the_owner_in_lower_case(project: Path) -> None:
    replace(project, "Acme-2")
    assert image_of(project) == "ghcr.io/acme-2/lusid-image-publish"
    template = (project / "templates/lusid-publish.yml").read_text()
    assert f"default: {image_of(project)}:1" in template
    assert "uses: Acme-2/lusid-image-publish@v1" in (project / "README.md").read_text()


def test_only_the_owner_changes(project: Path) -> None:
    owner = owner_of(project)
    replace(project, "somebody")
    added = git(project, "diff", "--unified=0").splitlines()
    old = [line[1:] for line in added if line.startswith("-") and not line.startswith("---")]
    new = [line[1:] for line in added if line.startswith("+") and not line.startswith("+++")]
    assert len(old) > 30
    named = re.compile(rf"({owner}|{owner.lower()})(?=/lusid-image-publish)")
    assert [named.sub("somebody", line) for line in old] == new


def test_the_documents_need_not_be_generated_again(project: Path) -> None:
    replace(project, "acme")
    done = subprocess.run(
        [sys.executable, ".ci/generate_docs.py", "--check"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
