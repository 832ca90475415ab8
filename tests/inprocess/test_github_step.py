"""A step of the GitHub Action in process: its log, its annotations and its summary."""

import copy
import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from lusid_image_publish.cli import publish
from lusid_image_publish.cli.action import variable_of
from lusid_image_publish.cli.console import Console
from lusid_image_publish.cli.main import Interrupted
from lusid_image_publish.errors import ExitCode
from lusid_image_publish.progress import Event, StepDone, StepStarted
from tests.faults import Fault
from tests.github_runner import Runner
from tests.inprocess.stage import MakeStage, Stage
from tests.inprocess.test_scan_gate import FOUND


@dataclass(frozen=True)
class Step:
    """How the step ended, what the runner makes of its log, and its summary."""

    code: int
    runner: Runner
    summary: str
    stage: Stage

    @property
    def error(self) -> str:
        """The text of the only error that is annotated."""
        [(_, text)] = self.runner.of_level("error")
        return text


RunStep = Callable[..., Step]
RENAME = "If `env` of the workflow sets such a variable, rename it."


@pytest.fixture
def run_step(make_stage: MakeStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStep:
    """Run the step with inputs and a project file; `_` in a name stands for a dash."""
    monkeypatch.setattr(publish, "command", copy.deepcopy(publish.command))
    stage = make_stage(findings=FOUND)
    stage.hold("job:ci")
    stage.add_job()

    def run(
        variables: Mapping[str, str] | None = None,
        project_file: str = "",
        before: Callable[[Stage], None] = lambda _: None,
        **inputs: str,
    ) -> Step:
        before(stage)
        (stage.folder / ".lusid-publish.toml").write_text(project_file)
        summary = tmp_path / "summary"
        summary.write_text("")
        given = {"source": "job:ci", "name": "job:1.0"} | {
            name.replace("_", "-"): value for name, value in inputs.items()
        }
        environ = {variable_of(name): value for name, value in given.items()}
        environ |= {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
        ended = stage.run("publish", variables=environ | dict(variables or {}))
        assert stage.leaks(summary.read_text()) == []
        return Step(ended.code, Runner().read(ended.stderr), summary.read_text(), stage)

    return run


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("failon", "fail-on"), ("fail_on_severity", "fail-on"), ("schedular-url", "scheduler-url")],
)
def test_a_misspelt_input_is_refused_before_anything_is_changed(
    run_step: RunStep, wrong: str, meant: str
) -> None:
    step = run_step(**{wrong: "high"})
    assert step.code == ExitCode.USAGE
    shown = wrong.replace("_", "-")
    assert step.error == f"There is no input {shown}, did you mean {meant}? {RENAME}"
    assert f"There is no input {shown}, did you mean {meant}?" in step.summary
    step.stage.require_nothing_was_pushed()


@pytest.mark.parametrize("name", ["local", "ci", "output", "verbose", "version", "scan_status"])
def test_an_option_that_the_action_does_not_have_is_no_input(run_step: RunStep, name: str) -> None:
    step = run_step(**{name: "true"})
    assert step.code == ExitCode.USAGE
    assert step.error.startswith(f"There is no input {name.replace('_', '-')}")


def test_each_unknown_input_is_named(run_step: RunStep) -> None:
    step = run_step(qqqqqqqq="", ignored="CVE-1")
    assert step.error == (
        f"There is no input qqqqqqqq. There is no input ignored, did you mean ignore? {RENAME}"
    )


def test_a_misspelt_variable_is_refused_as_well(run_step: RunStep) -> None:
    step = run_step(variables={"LUSID_PUBLISH_FAILON": "high"})
    assert step.code == ExitCode.USAGE
    meant = "There is no variable LUSID_PUBLISH_FAILON, did you mean LUSID_PUBLISH_FAIL_ON?"
    assert step.error == meant
    step.stage.require_nothing_was_pushed()


def test_the_inputs_of_the_runner_itself_are_accepted(run_step: RunStep) -> None:
    assert run_step(args="", entrypoint="/opt/lusid/bin/lusid-publish").code == ExitCode.DONE


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"fail_on": "severe"}, "Invalid value for input fail-on"),
        ({"name": ""}, "The input name is not given."),
        ({"summary": "perhaps"}, "Invalid value for input summary"),
    ],
)
def test_a_wrong_input_is_in_the_summary(
    run_step: RunStep, inputs: dict[str, str], words: str
) -> None:
    step = run_step(**inputs)
    assert step.code == ExitCode.USAGE
    assert step.summary.startswith("### \N{CROSS MARK} Publishing failed (exit code 2)\n\n")
    assert words in step.summary


@pytest.mark.parametrize(
    ("name", "file", "words"),
    [
        ("job", "", "'job' has no tag."),
        ("Job:1", "", "is not a name that LUSID accepts"),
        ("job:1.0", 'failon = "high"', "has the unknown key 'failon'"),
        ("job:1.0", "[[ignore]]\nreason = 1", "each entry needs an id"),
    ],
)
def test_settings_that_cannot_be_used_are_in_the_summary(
    run_step: RunStep, name: str, file: str, words: str
) -> None:
    step = run_step(name=name, project_file=file)
    assert step.code == ExitCode.USAGE
    title, message, *_ = step.summary.split("\n\n")
    assert title == "### \N{CROSS MARK} Publishing failed (exit code 2)"
    assert words in message.replace("`", "")


@pytest.mark.parametrize("inputs", [{}, {"fail_on": "high"}, {"fail_on": "severe"}, {"force": "x"}])
def test_without_a_summary_none_is_written(run_step: RunStep, inputs: dict[str, str]) -> None:
    assert run_step(**inputs, summary="false").summary == ""
    assert run_step(**inputs, summary="true").summary != ""


