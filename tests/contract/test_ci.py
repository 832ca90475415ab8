"""The action's inputs, the template's and the command's options are the same; examples use them."""

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from lusid_image_publish.cli import publish
from lusid_image_publish.cli.action import SETTINGS
from lusid_image_publish.cli.command import MARK, variable_of
from lusid_image_publish.cli.inputs import NOT_INPUTS
from lusid_image_publish.cli.parameters import key_of
from lusid_image_publish.cli.template import ONLY_ON_GITHUB
from lusid_image_publish.cli.template import OTHER_NAMES as TEMPLATE_INPUT
from lusid_image_publish.config import SECRET_VARIABLES
from lusid_image_publish.errors import ExitCode
from lusid_image_publish.reports.formats import FORMATS
from lusid_image_publish.reports.outputs import OUTPUTS, variable_of_output

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
HEADER, TEMPLATE = yaml.safe_load_all((ROOT / "templates/lusid-publish.yml").read_text())
INPUTS: dict[str, Any] = HEADER["spec"]["inputs"]
OPTIONS = {key_of(param): param for param in publish.command.params}

OF_THE_JOB = {"job-name", "stage", "image", "image-from", "dind-image", "gate"}
EXAMPLES = sorted((ROOT / "examples").glob("git*.yml"))
JOB = "$[[ inputs.job-name ]]"


def choices_of(key: str) -> list[str]:
    kind = OPTIONS[key].type if key in OPTIONS else None
    return list(kind.choices) if isinstance(kind, click.Choice) else []


def test_the_action_has_an_input_for_every_option_that_makes_sense_in_ci() -> None:
    assert set(ACTION["inputs"]) == (set(OPTIONS) - NOT_INPUTS) | set(SETTINGS)


def test_the_template_has_the_same_inputs_but_for_what_is_secret() -> None:
    keys = set(ACTION["inputs"]) - set(SETTINGS) - ONLY_ON_GITHUB
    assert set(INPUTS) == {TEMPLATE_INPUT.get(key, key) for key in keys} | OF_THE_JOB


def test_only_source_and_name_are_required() -> None:
    required = {name for name, value in ACTION["inputs"].items() if value["required"]}
    assert required == {"source", "name"}
    without_default = {name for name, value in INPUTS.items() if "default" not in value}
    assert without_default == {"source", "name"}


def test_no_input_of_the_action_has_a_default_that_would_beat_the_project_s_file() -> None:
    assert [name for name, value in ACTION["inputs"].items() if "default" in value] == []


@pytest.mark.parametrize("key", sorted(set(ACTION["inputs"]) & set(OPTIONS)))
def test_descriptions_have_the_allowed_values_and_the_default(key: str) -> None:
    option = OPTIONS[key]
    inputs = [ACTION["inputs"][key]]
    if key not in ONLY_ON_GITHUB:
        inputs.append(INPUTS[TEMPLATE_INPUT.get(key, key)])
    texts = [each["description"] for each in inputs]
    for text in texts:
        assert text.endswith(".")
        assert text.count(". ") == 0, "it is one sentence"
        assert text[0].isupper()
    for choice in choices_of(key):
        assert re.search(rf"\b{choice}\b", texts[0])
    if isinstance(option, click.Option) and option.is_flag:
        assert f"true or false; the default is {str(option.default is True).lower()}" in texts[0]
    elif isinstance(option.default, int | float) and not choices_of(key):
        assert f"the default is {option.default:g}" in texts[0]


@pytest.mark.parametrize("key", sorted(set(INPUTS) & set(OPTIONS) - OF_THE_JOB))
def test_the_template_allows_what_the_command_takes(key: str) -> None:
    option = OPTIONS[key]
    if isinstance(option, click.Option) and option.is_flag:
        assert INPUTS[key]["options"] == ["", "true", "false"]
    if choices_of(key):
        assert set(INPUTS[key]["options"]) - {""} == set(choices_of(key))


