"""The job of the GitLab template in process: its log and its messages."""

import copy
import re

import click
import pytest

from lusid_image_publish.cli import publish
from lusid_image_publish.cli.command import MARK, variable_of
from lusid_image_publish.errors import ExitCode
from tests.inprocess.command import Ended
from tests.inprocess.stage import Stage
from tests.inprocess.test_scan_gate import bad

__all__ = ["bad"]  # a fixture

JOB = {"source": "job:ci", "name": "job:1.0", "report": "dotenv\n\nannotations\n\ngitlab"}


def run_job(stage: Stage, monkeypatch: pytest.MonkeyPatch, **inputs: str) -> Ended:
    """Run the job as GitLab does, with the variables that the template makes of the inputs."""
    monkeypatch.setattr(publish, "command", copy.deepcopy(publish.command))
    given = JOB | {name.replace("_", "-"): value for name, value in inputs.items()}
    variables = {variable_of(name): value for name, value in given.items()}
    return stage.run("publish", variables=variables | {"GITLAB_CI": "true", MARK: "true"})


@pytest.mark.parametrize(
    ("inputs", "code", "words"),
    [
        ({"fail_on": "severe"}, ExitCode.USAGE, "Invalid value for input fail-on"),
        ({"name": ""}, ExitCode.USAGE, "The input name is not given."),
        ({"force": "true", "if_exists": "fail"}, ExitCode.USAGE, "Input force cannot be used with"),
        ({"image": "other:1"}, ExitCode.USAGE, "input archive-image"),
        ({"fail_on": "critical"}, ExitCode.SCAN_GATE, "1 critical where input fail-on critical"),
    ],
)
def test_messages_name_the_inputs(
    bad: Stage, monkeypatch: pytest.MonkeyPatch, inputs: dict[str, str], code: int, words: str
) -> None:
    ended = run_job(bad, monkeypatch, **inputs).require(code, words)
    assert not re.search(r"--[a-z]|LUSID_PUBLISH_", ended.stderr)


def test_without_the_template_messages_name_options(bad: Stage) -> None:
    bad.publish("job:ci", "job:1.0", "--fail-on", "critical", GITLAB_CI="true").require(
        ExitCode.SCAN_GATE, "1 critical where --fail-on critical allows none"
    )


def test_a_section_ends_with_its_result_and_none_is_empty(
    bad: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = run_job(bad, monkeypatch).require(0, "found 1 critical, 1 high, 1 low, no policy set")
    lines = ended.stderr.split("\n")
    [begin] = [at for at, line in enumerate(lines) if "section_start" in line]
    [end] = [at for at, line in enumerate(lines) if "section_end" in line]
    assert click.unstyle(lines[begin]).endswith("Pushing to registry.lusid.example/foo/job:1.0")
    assert end - begin > 2
    assert lines[end - 1].startswith("    pushed sha256:")
