"""lusid-publish with --job in process: which job is changed, when, and what is said of it."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from lusid_image_publish.local_scheduler.job_runs import RunEnd
from tests.faults import Answered, Asked
from tests.inprocess.command import Ended
from tests.inprocess.network import json_answer, problem, scripted
from tests.inprocess.stage import MakeStage, Stage

ARGUMENT = {"dataType": "String", "description": "d", "order": 1, "passedAs": "CommandLine"}
SECURE = ARGUMENT | {"dataType": "SecureString", "passedAs": "EnvironmentVariable"}
FINDINGS = {
    "job": {"vulnerabilities": [{"name": "CVE-2026-1", "severity": "High", "package": "zlib"}]}
}


def publish(stage: Stage, *options: str, **variables: str) -> Ended:
    """Publish an image as job:1.0, then look for secrets in what was shown."""
    stage.hold("job:ci")
    ended = stage.publish("job:ci", "job:1.0", *options, **variables)
    assert stage.leaks(ended.stdout + ended.stderr) == []
    return ended


def image(stage: Stage, name: str = "me/my-job") -> str:
    job = stage.job(name)
    return f"{job['imageName']}:{job['imageTag']}"


def updates(stage: Stage) -> list[str]:
    return [str(asked) for asked in stage.lusid.asked if asked.method == "PUT"]


def require_no_change(stage: Stage) -> None:
    stage.require_nothing_was_pushed()
    assert updates(stage) == []
    assert stage.runner.orders == []


def test_the_job_gets_the_image_and_keeps_all_else(stage: Stage) -> None:
    stage.add_job(ttl=60, argumentDefinitions={"a": ARGUMENT}, author="somebody")
    before = stage.job()
    ended = publish(stage, "--job", "me/my-job").require(0, "it now has job:1.0 instead of old:1")
    assert ended.stdout.startswith("sha256:")
    assert stage.job() == before | {
        "imageName": "job",
        "imageTag": "1.0",
        # What the list shows is sent back, also what was a default.
        "minCpu": "2",
        "commandLineArgumentSeparator": " ",
        "requiredResources": dict.fromkeys(("lusidApis", "lusidFileSystem", "externalCalls")),
    } | {"argumentDefinitions": {"a": ARGUMENT | {"required": False, "constraints": "None"}}}
    assert stage.runner.orders == []


def test_the_job_is_looked_at_before_anything_is_built(stage: Stage) -> None:
    folder = stage.dockerfile()
    ended = stage.publish(folder, "job:1.0", "--job", "me/no-job")
    ended.fails(4, "no job me/no-job, or does not show it to you", "data policies")
    assert stage.engine.tags == {}
    require_no_change(stage)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"somethingNew": 1}, "somethingNew"),
        ({"description": None}, "no description"),
        (
            {
                "argumentDefinitions": {
                    "K": ARGUMENT | {"dataType": "SecureString", "defaultValue": "hidden"}
                }
            },
            "default of K",
        ),
    ],
)
def test_a_job_that_could_be_damaged_stops_it_before_the_build(
    stage: Stage, members: dict[str, Any], words: str
) -> None:
    stage.add_job(**members)
    publish(stage, "--job", "me/my-job").fails(2, words)
    require_no_change(stage)
    if "description" not in members:
        publish(stage, "--job", "me/my-job", "--force-job")
        assert len(updates(stage)) == 1


def test_two_jobs_of_one_name_are_refused(stage: Stage) -> None:
    job = {"jobId": {"scope": "me", "code": "my-job"}, "name": "n"}
    stage.lusid.instead = scripted("GET", r"/api/jobs\?", json_answer({"values": [job, job]}))
    publish(stage, "--job", "me/my-job").fails(4, "2 jobs named me/my-job")
    require_no_change(stage)


def test_the_same_image_again_changes_and_sends_nothing(stage: Stage) -> None:
    stage.add_job()
    publish(stage, "--job", "me/my-job").require(0)
    again = publish(stage, "--job", "me/my-job", "--output", "json").require(0, "already")
    assert len(updates(stage)) == 1
    (job,) = json.loads(again.stdout)["jobs"]
    assert (job["outcome"], job["image"]) == ("unchanged", "job:1.0")


@pytest.mark.parametrize(
    ("options", "code"),
    [(["--fail-on", "high"], 9), (["--max", "high=0"], 9)],
)
def test_a_gate_that_fails_leaves_the_job_alone(
    make_stage: MakeStage, options: list[str], code: int
) -> None:
    stage = make_stage(findings=FINDINGS)
    stage.add_job()
    ended = publish(stage, "--job", "me/my-job", "--run-job", *options, "--output", "json")
    ended.require(code, "the jobs keep their image")
    assert image(stage) == "old:1"
    assert updates(stage) == []
    assert stage.runner.orders == []
    (job,) = json.loads(ended.stdout)["jobs"]
    assert (job["outcome"], job["image"]) == ("kept", "old:1")


def test_a_scan_without_findings_leaves_the_job_alone_unless_that_is_accepted(
    make_stage: MakeStage,
) -> None:
    stage = make_stage(scan_status="UNSUPPORTED_IMAGE")
    stage.add_job()
    publish(stage, "--job", "me/my-job").require(10)
    assert image(stage) == "old:1"
    publish(stage, "--job", "me/my-job", "--if-unscannable", "warn").require(0)
    assert image(stage) == "job:1.0"


def test_a_refused_update_is_an_exit_code_of_its_own(stage: Stage) -> None:
    stage.add_job()
    stage.add_job("me/other")
    stage.lusid.instead = scripted("PUT", "/api/jobs/me/my-job", problem(403))
    ended = publish(stage, "--job", "me/my-job", "--job", "me/other", "--run-job")
    ended.require(14, "job:1.0 is in LUSID, but the job me/my-job was not updated")
    assert ended.stdout.startswith("sha256:")
    assert (image(stage), image(stage, "me/other")) == ("old:1", "job:1.0")
    assert [order.image.repository for order in stage.runner.orders] == ["job"]


def test_each_job_is_run_once_and_what_it_says_is_shown(stage: Stage) -> None:
    stage.add_job(argumentDefinitions={"date": ARGUMENT})
    stage.add_job("me/other", argumentDefinitions={"date": ARGUMENT})
    options = ["--job", "me/my-job", "--job", "me/other", "--run-job", "--argument", "date=2026"]
    ended = publish(stage, *options).require(0, "    | Hello from the job", "Succeeded after 0.0 s")
    assert ended.stderr.count("Hello from the job") == 2
    assert [order.words for order in stage.runner.orders] == [("date", "2026")] * 2
    assert ended.stdout.count("\n") == 1


def test_a_run_that_fails_is_an_exit_code_of_its_own(stage: Stage) -> None:
    stage.add_job()
    stage.runner.end = RunEnd("Failed", "Exit code 3.", b"no luck\n")
    ended = publish(stage, "--job", "me/my-job", "--run-job", "--output", "json")
    ended.require(15, "no luck", "did not succeed: Failed, Exit code 3.", "lusid-jobs logs")
    assert image(stage) == "job:1.0"
    (job,) = json.loads(ended.stdout)["jobs"]
    assert (job["run"]["status"], job["run"]["error"]["exitCode"]) == ("Failed", 15)


def test_a_run_that_is_refused_is_reported(stage: Stage) -> None:
    stage.add_job()
    stage.lusid.instead = scripted("POST", "run$", problem(400, code=756))
    ended = publish(stage, "--job", "me/my-job", "--run-job")
    ended.require(15, "The job me/my-job was not run: LUSID refused run_job")


def test_what_a_job_writes_cannot_act_on_the_terminal_or_the_ci(stage: Stage) -> None:
    stage.add_job()
    hostile = b"\x1b[2J::error::fake\n##[error]fake\n##vso[task.complete]\na\rb\x00\xff\n"
    hostile += b"\x1b[1;31mred\x1b[0m\n" + b"x" * 9000
    stage.runner.end = RunEnd("Succeeded", "", hostile)
    ended = publish(stage, "--job", "me/my-job", "--run-job", GITHUB_ACTIONS="true").require(0)
    shown = ended.stderr.splitlines()
    assert all(line.isprintable() for line in shown)
    assert "##[" not in ended.stderr
    assert "##vso[" not in ended.stderr
    assert not [line for line in shown if line.lstrip().startswith("::error")]
    assert max(map(len, shown)) < 5000
    assert "    | red" in shown, "colours are left out, and the text is kept"


def test_in_github_the_output_is_a_group_and_the_outputs_say_what_ran(
    stage: Stage, tmp_path: Path
) -> None:
    stage.add_job()
    files = {"GITHUB_OUTPUT": tmp_path / "output", "GITHUB_STEP_SUMMARY": tmp_path / "summary"}
    variables = {name: str(path) for name, path in files.items()}
    ended = publish(stage, "--job", "me/my-job", "--run-job", GITHUB_ACTIONS="true", **variables)
    ended.require(0, "::group::Output of the run", "| Hello from the job")
    (order,) = stage.runner.orders
    text = files["GITHUB_OUTPUT"].read_text()
    for name, value in (
        ("job-updated", "true"),
        ("run-id", order.run_id),
        ("run-status", "Succeeded"),
    ):
        assert f"{name}<<" in text
        assert f"\n{value}\n" in text
    summary = files["GITHUB_STEP_SUMMARY"].read_text()
    assert "\n- Job me/my-job: `old:1` \N{RIGHTWARDS ARROW} `job:1.0`\n" in summary
    assert f"\n- Run of me/my-job: Succeeded after 0.0 s (run `{order.run_id}`)\n" in summary


def test_reports_say_what_failed(stage: Stage) -> None:
    stage.add_job()
    stage.runner.end = RunEnd("Failed", "Exit code 3.")
    options = ("--report", "text=a.txt", "--report", "dotenv=a.env")
    publish(stage, "--job", "me/my-job", "--run-job", *options).require(15)
    text = (stage.folder / "a.txt").read_text()
    assert "did not succeed: Failed" in text
    assert "old:1 -> job:1.0" in text
    outputs = (stage.folder / "a.env").read_text()
    assert "LUSID_IMAGE_JOB_UPDATED=true\n" in outputs
    assert "LUSID_IMAGE_RUN_STATUS=Failed\n" in outputs


def test_a_dry_run_shows_the_change_as_a_diff(stage: Stage) -> None:
    stage.add_job()
    stage.add_job("me/other", "job:1.0")
    options = ("--job", "me/my-job", "--job", "me/other", "--dry-run")
    ended = publish(stage, *options).require(0)
    assert "Job me/my-job would  get the image job:1.0 instead of old:1" in ended.stdout
    assert ended.stdout.splitlines()[-4:] == [
        "--- me/my-job in LUSID",
        "+++ me/my-job after the update",
        "-dockerImage: old:1",
        "+dockerImage: job:1.0",
    ]
    document = json.loads(publish(stage, *options, "--output", "json").require(0).stdout)
    assert [job["action"] for job in document["jobs"]] == ["update", "nothing"]
    require_no_change(stage)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--job", "no-slash"], "not the SCOPE/CODE"),
        (["--job", "a b/c"], "not the SCOPE/CODE"),
        (["--job", "me/my-job", "--job", "me/my-job"], "named twice"),
        (["--run-job"], "--run-job needs --job."),
        (["--force-job"], "--force-job needs --job."),
        (["--job", "me/my-job", "--argument", "a=1"], "--argument needs --run-job."),
        (["--job", "me/my-job", "--run-timeout", "5"], "--run-timeout needs --run-job."),
        (["--job", "me/my-job", "--wait-for", "visible"], "--job cannot be used with --wait-for"),
        (["--job", "me/my-job", "--run-job", "--argument", "=1"], "not NAME=VALUE"),
        (["--job", "me/my-job", "--run-job", "--argument", "NOWHERE"], "has no value"),
        (["--job", "me/my-job", "--run-job", "--argument", "a=1", "--argument", "a=2"], "twice"),
        (["--job", "me/my-job", "--run-job", "--argument", "a=1"], "no argument 'a'"),
        (["--job", "me/my-job", "--run-job", "--argument", "a=\udcff"], "is not UTF-8"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_before_anything_changes(
    stage: Stage, options: list[str], words: str
) -> None:
    stage.add_job()
    ended = publish(stage, *options)
    ended.fails(2, words)
    require_no_change(stage)


def test_an_argument_without_a_value_comes_from_the_environment(stage: Stage) -> None:
    stage.add_job(argumentDefinitions={"KEY": SECURE})
    stage.runner.end = RunEnd("Succeeded", "", b"the key is s3cret-s3cret\n")
    options = ("--job", "me/my-job", "--run-job", "--argument", "KEY")
    ended = publish(stage, *options, KEY="s3cret-s3cret").require(0, "the key is ***")
    assert "s3cret" not in ended.stderr
    assert stage.runner.orders[0].variables == {"KEY": "s3cret-s3cret"}


def test_what_others_change_during_the_publication_stays_and_is_reported(stage: Stage) -> None:
    stage.add_job()

    def change(asked: Asked) -> Answered | None:
        if asked.method == "POST" and asked.path.endswith("/api/images"):
            stage.add_job(ttl=77, author="somebody else")
        return None

    stage.lusid.instead = change
    publish(stage, "--job", "me/my-job").require(0, "changed since it was checked", "author, ttl")
    assert (stage.job()["ttl"], image(stage)) == (77, "job:1.0")


def test_an_image_that_is_taken_as_it_is_goes_to_the_job_too(stage: Stage) -> None:
    stage.add_job()
    publish(stage).require(0)
    stage.hold("job:other", b"other")
    ended = stage.publish("job:other", "job:1.0", "--if-exists", "skip", "--job", "me/my-job")
    ended.require(0)
    assert image(stage) == "job:1.0"


def test_the_value_of_an_argument_is_not_in_a_message_about_it(stage: Stage) -> None:
    stage.add_job()
    options = ("--job", "me/my-job", "--run-job", "--argument", "my key=hunter2hunter2")
    ended = publish(stage, *options)
    assert "hunter2" not in ended.fails(2, "'my key' is not NAME=VALUE").stderr


def test_the_errors_of_all_jobs_are_shown(stage: Stage) -> None:
    for name in ("me/one", "me/two", "me/three"):
        stage.add_job(name)
    stage.lusid.instead = scripted("PUT", "/me/(one|two)$", problem(403))
    stage.runner.end = RunEnd("Failed", "Exit code 3.", b"no luck\n")
    jobs = [option for name in ("one", "two", "three") for option in ("--job", f"me/{name}")]
    ended = publish(stage, *jobs, "--run-job", "-q").require(14, "| no luck")
    errors = [line for line in ended.stderr.splitlines() if line.startswith("Error: ")]
    assert [("/one" in error, "/two" in error, "/three" in error) for error in errors] == [
        (False, True, False),
        (False, False, True),
        (True, False, False),
    ]


def test_an_update_that_cannot_be_looked_at_is_unknown_and_not_failed(stage: Stage) -> None:
    stage.add_job()

    def forbid(asked: Asked) -> Answered | None:
        if asked.method == "GET" and "/api/jobs?" in asked.path and updates(stage):
            return problem(403)
        return None

    stage.lusid.instead = forbid
    ended = publish(stage, "--job", "me/my-job", "--run-job", "--output", "json")
    ended.require(14, "it is not known whether the job me/my-job has the image job:1.0")
    (job,) = json.loads(ended.stdout)["jobs"]
    assert (job["outcome"], job["image"], job["run"]) == ("unknown", None, None)
    assert image(stage) == "job:1.0"


def test_an_interrupted_wait_reports_what_is_known(stage: Stage, tmp_path: Path) -> None:
    stage.add_job()
    running = {"jobStatus": "Running", "startDate": "2026-01-02T03:04:05Z"}
    stage.lusid.instead = scripted("GET", "/api/jobs/history/[^/]+$", json_answer(running))
    began: list[bool] = []

    def interrupt() -> None:
        if stage.runner.orders and not began:
            began.append(True)
            signal.raise_signal(signal.SIGTERM)

    stage.clock.on_sleep = interrupt
    output = tmp_path / "output"
    ended = publish(
        stage,
        *("--job", "me/my-job", "--run-job", "--report", "json=a.json"),
        GITHUB_ACTIONS="true",
        GITHUB_OUTPUT=str(output),
    )
    (order,) = stage.runner.orders
    ended.require(143, "Interrupted by SIGTERM", f"The run {order.run_id} continues in LUSID")
    assert ended.stdout.startswith("sha256:")
    report = json.loads((stage.folder / "a.json").read_text())
    assert report["jobs"][0]["outcome"] == "updated"
    assert report["jobs"][0]["run"]["runId"] == order.run_id
    for name, value in (("job-updated", "true"), ("run-id", order.run_id), ("critical", "0")):
        assert f"{name}<<" in output.read_text()
        assert f"\n{value}\n" in output.read_text()


def test_what_is_interrupted_before_the_update_is_kept(stage: Stage) -> None:
    stage.add_job()
    looks = iter(range(10))

    def interrupt(asked: Asked) -> None:
        if asked.method == "GET" and "api/jobs?" in asked.path and next(looks) == 1:
            signal.raise_signal(signal.SIGINT)

    stage.lusid.instead = interrupt
    ended = publish(stage, "--job", "me/my-job", "--output", "json").require(130)
    (job,) = json.loads(ended.stdout)["jobs"]
    assert (job["outcome"], job["image"]) == ("kept", "old:1")
    assert "may already have the image" not in ended.stderr
    assert updates(stage) == []


def test_a_run_whose_id_lusid_chooses_has_none_before_the_answer(stage: Stage) -> None:
    stage.add_job()

    def interrupt(asked: Asked) -> Answered | None:
        if asked.method != "POST" or not asked.path.endswith("run"):
            return None
        if "runId" in json.loads(asked.body or b"{}"):
            return problem(400, title="runId is not a known member")
        signal.raise_signal(signal.SIGINT)
        return None

    stage.lusid.instead = interrupt
    ended = publish(stage, "--job", "me/my-job", "--run-job", "--output", "json").require(130)
    assert json.loads(ended.stdout)["jobs"][0]["run"]["runId"] is None


def test_a_start_that_has_to_wait_too_long_was_refused_and_not_lost(stage: Stage) -> None:
    stage.add_job()
    refusal = Answered(429, {"Retry-After": "3600"}, b"")
    stage.lusid.instead = scripted("POST", "run$", refusal)
    ended = publish(stage, "--job", "me/my-job", "--run-job").require(15, "was not run: ")
    assert "was lost" not in ended.stderr


def test_a_short_secret_changes_no_name_and_no_digest(stage: Stage) -> None:
    stage.add_job(argumentDefinitions={"ENV": SECURE})
    stage.hold("job:ci")
    stage.runner.end = RunEnd("Succeeded", "", b"in prod\n")
    arguments = ("--job", "me/my-job", "--run-job", "--argument", "ENV=prod", "--output", "json")
    for outcome in ("updated", "unchanged"):
        ended = stage.publish("job:ci", "prod-job:1.0", *arguments).require(0, "| in ***")
        (job,) = json.loads(ended.stdout)["jobs"]
        assert (job["outcome"], job["image"]) == (outcome, "prod-job:1.0")
    assert len(updates(stage)) == 1


def test_a_dry_run_says_that_the_job_would_be_run(stage: Stage) -> None:
    stage.add_job()
    options = ("--job", "me/my-job", "--run-job", "--dry-run")
    assert "instead of old:1; then run once" in publish(stage, *options).require(0).stdout
    document = json.loads(publish(stage, *options, "--output", "json").require(0).stdout)
    assert document["jobs"][0]["runs"] is True


def test_a_bad_line_of_a_variable_is_named_by_its_number(stage: Stage) -> None:
    ended = publish(stage, LUSID_PUBLISH_JOB="me/my-job\n\nnot a job\n")
    ended.fails(2, "Line 3 is not SCOPE/CODE", "LUSID_PUBLISH_JOB")
    ended = publish(
        stage,
        LUSID_PUBLISH_JOB="me/my-job",
        LUSID_PUBLISH_RUN_JOB="true",
        LUSID_PUBLISH_ARGUMENT="a=1\nhunter2hunter2",
    )
    assert "hunter2" not in ended.fails(2, "Line 2 is not NAME=VALUE").stderr
