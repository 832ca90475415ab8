"""Find names for shell completion in the configured LUSID."""

from collections.abc import Iterable
from typing import Final

import click

from lusid_image_publish.cli.connection import read_settings
from lusid_image_publish.cli.connection_options import connection_of
from lusid_image_publish.scheduler.client import ImagesClient
from lusid_image_publish.scheduler.jobs_client import JobsClient
from lusid_image_publish.scheduler.listing import quote

_MAX_NAMES: Final = 200
_MAX_RUNS_COUNT: Final = 20


def find_names(context: click.Context, incomplete: str, kind: str) -> Iterable[str]:
    """Return the names that start with `incomplete`, of a `kind` of `completion`."""
    connection = connection_of(context, context.params)
    if connection.local:
        return []  # do not start a Scheduler for a completion
    # Someone else may have written the files here: a TAB must send nothing because of them.
    with ImagesClient(read_settings(connection, finds_secrets_file=False)) as images:
        if kind == "job":
            return _find_jobs(JobsClient.beside(images), incomplete)
        if kind == "run":
            return _find_runs(JobsClient.beside(images), incomplete)
        find = _find_images if kind == "image" else _find_repositories
        return find(images, incomplete)


def _find_repositories(images: ImagesClient, incomplete: str) -> list[str]:
    answer = images.list_repositories(
        filter=f"name startswith {quote(incomplete)}", limit=_MAX_NAMES
    )
    return [repository.name for repository in answer.values if repository.name]


def _find_jobs(jobs: JobsClient, incomplete: str) -> list[str]:
    scope, slash, code = incomplete.partition("/")
    condition = (
        f"jobId.scope eq {quote(scope)} and jobId.code startswith {quote(code)}"
        if slash
        else f"jobId.scope startswith {quote(scope)}"
    )
    found = jobs.list_jobs(filter=condition, limit=_MAX_NAMES).values
    return sorted(f"{job.job_id.scope}/{job.job_id.code}" for job in found)


def _find_runs(jobs: JobsClient, incomplete: str) -> list[str]:
    """Return the newest runs, the newest first."""
    found = jobs.get_history(sort_by="-initialisedDate", limit=_MAX_NAMES).values
    ids = [run.run_id for run in found if run.run_id and run.run_id.startswith(incomplete)]
    return ids[:_MAX_RUNS_COUNT]


def _find_images(images: ImagesClient, incomplete: str) -> list[str]:
    """Return the tags of one repository, or the repositories if there are several."""
    repository, colon, _ = incomplete.partition(":")
    if not colon:
        found = _find_repositories(images, incomplete)
        if len(found) != 1:
            return [f"{name}:" for name in found]
        repository = found[0]
    listed = images.list_images(repository, limit=_MAX_NAMES).values
    names = (f"{repository}:{tag.name}" for image in listed for tag in image.tags or ())
    return sorted(name for name in names if name.startswith(incomplete))
