"""The JSON schema of the project's file allows what the file may have, and nothing else."""

import tomllib
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from lusid_image_publish.cli import publish
from lusid_image_publish.cli.parameters import key_of
from lusid_image_publish.cli.project_file import FOUND_KEYS, NOT_IN_FILE, read_project_file
from lusid_image_publish.cli.project_schema import project_schema
from lusid_image_publish.errors import ConfigurationError
from tests.unit.cli.test_project_file import toml

FILE = Path("named.toml")
SCHEMA = project_schema()
VALIDATOR = Draft7Validator(SCHEMA, format_checker=Draft7Validator.FORMAT_CHECKER)


def is_allowed(text: str) -> bool:
    """Return whether the schema allows a file, as a language server does: dates are texts there."""
    return bool(VALIDATOR.is_valid(as_json(tomllib.loads(text))))


def as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: as_json(part) for key, part in value.items()}
    if isinstance(value, list):
        return list(map(as_json, value))
    return value.isoformat() if isinstance(value, date) else value


def is_read(text: str) -> bool:
    """Return whether the command reads a file that `--config` names."""
    FILE.write_text(text, encoding="utf-8")
    with suppress(ConfigurationError):
        return read_project_file(FILE, publish.command) is not None
    return False


def test_it_is_a_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)


def test_it_has_each_option_with_its_help() -> None:
    options = {
        key_of(param): param for param in publish.command.params if isinstance(param, click.Option)
    }
    assert set(SCHEMA["properties"]) == set(options) - NOT_IN_FILE
    for key, about in SCHEMA["properties"].items():
        assert about["description"].endswith(".") or "[default" in about["description"]
        assert about["description"].endswith("--config names.") is (key not in FOUND_KEYS)
        if isinstance(default := options[key].default, int | float | str) and key != "verbose":
            assert about["default"] == default


GOOD = [
    "",
    'fail-on = "high"\nmax = { medium = 10, unknown = 0 }\nfixable-only = true\n',
    'max = ["high=1", "low=2"]',
    'report = ["markdown", "sarif=here.sarif", "text=a=b"]',
    'report = { json = "x.json" }',
    "push-timeout = 1800\nscan-timeout = 1.5\nwait-timeout = 0\npush-retries = 0",
    "poll-interval = 0.05\nmax-archive-size = 0.5\nverbose = 2\nquiet = false",
    'platform = "linux/arm/v7"\ntarget = "final"\ncontext = "."\nimage = "job:ci"',
    'build-arg = { A = "b", C = 1, D = 1.5 }\nlabel = ["x=y", "x=y", "a.b/c="]',
    'build-arg = ["A=1", "A=2"]\nlabel = { "a.b" = "c" }',
    'build-arg = ["PATH"]',
    'job = ["me/my-job", "you/it"]\nrun-job = true\nargument = { day = "monday" }',
    'argument = ["PATH", "A=b c"]',
    'scheduler-url = "https://foo.lusid.com/scheduler2"\nallow-http = false',
    'secrets-file = "s.json"\nscan-findings = "f.json"\nlocal = true',
    'ignore = ["CVE-1", { id = "CVE-2", reason = "r", expires = 2027-01-31 }]',
    '[[ignore]]\nid = "CVE-1"\nexpires = "2027-01-31"',
    'on-missing-credentials = "skip"\nif-exists = "fail"\noutput = "json"\nci = "none"',
]
BAD = [
    "nonsense = 1",
    'fail_on = "high"',
    'config = "x.toml"',
    'version = "1"',
    'password = "x"',
    'fail-on = "severe"',
    "fail-on = true",
    'fixable-only = "yes"',
    "fixable-only = 1",
    "quiet = 1",
    "max = { high = -1 }",
    "max = { high = 1.5 }",
    "max = { terrible = 1 }",
    'max = ["high"]',
    'max = ["high=1", "high=1"]',
    'max = "high=1"',
    "push-retries = 101",
    "push-retries = 1.5",
    "push-timeout = 0",
    "wait-timeout = -1",
    "poll-interval = 0",
    "max-archive-size = 0",
    'wait-timeout = "long"',
    'platform = "amd64"',
    'platform = "Linux/amd64"',
    'report = ["yaml"]',
    'report = ["json", "json"]',
    'report = ["json=-"]',
    'report = ["json="]',
    'report = { json = "" }',
    'report = { json = "-" }',
    'report = "json"',
    'build-arg = ["1=2"]',
    'build-arg = { "a b" = 1 }',
    "build-arg = { A = true }",
    'label = ["x"]',
    'job = ["my-job"]',
    'job = ["me/my-job", "me/my-job"]',
    'job = { me = "my-job" }',
    'argument = ["a b=1"]',
    'ignore = "CVE-1"',
    "ignore = [1]",
    'ignore = [" "]',
    '[[ignore]]\nreason = "r"',
    '[[ignore]]\nid = "CVE-1"\nreason = 1',
    '[[ignore]]\nid = "CVE-1"\nexpires = "soon"',
    '[[ignore]]\nid = "CVE-1"\nexpires = "2027-02-31"',
    '[[ignore]]\nid = "CVE-1"\nexpires = 2027',
    '[[ignore]]\nid = "CVE-1"\nexpires = 2027-01-01T10:00:00Z',
    '[[ignore]]\nid = "CVE-1"\nuntil = 2027-01-01',
]


