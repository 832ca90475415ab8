"""Defaults from a file of the project: what is taken, what is refused, what is stronger."""

import os
from contextlib import suppress
from datetime import date, time
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.cli import images, publish
from lusid_image_publish.cli.connection import configure
from lusid_image_publish.cli.connection_options import connection_of
from lusid_image_publish.cli.parameters import key_of
from lusid_image_publish.cli.project_defaults import ProjectFile, describe_defaults, remembered
from lusid_image_publish.cli.project_file import FOUND_KEYS, read_project_file
from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.scan.verdict import Ignore

OWN, PYPROJECT = Path(".lusid-publish.toml"), Path("pyproject.toml")


def read(text: str) -> ProjectFile:
    OWN.write_text(text)
    file = read_project_file(None, publish.command)
    assert file is not None
    return file


def parsed(*arguments: str) -> dict[str, Any]:
    """Return what lusid-publish makes of its arguments and the file."""
    words = [*arguments, "./Dockerfile", "job:1.0"]
    return publish.command.make_context("lusid-publish", words).params


def refused(text: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    assert ".lusid-publish.toml" in caught.value.message
    assert caught.value.hint
    return caught.value


def test_without_a_file_there_are_no_defaults() -> None:
    assert read_project_file(None, publish.command) is None
    PYPROJECT.write_text("[tool.ruff]\nline-length = 100\n")
    assert read_project_file(None, publish.command) is None


def test_options_take_their_defaults_from_it() -> None:
    OWN.write_text(
        """
        fail-on = "high"
        max = { medium = 10, unknown = 0 }
        fixable-only = true
        report = ["markdown", "sarif=here.sarif"]
        wait-timeout = 20
        scan-timeout = 1.5
        build-arg = { A = "b", C = 1 }
        label = ["x=y"]
        latest = true
        push-retries = 0
        """
    )
    values = parsed()
    assert values["fail_on"] == "high"
    assert values["limits"] == {"medium": 10, "unknown": 0}
    assert values["fixable_only"] is True
    assert [form for form, _ in values["reports"]] == ["markdown", "sarif"]
    assert values["wait_timeout"] == 20
    assert values["scan_timeout"] == 1.5
    assert values["build_args"] == {"A": "b", "C": "1"}
    assert values["labels"] == {"x": "y"}
    assert values["latest"] is True
    assert values["push_retries"] == 0


def test_the_command_line_is_stronger() -> None:
    OWN.write_text('fail-on = "high"\nmax = {low = 1}\n')
    values = parsed("--fail-on", "none", "--max", "high=0")
    assert values["fail_on"] == "none"
    assert values["limits"] == {"high": 0}


def test_pyproject_has_a_table_of_its_own() -> None:
    PYPROJECT.write_text('[tool.lusid-publish]\nfail-on = "low"\n')
    assert parsed()["fail_on"] == "low"


def test_a_file_can_be_named() -> None:
    OWN.write_text("nonsense = 1\n")
    Path("other.toml").write_text('fail-on = "low"\n')
    assert parsed("--config", "other.toml")["fail_on"] == "low"
    Path("sub").mkdir()
    Path("sub/pyproject.toml").write_text('[tool.lusid-publish]\nfail-on = "medium"\n')
    assert parsed("--config", "sub/pyproject.toml")["fail_on"] == "medium"


@pytest.mark.parametrize("content", ["", "[tool]\nx = 1\n", "[tool.lusid-publishing]\n"])
def test_a_named_pyproject_needs_the_table(content: str) -> None:
    PYPROJECT.write_text(content)
    with pytest.raises(ConfigurationError, match="is not a table"):
        read_project_file(PYPROJECT, publish.command)


def test_two_files_are_one_too_many() -> None:
    OWN.write_text("")
    PYPROJECT.write_text("[tool.lusid-publish]\n")
    with pytest.raises(ConfigurationError, match="two places") as caught:
        read_project_file(None, publish.command)
    assert "--config" in caught.value.hint


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("fail_on", "fail-on"),
        ("failon", "fail-on"),
        ("if-exist", "if-exists"),
        ("Reports", "report"),
        ("ignores", "ignore"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(key: str, meant: str) -> None:
    error = refused(f"{key} = 1")
    assert repr(key) in error.message
    assert f"Did you mean {meant}?" in error.hint


@pytest.mark.parametrize("key", ["password", "access-token", "client_secret", "config", "help"])
def test_secrets_and_what_makes_no_sense_are_no_keys(key: str) -> None:
    error = refused(f'{key} = "hunter22"')
    assert "hunter22" not in f"{error.message}{error.cause}{error.hint}"


@pytest.mark.parametrize(
    "line",
    [
        'fail-on = "severe"',
        "fail-on = true",
        "fail-on = ['high']",
        "fixable-only = 'yes'",
        "max = 'high=1'",
        "max = {high = -1}",
        "max = {high = 1.5}",
        "max = {terrible = 1}",
        "max = ['high=1', 'high=2']",
        "wait-timeout = -1",
        "wait-timeout = 'long'",
        "wait-timeout = nan",
        "push-retries = 1.5",
        "report = ['yaml']",
        "build-arg = {A = true}",
        "label = {A = 'a', B = [1]}",
        "report = ['json=no/such/folder/file']",
        "platform = 'amd64'",
        "label = ['no-equals-sign']",
        "quiet = 1",
        "scan-timeout = 2026-01-01",
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_its_key(line: str) -> None:
    error = refused(line)
    key = line.partition(" =")[0]
    assert f"has an invalid value for {key}." in error.message
    assert error.cause
    assert f"--{key}" in error.hint


@pytest.mark.parametrize("content", [b"fail-on = high", b"\xff\xfe", b"a = " + b"[" * 5000])
def test_what_is_no_toml_is_refused(content: bytes) -> None:
    OWN.write_bytes(content)
    with pytest.raises(ConfigurationError, match="is not TOML"):
        read_project_file(None, publish.command)


def test_a_named_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_project_file(Path("missing.toml"), publish.command)


def test_ignores_have_a_reason_and_a_last_day() -> None:
    file = read(
        """
        ignore = [
            "CVE-1",
            { id = " CVE-2 ", reason = "not reachable", expires = 2027-01-31 },
            { id = "CVE-3", expires = "2027-02-01" },
        ]
        """
    )
    assert file.ignores == (
        Ignore("CVE-1"),
        Ignore("CVE-2", "not reachable", date(2027, 1, 31)),
        Ignore("CVE-3", "", date(2027, 2, 1)),
    )


def test_ignores_may_be_tables_of_pyproject() -> None:
    PYPROJECT.write_text('[[tool.lusid-publish.ignore]]\nid = "CVE-1"\nreason = "r"\n')
    file = read_project_file(None, publish.command)
    assert file is not None
    assert file.ignores == (Ignore("CVE-1", "r"),)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('ignore = "CVE-1"', "a list of entries"),
        ("ignore = [1]", "neither a string nor a table"),
        ('[[ignore]]\nreason = "r"', "needs an id"),
        ('[[ignore]]\nid = " "', "needs an id"),
        ('[[ignore]]\nid = "CVE-1"\nreason = 1', "the reason of CVE-1"),
        ('[[ignore]]\nid = "CVE-1"\nexpires = "soon"', "CVE-1 expires on soon"),
        ('[[ignore]]\nid = "CVE-1"\nexpires = 2027', "CVE-1 expires on 2027"),
        ('[[ignore]]\nid = "CVE-1"\nexpires = 2027-01-01T10:00:00Z', "CVE-1 expires on"),
        ('[[ignore]]\nid = "CVE-1"\nexpiry = 2027-01-01', "did you mean expires?"),
    ],
)
def test_an_ignore_that_cannot_be_used_is_refused(lines: str, words: str) -> None:
    assert words in refused(lines).message


def test_what_is_stronger_than_the_file_for_how_to_reach_lusid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    OWN.write_text('scheduler-url = "https://file.lusid.com/scheduler2"\n')
    monkeypatch.setenv("FBN_ACCESS_TOKEN", "t0ken")

    def reached(*arguments: str) -> tuple[str, str]:
        words = [*arguments, "./Dockerfile", "job:1.0"]
        context = publish.command.make_context("lusid-publish", words)
        settings = configure(connection_of(context, context.params))
        return settings.scheduler_url, settings.origins["scheduler_url"]

    assert reached() == ("https://file.lusid.com/scheduler2", ".lusid-publish.toml")
    monkeypatch.setenv("FBN_SCHEDULER_URL", "https://environment/scheduler2")
    assert reached()[0] == "https://environment/scheduler2"
    # Also where it says the same as the file, the command line is the command line.
    assert reached("--scheduler-url", "https://file/scheduler2")[0] == "https://file/scheduler2"


def test_other_commands_take_how_to_reach_lusid_and_what_a_scan_may_find() -> None:
    file = Path("named.toml")
    file.write_text(
        'scheduler-url = "https://file/scheduler2"\nfail-on = "low"\n'
        'output = "json"\nforce = true\n'
    )

    def defaults(name: str, *words: str) -> dict[str, Any]:
        words = ("--config", str(file), *words)
        group = images.command.make_context("lusid-images", [name, *words])
        command = images.command.get_command(group, name)
        assert isinstance(command, click.Command)
        return command.make_context(name, list(words), parent=group).params

    scan = defaults("scan", "job:1.0")
    assert (scan["scheduler_url"], scan["fail_on"]) == ("https://file/scheduler2", "low")
    assert scan["output"] == "table"
    assert defaults("download", "job:1.0")["force"] is False


NEVER_FOUND = {
    *("local", "scan-findings", "scan-delay", "scan-status", "dry-run", "no-build", "force"),
    *("access-token-file", "token-url", "username", "client-id", "app-name"),
    *("proxy-address", "ca-bundle", "secrets-file", "allow-http", "on-missing-credentials"),
    *("trust-project-policy", "max-archive-size", "ci", "quiet"),
    *("job", "force-job", "run-job", "argument", "annotations", "summary"),
}
"""What is about secrets, where they go, what counts, what runs, or what reviewers are shown."""


def test_every_option_is_a_key_of_a_found_file_or_is_not_for_a_reason() -> None:
    options = {key_of(param) for param in publish.command.params if isinstance(param, click.Option)}
    assert options - {"config", "help", "version"} == FOUND_KEYS | NEVER_FOUND
    assert not FOUND_KEYS & NEVER_FOUND


def example_of(key: str) -> str:
    [option] = [param for param in publish.command.params if key_of(param) == key]
    assert isinstance(option, click.Option)
    if option.multiple:
        return f'{key} = ["{ {"job": "me/my-job"}.get(key, "a=1") }"]'
    if option.is_bool_flag:
        return f"{key} = true"
    if not option.is_flag and isinstance(option.type, click.Choice):
        return f'{key} = "{option.type.choices[-1]}"'
    return f"{key} = true" if option.is_flag else f'{key} = "1"'


@pytest.mark.parametrize("key", sorted(NEVER_FOUND))
def test_what_a_found_file_may_not_have_a_named_one_may(key: str) -> None:
    error = refused(example_of(key))
    assert f"sets {key}, which only a file that you name may do" in error.message
    assert f"--{key}" in error.hint
    assert "--config .lusid-publish.toml" in error.hint
    file = read_project_file(OWN, publish.command)
    assert file
    assert file.is_named
    assert parsed("--config", "none")["fail_on"] == "none"


@pytest.mark.parametrize(
    "url",
    ["http://foo.lusid.com/scheduler2", "https://evil.com/scheduler2", "http://127.0.0.1:9"],
)
def test_a_found_file_names_a_scheduler_of_lusid_alone(url: str) -> None:
    assert "https://<domain>.lusid.com" in refused(f'scheduler-url = "{url}"').message
    assert parsed("--config", str(OWN))["scheduler_url"] == url


@pytest.mark.parametrize(
    "line",
    [
        'context = ".."',
        'context = "/"',
        'context = "out"',
        'report = ["text=../x.txt"]',
        'report = ["text=out/x.txt"]',
        'report = ["text", "json=/tmp/x.json"]',
        'report = { json = "../x.json" }',
        'report = ["sarif=link"]',
        'report = ["text=.git/config"]',
        'report = { text = "sub/.GIT/hooks/x" }',
    ],
)
def test_a_path_of_a_found_file_is_below_the_working_directory(line: str, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    os.chdir(work)
    Path(".git").mkdir()
    Path("sub/.GIT/hooks").mkdir(parents=True)
    Path("out").symlink_to(tmp_path)
    Path("link").symlink_to(tmp_path / "x.sarif")
    assert "outside its directory" in refused(line).message
    assert read_project_file(OWN, publish.command)


def test_paths_below_the_working_directory_are_taken() -> None:
    Path("sub").mkdir()
    file = read('context = "sub"\nreport = ["text", "json=sub/x.json", "sarif=./a.sarif"]\n')
    assert file.values["context"] == "sub"


@pytest.mark.parametrize(
    "line", ['build-arg = ["AWS_SECRET_ACCESS_KEY"]', 'build-arg = ["A=1", "B"]']
)
def test_a_found_file_takes_nothing_from_the_environment(line: str) -> None:
    assert "takes a value of build-arg from the environment" in refused(line).message
    assert read_project_file(OWN, publish.command)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize("path", [OWN, PYPROJECT])
def test_a_file_is_a_regular_one_of_at_most_a_mebibyte(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_project_file(None, publish.command)
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_project_file(None, publish.command)
    path.rmdir()
    path.write_text("# " + "x" * (1 << 20))
    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        read_project_file(None, publish.command)
    assert "larger than 1 MiB" in caught.value.cause


@pytest.mark.parametrize(
    "value",
    [
        f"0x{'f' * 6000}",
        f"[0x{'f' * 6000}]",
        f"{{ high = 0x{'f' * 6000} }}",
        f"[{{ id = 'x', expires = 0x{'f' * 6000} }}]",
        '"\\u0000"',
        "[" * 300 + "]" * 300,
        "{a=" * 300 + "1" + "}" * 300,
        "[" * 5000 + "]" * 5000,
    ],
)
@pytest.mark.parametrize("key", ["fail-on", "max", "report", "context", "ignore", "wait-timeout"])
def test_what_is_huge_or_nested_is_refused(key: str, value: str) -> None:
    refused(f"{key} = {value}")


KEYS = st.sampled_from(sorted(FOUND_KEYS | NEVER_FOUND)) | st.text(max_size=9)
TEXTS = st.text(max_size=12) | st.sampled_from(["high", "high=1", "A=1", "sarif=x", "true", "\x00"])
SCALARS = st.one_of(
    st.booleans(), st.integers(), st.floats(), TEXTS, st.dates(), st.datetimes(), st.times()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


def toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "".join(
            ['"', *(c if c.isalnum() else f"\\U{ord(c):08x}" for c in value), '"'],
        )
    if isinstance(value, dict):
        return f"{{{', '.join(f'{toml(key)} = {toml(part)}' for key, part in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return value.isoformat() if isinstance(value, date | time) else str(value)


@given(st.dictionaries(KEYS, VALUES, max_size=3))
def test_whatever_a_file_has_is_used_or_refused(document: dict[str, Any]) -> None:
    OWN.write_text(
        "".join(f"{toml(key)} = {toml(value)}\n" for key, value in document.items()),
        encoding="utf-8",
    )
    for path in (None, OWN):
        with suppress(ConfigurationError):
            read_project_file(path, publish.command)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_bytes_a_file_has_are_used_or_refused(content: bytes) -> None:
    OWN.write_bytes(content)
    with suppress(ConfigurationError):
        read_project_file(None, publish.command)


def test_a_tab_takes_nothing_from_a_found_file() -> None:
    OWN.write_text('scheduler-url = "https://file.lusid.com/scheduler2"\n')
    context = publish.command.make_context("x", [], resilient_parsing=True)
    assert remembered(context) is None
    words = ["--config", str(OWN)]
    assert remembered(publish.command.make_context("x", words, resilient_parsing=True))


def test_completion_survives_a_broken_file() -> None:
    OWN.write_text("nonsense = 1\n")
    context = publish.command.make_context("x", ["--config", str(OWN)], resilient_parsing=True)
    assert remembered(context) is None


def test_the_values_that_count_are_listed_with_the_file() -> None:
    OWN.write_text(
        'fail-on = "high"\nlatest = true\nmax = { low = 1, medium = 2 }\nreport = ["text"]\n'
        '[[ignore]]\nid = "CVE-1"\nreason = "known\\u001b[2J"\nexpires = 2027-01-31\n'
    )
    words = ["--fail-on", "low", "./Dockerfile", "job:1.0"]
    lines = list(describe_defaults(publish.command.make_context("lusid-publish", words)))
    assert sorted(lines) == [
        ".lusid-publish.toml: ignore = CVE-1 until 2027-01-31 (known\N{REPLACEMENT CHARACTER}[2J)",
        ".lusid-publish.toml: latest = true",
        ".lusid-publish.toml: max = low=1, medium=2",
        ".lusid-publish.toml: report = text",
    ]