@pytest.mark.parametrize("name", INPUTS)
def test_a_default_is_one_of_the_allowed_values(name: str) -> None:
    value = INPUTS[name]
    assert value["description"].endswith(".")
    if "default" in value:
        assert value["default"] in value.get("options", [value["default"]])
        assert re.search(value.get("regex", ""), value["default"])


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("job-name", ["publish-my.job_1"], ["", "a b", "a:b", "-a", 'a"', "a\nb"]),
        ("name", ["my-job:1.0", "a:$CI_COMMIT_SHORT_SHA", "${A}:1"], ["a", "A:1", "a/b:1", "a:1 "]),
        ("source", ["image.tar", "./Dockerfile", "my-job:$A"], ["", "a b", "a\nb"]),
        ("image", ["r.example:5000/a/b:1@sha256:ab", "$CI_REGISTRY/x:1"], ["", "a b", "-a"]),
        ("platform", ["", "linux/amd64", "linux/arm/v7"], ["linux", "Linux/amd64", "linux/"]),
        ("push-timeout", ["", "10"], ["ten", "-1", "1 "]),
        ("poll-interval", ["", "1", "0.5"], [".", "1.", "x"]),
        (
            "build-arg",
            [
                "",
                "A=1",
                " A=1 \n\nb.c-d=x y=\n",
                "A=",
                "A=$KEY",
                "${P}_A=1",
                "$ALL",
                "\nA=1\n\n\n${ALL} ",
            ],
            [
                "A",
                "A=1\nB=2",
                "A='",
                "A=1\n\nMIIEvQ\n",
                "A=1\n\n-----END KEY-----",
                "a b=1",
                "=1",
                "$A B",
                "1=2",
            ],
        ),
        (
            "label",
            ["", "org.x/y.z=1 2\n\n b=é\n", "$LABELS"],
            ["a", "a b=1", "=1", "a=1\n\nsecond line", "a=1\n\nsee x=1", "a=1\nb=2", "a='"],
        ),
        ("max", ["", "high=1", "high=1\n\nlow=2\n"], ["high", "high=x", "$(id)", "low=1\nhigh=2"]),
        ("ignore", ["", "CVE-2026-1\n\nGHSA-a-b\n"], ["$(id)", "a;b", "a\n\n---\n", "a\nb"]),
        (
            "job",
            ["", "me/my-job", "$SCOPE/a_b\n\nme/${CODE}\n"],
            ["me", "me/", "a/b/c", "a b/c", "a/b\nc/d", "a/b'", "$(id)/b"],
        ),
        ("argument", ["", "date=2026-01-31\n\nb=c d"], ["a b=1", "=1", "a=1\nb=2", "a='"]),
        ("run-timeout", ["", "10", "1.5"], ["ten", "-1", "1."]),
        (
            "report",
            ["", "sarif", "text=a b.txt\n\njson\n"],
            ["=x", "$(id)", "A", "text\njson", "text='"],
        ),
        ("scheduler-url", ["", "https://foo.lusid.com/scheduler2", "$URL"], ["a b", "a\n"]),
    ],
)
def test_a_regex_keeps_out_what_cannot_be_meant(name: str, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not is_allowed(name, text)] == []
    assert [text for text in bad if is_allowed(name, text)] == []


def is_allowed(name: str, value: str) -> bool:
    """Return whether GitLab takes this value for an input."""
    spec = INPUTS[name]
    # GitLab's engine, RE2, takes $ for the end of the text and not of a line, and \\s as ASCII.
    regex = spec.get("regex", "").removesuffix("$") + r"\Z"
    return value in spec["options"] if "options" in spec else bool(re.match(regex, value, re.ASCII))


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def interpolated(**inputs: str) -> dict[str, Any]:
    """Return the jobs as GitLab makes them: it puts inputs into the text, and then reads YAML.

    It reads with libyaml, and so does this, where PyYAML has it.
    """
    text = (ROOT / "templates/lusid-publish.yml").read_text().partition("\n---\n")[2]
    defaults = {name: spec.get("default", "job:1") for name, spec in INPUTS.items()}
    values = defaults | {name.replace("_", "-"): value for name, value in inputs.items()}
    text = re.sub(r"\$\[\[ inputs\.([a-z-]+) \]\]", lambda match: values[match[1]], text)
    jobs = yaml.load(text, _LOADER)  # noqa: S506  # a safe one
    assert isinstance(jobs, dict)
    return jobs


