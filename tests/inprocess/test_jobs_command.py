"""lusid-jobs in process: each subcommand, what it answers and how it fails; and doctor's look."""

import json

import pytest

from lusid_image_publish.local_scheduler.job_runs import RunEnd
from tests.inprocess.command import Ended
from tests.inprocess.network import json_answer, problem, scripted
from tests.inprocess.stage import MakeStage, Stage
from tests.inprocess.test_jobs import ARGUMENT, SECURE, image, publish, updates


def jobs(stage: Stage, *arguments: str, **variables: str) -> Ended:
    """Run lusid-jobs, which must show no secret."""
    ended = stage.run("jobs", *arguments, variables=variables)
    assert stage.leaks(ended.stdout + ended.stderr) == []
    return ended


def test_jobs_are_listed_and_shown_without_values(stage: Stage) -> None:
    key = SECURE | {"defaultValue": "hidden-value"}
    stage.add_job(argumentDefinitions={"key": key}, maxCpu="4", somethingNew=[1.5])
    stage.add_job("you/other", image="")
    lines = jobs(stage, "list").require(0).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["JOB", "me/my-job", "you/other"]
    only = jobs(stage, "list", "--filter", "jobId.scope eq 'you'", "--output", "json").require(0)
    assert [job["jobId"]["code"] for job in json.loads(only.stdout)["values"]] == ["other"]
    assert len(jobs(stage, "list", "--limit", "1").require(0, "--all").stdout.splitlines()) == 2
    assert len(jobs(stage, "list", "--limit", "1", "--all").stdout.splitlines()) == 3
    for options in ((), ("--output", "json")):
        shown = jobs(stage, "get", "me/my-job", *options).require(0).stdout
        assert "old:1" in shown
        assert "hidden-value" not in shown
        assert "***" in shown
        assert "hidden-value" in jobs(stage, "get", "me/my-job", "--reveal", *options).stdout
    whole = json.loads(jobs(stage, "get", "me/my-job", "--output", "json").stdout)
    assert whole["somethingNew"] == [1.5]
    jobs(stage, "get", "me/nothing").fails(4, "no job me/nothing")
    jobs(stage, "get", "nothing").fails(2, "not the SCOPE/CODE")


def test_set_image_points_a_job_at_an_image_that_lusid_has(stage: Stage) -> None:
    stage.add_job()
    publish(stage).require(0)
    jobs(stage, "set-image", "me/my-job", "job:9").fails(4, "no image job:9")
    jobs(stage, "set-image", "me/my-job", "job").fails(2, "no tag")
    diff = jobs(stage, "set-image", "me/my-job", "job:1.0", "--dry-run").require(0)
    assert diff.stdout.splitlines()[-2:] == ["-dockerImage: old:1", "+dockerImage: job:1.0"]
    options = ("--dry-run", "--output", "json")
    plan = json.loads(jobs(stage, "set-image", "me/my-job", "job:1.0", *options).stdout)
    assert plan == {
        "job": "me/my-job",
        "outcome": "updated",
        "formerImage": "old:1",
        "image": "job:1.0",
    }
    assert updates(stage) == []
    assert jobs(stage, "set-image", "me/my-job", "job:1.0").require(0).stdout == "job:1.0\n"
    again = jobs(stage, "set-image", "me/my-job", "job:1.0", "--output", "json").require(0)
    assert json.loads(again.stdout) == {
        "job": "me/my-job",
        "outcome": "unchanged",
        "formerImage": "job:1.0",
        "image": "job:1.0",
        "differences": [],
    }
    assert len(updates(stage)) == 1


def test_set_image_warns_of_an_image_that_is_not_scanned_yet(make_stage: MakeStage) -> None:
    stage = make_stage(scan_delay=3600)
    stage.add_job()
    publish(stage, "--wait-for", "visible").require(0)
    ended = jobs(stage, "set-image", "me/my-job", "job:1.0")
    ended.require(0, "job:1.0 has not been scanned yet")


