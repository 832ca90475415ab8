"""The log, the outputs and the summary as GitHub's runner takes them."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.ci.github import MAX_ANNOTATIONS, MAX_SUMMARY_BYTES, GitHub
from lusid_image_publish.redact import Secret
from tests.github_runner import Runner

COMMANDS = ["::error::x", "  ::set-output name=a::b", "\u2003::warning::x", "##[error]x"]
COMMANDS += ["a ##[add-path]/evil", "\x1b[31m::add-mask::e", "x\r::error::y", "::stop-commands::z"]

hostile = st.lists(st.sampled_from([*COMMANDS, "\n", "\r", " ", "::", "##[", "a"])).map("".join)


def read(*lines: Iterable[str]) -> Runner:
    return Runner().read("\n".join(line for part in lines for line in part))


@pytest.mark.parametrize("in_step", [False, True])
@pytest.mark.parametrize("text", COMMANDS)
def test_no_text_is_a_command(text: str, *, in_step: bool) -> None:
    github = GitHub({})
    begun = github.begin("Building", has_output=True) if in_step else []
    runner = read(begun, github.output(text), github.text(text), github.finish())
    assert set(runner.acted) <= {"group", "endgroup", "stop-commands"}
    assert runner.annotations == []


@given(st.lists(st.sampled_from(["begin", "open", "end", "out", "warning", "mask"]) | hostile))
def test_whatever_comes_the_log_is_left_as_it_was(acts: list[str]) -> None:
    github = GitHub({}, masks=True)
    lines: list[str] = []
    for act in acts:
        match act:
            case "begin":
                lines += github.begin(act)
            case "open":
                lines += github.begin(act, has_output=True)
            case "end":
                lines += github.end()
            case "out":
                lines += github.output("::error::x")
            case "warning":
                lines += github.annotation("warning", act, act)
            case "mask":
                lines += github.mask("a secret, a long one")
            case text:
                lines += github.text(text)
    runner = read(lines, github.finish())
    assert runner.stopped == ""
    allowed = {"group", "endgroup", "stop-commands", "warning", "add-mask"}
    assert set(runner.acted) <= allowed
    assert runner.acted.count("group") == runner.acted.count("endgroup")
    assert runner.acted.count("warning") == min(acts.count("warning"), MAX_ANNOTATIONS)


def test_the_output_of_a_program_is_between_stop_and_resume() -> None:
    github = GitHub({}, token=lambda: "secret-word")
    lines = github.begin("Building", has_output=True)
    lines += [*github.output("    | ::error::x"), *github.output("y"), *github.text("done")]
    assert lines[1] == "::stop-commands::secret-word"
    assert [*lines, *github.end()][-3:] == ["::secret-word::", "done", "::endgroup::"]


def test_a_result_comes_after_the_end_of_a_stop_which_the_log_shows() -> None:
    github = GitHub({})
    begun = github.begin("Building", has_output=True)
    runner = read(begun, github.output("Step 1/2"), github.end("    failed"))
    assert runner.groups["Building"][-2:] == ["::***::", "    failed"]


def test_nobody_can_guess_the_word_that_resumes() -> None:
    words = {
        (*github.begin("x", has_output=True), *github.output("y"))
        for github in (GitHub({}), GitHub({}))
    }
    assert len(words) == 2


def test_a_step_without_output_is_not_a_group() -> None:
    github = GitHub({})
    lines = [*github.begin("Looking"), *github.text("    none"), *github.end("    failed")]
    assert lines == ["Looking", "    none"]


def test_the_lines_of_this_program_stop_no_commands() -> None:
    github = GitHub({})
    lines = [*github.begin("Pushing", has_output=True), *github.text("    a: Pushed")]
    assert [*lines, *github.end()] == ["::group::Pushing", "    a: Pushed", "::endgroup::"]


def test_a_result_is_the_last_line_of_its_group() -> None:
    github = GitHub({})
    runner = read(github.begin("Pushing", has_output=True), github.end("    failed"))
    assert runner.groups == {"Pushing": ["    failed"]}


def test_a_new_step_ends_the_group_before() -> None:
    github = GitHub({})
    begun = github.begin("a", has_output=True)
    runner = read(begun, github.output("1"), github.begin("b"), github.text("2"))
    assert runner.acted == ["group", "stop-commands", "endgroup"]
    assert [line for line in runner.groups["a"] if "***" not in line] == ["1"]
    assert runner.shown[-2:] == ["b", "2"]


@pytest.mark.parametrize("text", ["a\nb\r\nc", "100%", "%0A", "a, b: c", "::error::x", ""])
def test_an_annotation_arrives_as_it_was_written(text: str) -> None:
    runner = read(GitHub({}).annotation("error", text, text))
    assert runner.annotations == [("error", text, text)]
    assert runner.acted == ["error"]


def test_an_annotation_too_many_is_left_to_the_log() -> None:
    github = GitHub({})
    for number in range(MAX_ANNOTATIONS):
        assert github.annotation("error", "", str(number))
    assert github.annotation("error", "", "one more") == []
    assert github.annotation("warning", "", "another level")


def test_an_annotation_has_no_secret() -> None:
    secret = Secret("hunter2-hunter2")
    lines = GitHub({}).annotation("error", secret.reveal(), f"a\n{secret.reveal()}")
    assert secret.reveal() not in "".join(lines)


@pytest.mark.parametrize(
    "secret", ["hunter2-hunter2", "lines\nof a key\n}\n", "100%::x", "hex-a1b2"]
)
def test_a_secret_is_masked(secret: str) -> None:
    runner = read(GitHub({}, shown=("my-job:1.0",), masks=True).mask(secret))
    assert runner.masks == {line for line in secret.splitlines() if len(line) > 3}
    assert runner.acted == ["add-mask"] * len(runner.masks)


@pytest.mark.parametrize(
    "secret", ["my-job", "job:1.0", "ab12", "1234567", "true", "ETE", "x\nmy-job"]
)
def test_what_may_be_in_an_output_is_not_masked(secret: str) -> None:
    assert GitHub({}, shown=("my-job:1.0",), masks=True).mask(secret) == []


def test_a_log_that_others_may_read_is_told_no_secret() -> None:
    assert GitHub({}).mask("hunter2-hunter2") == []


@pytest.mark.parametrize("value", ["", "x", "a\nb", "x<<y", "a=b\nc=d", "EOF\nname=evil\nEOF"])
def test_an_output_arrives_as_it_was_written(value: str, tmp_path: Path) -> None:
    path = tmp_path / "outputs"
    path.write_text("before=1\n")
    GitHub({"GITHUB_OUTPUT": str(path)}).record({"one": value, "two": "2"}, "")
    assert Runner().outputs(path.read_text()) == {"before": "1", "one": value, "two": "2"}


def test_summaries_of_one_step_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "summary"
    github = GitHub({"GITHUB_STEP_SUMMARY": str(path)})
    github.record({}, "one\n")
    github.record({}, "two\n")
    assert path.read_text() == "one\ntwo\n"


def test_a_summary_that_has_no_room_does_not_cost_the_one_before_it(tmp_path: Path) -> None:
    path = tmp_path / "summary"
    path.write_text("x" * (MAX_SUMMARY_BYTES - 10))
    GitHub({"GITHUB_STEP_SUMMARY": str(path)}).record({}, "y" * 20)
    assert Runner().summary(path.read_text()) == "x" * (MAX_SUMMARY_BYTES - 10)


def test_where_the_runner_gives_no_files_nothing_is_written(tmp_path: Path) -> None:
    GitHub({}).record({"a": "b"}, "text")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        GitHub({"GITHUB_OUTPUT": str(tmp_path / "gone" / "outputs")}).record({"a": "b"}, "")


def event(path: Path, repository: str) -> dict[str, str]:
    path.write_text(json.dumps({"pull_request": {"head": {"repo": {"full_name": repository}}}}))
    return {
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_REPOSITORY": "us/job",
    }


def test_a_fork_s_pull_request_is_known(tmp_path: Path) -> None:
    assert "fork" in GitHub(event(tmp_path / "e", "them/job")).why_no_secrets()
    assert GitHub(event(tmp_path / "e", "us/job")).why_no_secrets() == ""


def test_dependabot_is_known() -> None:
    assert "Dependabot" in GitHub({"GITHUB_ACTOR": "dependabot[bot]"}).why_no_secrets()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pull_request": null}', "\x00"])
def test_an_event_that_is_odd_says_nothing(text: str, tmp_path: Path) -> None:
    environ = event(tmp_path / "e", "them/job")
    (tmp_path / "e").write_text(text)
    assert GitHub(environ).why_no_secrets() == ""
    assert GitHub(environ | {"GITHUB_EVENT_PATH": "/gone"}).why_no_secrets() == ""


def test_a_run_that_is_debugged_is_known() -> None:
    assert GitHub({"RUNNER_DEBUG": "1"}).is_debugged
    assert not GitHub({}).is_debugged
