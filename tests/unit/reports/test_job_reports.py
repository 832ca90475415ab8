"""What became of jobs, in each report."""

import json
from dataclasses import replace

import pytest

from lusid_image_publish.errors import JobRunError, JobUpdateError
from lusid_image_publish.jobs.job_results import JobPlan, JobResult, RunResult, failures_of
from lusid_image_publish.names import JobId
from lusid_image_publish.reports import document, markdown, text_report
from lusid_image_publish.reports.content import ReportContent
from lusid_image_publish.reports.outputs import outputs_of
from tests.unit.reports.contents import FOUND, published, scanned

UPDATED = JobResult(
    job=JobId("me", "one"),
    outcome="updated",
    former="",
    image="job:1.0",
    differences=("ttl", "argumentDefinitions.x.order"),
    run=RunResult(run_id="run-1", status="Succeeded", seconds=12.4),
)
FAILED = JobResult(
    job=JobId("me", "two"),
    outcome="failed",
    former="old:`1|",
    image="old:`1|",
    error=JobUpdateError("the job me/two was not updated", cause="Because.", hint="Try."),
)
KEPT = JobResult(job=JobId("me", "three"), outcome="kept", former="old:1", image="old:1")
UNSEEN = JobResult(
    job=JobId("me", "four"),
    outcome="unchanged",
    former="job:1.0",
    image="job:1.0",
    run=RunResult(run_id="run-2", error=JobRunError("it did not end", run_id="run-2")),
)


@pytest.fixture
def content() -> ReportContent:
    return replace(published(scanned(FOUND)), jobs=(UPDATED, FAILED, KEPT, UNSEEN))


def test_people_read_which_job_was_changed_from_what_to_what(content: ReportContent) -> None:
    shown = text_report.render(content)
    facts = [line for line in shown.splitlines() if line.startswith(("Job", "Run"))]
    assert [" ".join(fact.split()) for fact in facts] == [
        "Job me/one no image -> job:1.0",
        "Run of me/one Succeeded after 12 s (run run-1)",
        "Job me/two was not updated; it had old:`1|",
        "Job me/three stays at old:1",
        "Job me/four already has job:1.0",
        "Run of me/four final status unknown (run run-2)",
    ]
    assert "  - the job me/two was not updated\n" in shown
    assert "  - it did not end\n" in shown
    assert "changed during the update: ttl, argumentDefinitions.x.order" in shown


def test_the_summary_shows_the_jobs_and_their_runs(content: ReportContent) -> None:
    shown = markdown.render(content)
    assert "\n- Job me/one: no image \N{RIGHTWARDS ARROW} `job:1.0`\n" in shown
    assert "\n- Run of me/one: Succeeded after 12 s (run run-1)\n" in shown
    assert "\n- Job me/two: was not updated; it had old:`'` `1\N{BROKEN BAR}`\n" in shown
    assert shown.index("Job me/one") < shown.index("| Severity |")


def test_the_summary_says_what_to_do_about_a_job(content: ReportContent) -> None:
    shown = markdown.render(replace(content, jobs=(FAILED,)))
    assert shown.startswith("### \N{CROSS MARK} `hello-job:1.0.0` is in LUSID; ")
    assert shown.split("\n")[0].endswith("; the job failed")
    assert "\n- the job me/two was not updated\n" in shown
    assert "\n- Next step: Try.\n" in shown


def test_the_name_of_a_job_is_not_markdown(content: ReportContent) -> None:
    job = replace(KEPT, job=JobId("_team_", "__x__"))
    assert "\n- Job `_team_/__x__`: stays at `old:1`\n" in markdown.render(
        replace(content, jobs=(job,))
    )


def test_what_to_do_is_below_each_error(content: ReportContent) -> None:
    run = RunResult(run_id="run-3", error=JobRunError("it ended badly", hint="Look at it."))
    ran = replace(UPDATED, differences=(), run=run)
    shown = markdown.render(replace(content, jobs=(ran, FAILED)))
    assert shown.split("\n")[0].endswith("; 2 of 2 jobs failed")
    lines = ["it ended badly", "Next step: Look at it.", "the job me/two was not updated"]
    assert "".join(f"- {line}\n" for line in [*lines, "Next step: Try."]) in shown


def test_programs_get_all_of_it(content: ReportContent) -> None:
    jobs = json.loads(document.render(content))["jobs"]
    assert jobs[0] == {
        "job": "me/one",
        "outcome": "updated",
        "formerImage": None,
        "image": "job:1.0",
        "differences": ["ttl", "argumentDefinitions.x.order"],
        "error": None,
        "run": {"runId": "run-1", "status": "Succeeded", "seconds": 12.4, "error": None},
    }
    assert (jobs[1]["error"]["slug"], jobs[1]["error"]["exitCode"]) == ("job-update", 14)
    assert (jobs[3]["run"]["status"], jobs[3]["run"]["error"]["exitCode"]) == (None, 15)


def test_later_steps_get_words(content: ReportContent) -> None:
    outputs = outputs_of(content)
    names = ("job-updated", "run-id", "run-status")
    assert [outputs[name] for name in names] == ["true", "run-1,run-2", "Succeeded,unknown"]
    for jobs, words in (((), ["", "", ""]), ((KEPT,), ["false", "", ""])):
        outputs = outputs_of(replace(content, jobs=jobs))
        assert [outputs[name] for name in names] == words


def test_errors_of_updates_come_before_those_of_runs() -> None:
    assert failures_of([UNSEEN, UPDATED, FAILED, KEPT]) == [
        FAILED.error,
        UNSEEN.run and UNSEEN.run.error,
    ]


def test_a_change_of_a_job_without_an_image_is_an_addition() -> None:
    plan = JobPlan(job=JobId("me", "one"), former="", image="job:1.0")
    assert plan.diff() == [
        "--- me/one in LUSID",
        "+++ me/one after the update",
        "+dockerImage: job:1.0",
    ]
    assert JobPlan(job=plan.job, former="job:1.0", image="job:1.0").diff() == []
