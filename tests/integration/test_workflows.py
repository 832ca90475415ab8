"""Workflows and the action as GitHub's own editor reads them."""

import subprocess
from pathlib import Path

from tests.integration.parts import ROOT, npm_tool


def complaints(*files: Path) -> list[str]:
    npm_tool("@actions/languageservice")
    done = subprocess.run(
        ["node", ROOT / ".ci/check-workflows.mjs", *files],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_github_understands_the_action_the_examples_and_this_project_s_workflow() -> None:
    examples = sorted((ROOT / "examples").glob("github-*.yml"))
    workflows = sorted((ROOT / ".github/workflows").glob("*.yml"))
    assert len(examples) > 4
    assert workflows
    assert complaints(ROOT / "action.yml", *workflows, *examples) == []


def test_the_reader_finds_what_is_wrong(tmp_path: Path) -> None:
    workflow = tmp_path / "workflow.yml"
    text = (ROOT / "examples/github-buildx.yml").read_text()
    workflow.write_text(text.replace("fail-on:", "fail-onn:").replace("name: my-job:", "tag: "))
    action = tmp_path / "action.yml"
    action.write_text((ROOT / "action.yml").read_text().replace("using: docker", "using: dokker"))
    found = "\n".join(complaints(workflow, action))
    assert "Invalid action input 'fail-onn'" in found
    assert "Missing required input `name`" in found
    assert "Unexpected value 'dokker'" in found
