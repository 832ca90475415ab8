"""Wire models of the Jobs API, as its OpenAPI document has them; the rules are those of `models`.

Arguments and environment variables may contain secrets, so `repr` does not show them.
"""

from typing import Self

from pydantic import ConfigDict, Field, PrivateAttr

from lusid_image_publish.scheduler.models import Date, Items, Link, ResourceList, WireModel
from lusid_image_publish.scheduler.raw_json import items_of, members_of

DEFAULT_TTL_SECONDS = 300
"""How long a run may take if its job sets no `ttl`."""

Hidden = Field(default=None, repr=False)
"""An optional member that `repr` does not show."""


class JobsModel(WireModel):
    """The configuration of these models: each is built when it is first used."""

    model_config = ConfigDict(defer_build=True)

    @classmethod
    def read(cls, content: bytes | bytearray) -> Self:
        """Return the model of a JSON document. Raises pydantic's `ValidationError`."""
        return cls.model_validate_json(content)


class _JobsList(JobsModel, ResourceList):
    """A list of the Jobs API."""


class ResourceId(JobsModel):
    """The identifier of a job or a schedule."""

    scope: str
    code: str


class ArgumentDefinition(JobsModel):
    """An argument of a job.

    `data_type` is `String` or `Int`, in the environment also `SecureString` or `Configuration`;
    `passed_as` is `CommandLine` or `EnvironmentVariable`. A `default_value` may be a reference,
    `config://...`.
    """

    data_type: str | None = None
    required: bool | None = None
    description: str | None = None
    order: int | None = None
    constraints: str | None = None
    default_value: str | None = Hidden
    passed_as: str | None = None


class RequiredResources(JobsModel):
    """The resources that a job needs access to."""

    lusid_apis: Items[str] | None = None
    lusid_file_system: Items[str] | None = None
    external_calls: Items[str] | None = None


class _JobContent(JobsModel):
    """The members that definitions of jobs and requests about them share.

    `ttl` is in seconds; CPU and memory are strings in the service's own form, as in `2` and `4Gi`.
    """

    name: str | None = None
    author: str | None = None
    description: str | None = None
    ttl: int | None = None
    min_cpu: str | None = None
    max_cpu: str | None = None
    min_memory: str | None = None
    max_memory: str | None = None
    argument_definitions: dict[str, ArgumentDefinition] | None = None
    command_line_argument_separator: str | None = None
    required_resources: RequiredResources | None = None


class JobDefinition(_JobContent):
    """A job, as the service has it. `docker_image` is `source/name:tag`, or without a source."""

    job_id: ResourceId
    date_created: Date | None = None
    docker_image: str | None = None
    _document: str = PrivateAttr(default="")

    @property
    def document(self) -> str:
        """The JSON that it was read from, including members that this package does not know.

        It is empty for a job that was not read by a client.
        """
        return self._document

    @classmethod
    def read(cls, content: bytes | bytearray) -> Self:
        """Return the job in a JSON document, which it keeps. Raises `ValidationError`."""
        return super().read(content).with_document(content.decode())

    def with_document(self, document: str) -> Self:
        """Keep the JSON document that this was read from."""
        self._document = document
        return self


class UpdateJobRequest(_JobContent):
    """The new definition of a job: members that are left out are removed.

    The service requires `name`, `description` and `argument_definitions`, which may be empty.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    description: str
    image_name: str
    image_tag: str
    argument_definitions: dict[str, ArgumentDefinition]


class CreateJobRequest(UpdateJobRequest):
    """A new job; `date_created` is by default the current time."""

    job_id: ResourceId
    date_created: Date | None = None


class Notification(JobsModel):
    """A message about a run."""

    destination: Items[str] | None = None
    fire_on: str | None = None
    transport: str | None = None


class StartJobRequest(JobsModel):
    """How to start a run.

    `use_as_auth` is the user to run as, by default the caller. `run_id` is a GUID that the caller
    chooses; deployments before version 0.0.1161 do not accept it.
    """

    model_config = ConfigDict(extra="forbid")

    arguments: dict[str, str | None] | None = Hidden
    notifications: Items[Notification] | None = None
    use_as_auth: str | None = None
    run_id: str | None = None


class StartJobResponse(JobsModel):
    """A run that was started; `status` and `result` are links."""

    job_id: ResourceId | None = None
    run_id: str | None = None
    status: str | None = None
    result: str | None = None


class JobHistory(JobsModel):
    """One run of a job.

    `job_status` is `Pending`, `Running`, `Succeeded` or another word; `end_date` is None until the
    run has ended. `image_name`, `image_tag`, `ttl` and `user_id` came with version 0.0.1230.
    """

    run_id: str | None = None
    job_id: ResourceId | None = None
    name: str | None = None
    initialised_date: Date | None = None
    start_date: Date | None = None
    end_date: Date | None = None
    arguments: dict[str, str | None] | None = Hidden
    environment_variables: dict[str, str | None] | None = Hidden
    job_status: str | None = None
    job_result: str | None = None
    description: str | None = None
    schedule_id: ResourceId | None = None
    result_url: str | None = None
    manually_triggered_by: str | None = None
    message: str | None = None
    image_name: str | None = None
    image_tag: str | None = None
    ttl: int | None = None
    user_id: str | None = None


class JobRunResult(JobHistory):
    """One run of a job, with the URL of its console output."""

    console_output_url: str | None = None


class TimeTrigger(JobsModel):
    """When a schedule runs its job: a cron expression in a time zone."""

    expression: str | None = None
    time_zone: str | None = None


class Trigger(JobsModel):
    """The trigger of a schedule."""

    time_trigger: TimeTrigger | None = None


class ScheduleDefinition(JobsModel):
    """A schedule of a job."""

    schedule_identifier: ResourceId
    name: str | None = None
    description: str | None = None
    author: str | None = None
    owner: str | None = None
    job_id: ResourceId | None = None
    enabled: bool | None = None
    trigger: Trigger | None = None
    notifications: Items[Notification] | None = None
    arguments: dict[str, str | None] | None = Hidden
    use_as_auth: str | None = None


class ApiEndpoint(JobsModel):
    """An operation that a deployment offers; `operation` is its name, as in `UpdateJob`."""

    operation: str | None = None
    http_method: str | None = None
    path: str | None = None
    status: str | None = None
    summary: str | None = None
    description: str | None = None


class ServiceApiEndpoints(JobsModel):
    """The answer of `list_api_endpoints`."""

    application: str | None = None
    endpoints: Items[ApiEndpoint] | None = None
    href: str | None = None
    links: Items[Link] | None = None


class ResourceListOfJobDefinition(_JobsList):
    """The answer of `list_jobs`."""

    values: Items[JobDefinition]

    @classmethod
    def read(cls, content: bytes | bytearray) -> Self:
        """Return the list in a JSON document, each job with its part. Raises `ValidationError`."""
        listed = super().read(content)
        documents = items_of(members_of(content.decode())["values"])
        for job, document in zip(listed.values, documents, strict=True):
            job.with_document(document)
        return listed


class ResourceListOfJobHistory(_JobsList):
    """The answer of `get_history`."""

    values: Items[JobHistory]


class ResourceListOfScheduleDefinition(_JobsList):
    """The answer of `get_schedules_for_a_job`, and of `delete_job`."""

    values: Items[ScheduleDefinition]


def request_text(request: JobsModel | str) -> str:
    """Return a request as JSON: the members that were set, also to None. A `str` is unchanged."""
    if isinstance(request, str):
        return request
    return request.model_dump_json(by_alias=True, exclude_unset=True)
