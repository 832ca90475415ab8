"""Connect to the configured LUSID, or to a local Scheduler that is started for this command."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from lusid_image_publish.cli.connection_options import VOLUME_VARIABLE, Connection
from lusid_image_publish.cli.console import console, show_settings
from lusid_image_publish.config import (
    Settings,
    load_settings,
    unread_secrets_file,
)
from lusid_image_publish.config import lacks_credentials as settings_lack_credentials
from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.local_scheduler.extra import IMAGE_VARIABLE, import_server
from lusid_image_publish.progress import Note, StepDone, StepStarted
from lusid_image_publish.scan.verdict import ScanPolicy
from lusid_image_publish.scheduler.client import ImagesClient
from lusid_image_publish.system import is_ci


@contextmanager
def open_settings(connection: Connection) -> Iterator[Settings]:
    """Yield the settings; with --local, those of a Scheduler that runs during the block."""
    if connection.local:
        with _local_scheduler(connection) as settings:
            yield settings
    else:
        yield configure(connection)


@contextmanager
def open_images(connection: Connection) -> Iterator[ImagesClient]:
    """Yield a client of the Images API."""
    with open_settings(connection) as settings, ImagesClient(settings) as images:
        yield images


def configure(connection: Connection) -> Settings:
    """Return the settings for LUSID; with --verbose, show where they come from."""
    if not connection.secrets_file and (unread := unread_secrets_file(os.environ)):
        console.warn(
            f"{unread} is not read in CI, because someone else may have written it. If you trust "
            f"it, use --secrets-file {unread}."
        )
    settings = read_settings(connection)
    if console.verbosity > 0:
        show_settings(console, settings.describe())
        for remark in settings.remarks:
            console.remark(remark)
    elif is_ci(os.environ) and connection.secrets_file:
        of_file = f"{connection.secrets_file} ("
        rows = (row for row in settings.describe() if of_file in row[2])
        show_settings(console, rows)
    return settings


def read_settings(connection: Connection, *, finds_secrets_file: bool = True) -> Settings:
    """Return the settings for LUSID without showing them.

    `finds_secrets_file` allows a secrets file that was not named.
    """
    return load_settings(
        connection.overrides,
        os.environ,
        secrets_file=connection.secrets_file,
        finds_secrets_file=finds_secrets_file,
        defaults=connection.defaults,
        defaults_are_named=connection.defaults_are_named,
    )


def warn_of_empty_scans(connection: Connection, policy: ScanPolicy) -> None:
    """Warn that a policy proves nothing where no scan can have findings."""
    if policy.is_set and connection.finds_nothing:
        console.warn(
            "--local does not scan images: scans find only what --scan-findings sets, so nothing "
            "can break your policy."
        )


def lacks_credentials(connection: Connection) -> bool:
    """Return whether there is no secret to sign in with. Raises `ConfigurationError`."""
    return not connection.local and settings_lack_credentials(
        connection.overrides,
        os.environ,
        secrets_file=connection.secrets_file,
        defaults=connection.defaults,
    )


@contextmanager
def _local_scheduler(connection: Connection) -> Iterator[Settings]:
    """Run a Scheduler during the block; no configuration is read."""
    if connection.secrets_file or connection.overrides:
        raise ConfigurationError(
            "--local cannot be used with options for the connection to LUSID.",
            hint="Remove --local to use LUSID, or remove the other options.",
        )
    console.listen(StepStarted("Starting a local Scheduler", "The local Scheduler was stopped."))
    console.is_local = True
    server = import_server()
    variables = {"registry_image": IMAGE_VARIABLE, "volume": VOLUME_VARIABLE}
    chosen = {name: os.environ[key] for name, key in variables.items() if os.environ.get(key)}
    jobs = {(job.scope, job.code): arguments for job, arguments in connection.jobs.items()}
    with server.LocalScheduler(
        server.LocalSchedulerSettings(**chosen, **connection.scans, jobs=jobs)
    ) as scheduler:
        console.listen(StepDone(f"{scheduler.url}, registry {scheduler.registry_host}"))
        for made in scheduler.made_jobs:
            console.listen(Note(f"created the job {made}, because it did not exist"))
        yield Settings(
            scheduler_url=scheduler.url,
            access_token=scheduler.access_token,
            origins=dict.fromkeys(("scheduler_url", "access_token"), "--local"),
        )
