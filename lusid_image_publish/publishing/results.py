"""The results of a publication and its scan, and the plan of a dry run. Only values."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Self

from lusid_image_publish.errors import LusidPublishError, ScanGateError, ScanUnavailableError
from lusid_image_publish.names import ImageName, ImageReference
from lusid_image_publish.scan.verdict import Finding, Outcome, ScanVerdict
from lusid_image_publish.text import plain

if TYPE_CHECKING:  # pydantic's models take longer to import than all else here
    from lusid_image_publish.scheduler.models import ListedImage, ScanReport

_MAX_NAMED_FINDINGS: Final = 3  # in the error of the scan gate

LatestOutcome = Literal["moved", "kept", "unchanged"]
"""`kept`: it was pushed later than the versioned tag, so it was not moved."""

PlannedAction = Literal["push", "nothing", "compare", "skip"]


@dataclass(frozen=True, kw_only=True)
class ScanResult:
    """The result of the scan of one image.

    `image` is the last answer of `get_image`. `status` is LUSID's status in upper case (`COMPLETE`,
    `UNSUPPORTED_IMAGE`), empty without one. There is either a `report` with its `verdict`, or
    `unavailable` says why not, and `tolerated` whether the policy accepts that.
    """

    name: ImageName
    image: "ListedImage"
    status: str
    report: "ScanReport | None" = None
    verdict: ScanVerdict | None = None
    unavailable: ScanUnavailableError | None = None
    tolerated: bool = False

    @property
    def digest(self) -> str:
        """The manifest digest that LUSID shows."""
        return self.image.digest

    @property
    def size(self) -> int | None:
        """The size of the image in bytes."""
        return self.image.size

    @property
    def push_time(self) -> datetime | None:
        """When the image was pushed."""
        return self.image.push_time

    @property
    def outcome(self) -> Outcome | Literal["unavailable"]:
        """The result in a word."""
        return self.verdict.outcome if self.verdict else "unavailable"

    def failure(self) -> LusidPublishError | None:
        """Return the error that the command ends with, None if the scan passed."""
        if self.verdict is None:
            return None if self.tolerated else self.unavailable
        return _gate_error(self.name, self.verdict) if self.verdict.breaches else None


def _gate_error(name: ImageName, verdict: ScanVerdict) -> ScanGateError:
    broken = " and ".join(str(breach) for breach in verdict.breaches)
    return ScanGateError(
        f"{name} is in LUSID and stays there, but its scan found {broken}.",
        cause=_worst_findings(verdict),
        hint=f"{_cure(verdict)}, and publish under a new tag. To accept a finding, use --ignore ID "
        "or add [[ignore]] with id, reason and expires to .lusid-publish.toml, and run again.",
    )


def _worst_findings(verdict: ScanVerdict) -> str:
    """Return the worst of the listed findings that break the policy, with their packages."""
    worst = [_shown(finding) for finding in verdict.breaking[:_MAX_NAMED_FINDINGS]]
    if not worst:
        return "LUSID counts these findings without listing them."
    more = len(verdict.breaking) - len(worst)
    return f"The worst findings: {'; '.join(worst)}{f'; and {more} more' if more else ''}."


def _shown(finding: Finding) -> str:
    name, package = plain(finding.id, longest=100), plain(finding.package, longest=100)
    fix = f"fixed in {plain(finding.fix_version, longest=100)}" if finding.has_fix else "no fix"
    return f"{finding.severity} {name} in {package} ({fix})"


def _cure(verdict: ScanVerdict) -> str:
    if verdict.breaking and not any(finding.has_fix for finding in verdict.breaking):
        return "None of them has a fix yet: build on another base image"
    return "Build on a newer base image or update the packages that have a fix"


class Transfer(NamedTuple):
    """The bytes that the push of an archive sent for layers and config.

    `reused` are the bytes of the layers that the registry had. A push with retries may have sent
    more.
    """

    sent: int
    reused: int


@dataclass(frozen=True, kw_only=True)
class PublishResult:
    """The image in LUSID under `name`, and how it got there.

    `outcome` is `published`, `unchanged` (LUSID had the same image) or `skipped` (it had an image
    that was not compared). `digest` is the manifest digest, the same in the registry and in LUSID.
    `image_id` and `platform` are those of the local image, None if it was not opened; `reference`
    is `host/path:tag` in the registry, None if nothing was pushed. `size` (bytes) and `push_time`
    are LUSID's, None if it gives none. `transfer` is None if nothing was pushed, or an engine
    pushed. `scan` is None if the scan was not waited for; the image is in LUSID whatever it found.
    `latest` is None if that tag was not requested, or the scan failed the policy.
    """

    name: ImageName
    outcome: Literal["published", "unchanged", "skipped"]
    digest: str
    image_id: str | None = None
    platform: str | None = None
    reference: ImageReference | None = None
    size: int | None = None
    push_time: datetime | None = None
    transfer: Transfer | None = None
    scan: ScanResult | None = None
    latest: LatestOutcome | None = None

    def raise_for_scan(self) -> Self:
        """Return the result itself, unless the scan fails the publication.

        Raises `ScanGateError` when the scan found more than the policy allows, and
        `ScanUnavailableError` when there are no findings and the policy does not tolerate that.
        """
        if self.scan and (failure := self.scan.failure()):
            raise failure
        return self


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a publication would do with `source`, a path or a reference.

    `action` is `push`; `nothing` if LUSID has the same image; `skip` if it has an image that is
    accepted without a comparison; `compare` if it has an image that can be compared only with a
    credential, which a dry run does not request: the same image would be left unchanged, a
    different one refused, or replaced if `forced`. `image_id`, `platform` and `size` (bytes, as
    stored here) are None if nothing was built. `existing_digest` is None if LUSID has nothing under
    the name; `latest` is the outcome for that tag, None if it was not requested.
    """

    name: ImageName
    source: str
    scheduler_url: str
    action: PlannedAction
    forced: bool
    image_id: str | None
    platform: str | None
    size: int | None
    existing_digest: str | None
    latest: LatestOutcome | None
