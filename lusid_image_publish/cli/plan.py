"""Show what a publication would do: the result of a dry run."""

from collections.abc import Sequence

from lusid_image_publish.cli import tables
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.outcome import record_unpublished
from lusid_image_publish.cli.report_option import ReportFiles
from lusid_image_publish.jobs.job_results import JobPlan, shown_image
from lusid_image_publish.publishing.results import Plan
from lusid_image_publish.reports.words import human_size
from lusid_image_publish.scan.verdict import ScanPolicy

_WOULD = {
    "push": "push it",
    "nothing": "do nothing: LUSID already has this image",
    "skip": "do nothing: the tag already exists",
    "compare": "compare the images: do nothing if they are the same, else fail",
    "replace": "compare the images: do nothing if they are the same, else push it",
}
_HEADLINES = {
    "push": "would be pushed",
    "nothing": "is already in LUSID",
    "skip": "already exists and would stay as it is",
    "compare": "already exists and would be compared",
}
_LATEST_WOULD = {
    "moved": "move to it",
    "kept": "stay: its image was pushed later",
    "unchanged": "stay: it already points to this image",
}


def show_plan(
    plan: Plan,
    scan: ScanPolicy | None,
    output: str,
    files: ReportFiles,
    jobs: Sequence[JobPlan] = (),
) -> None:
    """Show what a publication would do, and record it in the CI.

    `scan` is the policy for its scan, None if it does not wait for the scan; `files` are the
    reports of `--report`, which a dry run neither writes nor removes. `jobs` are the plans for the
    jobs.
    """
    rows = _rows(plan, scan) + [(f"Job {job.job} would", _job_would(job)) for job in jobs]
    if output == "json":
        document = {
            "name": str(plan.name),
            "source": plan.source,
            "schedulerUrl": plan.scheduler_url,
            "action": plan.action,
            "forced": plan.forced,
            "imageId": plan.image_id,
            "platform": plan.platform,
            "size": plan.size,
            "existingDigest": plan.existing_digest,
            "latest": plan.latest,
            "jobs": [
                {
                    "job": str(job.job),
                    "action": "nothing" if job.is_unchanged else "update",
                    "formerImage": job.former or None,
                    "image": job.image,
                    "runs": job.runs,
                }
                for job in jobs
            ],
        }
        console.answer(tables.document(document))
    else:
        tables.show(("", ""), [tuple(map(console.named, row)) for row in rows])
        for line in (line for job in jobs for line in job.diff()):
            console.answer(line)
        console.remark("this was a dry run: nothing was changed outside the local engine")
    if files:
        console.remark("a dry run writes no reports")
    lines = [f"{label}: {text}" for label, text in rows]
    record_unpublished(plan.name, f"Dry run: {{}} {_HEADLINES[plan.action]}", lines)


def _rows(plan: Plan, scan: ScanPolicy | None) -> list[tuple[str, str]]:
    action = "replace" if plan.action == "compare" and plan.forced else plan.action
    rows = [
        ("Source", plan.source),
        ("Image", plan.image_id or "not built"),
        ("Platform", plan.platform or "-"),
        ("Local size", human_size(plan.size)),
        ("Publish as", str(plan.name)),
        ("Scheduler", plan.scheduler_url),
        ("In LUSID", plan.existing_digest or "no image with this name"),
        ("Would", _WOULD[action]),
    ]
    if plan.latest:
        rows.append(("Tag latest would", _LATEST_WOULD[plan.latest]))
    rows.append(("Then", _then_would(scan)))
    return rows


def _job_would(job: JobPlan) -> str:
    change = (
        "stay: it already has this image"
        if job.is_unchanged
        else f"get the image {job.image} instead of {shown_image(job.former)}"
    )
    return f"{change}; then run once" if job.runs else change


def _then_would(scan: ScanPolicy | None) -> str:
    if scan is None:
        return "wait until LUSID lists it"
    if not scan.is_set:
        return "wait for its scan; no policy set"
    rules = [f"anything {scan.fail_on} or worse"] if scan.fail_on is not None else []
    rules += [f"more than {number} {severity}" for severity, number in scan.limits.items()]
    return f"wait for its scan, and fail on {' or '.join(rules)}"
