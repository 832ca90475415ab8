"""The content of all reports."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from lusid_image_publish.errors import LusidPublishError
from lusid_image_publish.jobs.job_results import JobResult, failures_of
from lusid_image_publish.publishing.results import PublishResult, ScanResult
from lusid_image_publish.scan.verdict import ScanVerdict


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """A `result` to report: of a publication, or of the scan of an existing image.

    `made` is the time of the report, in UTC. `location` is the file that alerts point to, relative
    to the repository of the sources. `jobs` are the results of the jobs to update. `seconds` is how
    long the publication took, None if that is not known. `troubles` are clauses about what else
    went wrong, such as an interruption. `wording` adapts a message to the CI.
    """

    result: PublishResult | ScanResult
    made: datetime
    jobs: tuple[JobResult, ...] = ()
    location: str = "Dockerfile"
    seconds: float | None = None
    troubles: tuple[str, ...] = ()
    wording: Callable[[str], str] = str

    @property
    def publication(self) -> PublishResult | None:
        """The result of the publication, None for an existing image (`lusid-images scan`)."""
        return self.result if isinstance(self.result, PublishResult) else None

    @property
    def scan(self) -> ScanResult | None:
        """The result of the scan, None when the publication did not wait for it."""
        return self.result if isinstance(self.result, ScanResult) else self.result.scan

    @property
    def verdict(self) -> ScanVerdict | None:
        """The verdict on the scan, None without a scan or a report of it."""
        return self.scan.verdict if self.scan else None

    @property
    def failures(self) -> list[LusidPublishError]:
        """The error of the scan, then those of the jobs."""
        failure = self.scan.failure() if self.scan else None
        return [*([failure] if failure else []), *failures_of(self.jobs)]
