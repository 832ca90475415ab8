"""What a shell is offered at a TAB: paths, images of the engine, names of LUSID."""

import json

import pytest

from tests.inprocess.command import sockets_left_open
from tests.inprocess.stage import Stage

Offered = list[tuple[str, str]]


def offered(stage: Stage, words: str, command: str = "publish", **variables: str) -> Offered:
    """Return type and value of what bash is offered for the last of `words`."""
    shell = {f"_LUSID_{command.upper()}_COMPLETE": "bash_complete", "COMP_CWORD": "0"}
    ended = stage.run(
        command, variables={"COMP_WORDS": f"lusid-{command} {words}"} | shell | variables
    ).require(0)
    assert ended.stderr == ""
    lines = (line.partition(",") for line in ended.stdout.splitlines() if line)
    return [(kind, value) for kind, _, value in lines]


def names(stage: Stage, words: str, command: str = "publish", **variables: str) -> list[str]:
    """Return the names that are offered."""
    found = offered(stage, words, command, **variables)
    return [value for kind, value in found if kind == "plain"]


WITHOUT_LUSID = {"FBN_SCHEDULER_URL": "", "FBN_ACCESS_TOKEN": "", "FBN_PASSWORD": ""}


@pytest.mark.parametrize(("command", "before"), [("publish", ""), ("images", "doctor ")])
def test_a_source_is_an_image_of_the_engine_or_a_path(
    stage: Stage, command: str, before: str
) -> None:
    stage.engine.tags = dict.fromkeys(
        ["job:ci", "job:1.0", "registry.example:5000/team/job:2", "jo`x`:1", "<none>:<none>"], "1"
    )
    assert offered(stage, f"{before}jo", command, **WITHOUT_LUSID) == [
        *(("plain", "job:1.0"), ("plain", "job:ci"), ("file", "jo"))
    ]
    assert names(stage, f"{before}registry.example:5000/t", command) == [
        "registry.example:5000/team/job:2"
    ]
    assert names(stage, before, command)[0] == "-"
    assert offered(stage, f"{before}no", command) == [("file", "no")]


@pytest.mark.parametrize("path", ["./jo", "~/jo", "/jo", "../jo", "C:/jo"])
def test_what_is_a_path_for_sure_is_left_to_the_shell(stage: Stage, path: str) -> None:
    stage.engine.tags = {"job:ci": "1"}
    stage.engine.asked.clear()
    assert offered(stage, path) == [("file", path)]
    assert stage.engine.asked == []


def test_without_an_engine_there_are_paths_alone(stage: Stage) -> None:
    with sockets_left_open():
        assert offered(stage, "jo", **stage.without_engine) == [("file", "jo")]


def test_a_name_is_one_of_lusid_or_that_of_the_source(stage: Stage) -> None:
    stage.hold("job:ci")
    stage.publish("job:ci", "job:1.0").require(0)
    assert names(stage, "job:ci jo") == ["job:ci", "job:1.0"]
    assert names(stage, "job:1.0 job:") == ["job:1.0"]
    assert names(stage, "r.example/Team/My_Job:1.0-RC '") == ["my_job:1.0-rc", "job:1.0"]
    assert names(stage, "./job:ci jo") == ["job:1.0"]
    assert names(stage, "image.tar jo") == ["job:1.0"]
    assert names(stage, "job:ci jo", **WITHOUT_LUSID) == ["job:ci"]


def test_a_tab_sends_nothing_because_of_a_secrets_json_that_is_found(stage: Stage) -> None:
    stage.hold("job:ci")
    stage.publish("job:ci", "job:1.0").require(0)
    scheduler = {
        "schedulerUrl": stage.environ["FBN_SCHEDULER_URL"],
        "accessToken": stage.environ["FBN_ACCESS_TOKEN"],
    }
    (stage.folder / "secrets.json").write_text(json.dumps({"api": scheduler}))
    assert names(stage, "get jo", "images", **WITHOUT_LUSID) == []
    named = "get --secrets-file secrets.json jo"
    assert names(stage, named, "images", **WITHOUT_LUSID) == ["job:1.0"]


def test_with_local_a_tab_asks_neither_lusid_nor_a_new_scheduler(stage: Stage) -> None:
    stage.hold("job:ci")
    stage.publish("job:ci", "job:1.0").require(0)
    assert names(stage, "get jo", "images") == ["job:1.0"]
    assert names(stage, "get --local jo", "images") == []


@pytest.mark.parametrize(
    ("command", "before"),
    [("publish", "job:ci job:1 --job"), ("publish", "--job"), ("images", "doctor --job")],
)
def test_a_job_is_one_of_lusid(stage: Stage, command: str, before: str) -> None:
    for name in ("me/my-job", "me/other", "you/job"):
        stage.add_job(name)
    assert names(stage, f"{before} me/", command) == ["me/my-job", "me/other"]
    assert names(stage, f"{before} me/", command, **WITHOUT_LUSID) == []


def test_a_run_is_one_of_the_newest(stage: Stage) -> None:
    stage.hold("job:ci")
    stage.publish("job:ci", "job:1.0").require(0)
    stage.add_job(image="job:1.0")
    runs: list[str] = []
    for _ in range(3):
        stage.run("jobs", "run", "me/my-job", "--no-wait").require(0)
        stage.clock.advance(60)
        newest = stage.run("jobs", "history", "--output", "json").stdout
        runs.insert(0, newest.partition('"runId": "')[2].partition('"')[0])
    assert names(stage, "logs ", "jobs") == runs
    assert names(stage, f"logs {runs[1][:13]}", "jobs") == [runs[1]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--report sa", [("plain", "sarif")]),
        ("--report=sa", [("plain", "sarif")]),
        ("--report sarif=out/x", [("file", "out/x")]),
        ("--report sarif=", [("file", "")]),
        ("--report x", []),
        ("--context s", [("dir", "s")]),
        ("--config s", [("file", "s")]),
        ("--secrets-file s", [("file", "s")]),
        ("--ca-bundle s", [("file", "s")]),
        ("--access-token-file s", [("file", "s")]),
        ("--scan-findings s", [("file", "s")]),
        ("--username s", []),
        ("--fail-on HI", [("plain", "high")]),
        ("--if-exists=s", [("plain", "skip")]),
        ("--fixable", [("plain", "--fixable-only")]),
    ],
)
def test_options_and_their_values_are_completed(
    stage: Stage, words: str, expected: Offered
) -> None:
    assert offered(stage, words) == expected
    assert offered(stage, f"job:ci job:1 {words}") == expected


@pytest.mark.parametrize("command", ["images", "jobs"])
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_one_script_completes_all_commands(stage: Stage, command: str, shell: str) -> None:
    script = stage.run(command, "completion", shell).require(0).stdout
    for program in ("lusid-publish", "lusid-images", "lusid-jobs", "lusid-scheduler-local"):
        variable = f"_{program.upper().replace('-', '_')}_COMPLETE"
        assert f"{variable}={shell}_complete" in script
    assert script == stage.run("images", "completion", shell).stdout
