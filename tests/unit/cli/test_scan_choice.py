"""The policy that options and the project's file make together."""

from datetime import date
from pathlib import Path
from typing import Any, Final

import click
import pytest

from lusid_image_publish.cli import publish
from lusid_image_publish.cli.scan_choice import ScanChoice, choose_scan
from lusid_image_publish.scan.verdict import Ignore, Severity

OWN: Final = Path(".lusid-publish.toml")
LOOSE: Final = """
fail-on = "critical"
max = { high = 3 }
fixable-only = true
if-unscannable = "warn"
[[ignore]]
id = "CVE-1"
reason = "known"
expires = 2027-01-31
"""
KNOWN: Final = Ignore("CVE-1", "known", date(2027, 1, 31))


def chosen(*arguments: str) -> ScanChoice:
    words = [*arguments, "./Dockerfile", "job:1.0"]
    context = publish.command.make_context("lusid-publish", words)
    values: dict[str, Any] = context.params
    with context:
        assert click.get_current_context() is context
        return choose_scan(values)


@pytest.fixture
def _in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITLAB_CI", "true")


@pytest.mark.usefixtures("_in_ci")
@pytest.mark.parametrize(
    "arguments", [("--fail-on", "high"), ("--max", "low=0"), ("--fail-on", "high", "--max=low=0")]
)
def test_in_a_ci_a_found_file_does_not_loosen_the_policy_of_the_options(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    OWN.write_text(LOOSE)
    policy = chosen(*arguments, "--ignore", "CVE-9").policy
    assert [ignore.id for ignore in policy.ignores] == ["CVE-9"]
    assert policy.fixable_only is False
    assert policy.if_unscannable == "fail"
    said = capsys.readouterr().err
    assert "Ignored keys: ignore, fixable-only, if-unscannable." in said
    assert ".lusid-publish.toml" in said
    assert "--trust-project-policy" in said


@pytest.mark.usefixtures("_in_ci")
def test_in_a_ci_a_found_file_may_tighten_the_policy_of_the_options() -> None:
    OWN.write_text('fail-on = "low"\nmax = { high = 3 }\n')
    assert chosen("--fail-on", "high").policy.limits == {Severity.HIGH: 3}
    assert chosen("--max", "low=1").policy.fail_on is Severity.LOW


@pytest.mark.usefixtures("_in_ci")
def test_a_variable_sets_a_policy_like_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    OWN.write_text(LOOSE)
    monkeypatch.setenv("LUSID_PUBLISH_FAIL_ON", "medium")
    assert chosen().policy.ignores == ()


@pytest.mark.usefixtures("_in_ci")
def test_a_file_that_is_trusted_named_or_alone_says_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    OWN.write_text(LOOSE)
    for arguments in (
        ("--fail-on", "high", "--trust-project-policy"),
        ("--fail-on", "high", "--config", str(OWN)),
        (),
        ("--if-unscannable", "warn"),
        ("--fail-on", "none"),
    ):
        policy = chosen(*arguments).policy
        assert policy.ignores == (KNOWN,)
        assert policy.fixable_only is True
        assert policy.if_unscannable == "warn"
    assert "Ignored keys" not in capsys.readouterr().err
    assert chosen("--fail-on", "high", "--config", "none").policy.ignores == ()


@pytest.mark.usefixtures("_in_ci")
def test_what_an_option_says_itself_is_no_loosening(capsys: pytest.CaptureFixture[str]) -> None:
    OWN.write_text('fixable-only = true\nif-unscannable = "warn"\n')
    policy = chosen("--fail-on", "high", "--fixable-only", "--if-unscannable", "warn").policy
    assert (policy.fixable_only, policy.if_unscannable) == (True, "warn")
    assert "Ignored keys" not in capsys.readouterr().err


def test_on_a_person_s_machine_the_file_counts() -> None:
    OWN.write_text(LOOSE)
    assert chosen("--fail-on", "high").policy.ignores == (KNOWN,)
