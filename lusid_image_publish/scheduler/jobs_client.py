"""The client of the Jobs API: one method per operation, under the operation's own name.

`async_jobs_client` has the same methods over the same operations.
"""

from collections.abc import Iterator, Sequence

from lusid_image_publish.config import ConfigurationOptions
from lusid_image_publish.names import JobId
from lusid_image_publish.scheduler import job_operations as operations
from lusid_image_publish.scheduler.job_models import (
    CreateJobRequest,
    JobDefinition,
    JobHistory,
    JobRunResult,
    ResourceListOfJobDefinition,
    ResourceListOfJobHistory,
    ResourceListOfScheduleDefinition,
    ServiceApiEndpoints,
    StartJobRequest,
    StartJobResponse,
    UpdateJobRequest,
    request_text,
)
from lusid_image_publish.scheduler.listing import HistoryQuery, ListQuery
from lusid_image_publish.scheduler.service_client import ServiceClient


class JobsClient(ServiceClient):
    """The Jobs API of one Scheduler; a context manager that closes its connections.

    Many threads may use it at a time. All methods take `opts`: timeouts and retries for this
    request only. They raise the same errors as those of `ImagesClient`; a refusal is a
    `BadRequestError` with the service's `code`: 731 if the job's image does not exist, 756 if its
    scan has not finished or has failed, 704 for a job that cannot be deleted.
    """

    def list_jobs(
        self,
        *,
        page: str | None = None,
        sort_by: str | Sequence[str] | None = None,
        start: int | None = None,
        limit: int | None = None,
        filter: str | None = None,  # noqa: A002  # the service's name for it
        opts: ConfigurationOptions | None = None,
    ) -> ResourceListOfJobDefinition:
        """Return one page of the jobs; the parameters are those of `ImagesClient.list_images`."""
        query = ListQuery.of(page=page, sort_by=sort_by, start=start, limit=limit, filter=filter)
        return self._ask(operations.list_jobs(query), opts)

    def iter_jobs(
        self,
        *,
        sort_by: str | Sequence[str] | None = None,
        start: int | None = None,
        limit: int | None = None,
        filter: str | None = None,  # noqa: A002
        opts: ConfigurationOptions | None = None,
    ) -> Iterator[JobDefinition]:
        """Yield all jobs; `limit` is the page size."""
        query = ListQuery.of(sort_by=sort_by, start=start, limit=limit, filter=filter)
        pages = self._pages(operations.list_jobs, query, opts)
        return (job for page in pages for job in page.values)

    def get_job(
        self, scope: str, code: str, *, opts: ConfigurationOptions | None = None
    ) -> JobDefinition:
        """Return one job from the list: the service has no operation for a single job.

        Raises `NotFoundError` if the list does not have it, also because the credentials do not
        allow to see it, and `UnexpectedAnswerError` if the list has two.
        """
        job = JobId.of(scope, code)
        found = self.iter_jobs(filter=operations.job_filter(job), opts=opts)
        return operations.the_one(job, found)

    def create_job(
        self, create_job_request: CreateJobRequest, *, opts: ConfigurationOptions | None = None
    ) -> JobDefinition:
        """Create a job."""
        return self._ask(operations.create_job(request_text(create_job_request)), opts)

    def update_job(
        self,
        scope: str,
        code: str,
        update_job_request: UpdateJobRequest | str,
        *,
        opts: ConfigurationOptions | None = None,
    ) -> JobDefinition:
        """Replace a job: members that the request leaves out are removed from the job.

        A `str` is JSON, which is sent unchanged.
        """
        text = request_text(update_job_request)
        return self._ask(operations.update_job(scope, code, text), opts)

    def delete_job(
        self, scope: str, code: str, *, opts: ConfigurationOptions | None = None
    ) -> ResourceListOfScheduleDefinition:
        """Delete a job; return the schedules that were deleted with it."""
        return self._ask(operations.delete_job(scope, code), opts)

    def run_job(
        self,
        scope: str,
        code: str,
        start_job_request: StartJobRequest | None = None,
        *,
        opts: ConfigurationOptions | None = None,
    ) -> StartJobResponse:
        """Start a run. A run cannot be stopped.

        The request is not retried if the answer is lost. With a `run_id` of your own,
        `get_run_history` shows whether the run started.
        """
        text = request_text(start_job_request or StartJobRequest())
        return self._ask(operations.run_job(scope, code, text), opts)

    def get_history(
        self,
        *,
        page: str | None = None,
        sort_by: str | Sequence[str] | None = None,
        limit: int | None = None,
        filter: str | None = None,  # noqa: A002
        opts: ConfigurationOptions | None = None,
    ) -> ResourceListOfJobHistory:
        """Return one page of the runs; a `filter` has at most 16384 characters."""
        query = HistoryQuery.of(page=page, sort_by=sort_by, start=None, limit=limit, filter=filter)
        return self._ask(operations.get_history(query), opts)

    def iter_history(
        self,
        *,
        sort_by: str | Sequence[str] | None = None,
        limit: int | None = None,
        filter: str | None = None,  # noqa: A002
        opts: ConfigurationOptions | None = None,
    ) -> Iterator[JobHistory]:
        """Yield all runs; `limit` is the page size."""
        query = HistoryQuery.of(sort_by=sort_by, start=None, limit=limit, filter=filter)
        pages = self._pages(operations.get_history, query, opts)
        return (run for page in pages for run in page.values)

    def get_run_history(
        self, run_id: str, *, opts: ConfigurationOptions | None = None
    ) -> JobRunResult:
        """Return one run."""
        return self._ask(operations.get_run_history(run_id), opts)

    def get_job_console_output(
        self, run_id: str, *, opts: ConfigurationOptions | None = None
    ) -> str:
        """Return the output of a run: untrusted text of up to 128 MiB."""
        return self._ask(operations.get_job_console_output(run_id), opts)

    def get_schedules_for_a_job(
        self, scope: str, code: str, *, opts: ConfigurationOptions | None = None
    ) -> ResourceListOfScheduleDefinition:
        """Return the schedules of a job."""
        return self._ask(operations.get_schedules_for_a_job(scope, code), opts)

    def list_api_endpoints(
        self, *, opts: ConfigurationOptions | None = None
    ) -> ServiceApiEndpoints:
        """Return the operations of this deployment, which needs version 0.0.1230 or later."""
        return self._ask(operations.list_api_endpoints(), opts)