def test_all_that_a_job_says_is_shown(stage: Stage) -> None:
    word = {"dataType": "Int", "passedAs": "SomethingNew", "order": 2, "required": True}
    stage.add_job(
        argumentDefinitions={"first": {"dataType": "String", "order": 1}, "second": word},
        requiredResources={"lusidApis": ["a", "b"], "externalCalls": ["https://x.example"]},
        maxMemory="4",
    )
    shown = jobs(stage, "get", "me/my-job").require(0).stdout
    lines = {line[:15].strip(): line[15:].strip() for line in shown.splitlines()}
    assert lines["Argument first"] == "String"
    assert lines["Argument second"[:15]].endswith("Int, SomethingNew, required")
    assert (lines["LUSID APIs"], lines["External calls"]) == ("a, b", "https://x.example")
    assert lines["Memory"] == "- to 4"


def test_a_run_of_which_little_is_known_is_shown(stage: Stage) -> None:
    stage.lusid.instead = scripted("GET", r"/history\?*$", json_answer({"values": [{}]}))
    lines = jobs(stage, "history", "--reveal").require(0).stdout.splitlines()
    assert lines[1].split() == ["-"] * 7


def test_set_image_refuses_what_it_could_damage_unless_it_may(stage: Stage) -> None:
    stage.add_job(somethingNew=1)
    publish(stage).require(0)
    jobs(stage, "set-image", "me/my-job", "job:1.0").fails(2, "somethingNew", "--force")
    jobs(stage, "set-image", "me/my-job", "job:1.0", "--force").require(0)
    assert image(stage) == "job:1.0"


def test_run_prints_what_the_job_writes(stage: Stage) -> None:
    stage.add_job(image="job:1.0", argumentDefinitions={"day": ARGUMENT | {"required": True}})
    publish(stage).require(0)
    jobs(stage, "run", "me/my-job").fails(2, "requires the argument 'day'")
    ended = jobs(stage, "run", "me/my-job", "--argument", "day=1").require(0)
    assert ended.stdout == "Hello from the job\n"
    shown = jobs(stage, "run", "me/my-job", "--argument", "day=1", "--output", "json").require(0)
    document = json.loads(shown.stdout)
    assert (document["status"], document["console"]) == ("Succeeded", ["Hello from the job"])
    jobs(stage, "run", "me/my-job", "--no-wait", "--local").fails(2, "cannot be used with --local")
    only_id = jobs(stage, "run", "me/my-job", "--argument", "day=1", "--no-wait").require(0)
    assert only_id.stdout.strip() == stage.runner.orders[-1].run_id
    stage.runner.end = RunEnd("Failed", "", b"no luck\n")
    failed = jobs(stage, "run", "me/my-job", "--argument", "day=1").require(15, "did not succeed")
    assert failed.stdout == "no luck\n"
    assert jobs(stage, "logs", stage.runner.orders[-1].run_id).require(0).stdout == "no luck\n"
    stage.lusid.instead = scripted("GET", "/console$", problem(403))
    hidden = jobs(stage, "run", "me/my-job", "--argument", "day=1", "--output", "json")
    assert json.loads(hidden.require(15, "cannot be shown").stdout)["console"] is None
    stage.lusid.instead = scripted("GET", "/nowhere", None)
    jobs(stage, "logs", "no-such-run").fails(4, "no run no-such-run")
    jobs(stage, "logs", "../x").fails(2, "is not a run id")


def test_swapped_arguments_and_empty_answers_are_explained(stage: Stage) -> None:
    swapped = jobs(stage, "set-image", "job:1.0", "me/my-job")
    swapped.fails(2, "Put SCOPE/CODE first, then NAME:TAG")
    jobs(stage, "list").require(0, "LUSID lists no jobs")
    jobs(stage, "history", "me/none").require(0, "LUSID lists no runs of me/none")
    stage.add_job(image="job:1.0")
    publish(stage).require(0)
    dry_run = jobs(stage, "set-image", "me/my-job", "job:1.0", "--dry-run")
    dry_run.require(0, "it already has this image: nothing would change")
    stage.runner.end = RunEnd("Succeeded", "", b"")
    jobs(stage, "run", "me/my-job").require(0)
    quiet = jobs(stage, "logs", stage.runner.orders[-1].run_id.upper())
    quiet.require(0, "the run printed nothing, or has not finished yet")


@pytest.mark.parametrize("command", ["jobs", "images"])
def test_a_command_alone_shows_its_help_as_it_is(stage: Stage, command: str) -> None:
    ended = stage.run(command)
    assert (ended.code, ended.stdout) == (2, "")
    assert f"Usage: lusid-{command} [OPTIONS] COMMAND [ARGS]..." in ended.stderr.splitlines()
    assert "Error" not in ended.stderr


