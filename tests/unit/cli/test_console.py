"""What a CI's log has of events and errors."""

import json
import logging
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress

import click
import pytest

from lusid_image_publish.ci.ci_platform import CiPlatform
from lusid_image_publish.ci.github import GitHub
from lusid_image_publish.ci.gitlab import GitLab
from lusid_image_publish.cli import tables
from lusid_image_publish.cli.console import Annotates, Console, show_settings
from lusid_image_publish.errors import BuildError, LusidPublishError, ScanGateError
from lusid_image_publish.progress import (
    BreakingFinding,
    BuildOutput,
    Event,
    LayerProgress,
    Note,
    StepDone,
    StepStarted,
    Waiting,
    Warned,
)
from tests.github_runner import Runner
from tests.systems import NEEDS_TERMINAL

STEP: list[Event] = [
    StepStarted("Checking for foo"),
    StepDone("not there"),
    StepStarted("Pushing to foo", has_output=True),
    LayerProgress("ab", "Pushed"),
    Waiting("in progress"),
    Warned("it may pass"),
    StepDone("pushed sha256:ab"),
    Note("and that is all"),
]


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """The package's log, as it was before."""
    found = logging.getLogger("lusid_image_publish")
    handlers, level, propagate = found.handlers, found.level, found.propagate
    yield found
    found.handlers, found.propagate = handlers, propagate
    found.setLevel(level)


def shown(ci: CiPlatform, capsys: pytest.CaptureFixture[str]) -> str:
    view = Console()
    view.ci = ci
    for event in STEP:
        view.listen(event)
    view.show_error(ScanGateError("It is bad.", cause="A hole.", hint="Fix it."))
    view.finish()
    return capsys.readouterr().err


