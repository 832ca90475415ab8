"""What to do with jobs after a publication, and what came of it. Values alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from lusid_image_publish.errors import JobRunError, LusidPublishError
from lusid_image_publish.names import JobId

_LONG_SECONDS: Final = 10

UpdateOutcome = Literal["updated", "unchanged", "kept", "failed", "unknown"]
"""`unchanged`: the job had the image already; `kept`: no update was sent, because the scan stood in
the way or the command was interrupted; `unknown`: one was sent, and no more is known."""


@dataclass(frozen=True, kw_only=True)
class JobPolicy:
    """Which jobs are pointed at an image, and whether each is then run once.

    `force` accepts what an update could lose or overwrite. `arguments` are those of each run;
    `run_timeout` is in seconds and None for a job's own `ttl` and five minutes. `is_local` says
    that the Scheduler, and with it each run, ends with this program.
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
    """What would become of a job: `former` is the image that it has, `image` the new one.

    A job without an image has an empty `former`. `runs` says whether it would be run.
    """

    job: JobId
    former: str
    image: str
    runs: bool = False

    @property
    def is_unchanged(self) -> bool:
        """Whether the job has the image already."""
        return self.former == self.image

    def diff(self) -> list[str]:
        """Return the change as a unified diff; no lines when nothing would change."""
        if self.is_unchanged:
            return []
        return [
            f"--- {self.job} in LUSID",
            f"+++ {self.job} after it",
            *([f"-dockerImage: {self.former}"] if self.former else []),
            f"+dockerImage: {self.image}",
        ]


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """One run of a job.

    `run_id` is empty when none is known. `status` is LUSID's own word, empty when the end was not
    seen; `seconds` is how long it ran, None when LUSID does not say. `error` is why it did not
    succeed.
    """

    run_id: str
    status: str = ""
    seconds: float | None = None
    error: JobRunError | None = None


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """What became of a job: `former` is the image that it had, `image` the one that it has now.

    Both may be empty, for none, and `image` for one that is unknown. `differences` are members that
    changed besides the image, by somebody else. `error` is why it was not updated; `run` is its
    run, None when there was none.
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