def values_in(jobs: Any) -> list[Any]:
    """Return all keys and scalars."""
    if isinstance(jobs, dict):
        return [value for pair in jobs.items() for part in pair for value in values_in(part)]
    if isinstance(jobs, list):
        return [value for part in jobs for value in values_in(part)]
    return [jobs]


BREAKS = ["\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029", "\0", "\x1b", "\ufeff"]
HOSTILE = [
    *(
        "a: b",
        "a #b",
        "# a",
        "*a",
        "&a",
        "!a",
        "!!binary x",
        "@a",
        "`a",
        "%a",
        "a, b",
        "[a]",
        "{a: b}",
    ),
    *(
        "- a",
        "? a",
        ": a",
        "| a",
        "> a",
        "a:",
        "null",
        "~",
        "true",
        "no",
        "1",
        "0x1F",
        "1:30",
        "1.5",
    ),
    *(
        "2026-01-01",
        "=",
        "<<",
        "---",
        "...",
        "'",
        "''",
        "a'b",
        "' # ",
        '"',
        '"a"',
        'a"b',
        "\\",
        "\\n",
    ),
    *(" a ", "a  b", "A=1", "a='", 'a="', "a=\\", "a= #b", "a=b: c", "text=a: b #c", "critical=1"),
    *("$[[ inputs.name ]]", "$A", "${A}", "a\tb", "linux/amd64", "é", "a=é"),
    *(f"a{end}b" for end in BREAKS),
    *(f"a{end}" for end in BREAKS),
    *(f"a=1{end}script: [b]" for end in BREAKS),
    *(f"a=1{end}{end}script: [b]" for end in BREAKS),
    *(f"a=1{end}{end}b=2{end}" for end in BREAKS),
    *(f"critical=1{end}  max: 2" for end in BREAKS),
    "a'\n  script: [b]\n  x: '",
    "a\n\n  script:\n    - b",
]
OF_LISTS = {"build-arg", "label", "max", "ignore", "report", "job", "argument"}


@pytest.mark.parametrize("name", INPUTS)
def test_no_value_of_an_input_becomes_yaml(name: str) -> None:
    usual = interpolated()
    spec = INPUTS[name]
    allowed = [value for value in spec.get("options", HOSTILE) if is_allowed(name, value)]
    for value in allowed:
        jobs = interpolated(**{name: value})
        if name == "job-name":
            assert [key.replace(value, "job:1") for key in jobs] == [
                key.replace(spec["default"], "job:1") for key in usual
            ]
            continue
        assert len(values_in(jobs)) == len(values_in(usual))
        found = [
            new for new, old in zip(values_in(jobs), values_in(usual), strict=True) if new != old
        ]
        lines = [line.strip() for line in value.split("\n") if line.strip()]
        for each in found:
            text = each if isinstance(each, str) else pytest.fail(f"{value!r} is {each!r}")
            got = [line.strip() for line in text.split("\n") if line.strip()]
            assert got[-len(lines) :] == lines or value in text or not lines


@pytest.mark.parametrize("name", sorted(set(INPUTS) - OF_LISTS))
def test_no_line_break_is_allowed_in_an_input(name: str) -> None:
    spec = INPUTS[name]
    for good in ("a", "a:1", "1", "a/b", spec.get("default") or "a"):
        if is_allowed(name, good):
            assert not any(is_allowed(name, f"{good}{end}") for end in BREAKS)
            assert not any(is_allowed(name, f"{good}{end}{good}") for end in BREAKS)


