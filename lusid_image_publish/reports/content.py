"""What all reports are made from."""

from dataclasses import dataclass
from datetime import datetime

from lusid_image_publish.names import ImageName
from lusid_image_publish.publishing.results import PublishResult, ScanResult


@dataclass(frozen=True, kw_only=True)
class Content:
    """One image in LUSID, what its scan found, and how it came there.

    `publication` is None when the image was there before (`lusid-images scan`), `scan` when it was
    not waited for; one of them is there. `made` is when, in UTC. `digest` is empty, `size` (bytes)
    and `push_time` are None where LUSID gives none. `location` is the file that an alert about the
    image points to, relative to the repository of the sources.
    """

    name: ImageName
    digest: str
    size: int | None
    push_time: datetime | None
    made: datetime
    scan: ScanResult | None
    publication: PublishResult | None = None
    location: str = "Dockerfile"


def of_publication(result: PublishResult, made: datetime, location: str = "Dockerfile") -> Content:
    """Return what there is to report of a publication."""
    return Content(
        name=result.name,
        digest=result.digest,
        size=result.size,
        push_time=result.push_time,
        made=made,
        scan=result.scan,
        publication=result,
        location=location,
    )


def of_scan(result: ScanResult, made: datetime) -> Content:
    """Return what there is to report of the scan of an image that was there before."""
    return Content(
        name=result.name,
        digest=result.image.digest or "",
        size=result.image.size,
        push_time=result.image.push_time,
        made=made,
        scan=result,
    )
