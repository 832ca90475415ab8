"""`JobsClient` for asynchronous programs: the same methods over the same operations."""

from collections.abc import AsyncIterator, Sequence

from lusid_image_publish.config import ConfigurationOptions
from lusid_image_publish.names import JobId
from lusid_image_publish.scheduler import job_operations as operations
from lusid_image_publish.scheduler.async_service_client import AsyncServiceClient
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


class AsyncJobsClient(AsyncServiceClient):
    """The Jobs API of one Scheduler; an asynchronous context manager.

    Methods, parameters, results and errors are those of `JobsClient`. Many tasks of one event loop
    may use it at a time.
    """

    async def list_jobs(
        self,
        *,
        page: str | None = None,
        sort_by: str | Sequence[str] | None = None,
        start: int | None = None,
        limit: int | None = None,
        filter: str | None = None,  # noqa: A002  # the service's name for it
        opts: ConfigurationOptions | None = None,
    ) -> ResourceListOfJobDefinition:
        """Return one page of the jobs; see `JobsClient.list_jobs`."""
        query = ListQuery.of(page=page, sort_by=sort_by, start=start, limit=limit, filter=filter)
        return await self._ask(operations.list_jobs(query), opts)

    def iter_jobs(
        self,
        *,
        sort_by: str | Sequence[str] | None = None,
        start: int | None = None,
        limit: int | None = None,
        filter: str | None = None,  # noqa: A002
        opts: ConfigurationOptions | None = None,
    ) -> AsyncIterator[JobDefinition]:
        """Yield all jobs; `limit` is the page size."""
        query = ListQuery.of(sort_by=sort_by, start=start, limit=limit, filter=filter)
        pages = self._pages(operations.list_jobs, query, opts)
        return (job async for page in pages for job in page.values)

    async def get_job(
        self, scope: str, code: str, *, opts: ConfigurationOptions | None = None
    ) -> JobDefinition:
        """Return one job, found in the list; see `JobsClient.get_job`."""
        job = JobId.of(scope, code)
        found = self.iter_jobs(filter=operations.job_filter(job), opts=opts)
        return operations.the_one(job, [each async for each in found])

    async def create_job(
        self, create_job_request: CreateJobRequest, *, opts: ConfigurationOptions | None = None
    ) -> JobDefinition:
        """Create a job."""
        return await self._ask(operations.create_job(request_text(create_job_request)), opts)

    async def update_job(
        self,
        scope: str,
        code: str,
        update_job_request: UpdateJobRequest | str,
        *,
        opts: ConfigurationOptions | None = None,
    ) -> JobDefinition:
        """Replace a job; see `JobsClient.update_job`."""
        text = request_text(update_job_request)
        return await self._ask(operations.update_job(scope, code, text), opts)

    async def delete_job(
        self, scope: str, code: str, *, opts: ConfigurationOptions | None = None
    ) -> ResourceListOfScheduleDefinition:
        """Delete a job; return the schedules that were deleted with it."""
        return await self._ask(operations.delete_job(scope, code), opts)

    async def run_job(
        self,
        scope: str,
        code: str,
        start_job_request: StartJobRequest | None = None,
        *,
        opts: ConfigurationOptions | None = None,
    ) -> StartJobResponse:
        """Start a run; see `JobsClient.run_job`."""
        text = request_text(start_job_request or StartJobRequest())
        return await self._ask(operations.run_job(scope, code, text), opts)

    async def get_history(
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
        return await self._ask(operations.get_history(query), opts)

    def iter_history(
        self,
        *,
        sort_by: str | Sequence[str] | None = None,
        limit: int | None = None,
        filter: str | None = None,  # noqa: A002
        opts: ConfigurationOptions | None = None,
    ) -> AsyncIterator[JobHistory]:
        """Yield all runs; `limit` is the page size."""
        query = HistoryQuery.of(sort_by=sort_by, start=None, limit=limit, filter=filter)
        pages = self._pages(operations.get_history, query, opts)
        return (run async for page in pages for run in page.values)

    async def get_run_history(
        self, run_id: str, *, opts: ConfigurationOptions | None = None
    ) -> JobRunResult:
        """Return one run."""
        return await self._ask(operations.get_run_history(run_id), opts)

    async def get_job_console_output(
        self, run_id: str, *, opts: ConfigurationOptions | None = None
    ) -> str:
        """Return the output of a run: untrusted text of up to 128 MiB."""
        return await self._ask(operations.get_job_console_output(run_id), opts)

    async def get_schedules_for_a_job(
        self, scope: str, code: str, *, opts: ConfigurationOptions | None = None
    ) -> ResourceListOfScheduleDefinition:
        """Return the schedules of a job."""
        return await self._ask(operations.get_schedules_for_a_job(scope, code), opts)

    async def list_api_endpoints(
        self, *, opts: ConfigurationOptions | None = None
    ) -> ServiceApiEndpoints:
        """Return the operations of this deployment, which needs version 0.0.1230 or later."""
        return await self._ask(operations.list_api_endpoints(), opts)