def test_github_s_log_has_a_group_for_output_with_the_result(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runner = Runner().read(shown(GitHub({}), capsys))
    assert runner.groups == {
        "Pushing to foo": [
            "    ab: Pushed",
            "    in progress",
            "Warning: it may pass",
            "    pushed sha256:ab",
        ]
    }
    assert runner.shown[:2] == ["Checking for foo", "    not there"]
    assert runner.of_level("warning") == [("LUSID", "it may pass")]
    assert runner.of_level("error") == [
        (
            "LUSID: scan gate (exit code 9)",
            "It is bad.\nLikely cause: A hole.\nNext step: Fix it.",
        )
    ]


def test_gitlab_s_log_has_a_section_for_output_with_the_result(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before, result, *lines = shown(GitLab({}, clock=lambda: 7), capsys).split("\n")
    assert (before, result) == ("\x1b[1mChecking for foo\x1b[0m", "    not there")
    assert lines[0] == "\x1b[0Ksection_start:7:lusid_1_pushing\r\x1b[0K\x1b[1mPushing to foo\x1b[0m"
    assert lines[1:3] == ["    ab: Pushed", "    in progress"]
    assert lines[4:7] == [
        "    pushed sha256:ab",
        "\x1b[0Ksection_end:7:lusid_1_pushing\r\x1b[0K",
        "    and that is all",
    ]
    assert [click.unstyle(line) for line in (lines[3], *lines[7:])] == [
        "warning: it may pass",
        "Error: It is bad.",
        "Likely cause: A hole.",
        "Next step: Fix it.",
        "",
    ]


def test_elsewhere_the_log_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(CiPlatform(), capsys).split("\n") == [
        "==> Checking for foo",
        "    not there",
        "==> Pushing to foo",
        "    ab: Pushed",
        "    in progress",
        "warning: it may pass",
        "    pushed sha256:ab",
        "    and that is all",
        "Error: It is bad.",
        "Likely cause: A hole.",
        "Next step: Fix it.",
        "",
    ]


@NEEDS_TERMINAL
@pytest.mark.parametrize(
    ("ci", "moves"), [(CiPlatform(), True), (GitHub({}), False), (GitLab({}), False)]
)
def test_nothing_moves_in_a_ci_even_if_it_has_a_terminal(
    ci: CiPlatform, monkeypatch: pytest.MonkeyPatch, *, moves: bool
) -> None:
    import pty

    keyboard, terminal = pty.openpty()
    with os.fdopen(keyboard, "rb"), os.fdopen(terminal, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        view = Console()
        view.ci = ci
        assert view.is_live is moves
        monkeypatch.undo()


ENDS: dict[str, Event | LusidPublishError | str] = {
    "done": StepDone("done"),
    "another step": StepStarted("Waiting"),
    "an error": ScanGateError("It is bad."),
    "a signal": "SIGTERM",
    "a bug": "bug",
}


@pytest.mark.parametrize("ci", ["github", "gitlab"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("shows", [True, False])
def test_no_group_is_empty_and_each_ends_with_a_result(
    ci: str, end: str, capsys: pytest.CaptureFixture[str], *, shows: bool
) -> None:
    view = Console()
    view.ci = GitHub({}) if ci == "github" else GitLab({}, clock=lambda: 7)
    view.listen(StepStarted("Building", has_output=True))
    if shows:
        view.listen(BuildOutput("a line"))
    match ENDS[end]:
        case LusidPublishError() as error:
            view.show_error(error)
        case "bug":
            view.show_bug(ValueError("x"))
        case str(name):
            view.show_interruption(name)
        case event:
            view.listen(event)
    view.finish()
    results = {"done": "done", "another step": "not finished", "a signal": "interrupted"}
    lines = [click.unstyle(line) for line in capsys.readouterr().err.split("\n")]
    [last] = [
        at for at, line in enumerate(lines) if "::endgroup::" in line or "section_end" in line
    ]
    group = [line for line in lines[1:last] if not line.startswith("::")]
    assert group[-1] == f"    {results.get(end, 'failed')}"


@pytest.mark.parametrize("annotates", ["breaking", "all", "none"])
def test_a_finding_is_in_the_log_once(
    annotates: Annotates, capsys: pytest.CaptureFixture[str]
) -> None:
    view = Console()
    view.annotates = annotates
    for ci in (GitHub({}), GitLab({})):
        view.ci = ci
        view.listen(BreakingFinding("critical: CVE-2026-1 in x"))
        is_annotated = ci.has_annotations and annotates != "none"
        assert ("CVE-2026-1" in capsys.readouterr().err) is not is_annotated


def test_more_warnings_than_github_keeps_are_in_the_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = Console()
    view.ci = GitHub({})
    for number in range(12):
        view.listen(Warned(f"warning {number}"))
    runner = Runner().read(capsys.readouterr().err)
    assert len(runner.annotations) == 10
    assert {"warning: warning 10", "warning: warning 11"} <= set(runner.shown)


def test_a_quiet_log_has_no_groups(capsys: pytest.CaptureFixture[str]) -> None:
    view = Console()
    view.ci = GitHub({})
    view.verbosity = -1
    for event in STEP:
        view.listen(event)
    view.finish()
    assert capsys.readouterr().err == "::warning title=LUSID::it may pass\n"


def test_a_usage_error_is_annotated(capsys: pytest.CaptureFixture[str]) -> None:
    view = Console()
    view.ci = GitHub({})
    view.show_usage_error(click.BadParameter("'\n::error::x' is not it"))
    runner = Runner().read(capsys.readouterr().err)
    [(title, text)] = runner.of_level("error")
    assert title == "LUSID: usage (exit code 2)"
    assert "::error::x" in text


def test_log_records_are_no_commands(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    view = Console()
    view.ci = GitHub({})
    view.set_verbosity(2)
    logger.debug("from elsewhere:\n::error::x\n##[error]y")
    runner = Runner().read(capsys.readouterr().err)
    assert runner.acted == []
    assert any("from elsewhere" in line for line in runner.shown)


def test_the_builder_cannot_speak_to_the_runner(capsys: pytest.CaptureFixture[str]) -> None:
    view = Console()
    view.ci = GitHub({})
    view.listen(StepStarted("Building", has_output=True))
    for line in ("::error::x", "##[error]x", "\x1b[0m::error::x", "a\r::error::x"):
        view.listen(BuildOutput(line))
    view.finish()
    assert set(Runner().read(capsys.readouterr().err).acted) == {
        "group",
        "stop-commands",
        "endgroup",
    }


def test_a_signal_leaves_no_line_half_way(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    github = GitHub({})
    view = Console()
    view.ci = github
    output = github.output

    def interrupted(line: str) -> list[str]:
        signal.raise_signal(signal.SIGINT)  # held back until what it interrupts is written
        return output(line)

    view.listen(StepStarted("Building", has_output=True))
    monkeypatch.setattr(github, "output", interrupted)
    with pytest.raises(KeyboardInterrupt):
        view.listen(BuildOutput("::error::x"))
    view.finish()
    runner = Runner().read(capsys.readouterr().err)
    assert runner.acted == ["group", "stop-commands", "endgroup"]
    assert (runner.stopped, runner.annotations) == ("", [])


def test_a_log_that_nobody_takes_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    read_only = os.open(os.devnull, os.O_RDONLY)
    with os.fdopen(read_only, "w", buffering=1) as refusing:
        monkeypatch.setattr(sys, "stderr", refusing)
        for event in STEP:
            Console().listen(event)
        Console().show_error(ScanGateError("It is bad."))
        monkeypatch.undo()
        with suppress(OSError):
            refusing.close()


HOSTILE = [
    "\x1b[31mred\x1b[8m\x1b]0;title\x07\x1b[2K",
    "\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x9b31m \x9d0;title\x9c \x85 \x7f \x08\x08",
    "\u202egnp.exe\u202c \u2066x\u2069 \u200b\ufeff",
    "over\rwritten",
    "two\nlines\n::error::x\n##[error]x\n##vso[task.complete]\nError: forged",
    "section_start:1:mine[collapsed=true]\r\x1b[0Kmine",
    "section_end:1:lusid_1_building\r\x1b[0K",
    "a\u2028b\u2029c\x0bd\x0ce\x1cf",
    "##[group]x ###[error]y ##vso[z]",
]
"""Names, lines of builds and words of servers that a terminal or a CI would act on."""

OWN = re.compile(
    r"\x1b\[0Ksection_(?:start|end):7:lusid_\d+_[a-z]+\r\x1b\[0K|\x1b\[(?:0|1|2|31|33)m"
)
"""The signs that are this program's own: GitLab's marks, and its colours."""


def tell_everything(view: Console, text: str) -> None:
    for event in (
        StepStarted(f"Building {text}", text, text, has_output=True),
        BuildOutput(text),
        LayerProgress(text, text),
        Waiting(text),
        Note(text),
        Warned(text),
        StepDone(text),
        StepStarted(f"Pushing {text}", text, text),
    ):
        view.listen(event)
    view.annotate("notice", text, text)
    view.remark(f"the report is in {text}")
    view.show_usage_error(click.BadParameter(text, param_hint=text))
    view.show_error(BuildError(text, cause=text, hint=text, log=[text]))
    view.show_bug(ValueError(text))
    view.show_interruption("SIGINT")
    show_settings(view, [("app_name", text, text)])
    view.finish()


@pytest.mark.parametrize("verbosity", [-1, 0, 2])
@pytest.mark.parametrize("name", ["none", "github", "gitlab"])
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_foreign_text_acts_on_a_terminal_or_a_ci(
    name: str, text: str, verbosity: int, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    view = Console()
    cis: dict[str, CiPlatform] = {
        "none": CiPlatform(),
        "github": GitHub({}, token=lambda: "token"),
        "gitlab": GitLab({}, clock=lambda: 7),
    }
    view.ci = cis[name]
    view.set_verbosity(verbosity)
    tell_everything(view, text)
    logger.warning("heard %s", text)
    shown = capsys.readouterr().err
    assert shown
    for line in OWN.sub("", shown).split("\n"):
        assert line.isprintable(), repr(line)
        assert "##[" not in line
        assert "##vso[" not in line
        if name != "github":
            assert not line.lstrip().startswith("::")
    if name == "github":
        acted = {"group", "stop-commands", "endgroup", "warning", "notice", "error", "token"}
        assert set(Runner().read(shown).acted) <= acted
    if name != "github" and verbosity < 2:
        assert "\nError: forged" not in shown


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_answer_acts_on_a_terminal(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Console().answer(text, head=text, fg="red")
    Console().answer(tables.document({"a": text}))
    shown = capsys.readouterr().out
    assert all(line.isprintable() for line in OWN.sub("", shown).split("\n"))
    assert json.loads(tables.document({"a": text})) == {"a": text}


def test_a_tab_of_a_build_and_its_blanks_stay(capsys: pytest.CaptureFixture[str]) -> None:
    Console().listen(BuildOutput("  a\tb   c"))
    assert capsys.readouterr().err == "    |   a b   c\n"


def test_a_traceback_does_not_repeat_what_is_shown_below_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = Console()
    view.verbosity = 2
    view.show_error(BuildError("It failed.", cause="Something.", hint="Try."))
    err = capsys.readouterr().err
    assert err.count("BuildError: It failed.") == 1
    assert err.count("Likely cause: Something.") == err.count("Next step: Try.") == 1
