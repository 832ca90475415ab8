"""Show jobs and runs: as tables for people, as documents for programs.

Values of arguments and environment variables may be secrets: they are masked unless requested.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from lusid_image_publish.jobs.job_results import shown_seconds
from lusid_image_publish.jobs.job_run import seconds_of
from lusid_image_publish.jobs.job_update import image_of
from lusid_image_publish.redact import MASK
from lusid_image_publish.reports.table import Row
from lusid_image_publish.reports.words import NOTHING, date
from lusid_image_publish.scheduler.job_models import ArgumentDefinition, JobDefinition, JobHistory

JOB_COLUMNS: Final = ("JOB", "NAME", "IMAGE", "TTL", "ARGUMENTS")
BELOW_JOBS: Final = {"ARGUMENTS"}
BELOW_RUNS: Final = {"JOB", "IMAGE", "ARGUMENTS"}
"""What moves to a second line of a run where a terminal is narrow."""

_RUN_COLUMNS: Final = ("RUN", "JOB", "STATUS", "BEGAN", "TOOK", "IMAGE")
_VALUES: Final = ("arguments", "environmentVariables")
_PLACES: Final = {
    "CommandLine": "on the command line",
    "EnvironmentVariable": "in the environment",
}


def job_rows(jobs: Iterable[JobDefinition]) -> list[Row]:
    """Return a row of `JOB_COLUMNS` for each job."""
    return [
        (
            _identifier(job),
            job.name or NOTHING,
            image_of(job) or NOTHING,
            _seconds(job.ttl),
            ", ".join(job.argument_definitions or ()) or NOTHING,
        )
        for job in jobs
    ]


def job_lines(job: JobDefinition, *, reveal: bool) -> list[Row]:
    """Return label and text of each fact about a job."""
    lines: list[Row] = [
        ("Job", _identifier(job)),
        ("Name", job.name or NOTHING),
        ("Description", job.description or NOTHING),
        ("Author", job.author or NOTHING),
        ("Created", date(job.date_created)),
        ("Image", image_of(job) or NOTHING),
        ("Time to live", _seconds(job.ttl)),
        ("CPU", f"{job.min_cpu or NOTHING} to {job.max_cpu or NOTHING}"),
        ("Memory", f"{job.min_memory or NOTHING} to {job.max_memory or NOTHING}"),
    ]
    arguments = (job.argument_definitions or {}).items()
    for name, argument in sorted(arguments, key=lambda item: item[1].order or 0):
        lines.append((f"Argument {name}", _argument_words(argument, reveal=reveal)))
    resources = job.required_resources
    for label, values in (
        ("LUSID APIs", resources.lusid_apis if resources else None),
        ("LUSID Drive", resources.lusid_file_system if resources else None),
        ("External calls", resources.external_calls if resources else None),
    ):
        if values:
            lines.append((label, ", ".join(values)))
    return lines


def job_document(job: JobDefinition, *, reveal: bool) -> dict[str, Any]:
    """Return a job as the service has it, with masked default values."""
    document: dict[str, Any] = json.loads(job.document)
    if not reveal:
        for argument in (document.get("argumentDefinitions") or {}).values():
            if argument.get("defaultValue") is not None:
                argument["defaultValue"] = MASK
    return document


def run_table(runs: Iterable[JobHistory], *, reveal: bool) -> tuple[tuple[str, ...], list[Row]]:
    """Return columns and a row for each run, with its values if requested."""
    if not reveal:
        return _RUN_COLUMNS, [_run_row(run) for run in runs]
    return (*_RUN_COLUMNS, "ARGUMENTS"), [(*_run_row(run), _values(run)) for run in runs]


def run_document(run: JobHistory, *, reveal: bool) -> dict[str, Any]:
    """Return a run with the names of the API, without absent members and with masked values."""
    document: dict[str, Any] = run.model_dump(mode="json", by_alias=True, exclude_none=True)
    for member in _VALUES:
        if not reveal and document.get(member):
            document[member] = dict.fromkeys(document[member], MASK)
    return document


def _run_row(run: JobHistory) -> tuple[str, ...]:
    took = seconds_of(run)
    tag = f":{run.image_tag}" if run.image_tag else ""
    return (
        run.run_id or NOTHING,
        f"{run.job_id.scope}/{run.job_id.code}" if run.job_id else NOTHING,
        run.job_status or NOTHING,
        date(run.start_date or run.initialised_date),
        NOTHING if took is None else shown_seconds(took),
        f"{run.image_name}{tag}" if run.image_name else NOTHING,
    )


def _values(run: JobHistory) -> str:
    values: Mapping[str, str | None] = {
        **(run.arguments or {}),
        **(run.environment_variables or {}),
    }
    return ", ".join(f"{name}={value}" for name, value in values.items()) or NOTHING


def _argument_words(argument: ArgumentDefinition, *, reveal: bool) -> str:
    words = [argument.data_type or NOTHING]
    if argument.passed_as:
        words.append(_PLACES.get(argument.passed_as, argument.passed_as))
    if argument.required:
        words.append("required")
    if argument.default_value is not None:
        words.append(f"default {argument.default_value if reveal else MASK}")
    if argument.description:
        words.append(argument.description)
    return ", ".join(words)


def _identifier(job: JobDefinition) -> str:
    return f"{job.job_id.scope}/{job.job_id.code}"


def _seconds(seconds: int | None) -> str:
    return NOTHING if seconds is None else f"{seconds} s"
