"""What to do with jobs after a publication, and the outcome: only values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from lusid_image_publish.errors import JobRunError, LusidPublishError
from lusid_image_publish.names import JobId

_LONG_SECONDS: Final = 10

UpdateOutcome = Literal["updated", "unchanged", "kept", "failed", "unknown"]
"""`unchanged`: the job already had the image; `kept`: no update was sent, because the scan did not
pass or the command was interrupted; `unknown`: an update was sent, but its outcome is not known."""


@dataclass(frozen=True, kw_only=True)
class JobPolicy:
    """Which jobs get an image, and whether each is then run once.

    `force` accepts that an update may remove or overwrite something. `arguments` are those of each
    run; `run_timeout` is in seconds, None for the job's own `ttl` plus five minutes. `is_local` is
    true if the Scheduler, and with it each run, stops with this program.
    """

    jobs: tuple[JobId, ...] = ()
    force: bool = False
    run: bool = False
    arguments: Mapping[str, str] = field(default_factory=dict, repr=False)
    run_timeout: float | None = None
    is_local: bool = False


def shown_image(image: str) -> str:
    """Return an image for people: a job may have none yet."""
    return image or "no image"


def shown_seconds(seconds: float) -> str:
    """Return a time for people."""
    return f"{seconds:.0f} s" if seconds >= _LONG_SECONDS else f"{seconds:.1f} s"


@dataclass(frozen=True, kw_only=True)
class JobPlan:
    """What would happen to a job: `former` is the image that it has, `image` the new one.

    A job without an image has an empty `former`. `runs` is true if it would be run.
    """

    job: JobId
    former: str
    image: str
    runs: bool = False

    @property
    def is_unchanged(self) -> bool:
        """Whether the job already has the image."""
        return self.former == self.image

    def diff(self) -> list[str]:
        """Return the change as a unified diff; no lines if nothing would change."""
        if self.is_unchanged:
            return []
        return [
            f"--- {self.job} in LUSID",
            f"+++ {self.job} after the update",
            *([f"-dockerImage: {self.former}"] if self.former else []),
            f"+dockerImage: {self.image}",
        ]


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """One run of a job.

    `run_id` is empty if it is not known. `status` is LUSID's own word, empty if the run was not
    seen to end; `seconds` is how long it ran, None if LUSID does not say. `error` is why it did not
    succeed.
    """

    run_id: str
    status: str = ""
    seconds: float | None = None
    error: JobRunError | None = None


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """The outcome for a job: `former` is the image that it had, `image` the one that it has now.

    Both are empty without an image, and `image` if it is unknown. `differences` are other members
    that someone else changed. `error` is why the job was not updated; `run` is its run, if any.
    """

    job: JobId
    outcome: UpdateOutcome
    former: str
    image: str
    differences: tuple[str, ...] = ()
    error: LusidPublishError | None = None
    run: RunResult | None = None


def failures_of(results: Sequence[JobResult]) -> list[LusidPublishError]:
    """Return all errors: those of updates, then those of runs."""
    updates = [result.error for result in results if result.error]
    return [*updates, *(result.run.error for result in results if result.run and result.run.error)]