def test_the_history_hides_values_until_they_are_asked_for(stage: Stage) -> None:
    stage.add_job(image="job:1.0", argumentDefinitions={"day": ARGUMENT})
    stage.add_job("me/other", image="job:1.0")
    publish(stage).require(0)
    jobs(stage, "run", "me/my-job", "--argument", "day=monday", "-q").require(0)
    jobs(stage, "run", "me/other", "-q").require(0)
    assert len(jobs(stage, "history").require(0).stdout.splitlines()) == 3
    wanted = jobs(stage, "history", "me/my-job", "--filter", "jobStatus eq 'Succeeded'").require(0)
    lines = wanted.stdout.splitlines()
    assert len(lines) == 2
    assert ("Succeeded" in lines[1], "job:1.0" in lines[1], "monday" in lines[1]) == (
        True,
        True,
        False,
    )
    for options, is_shown in (((), False), (("--reveal",), True)):
        text = jobs(stage, "history", "me/my-job", "--output", "json", *options).stdout
        assert ("monday" in text) is is_shown
    assert "day=monday" in jobs(stage, "history", "me/my-job", "--reveal").stdout
    assert len(jobs(stage, "history", "--limit", "1", "--all").stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("typed", "found"),
    [("m", {"me/my-job", "me/other"}), ("me/o", {"me/other"}), ("me/x", set()), ("no/", set())],
)
def test_jobs_are_completed(stage: Stage, typed: str, found: set[str]) -> None:
    for name in ("me/my-job", "me/other", "you/job"):
        stage.add_job(name)
    ended = stage.run(
        "jobs",
        variables={
            "_LUSID_JOBS_COMPLETE": "bash_complete",
            "COMP_WORDS": f"lusid-jobs get {typed}",
            "COMP_CWORD": "0",
        },
    )
    assert {line.partition(",")[2] for line in ended.stdout.splitlines() if line} == found


def test_doctor_looks_at_the_job(stage: Stage) -> None:
    stage.add_job()
    stage.add_job("me/odd", somethingNew=1)
    options = ("doctor", "--job", "me/my-job", "--job", "me/odd", "--job", "me/no")
    ended = stage.run("images", *options)
    lines = [line for line in ended.stdout.splitlines() if " job  " in line]
    assert [line.split()[0] for line in lines] == ["ok", "ok", "ok", "warning", "ok", "failed"]
    assert "me/my-job is visible; its image is old:1" in lines[0]
    assert "cannot be checked without doing so" in lines[1]
    assert "somethingNew" in ended.stdout
    assert stage.lusid.changes() == []


def test_doctor_has_nothing_to_say_of_a_job_that_has_the_image(stage: Stage) -> None:
    stage.add_job(image="job:1.0", somethingNew=1)
    stage.hold("job:ci")
    ended = stage.run("images", "doctor", "job:ci", "job:1.0", "--job", "me/my-job").require(0)
    assert len([line for line in ended.stdout.splitlines() if " job  " in line]) == 1
    stage.add_job(description=None)
    assert "no description" in stage.run("images", "doctor", "--job", "me/my-job").stdout


def test_doctor_says_that_a_deployment_does_not_list_the_update(stage: Stage) -> None:
    stage.add_job()
    listed = json_answer({"endpoints": [{"httpMethod": "GET", "path": "/api/jobs"}]})
    stage.lusid.instead = scripted("GET", "/metadata/endpoints", listed)
    ended = stage.run("images", "doctor", "--job", "me/my-job")
    assert "does not list update_job" in ended.stdout
    stage.lusid.instead = scripted("GET", "/metadata/endpoints", problem(403))
    refused = stage.run("images", "doctor", "--job", "me/my-job")
    assert "its image can be updated" in refused.stdout


def test_a_refused_update_and_a_refused_run_have_the_codes_of_the_one_table(stage: Stage) -> None:
    stage.add_job()
    publish(stage).require(0)
    stage.lusid.instead = scripted("PUT", "/api/jobs/", problem(403))
    jobs(stage, "set-image", "me/my-job", "job:1.0").fails(14, "The job me/my-job was not updated")
    jobs(stage, "run", "me/my-job").fails(15, "The job me/my-job was not run", "code 731")
