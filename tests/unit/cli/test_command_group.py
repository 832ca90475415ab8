"""The common options of a group: before a command's name, after it, and in both places."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from lusid_image_publish.cli import images, images_run, jobs, jobs_run
from lusid_image_publish.cli.connection_options import Connection
from lusid_image_publish.cli.console import console

Seen = list[dict[str, Any]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Seen:
    """Return the values that the lists get instead of listing."""
    values: Seen = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "verbosity", 0)
    monkeypatch.setattr(images_run, "list_repositories", lambda **given: values.append(given))
    monkeypatch.setattr(jobs_run, "list_jobs", lambda **given: values.append(given))
    return values


def run(group: click.Group, *words: str) -> Result:
    return CliRunner().invoke(group, words, catch_exceptions=False)


def connection_with(seen: Seen, group: click.Group, *words: str) -> Connection:
    result = run(group, *words)
    assert result.exit_code == 0, result.output
    connection = seen.pop()["connection"]
    assert isinstance(connection, Connection)
    return connection


GROUPS = pytest.mark.parametrize(
    ("group", "name"), [(images.command, "repos"), (jobs.command, "list")]
)


@GROUPS
@pytest.mark.parametrize(
    "options",
    [
        ["--username", "me", "--allow-http", "--secrets-file", "s.json"],
        ["--local", "--scan-delay", "0.5"],
        ["--scheduler-url=https://foo.lusid.com/scheduler2"],
    ],
)
def test_a_common_option_is_the_same_before_the_command_and_after_it(
    seen: Seen, group: click.Group, name: str, options: list[str]
) -> None:
    before = connection_with(seen, group, *options, name)
    assert before == connection_with(seen, group, name, *options)
    assert before != connection_with(seen, group, name)
    first, *others = options
    if first == "--local":
        assert before == connection_with(seen, group, first, name, *others)


@GROUPS
def test_the_option_after_the_command_wins(seen: Seen, group: click.Group, name: str) -> None:
    words = ["--username", "before", "--client-id", "id", name, "--username", "after"]
    overrides = connection_with(seen, group, *words).overrides
    assert overrides["username"] == ("after", "command line --username")
    assert overrides["client_id"] == ("id", "command line --client-id")


@GROUPS
def test_verbosity_adds_up(seen: Seen, group: click.Group, name: str) -> None:
    connection_with(seen, group, "-v", name, "-v")
    assert console.verbosity == 2


@GROUPS
def test_defaults_are_read_from_a_file_that_is_named_before_the_command(
    seen: Seen, group: click.Group, name: str, tmp_path: Path
) -> None:
    file = tmp_path / "defaults.toml"
    file.write_text('username = "file"\nclient-id = "file"\n')
    words = ["--config", str(file), "--username", "line", name]
    connection = connection_with(seen, group, *words)
    assert connection.overrides == {"username": ("line", "command line --username")}
    assert connection.defaults == {"client_id": ("file", str(file))}
    assert connection == connection_with(seen, group, name, *words[:-1])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--limit", "1", "repos"], "No such option"),  # it is the command's own
        (["--nonsense", "repos"], "No such option"),
        (["--local", "completion", "bash"], "No such option"),
        (["--scan-delay", "x", "repos"], "Invalid value for '--scan-delay'"),
        (["--local", "nonsense"], "No such command"),
        (["--local"], "Missing command"),
    ],
)
def test_what_cannot_be_used_before_a_command_is_a_usage_error(
    seen: Seen, words: list[str], said: str
) -> None:
    result = run(images.command, *words)
    assert (result.exit_code, seen) == (2, [])
    assert said in result.output


def test_the_options_of_the_program_itself_do_not_reach_the_command(seen: Seen) -> None:
    shown = run(images.command, "--local", "--version", "repos")
    assert (shown.exit_code, seen) == (0, [])
    assert shown.output.startswith("lusid-images, version")


def test_the_help_of_a_command_names_its_own_options_and_where_the_others_are() -> None:
    context = images.command.make_context("lusid-images", ["list", "job"])
    command = images.command.commands["list"]
    shown = command.get_help(click.Context(command, info_name="list", parent=context))
    assert "--limit" in shown
    assert shown.endswith("\n\nCommon options: see lusid-images --help")
    common = ["--local", "--scan-delay", "--config", "--username", "--verbose", "--ci"]
    assert [option for option in common if option in shown] == []
    of_group = images.command.get_help(context)
    assert [option for option in common if of_group.count(f" {option}") < 1] == []


@pytest.mark.parametrize(
    ("words", "typed", "completed"),
    [
        ([], "--usern", ["--username"]),
        (["repos"], "--usern", ["--username"]),
        (["--local"], "rep", ["repos"]),
        (["--local", "--username", "x", "repos"], "--lim", ["--limit"]),
        (["--ci"], "git", ["github", "gitlab"]),
    ],
)
def test_a_shell_completes_common_options_in_both_places(
    words: list[str], typed: str, completed: list[str]
) -> None:
    shell = ShellComplete(images.command, {}, "lusid-images", "_LUSID_IMAGES_COMPLETE")
    assert [item.value for item in shell.get_completions(words, typed)] == completed