def test_a_failure_is_in_the_summary_in_the_words_of_the_action(run_step: RunStep) -> None:
    step = run_step(source="nowhere:ci")
    assert step.code == ExitCode.SOURCE
    title, message, cause, hint, *_ = step.summary.split("\n\n")
    assert title == "### \N{CROSS MARK} Publishing `job:1.0` failed (exit code 6)"
    assert "nowhere:ci" in message
    assert cause.startswith("**Likely cause:** ")
    assert hint.startswith("**Next step:** ")


def test_a_run_that_fails_has_no_check_mark_although_the_scan_passed(run_step: RunStep) -> None:
    step = run_step(max="critical=1", report="text=/dev/full")
    assert step.code == ExitCode.OUTPUT
    head = step.summary.split("\n")[0]
    assert head.startswith("### \N{CROSS MARK} `job:1.0` is in LUSID; its scan passed: ")
    assert head.endswith("; a report was not written")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Requesting upload instructions", "Publishing `job:1.0` was interrupted\n\n- Requesting"),
        ("Pushing to", "Publishing `job:1.0` was interrupted\n\n- Pushing to `registry"),
        ("Waiting for the scan", "`job:1.0` is in LUSID, but the run was interrupted\n\n- Waiting"),
        ("Running the job", "1 low; the run was interrupted\n"),
        ("the run id is", "1 low; the run was interrupted\n"),
    ],
)
def test_an_interruption_is_in_the_headline(
    run_step: RunStep, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    listen = Console.listen

    def interrupt(self: Console, heard: Event) -> None:
        listen(self, heard)
        if isinstance(heard, StepStarted | StepDone) and heard.text.startswith(text):
            raise Interrupted(signal.SIGTERM)

    monkeypatch.setattr(Console, "listen", interrupt)
    step = run_step(max="critical=1", job="me/my-job", run_job="true")
    assert step.code == ExitCode.TERMINATED
    assert step.summary.startswith("### \N{CROSS MARK} ")
    assert words in step.summary


def test_a_failure_after_the_image_arrived_does_not_deny_that(run_step: RunStep) -> None:
    def refuse_latest(stage: Stage) -> None:
        stage.registry.fault, stage.registry.always = Fault.FORBIDDEN, True
        stage.registry.at = lambda asked, _: asked.path.endswith("/manifests/latest")

    step = run_step(latest="true", before=refuse_latest)
    assert step.code == ExitCode.PUSH
    assert step.summary.startswith(
        "### \N{CROSS MARK} `job:1.0` is in LUSID, but a later step failed (exit code 7)\n"
    )


def test_without_a_policy_a_green_run_has_no_annotation(run_step: RunStep) -> None:
    step = run_step()
    assert step.code == ExitCode.DONE
    assert step.runner.annotations == []
    assert "found 1 critical, 1 high, 1 low, no policy set" in step.summary.split("\n")[0]
    assert "passed" not in step.summary + "\n".join(step.runner.shown)


@pytest.mark.parametrize(
    ("annotations", "titles"),
    [
        ("", ["critical: CVE-2026-1"]),
        ("breaking", ["critical: CVE-2026-1"]),
        ("all", ["critical: CVE-2026-1", "high: CVE-2026-2"]),
        ("none", []),
    ],
)
def test_the_annotations_are_those_that_were_chosen(
    run_step: RunStep, annotations: str, titles: list[str]
) -> None:
    step = run_step(fail_on="critical", annotations=annotations)
    assert step.code == ExitCode.SCAN_GATE
    *findings, last = step.runner.annotations
    assert [title for _, title, _ in findings] == titles
    assert [text.partition(" in ")[0] for _, _, text in findings] == titles
    assert last[1] == "LUSID: scan gate (exit code 9)"
    log = "\n".join(step.runner.shown)
    assert log.count("critical: CVE-2026-1 in zlib") == 1, "in the log or annotated, not both"


def test_a_broken_policy_is_named_as_the_input_in_log_and_summary(run_step: RunStep) -> None:
    step = run_step(fail_on="critical")
    assert "\n- 1 critical where input fail-on critical allows none\n" in step.summary
    assert "\n- Next step: " in step.summary
    assert "--" not in re.sub(r"\| --- .*", "", step.summary + "\n".join(step.runner.shown))


@pytest.mark.parametrize(
    ("again", "outcome"),
    [(False, "would be pushed"), (True, "already exists and would be compared")],
)
def test_a_dry_run_begins_with_its_outcome(run_step: RunStep, outcome: str, *, again: bool) -> None:
    if again:
        run_step()
    step = run_step(dry_run="true")
    assert step.summary.startswith(f"### Dry run: `job:1.0` {outcome}\n")


@pytest.mark.parametrize(
    "inputs", [{}, {"fail_on": "low"}, {"dry_run": "true"}, {"source": "no:1"}]
)
def test_no_group_is_empty_and_the_result_is_its_last_line(
    run_step: RunStep, inputs: dict[str, str]
) -> None:
    step = run_step(**inputs)
    is_pushed = not {"dry_run", "source"} & inputs.keys()
    groups = step.runner.groups
    assert [title.partition(" ")[0] for title in groups] == (["Pushing"] if is_pushed else [])
    assert all(lines[-1].startswith("    pushed sha256:") for lines in groups.values())
    assert step.runner.acted.count("group") == step.runner.acted.count("endgroup")
    assert "stop-commands" not in step.runner.acted