@pytest.mark.parametrize("text", GOOD)
def test_what_the_command_reads_is_allowed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert (is_read(text), is_allowed(text)) == (True, True)


@pytest.mark.parametrize("text", BAD)
def test_what_the_command_refuses_is_not_allowed(text: str) -> None:
    assert (is_read(text), is_allowed(text)) == (False, False)


@pytest.mark.parametrize(
    "text",
    [
        'push-retries = "3"',
        'fail-on = "High"',
        "target = 1",
        'max = { high = "1" }',
        'max = ["High = 1"]',
        "report = { json = 1 }",
        '[[ignore]]\nid = "CVE-1"\nexpires = "20270131"',
    ],
)
def test_unusual_spellings_are_read_but_not_proposed(text: str) -> None:
    assert (is_read(text), is_allowed(text)) == (True, False)


@pytest.mark.parametrize(
    "text",
    [
        "push-retries = 1.0",  # an integer for JSON
        'report = ["json=gone/x.json"]',
        'report = ["json=a", "text=a"]',
        'argument = ["NOT_IN_THE_ENVIRONMENT"]',
        'build-arg = ["FBN_PASSWORD=x"]',
        'target = "\\u0000"',
    ],
)
def test_some_rules_are_more_than_a_schema_can_say(text: str) -> None:
    assert (is_read(text), is_allowed(text)) == (False, True)


TEXTS = st.one_of(
    st.sampled_from(["high", "none", "auto", "json", "CVE-1", "linux/amd64", "2027-01-31", "me/j"]),
    st.builds(
        "{}={}".format,
        st.sampled_from(["A", "a.b", "1", "high", "unknown", "json", "text", "a b", ""]),
        st.sampled_from(["1", "", "-1", "x", "-", "a=b"]),
    ),
    st.text(alphabet="abz=-.:1", max_size=6),
)
NUMBERS = st.one_of(
    st.integers(-2, 200), st.sampled_from([0.5, 1.5, -0.5, 86400, 86401, 86400.5, 1 << 21])
)
NAMES = st.sampled_from(["A", "a.b", "1", "high", "unknown", "json", "text", "me/j", "a b"])
ENTRIES = st.dictionaries(
    st.sampled_from(["id", "reason", "expires", "until"]),
    TEXTS | NUMBERS | st.dates(date(2000, 1, 1)),
)
KEYS = sorted(SCHEMA["properties"])


@st.composite
def settings(draw: st.DrawFn) -> tuple[str, Any]:
    """Return a key and a value, right or wrong, that is spelled as usual."""
    key = draw(st.sampled_from(KEYS))
    kind = SCHEMA["properties"][key].get("type")
    kinds = [st.booleans(), st.lists(TEXTS | st.booleans(), max_size=3)]
    kinds += [NUMBERS] if kind != "string" else []
    kinds += [TEXTS] if kind not in {"integer", "number"} else []
    kinds += [st.lists(TEXTS | ENTRIES, max_size=3)] if key == "ignore" else []
    values = st.integers(-1, 3) if key == "max" else TEXTS | st.booleans()
    kinds += [st.dictionaries(NAMES, values, min_size=1, max_size=2)]
    return key, draw(st.one_of(kinds))


@given(settings())
def test_the_schema_and_the_command_agree(setting: tuple[str, Any]) -> None:
    key, value = setting
    names = [str(text) for text in value] if isinstance(value, list) else []
    if key == "argument":
        assume(all("=" in name for name in names))  # or the environment matters
    if key in {"max", "report", "argument"}:  # the same thing may have two spellings
        assume(len({name.partition("=")[0] for name in names}) == len(names))
    if key == "report" and isinstance(value, dict | list):  # or the folder matters
        texts = list(map(str, value.values() if isinstance(value, dict) else value))
        paths = [text.partition("=")[2] if isinstance(value, list) else text for text in texts]
        assume(not any("/" in path or path in {".", ".."} for path in paths))
        assume(len({path for path in paths if path}) == len([path for path in paths if path]))
    text = f"{toml(key)} = {toml(value)}\n"
    assert is_allowed(text) == is_read(text), text
