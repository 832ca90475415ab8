"""FollowUp: what comes after a publication: its jobs get the image, and run it once."""

from dataclasses import replace

from lusid_image_publish.errors import JobRunError, JobUpdateError, LusidPublishError
from lusid_image_publish.jobs.job_arguments import require_arguments
from lusid_image_publish.jobs.job_results import JobPlan, JobPolicy, JobResult, RunResult
from lusid_image_publish.jobs.job_run import JobRun
from lusid_image_publish.jobs.job_update import image_of
from lusid_image_publish.jobs.lusid_job import LusidJob
from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import Note
from lusid_image_publish.publishing.lusid_tag import LusidTag
from lusid_image_publish.scheduler.job_models import JobDefinition
from lusid_image_publish.scheduler.jobs_client import JobsClient


class FollowUp:
    """The jobs of a `policy` that follow the publication of `tag`."""

    def __init__(self, tag: LusidTag, policy: JobPolicy) -> None:
        self._image: ImageName = tag.name
        self._policy = policy
        self._listener = tag.listener
        jobs = JobsClient.beside(tag.images)
        self._targets = [
            LusidJob(
                job=job,
                jobs=jobs,
                force=policy.force,
                force_option="--force-job",
                limits=tag.limits,
                listener=tag.listener,
                clock=tag.clock,
                sleep=tag.sleep,
            )
            for job in policy.jobs
        ]
        self._seen: dict[int, JobDefinition] = {}

    def look(self) -> None:
        """Look at the jobs: before a build, so that a wrong one costs nothing.

        Raises what `LusidJob.look_up` and `require_arguments` raise.
        """
        for place, target in enumerate(self._targets):
            found = target.look_up(self._image)
            if self._policy.run:
                require_arguments(found, self._policy.arguments)
            self._seen[place] = found

    def plan(self) -> list[JobPlan]:
        """Return what would become of the jobs."""
        return [
            JobPlan(job=target.job, former=image_of(self._seen[place]), image=str(self._image))
            for place, target in enumerate(self._targets)
        ]

    def leave(self) -> list[JobResult]:
        """Leave the jobs as they are, because the scan stands in the way."""
        self._listener(Note("the jobs stay as they are: the image did not pass"))
        return [
            JobResult(job=plan.job, outcome="kept", former=plan.former, image=plan.former)
            for plan in self.plan()
        ]

    def follow(self) -> list[JobResult]:
        """Give the jobs the image, all of them, and then run those that have it.

        Errors are in the results: the image is in LUSID, whatever becomes of the jobs.
        """
        results = [self._update(place) for place in range(len(self._targets))]
        if not self._policy.run:
            return results
        return [
            result if result.error else replace(result, run=self._run(place))
            for place, result in enumerate(results)
        ]

    def _update(self, place: int) -> JobResult:
        target, seen = self._targets[place], self._seen[place]
        try:
            return target.set_image(self._image, seen=seen)
        except LusidPublishError as error:
            former = image_of(seen)
            failure = JobUpdateError(
                f"{self._image} is in LUSID, but the job {target.job} was not updated: "
                f"{error.message}",
                cause=error.cause,
                hint=error.hint,
            )
            return JobResult(
                job=target.job, outcome="failed", former=former, image=former, error=failure
            )

    def _run(self, place: int) -> RunResult:
        target = self._targets[place]
        run = JobRun(
            target=target,
            arguments=self._policy.arguments,
            timeout=self._policy.run_timeout,
            image=self._image,
            goes_on=self._policy.runs_go_on,
        )
        try:
            result = run.wait(run.start(), self._seen[place].ttl)
        except JobRunError as error:
            return RunResult(run_id=error.run_id, error=error)
        except LusidPublishError as error:
            failure = JobRunError(
                f"{self._image} is in LUSID and the job {target.job} has it, but no run began: "
                f"{error.message}",
                cause=error.cause,
                hint=error.hint,
            )
            return RunResult(run_id="", error=failure)
        run.show_output(result.run_id)
        return result