@pytest.mark.parametrize("name", sorted(OF_LISTS))
def test_values_of_a_list_stay_apart(name: str) -> None:
    first, second = ("CVE-1", "CVE-2") if name == "ignore" else ("text", "json")
    if name in {"build-arg", "label", "max", "argument"}:
        first, second = "critical=1", "high=2"
    if name == "job":
        first, second = "me/one", "me/two"
    value = f"{first}\n\n{second}\n"
    assert is_allowed(name, value)
    assert not is_allowed(name, f"{first}\n{second}"), "YAML makes one line of them"
    jobs = interpolated(**{name: value})
    texts = [text for text in values_in(jobs) if isinstance(text, str) and first in text]
    assert texts
    for text in texts:
        assert [line.strip() for line in text.split("\n")][-2:] == [first, second]


def test_an_input_that_is_left_out_is_an_empty_text() -> None:
    variables = interpolated()["publish-to-lusid"]["variables"]
    assert all(isinstance(value, str) for value in variables.values())
    assert variables[variable_of("platform")] == variables[variable_of("username")] == ""


REPORTS_OF_THE_JOB = (
    "lusid-publish.env",
    "gl-annotations.json",
    "gl-container-scanning-report.json",
)
"""What an earlier job's artifacts may have too; GitLab takes it for this job's."""


def test_inputs_reach_the_command_as_variables_alone() -> None:
    job = TEMPLATE[JOB]
    elsewhere = {"report", "engine-timeout"} | ONLY_ON_GITHUB
    passed = set(ACTION["inputs"]) - set(SETTINGS) - elsewhere
    assert job["variables"] == {MARK: "true"} | {
        variable_of(key): f"$[[ inputs.{TEMPLATE_INPUT.get(key, key)} ]]" for key in passed
    }
    removal, publication = job["script"]
    assert removal.split() == ["rm", "-f", *REPORTS_OF_THE_JOB]
    assert publication == "lusid-publish"
    assert job["image"] == {"name": "$[[ inputs.image ]]", "entrypoint": [""]}
    scripts = [each.get(part) for each in TEMPLATE.values() for part in ("before_script", "script")]
    assert [script for script in scripts if script] == [job["script"]]


def test_for_each_choice_about_the_job_there_is_a_part_of_the_template() -> None:
    words = {
        f".{JOB}-{word}-{choice}"
        for word, key in (("from", "image-from"), ("until", "wait-for"), ("gate", "gate"))
        for choice in INPUTS[key]["options"]
    }
    assert set(TEMPLATE) == words | {JOB}
    parts = [TEMPLATE[f".{JOB}-until-{choice}"]["variables"] for choice in ("visible", "scan")]
    assert [list(part) for part in parts] == [[variable_of("report")]] * 2


def test_no_part_of_the_template_is_empty() -> None:
    assert all(TEMPLATE.values()), "GitLab refuses a job that has nothing in it, hidden or not"


def test_gitlab_is_given_what_the_job_leaves_behind_also_when_it_fails() -> None:
    artifacts = TEMPLATE[JOB]["artifacts"]
    assert artifacts["when"] == "always"
    files = {name: form.file for name, form in FORMATS.items()}
    given = {"dotenv": files["dotenv"], "annotations": files["annotations"]}
    assert artifacts["reports"] == given
    scanned = TEMPLATE[f".{JOB}-until-scan"]["artifacts"]["reports"]
    assert scanned == {"container_scanning": files["gitlab"]}
    for choice, forms in (("visible", "dotenv annotations"), ("scan", "dotenv annotations gitlab")):
        [wanted] = TEMPLATE[f".{JOB}-until-{choice}"]["variables"].values()
        assert wanted.split("\n") == [*forms.split(), "$[[ inputs.report ]]"]


