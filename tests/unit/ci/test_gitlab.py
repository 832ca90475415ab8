"""The log as GitLab takes it."""

import re

import pytest

from lusid_image_publish.ci.gitlab import GitLab

MARK = re.compile(r"\x1b\[0Ksection_(start|end):(\d+):([a-z0-9_]+)\r\x1b\[0K(.*)")


def marks(lines: list[str]) -> list[tuple[str, ...]]:
    return [match.groups() for line in lines if (match := MARK.fullmatch(line))]


def test_each_step_with_output_is_a_section_of_its_own() -> None:
    times = iter([10.4, 20.0, 20.0, 30.6])
    log = GitLab({}, clock=lambda: next(times))
    lines = [*log.begin("one", has_output=True), *log.text("a")]
    lines += [*log.begin("two", has_output=True), *log.finish(), *log.finish()]
    assert marks(lines) == [
        ("start", "10", "lusid_1_one", "\x1b[1mone\x1b[0m"),
        ("end", "20", "lusid_1_one", ""),
        ("start", "20", "lusid_2_two", "\x1b[1mtwo\x1b[0m"),
        ("end", "31", "lusid_2_two", ""),
    ]
    assert lines[1] == "a"


def test_nothing_is_left_open_or_masked() -> None:
    log = GitLab({})
    assert (log.end(), log.finish()) == ([], [])
    assert log.annotation("error", "a", "b") == []
    assert log.mask("hunter2-hunter2") == [], "GitLab has no such command: it would be shown"


def test_a_step_without_output_is_not_a_section() -> None:
    log = GitLab({})
    lines = [*log.begin("Looking"), *log.text("    none"), *log.end("    failed")]
    assert lines == ["\x1b[1mLooking\x1b[0m", "    none"]


def test_a_result_is_the_last_line_of_its_section() -> None:
    log = GitLab({}, clock=lambda: 7)
    begun = log.begin("Pushing", has_output=True)
    result, end = log.end("    failed")
    assert (len(begun), result) == (1, "    failed")
    assert "section_end:7:lusid_1_pushing" in end


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"CI_COMMIT_REF_PROTECTED": "false"}, "not protected"),
        ({"CI_COMMIT_REF_PROTECTED": "true"}, ""),
        ({}, ""),
        (
            {"CI_MERGE_REQUEST_PROJECT_PATH": "us/job", "CI_PROJECT_PATH": "them/job"},
            "fork",
        ),
        ({"CI_MERGE_REQUEST_PROJECT_PATH": "us/job", "CI_PROJECT_PATH": "us/job"}, ""),
    ],
)
def test_why_there_are_no_secrets(environ: dict[str, str], words: str) -> None:
    log = GitLab(environ)
    why = log.why_no_secrets()
    assert words in why
    assert bool(why) == bool(words)
    assert bool(log.how_to_pass_secrets()) == (words != "fork"), "a fork can do nothing"
