"""Run the commands of lusid-jobs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from lusid_image_publish.cli import job_tables, tables
from lusid_image_publish.cli.connection import open_images
from lusid_image_publish.cli.connection_options import Connection
from lusid_image_publish.cli.console import console
from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.jobs.job_arguments import require_arguments, secrets_of
from lusid_image_publish.jobs.job_results import JobPlan, JobResult
from lusid_image_publish.jobs.job_run import JobRun
from lusid_image_publish.jobs.job_update import image_of
from lusid_image_publish.jobs.lusid_job import LusidJob
from lusid_image_publish.names import ImageName, JobId
from lusid_image_publish.progress import StepDone, StepStarted, Warned
from lusid_image_publish.publishing.lusid_tag import LusidTag
from lusid_image_publish.redact import redact
from lusid_image_publish.scheduler.client import ImagesClient
from lusid_image_publish.scheduler.job_models import (
    ResourceListOfJobDefinition,
    ResourceListOfJobHistory,
)
from lusid_image_publish.scheduler.job_operations import job_filter
from lusid_image_publish.scheduler.jobs_client import JobsClient
from lusid_image_publish.text import line_of

MORE = "there are more: use --all to list them"


@contextmanager
def _open_jobs(connection: Connection) -> Iterator[JobsClient]:
    with open_images(connection) as images:
        yield JobsClient.beside(images)


def list_jobs(
    *, everything: bool, output: str, reveal: bool, connection: Connection, **query: Any
) -> None:
    """List the jobs."""
    with _open_jobs(connection) as jobs:
        if everything:
            answer = ResourceListOfJobDefinition(values=list(jobs.iter_jobs(**query)))
        else:
            answer = jobs.list_jobs(**query)
    if output == "json":
        documents = [job_tables.job_document(job, reveal=reveal) for job in answer.values]
        console.answer(tables.document(_list_document(documents, answer.next_page)))
        return
    rows = job_tables.job_rows(answer.values)
    tables.show(job_tables.JOB_COLUMNS, rows, below=job_tables.BELOW_JOBS)
    if not answer.values:
        console.remark("LUSID lists no jobs")
    if answer.next_page:
        console.remark(MORE)


def get_job(*, job: str, output: str, reveal: bool, connection: Connection) -> None:
    """Show one job."""
    identifier = JobId.parse(job)
    with _open_jobs(connection) as jobs:
        found = jobs.get_job(identifier.scope, identifier.code)
    if output == "json":
        console.answer(tables.document(job_tables.job_document(found, reveal=reveal)))
    else:
        tables.show(("", ""), job_tables.job_lines(found, reveal=reveal))


def set_image(
    *, job: str, name: str, dry_run: bool, force: bool, output: str, connection: Connection
) -> None:
    """Point a job at an image."""
    image = ImageName.parse(name)
    with open_images(connection) as images:
        _require_image(images, image)
        target = _target(JobsClient.beside(images), job, connection, force=force)
        if dry_run:
            _show_plan(target, image, output)
            return
        result = target.set_image(image)
    console.close()
    if output == "json":
        console.answer(tables.document(_result_document(result)))
    else:
        console.answer(result.image)


def _target(jobs: JobsClient, job: str, connection: Connection, *, force: bool = False) -> LusidJob:
    return LusidJob(
        job=JobId.parse(job),
        jobs=jobs,
        force=force,
        is_local=connection.local,
        listener=console.listen,
    )


def _require_image(images: ImagesClient, name: ImageName) -> None:
    """Raise `NotFoundError` if LUSID does not have the image."""
    console.listen(StepStarted(f"Checking LUSID for {name}", "Nothing was changed."))
    tag = LusidTag(name=name, images=images)
    image = tag.require_digest(tag.get())
    console.listen(StepDone(f"LUSID has it, with the digest {image.digest}"))
    if image.scan_report is None:
        console.listen(
            Warned(f"{name} has not been scanned yet. LUSID may refuse to run it until then.")
        )


def _show_plan(target: LusidJob, image: ImageName, output: str) -> None:
    found = target.look_up(image)
    plan = JobPlan(job=target.job, former=image_of(found), image=str(image))
    console.close()
    if output == "json":
        action = "unchanged" if plan.is_unchanged else "updated"
        console.answer(tables.document(_image_document(plan, action)))
    else:
        for line in plan.diff():
            console.answer(line)
        if plan.is_unchanged:
            console.remark("it already has this image: nothing would change")
        console.remark("this was a dry run: nothing was changed")


def _image_document(change: JobPlan | JobResult, outcome: str) -> dict[str, Any]:
    return {
        "job": str(change.job),
        "outcome": outcome,
        "formerImage": change.former or None,
        "image": change.image,
    }


def _result_document(result: JobResult) -> dict[str, Any]:
    return _image_document(result, result.outcome) | {"differences": list(result.differences)}


def run_job(
    *,
    job: str,
    arguments: Mapping[str, str],
    run_timeout: float | None,
    no_wait: bool,
    output: str,
    connection: Connection,
) -> None:
    """Run a job, wait for its end, and print its output."""
    if no_wait and connection.local:
        raise ConfigurationError(
            "--no-wait cannot be used with --local.",
            cause="--local starts a Scheduler that stops, with its runs, when this command ends.",
            hint="Remove one of them, or start a Scheduler with lusid-scheduler-local.",
        )
    with _open_jobs(connection) as jobs:
        target = _target(jobs, job, connection)
        found = target.get()
        require_arguments(found, arguments)
        run = JobRun(
            target=target,
            arguments=arguments,
            secrets=secrets_of(found, arguments),
            timeout=run_timeout,
        )
        run.start()
        if no_wait:
            console.close()
            document = {"job": job, "runId": run.run_id}
            console.answer(tables.document(document) if output == "json" else run.run_id)
            return
        result = run.wait(found.ttl)
        console.listen(StepStarted(f"Output of the run {run.run_id}"))
        written = run.output()
        console.close()
    if output == "json":
        console.answer(
            tables.document(
                {
                    "job": job,
                    "runId": run.run_id,
                    "status": result.status,
                    "seconds": result.seconds,
                    "console": None if written is None else [*_lines(written)],
                }
            )
        )
    else:
        _print_lines(written or "")
    if result.error:
        raise result.error


def show_history(
    *,
    job: str | None,
    everything: bool,
    output: str,
    reveal: bool,
    connection: Connection,
    filter: str | None,  # noqa: A002  # the service's name for it
    **query: Any,
) -> None:
    """List the runs of a job, or of all jobs."""
    if job:
        of_job = job_filter(JobId.parse(job))
        filter = f"{of_job} and ({filter})" if filter else of_job  # noqa: A001
    with _open_jobs(connection) as jobs:
        if everything:
            found = list(jobs.iter_history(filter=filter, **query))
            answer = ResourceListOfJobHistory(values=found)
        else:
            answer = jobs.get_history(filter=filter, **query)
    if output == "json":
        documents = [job_tables.run_document(run, reveal=reveal) for run in answer.values]
        console.answer(tables.document(_list_document(documents, answer.next_page)))
        return
    columns, rows = job_tables.run_table(answer.values, reveal=reveal)
    tables.show(columns, rows, below=job_tables.BELOW_RUNS)
    if not rows:
        console.remark(f"LUSID lists no runs{f' of {job}' if job else ''}")
    if answer.next_page:
        console.remark(MORE)


def show_logs(*, run_id: str, connection: Connection) -> None:
    """Print the output of a run."""
    with _open_jobs(connection) as jobs:
        written = jobs.get_job_console_output(run_id)
    if not written:
        console.remark("no output: the run printed nothing, or has not finished yet")
    _print_lines(redact(written))


def _print_lines(text: str) -> None:
    for line in _lines(text):
        console.answer(line)


def _lines(text: str) -> Iterator[str]:
    """Yield the cleaned lines of an untrusted text, which may have millions."""
    begin = 0
    while begin < len(text):
        end = text.find("\n", begin)
        end = len(text) if end < 0 else end
        yield line_of(click.unstyle(text[begin:end].rstrip("\r")))
        begin = end + 1


def _list_document(values: list[dict[str, Any]], next_page: str | None) -> dict[str, Any]:
    return {"values": values} | ({"nextPage": next_page} if next_page else {})
