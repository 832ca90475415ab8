"""Wire models of the Images API, as its OpenAPI document has them.

Attributes are snake_case, the wire is camelCase. Unknown members are ignored. The document calls
nearly all members nullable, so they are optional here, except the names of repositories and images.
Dates have an offset, UTC if the service states none; it writes seven fractional digits, of which
Python keeps six, and `0001-01-01` for "never". `model_dump_json(by_alias=True)` returns the wire's
names.
"""

from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints
from pydantic.alias_generators import to_camel


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Date = Annotated[datetime, AfterValidator(_aware)]
"""A point in time with an offset, so that all are comparable."""

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
"""A manifest digest. An answer with an invalid one is refused."""

T = TypeVar("T")
Items = Annotated[list[T], Field(fail_fast=True)]
"""A list that reports only its first malformed item: an error takes more than a kilobyte."""


class WireModel(BaseModel):
    """The configuration of all models. Errors never quote the input, which may hold a password."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )


class UploadImageInstructions(WireModel):
    """The answer of `upload_image`: Docker commands as texts, and when they expire.

    The login command has the registry's password and is printed as `***`.
    """

    docker_login_command: SecretStr
    build_versioned_docker_image_command: str
    tag_versioned_docker_image_command: str
    push_versioned_docker_image_command: str
    tag_latest_docker_image_command: str | None = None
    push_latest_docker_image_command: str | None = None
    expiry_time: Date | None = None


class Tag(WireModel):
    """One tag of an image."""

    name: str | None = None
    pull_time: Date | None = None
    push_time: Date | None = None
    signed: bool | None = None
    immutable: bool | None = None


class ScanSummary(WireModel):
    """The numbers of vulnerabilities by severity, None for those that the service leaves out."""

    fixable: int | None = None
    total: int | None = None
    critical: int | None = None
    high: int | None = None
    medium: int | None = None
    low: int | None = None
    negligible: int | None = None
    unknown: int | None = None


class Vulnerability(WireModel):
    """One finding of a scan."""

    name: str | None = None
    package: str | None = None
    version: str | None = None
    fix_version: str | None = None
    severity: str | None = None
    description: str | None = None
    links: Items[str] | None = None


class ScanReport(WireModel):
    """The vulnerability scan of one image; `scan_duration` is in seconds."""

    severity: str | None = None
    status: str | None = None
    start_time: Date | None = None
    end_time: Date | None = None
    scan_duration: int | None = None
    summary: ScanSummary | None = None
    vulnerabilities: Items[Vulnerability] | None = None


class Image(WireModel):
    """The answer of `get_image`: one digest with its tags. `size` is in bytes.

    `digest` is None while the service processes the image.
    """

    name: str
    push_time: Date | None = None
    pull_time: Date | None = None
    digest: Digest | None = None
    size: int | None = None
    tags: Items[Tag] | None = None
    scan_report: ScanReport | None = None


class ListedImage(Image):
    """An image that LUSID has listed: it always has a digest."""

    digest: Digest


class Link(WireModel):
    """A link; `href` may be relative to the Scheduler's URL."""

    relation: str | None = None
    href: str | None = None
    description: str | None = None
    method: str | None = None


class ImageSummary(WireModel):
    """An image in the answer of `list_images`. `size` is in bytes.

    `name` may be None, since the list is of one repository, and `digest` while the service
    processes the image. `scan_status` is `COMPLETE`, `IN_PROGRESS` or another word, empty right
    after the push; `scan_summary` has no numbers until the scan has finished.
    """

    name: str | None = None
    push_time: Date | None = None
    pull_time: Date | None = None
    digest: Digest | None = None
    size: int | None = None
    tags: Items[Tag] | None = None
    scan_status: str | None = None
    scan_summary: ScanSummary | None = None
    link: Link | None = None


class Repository(WireModel):
    """A repository in the answer of `list_repositories`; `image_count` counts its digests."""

    name: str
    creation_time: Date | None = None
    last_update: Date | None = None
    description: str | None = None
    pull_count: int | None = None
    image_count: int | None = None
    images: Link | None = None
    links: Items[Link] | None = None


class ResourceList(WireModel):
    """One page of a list. `next_page` is absent or empty on the last page."""

    href: str | None = None
    links: Items[Link] | None = None
    next_page: str | None = None
    previous_page: str | None = None


class ResourceListOfImageSummary(ResourceList):
    """The answer of `list_images`."""

    values: Items[ImageSummary]


class ResourceListOfRepository(ResourceList):
    """The answer of `list_repositories`."""

    values: Items[Repository]