def test_docker_in_docker_is_where_the_variables_look_for_it() -> None:
    part = TEMPLATE[f".{JOB}-from-dind"]
    assert part["services"] == [{"name": "$[[ inputs.dind-image ]]", "alias": "docker"}]
    assert part["variables"]["DOCKER_HOST"] == "tcp://docker:2376"
    assert part["variables"]["DOCKER_TLS_VERIFY"] == "1"


def test_an_engine_of_the_job_s_own_is_waited_for() -> None:
    variables = TEMPLATE[f".{JOB}-from-dind"]["variables"]
    assert variables[variable_of("engine-timeout")] == "$[[ inputs.engine-timeout ]]"
    assert variables["DOCKER_CERT_PATH"] == f"{variables['DOCKER_TLS_CERTDIR']}/client"


def test_the_job_leaves_behind_what_it_writes_without_a_path() -> None:
    paths = TEMPLATE[JOB]["artifacts"]["paths"]
    for file in (form.file for form in FORMATS.values()):
        assert any(fnmatch(file, pattern) for pattern in paths), file


def test_a_soft_gate_is_soft_for_what_scans_find_alone() -> None:
    soft = TEMPLATE[f".{JOB}-gate-warn"]["allow_failure"]["exit_codes"]
    assert soft == [ExitCode.SCAN_GATE, ExitCode.SCAN_UNAVAILABLE]


def test_no_secret_is_an_input_of_the_template() -> None:
    assert set(INPUTS) & set(SETTINGS) == set()
    text = (ROOT / "templates/lusid-publish.yml").read_text()
    assert {name for name in SECRET_VARIABLES if name in text} <= {
        *("FBN_ACCESS_TOKEN", "FBN_PASSWORD", "FBN_CLIENT_SECRET")
    }


def test_the_action_s_outputs_are_those_that_are_written() -> None:
    assert tuple(ACTION["outputs"]) == OUTPUTS


def steps_of(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_uses_what_there_is(path: Path) -> None:
    text = path.read_text()
    if path.name.startswith("github"):
        steps = steps_of(yaml.safe_load(text))
        ours = [step for step in steps if "lusid-image-publish@" in step.get("uses", "")]
        assert len(ours) == 1
        assert {"source", "name"} <= set(ours[0]["with"]) <= set(ACTION["inputs"])
        assert set(re.findall(r"steps\.lusid\.outputs\.([\w-]+)", text)) <= set(OUTPUTS)
    else:
        includes = yaml.safe_load(text)["include"]
        assert includes
        for include in includes:
            assert {"source", "name"} <= set(include["inputs"]) <= set(INPUTS)
            for name, value in include["inputs"].items():
                assert value in INPUTS[name].get("options", [value])
                assert re.search(INPUTS[name].get("regex", ""), value)
        variables = {variable_of_output(output) for output in OUTPUTS}
        assert set(re.findall(r"\$(LUSID_IMAGE_\w+)", text)) <= variables


def test_each_example_is_linked() -> None:
    pages = [
        (ROOT / f"docs/ci/{name}.md").read_text(encoding="utf-8") for name in ("github", "gitlab")
    ]
    linked = [set(re.findall(r"\((?:\.\./)+(examples/git\S+?\.yml)\)", page)) for page in pages]
    assert set().union(*linked) == {path.relative_to(ROOT).as_posix() for path in EXAMPLES}


def test_what_the_readme_shows_of_a_workflow_and_a_pipeline_is_accepted() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    workflow, pipeline = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL))
    [step] = [step for step in workflow if "lusid-image-publish@" in step.get("uses", "")]
    assert {"source", "name"} <= set(step["with"]) <= set(ACTION["inputs"])
    [include] = pipeline["include"]
    assert {"source", "name"} <= set(include["inputs"]) <= set(INPUTS)
    for name, value in include["inputs"].items():
        assert re.search(INPUTS[name].get("regex", ""), value)
