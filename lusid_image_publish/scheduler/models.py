"""Wire models of the Images API, as its OpenAPI document has them.

Attributes are snake_case, the wire is camelCase. Unknown members are ignored and all that the
service may leave out is optional: it omits nulls and may grow. Dates carry an offset; the service
writes seven fractional digits, of which Python keeps six, and `0001-01-01` for "never".
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, SecretStr
from pydantic.alias_generators import to_camel


class WireModel(BaseModel):
    """The rules that all models share. Errors never quote the input, which may hold a password."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )


class UploadImageInstructions(WireModel):
    """What `upload_image` answers: the Docker commands to run, as texts, and until when they hold.

    The login command has the registry's password in it and prints as `***`.
    """

    docker_login_command: SecretStr
    build_versioned_docker_image_command: str
    tag_versioned_docker_image_command: str
    push_versioned_docker_image_command: str
    tag_latest_docker_image_command: str | None = None
    push_latest_docker_image_command: str | None = None
    expiry_time: datetime | None = None


class Tag(WireModel):
    """One tag of an image."""

    name: str | None = None
    pull_time: datetime | None = None
    push_time: datetime | None = None
    signed: bool | None = None
    immutable: bool | None = None


class ScanSummary(WireModel):
    """How many vulnerabilities a scan found, by severity; None where the service does not say."""

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
    links: list[str] | None = None


class ScanReport(WireModel):
    """The vulnerability scan of one image; `scan_duration` is in seconds."""

    severity: str | None = None
    status: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    scan_duration: int | None = None
    summary: ScanSummary | None = None
    vulnerabilities: list[Vulnerability] | None = None


class Image(WireModel):
    """What `get_image` answers: one digest with its tags. `size` is in bytes."""

    name: str | None = None
    push_time: datetime | None = None
    pull_time: datetime | None = None
    digest: str | None = None
    size: int | None = None
    tags: list[Tag] | None = None
    scan_report: ScanReport | None = None


class ProblemDetails(WireModel):
    """The body of an error; `errors` maps fields to messages and comes with a 400."""

    name: str | None = None
    code: int | None = None
    title: str | None = None
    status: int | None = None
    detail: str | None = None
    instance: str | None = None
    errors: dict[str, list[str]] | None = None
