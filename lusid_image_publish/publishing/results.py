"""What came of a publication, of its scan, and what a dry run plans. Values alone."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from lusid_image_publish.errors import LusidPublishError, ScanGateError, ScanUnavailableError
from lusid_image_publish.names import ImageName, ImageReference
from lusid_image_publish.scan.verdict import Outcome, ScanVerdict, describe

if TYPE_CHECKING:  # pydantic's models take longer to import than all else here
    from lusid_image_publish.scheduler.models import ListedImage, ScanReport

LatestOutcome = Literal["moved", "kept", "unchanged"]
"""`kept`: it was pushed later than the versioned tag, so it stays where it is."""

PlannedAction = Literal["push", "nothing", "compare", "skip"]


@dataclass(frozen=True, kw_only=True)
class ScanResult:
    """What LUSID says of the scan of one image.

    `image` is as `get_image` had it last. `status` is LUSID's word in upper case (`COMPLETE`,
    `UNSUPPORTED_IMAGE`), empty where it gave none. Either there is a `report` with its `verdict`,
    or `unavailable` says why not; that is `tolerated` where the policy says so.
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
        """Return the error that the command ends with, None when all is well."""
        if self.verdict is None:
            return None if self.tolerated else self.unavailable
        return _gate_error(self.name, self.verdict) if self.verdict.breaches else None


def _gate_error(name: ImageName, verdict: ScanVerdict) -> ScanGateError:
    broken = " and ".join(str(breach) for breach in verdict.breaches)
    return ScanGateError(
        f"{name} is in LUSID and stays there, but its scan found {broken}.",
        cause=f"The scan {describe(verdict)}.",
        hint="Build on a newer base image or update the packages that have a fix, and publish "
        "under a new tag. What you can accept goes into .lusid-publish.toml as "
        "[[ignore]] with id, reason and expires.",
    )


class Transfer(NamedTuple):
    """What the push of an archive sent, in bytes: layers and config.

    `reused` are the bytes of the layers that the registry had. A push that was retried after a
    failure may have sent more.
    """

    sent: int
    reused: int


@dataclass(frozen=True, kw_only=True)
class PublishResult:
    """What LUSID has now under `name`.

    `outcome` is `published`, `unchanged` (LUSID had this very image) or `skipped` (it had one that
    was not compared). `digest` is the manifest's, the same in the registry and in LUSID's lists.
    `image_id` and `platform` are those of the image here, None when there was none to look at;
    `reference` is `host/path:tag` in the registry, None when nothing was pushed. `size` (bytes) and
    `push_time` are LUSID's, None when it gives none. `transfer` is what was sent, None when nothing
    was pushed, or an engine did it. `scan` is what became of the scan, None when
    it was not waited for; the image is in LUSID whatever it found. `latest` is what became of that
    tag, None when it was not asked for, or when the scan stood in the way.
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

    `action` is `push`; `nothing`, when LUSID has this very image; `skip`, when it has one that is
    accepted as it is; `compare`, when it has one that can be compared only with a credential, which
    is not asked for here: the same image would be left alone, another one be refused, or be
    replaced if that was `forced`. `image_id`, `platform` and `size` (bytes, as the image is kept
    here) are None when nothing was built. `existing_digest` is None when LUSID has nothing under
    the name; `latest` is what would become of that tag, None when it is not asked for.
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
