"""FollowUp: after a publication, give its jobs the image and run them once."""

from dataclasses import replace

from lusid_image_publish.errors import JobRunError, JobUpdateError, LusidPublishError
from lusid_image_publish.jobs.job_arguments import require_arguments, secrets_of
from lusid_image_publish.jobs.job_results import JobPlan, JobPolicy, JobResult, RunResult
from lusid_image_publish.jobs.job_run import JobRun
from lusid_image_publish.jobs.job_update import image_of
from lusid_image_publish.jobs.lusid_job import LusidJob
from lusid_image_publish.progress import Note, StepDone
from lusid_image_publish.publishing.lusid_tag import LusidTag
from lusid_image_publish.scheduler.job_models import JobDefinition
from lusid_image_publish.scheduler.jobs_client import JobsClient


class FollowUp:
    """The jobs of a `policy` that get the image of `tag` after its publication.

    `results` are their outcomes so far.
    """

    def __init__(self, tag: LusidTag, policy: JobPolicy) -> None:
        self._image = tag.name
        self._policy = policy
        self._listener = tag.listener
        jobs = JobsClient.beside(tag.images)
        self._targets = [
            LusidJob(
                job=job,
                jobs=jobs,
                force=policy.force,
                force_option="--force-job",
                is_local=policy.is_local,
                limits=tag.limits,
                listener=tag.listener,
                clock=tag.clock,
                sleep=tag.sleep,
            )
            for job in policy.jobs
        ]
        self._seen: list[JobDefinition] = []
        self.results: list[JobResult] = []

    def look(self) -> None:
        """Check the jobs before a build, so that a wrong one costs no time.

        Raises what `LusidJob.look_up` and `require_arguments` raise.
        """
        for target in self._targets:
            found = target.look_up(self._image)
            if self._policy.run:
                require_arguments(found, self._policy.arguments, self._image)
            self._seen.append(found)
        self.results = [
            JobResult(job=plan.job, outcome="kept", former=plan.former, image=plan.former)
            for plan in self.plan()
        ]

    def plan(self) -> list[JobPlan]:
        """Return what would happen to the jobs."""
        return [
            JobPlan(
                job=target.job,
                former=image_of(seen),
                image=str(self._image),
                runs=self._policy.run,
            )
            for target, seen in zip(self._targets, self._seen, strict=True)
        ]

    def leave(self) -> None:
        """Leave the jobs as they are, because the scan did not pass."""
        self._listener(Note("the jobs keep their image because the scan did not pass"))

    def follow(self) -> None:
        """Give all jobs the image, then run those that have it.

        Errors are in the results: the image is in LUSID even if the jobs fail.
        """
        for place, target in enumerate(self._targets):
            try:
                self.results[place] = self._update(place)
            except KeyboardInterrupt:
                if target.has_sent:
                    unknown = replace(self.results[place], outcome="unknown", image="")
                    self.results[place] = unknown
                raise
        for place, result in enumerate(self.results):
            if self._policy.run and not result.error:
                self._run(place)

    def _update(self, place: int) -> JobResult:
        target, seen = self._targets[place], self._seen[place]
        try:
            return target.set_image(self._image, seen=seen)
        except LusidPublishError as error:
            is_unknown = isinstance(error, JobUpdateError) and error.is_unknown
            message = error.message
            if not isinstance(error, JobUpdateError):
                message = f"the job {target.job} was not updated: {message}"
            words = message if message.startswith("LUSID") else message[0].lower() + message[1:]
            failure = JobUpdateError(
                f"{self._image} is in LUSID, but {words}",
                cause=error.cause,
                hint=error.hint,
            )
            former = image_of(seen)
            self._listener(StepDone("perhaps updated" if is_unknown else "not updated"))
            return JobResult(
                job=target.job,
                outcome="unknown" if is_unknown else "failed",
                former=former,
                image="" if is_unknown else former,
                error=failure,
            )

    def _run(self, place: int) -> None:
        run = JobRun(
            target=self._targets[place],
            arguments=self._policy.arguments,
            secrets=secrets_of(self._seen[place], self._policy.arguments),
            timeout=self._policy.run_timeout,
            image=self._image,
        )
        try:
            run.start()
            result = run.wait(self._seen[place].ttl)
        except JobRunError as error:
            self._listener(StepDone("failed"))
            self._keep(place, RunResult(run_id=error.run_id, error=error))
            return
        except KeyboardInterrupt:
            self._keep(place, RunResult(run_id=run.run_id))
            raise
        self._keep(place, result)
        lines = run.show_output()
        if result.error:
            result.error.log = lines

    def _keep(self, place: int, run: RunResult) -> None:
        self.results[place] = replace(self.results[place], run=run)
