"""The operations of the Jobs API as values; the rules are those of `operations`.

The API cannot get a single job, so `job_filter` and `the_one` find it in the list. It cannot stop
a run.
"""

import re
from collections.abc import Iterable
from functools import partial
from typing import Final

from lusid_image_publish.errors import ConfigurationError, NotFoundError, UnexpectedAnswerError
from lusid_image_publish.names import JobId
from lusid_image_publish.scheduler.job_models import (
    JobDefinition,
    JobRunResult,
    ResourceListOfJobDefinition,
    ResourceListOfJobHistory,
    ResourceListOfScheduleDefinition,
    ServiceApiEndpoints,
    StartJobResponse,
)
from lusid_image_publish.scheduler.listing import ListQuery, quote
from lusid_image_publish.scheduler.operations import Call, Operation
from lusid_image_publish.text import plain

_RUN_ID: Final = re.compile(r"[a-zA-Z0-9-]{1,36}")

_job = partial(Operation, api="Jobs", subject="job")
_run = partial(Operation, api="Jobs", subject="run")

LIST_JOBS: Final[Operation[ResourceListOfJobDefinition]] = _job(
    "list_jobs", "GET", "/api/jobs", read=ResourceListOfJobDefinition.read
)
CREATE_JOB: Final[Operation[JobDefinition]] = _job(
    "create_job", "POST", "/api/jobs", read=JobDefinition.read, retry_safe=False
)
UPDATE_JOB: Final[Operation[JobDefinition]] = _job(
    "update_job",
    "PUT",
    "/api/jobs/{name}",
    read=JobDefinition.read,
    retry_safe=False,  # a second one would undo a change that someone made after the first
)
DELETE_JOB: Final[Operation[ResourceListOfScheduleDefinition]] = _job(
    "delete_job",
    "DELETE",
    "/api/jobs/{name}",
    read=ResourceListOfScheduleDefinition.read,
    retry_safe=False,
)
RUN_JOB: Final[Operation[StartJobResponse]] = _job(
    "run_job",
    "POST",
    "/api/jobs/{name}/$run",
    read=StartJobResponse.read,
    retry_safe=False,
    done=(200, 202),  # 202 in older documents: if it were treated as lost, so would the run id be
)
GET_SCHEDULES_FOR_A_JOB: Final[Operation[ResourceListOfScheduleDefinition]] = _job(
    "get_schedules_for_a_job",
    "GET",
    "/api/jobs/{name}/schedules",
    read=ResourceListOfScheduleDefinition.read,
)
GET_HISTORY: Final[Operation[ResourceListOfJobHistory]] = _run(
    "get_history", "GET", "/api/jobs/history", read=ResourceListOfJobHistory.read
)
GET_RUN_HISTORY: Final[Operation[JobRunResult]] = _run(
    "get_run_history", "GET", "/api/jobs/history/{name}", read=JobRunResult.read
)
GET_JOB_CONSOLE_OUTPUT: Final[Operation[str]] = _run(
    "get_job_console_output", "GET", "/api/jobs/history/{name}/console", "text"
)
LIST_API_ENDPOINTS: Final[Operation[ServiceApiEndpoints]] = Operation(
    "list_api_endpoints",
    "GET",
    "/api/metadata/endpoints",
    read=ServiceApiEndpoints.read,
    subject="operation",
    api="metadata",
)


def list_jobs(query: ListQuery) -> Call[ResourceListOfJobDefinition]:
    """Return the call."""
    return Call(LIST_JOBS, params=query.params(), finish=query.with_page_tokens)


def create_job(request: str) -> Call[JobDefinition]:
    """Return the call; `request` is a CreateJobRequest as JSON."""
    return Call(CREATE_JOB, body=request)


def update_job(scope: str, code: str, request: str) -> Call[JobDefinition]:
    """Return the call; `request` is an UpdateJobRequest as JSON. Raises `InvalidNameError`."""
    return Call(UPDATE_JOB, str(JobId.of(scope, code)), body=request)


def delete_job(scope: str, code: str) -> Call[ResourceListOfScheduleDefinition]:
    """Return the call. Raises `InvalidNameError`."""
    return Call(DELETE_JOB, str(JobId.of(scope, code)))


def run_job(scope: str, code: str, request: str) -> Call[StartJobResponse]:
    """Return the call; `request` is a StartJobRequest as JSON. Raises `InvalidNameError`."""
    return Call(RUN_JOB, str(JobId.of(scope, code)), body=request)


def get_schedules_for_a_job(scope: str, code: str) -> Call[ResourceListOfScheduleDefinition]:
    """Return the call. Raises `InvalidNameError`."""
    return Call(GET_SCHEDULES_FOR_A_JOB, str(JobId.of(scope, code)))


def get_history(query: ListQuery) -> Call[ResourceListOfJobHistory]:
    """Return the call; a `HistoryQuery` may have a longer filter."""
    return Call(GET_HISTORY, params=query.params(), finish=query.with_page_tokens)


def get_run_history(run_id: str) -> Call[JobRunResult]:
    """Return the call. Raises `ConfigurationError` for an invalid run id."""
    return Call(GET_RUN_HISTORY, _checked(run_id))


def get_job_console_output(run_id: str) -> Call[str]:
    """Return the call. Raises `ConfigurationError` for an invalid run id."""
    return Call(GET_JOB_CONSOLE_OUTPUT, _checked(run_id))


def list_api_endpoints() -> Call[ServiceApiEndpoints]:
    """Return the call."""
    return Call(LIST_API_ENDPOINTS)


def is_run_id(text: str) -> bool:
    """Return whether `text` is a valid run id: 1 to 36 letters, digits and `-`."""
    return bool(_RUN_ID.fullmatch(text))


def job_filter(job: JobId) -> str:
    """Return the filter of `list_jobs` that finds `job`."""
    return f"jobId.scope eq {quote(job.scope)} and jobId.code eq {quote(job.code)}"


def the_one(job: JobId, found: Iterable[JobDefinition]) -> JobDefinition:
    """Return the definition of `job` among those `found`.

    Raises `NotFoundError` if there is none, and `UnexpectedAnswerError` if there are several.
    """
    matching = [each for each in found if (each.job_id.scope, each.job_id.code) == _parts(job)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise UnexpectedAnswerError(
            f"LUSID lists {len(matching)} jobs named {job}.",
            cause="Scope and code identify a job, so there can only be one: the service has a "
            "problem, or a proxy answers in its place.",
            hint="Run again; if the error persists, contact FINBOURNE support.",
            operation=LIST_JOBS.name,
            status=200,
        )
    raise NotFoundError(
        f"LUSID has no job {job}, or does not show it to you.",
        cause="The scope or code is misspelled (both are case-sensitive), the job was deleted, or "
        "the data policies of your role do not include it.",
        hint="`lusid-jobs list` shows the jobs that you may see. This command never creates a job.",
        operation=LIST_JOBS.name,
        status=200,
    )


def _parts(job: JobId) -> tuple[str, str]:
    return job.scope, job.code


def _checked(run_id: str) -> str:
    if not is_run_id(run_id):
        raise ConfigurationError(
            f"{plain(run_id, longest=80)!r} is not a run id.",
            cause="A run id has 1 to 36 letters, digits and '-'.",
            hint="`lusid-jobs history` lists the runs with their ids.",
        )
    return run_id
