"""Whom a command talks to: LUSID, as it is configured, or a Scheduler started for the run."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lusid_image_publish.cli.console import console, show_settings
from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.system import is_ci

if TYPE_CHECKING:
    from lusid_image_publish.config import Settings
    from lusid_image_publish.scheduler.client import ImagesClient

IMAGE_VARIABLE = "LUSID_LOCAL_REGISTRY_IMAGE"
VOLUME_VARIABLE = "LUSID_LOCAL_VOLUME"
"""What the local Scheduler's options are called in the environment."""

# What a run needs is imported in the functions below: --help and a usage error need none of it.


@dataclass(frozen=True)
class Connection:
    """What the options say of it; `overrides` are settings by name, each with where it is from.

    `defaults` are those of the project's file, likewise; `defaults_are_named` says whether somebody
    named that file. `scans` is what the Scheduler that --local starts is told of them.
    """

    local: bool
    secrets_file: Path | None
    overrides: Mapping[str, tuple[str, str]]
    defaults: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    defaults_are_named: bool = False
    scans: Mapping[str, Any] = field(default_factory=dict)

    @contextmanager
    def settings(self) -> Iterator["Settings"]:
        """Yield the settings; with --local, those of a Scheduler that runs as long."""
        if self.local:
            with self._local_scheduler() as settings:
                yield settings
        else:
            yield self.configured()

    @contextmanager
    def images(self) -> Iterator["ImagesClient"]:
        """Yield a client of the Images API."""
        from lusid_image_publish.scheduler.client import ImagesClient  # noqa: PLC0415

        with self.settings() as settings, ImagesClient(settings) as images:
            yield images

    def configured(self) -> "Settings":
        """Return the settings for LUSID."""
        from lusid_image_publish.config import unread_secrets_file  # noqa: PLC0415

        if not self.secrets_file and (unread := unread_secrets_file(os.environ)):
            console.warn(
                f"{unread} is not read in a CI, where others may have written it. If it is yours, "
                f"use --secrets-file {unread}."
            )
        settings = self.given()
        if console.verbosity > 0:
            show_settings(console, settings.describe())
        elif is_ci(os.environ) and self.secrets_file:
            of_file = f"{self.secrets_file} ("
            rows = (row for row in settings.describe() if row[2].startswith(of_file))
            show_settings(console, rows)
        return settings

    def given(self, *, finds_secrets_file: bool = True) -> "Settings":
        """Return the settings for LUSID, without a word.

        `finds_secrets_file` says whether a file may be read that nobody named.
        """
        from lusid_image_publish.config import load_settings  # noqa: PLC0415

        return load_settings(
            self.overrides,
            os.environ,
            secrets_file=self.secrets_file,
            finds_secrets_file=finds_secrets_file,
            defaults=self.defaults,
            defaults_are_named=self.defaults_are_named,
        )

    def lacks_credentials(self) -> bool:
        """Return whether there is nothing secret to sign in with. Raises `ConfigurationError`."""
        from lusid_image_publish.config import lacks_credentials  # noqa: PLC0415

        return not self.local and lacks_credentials(
            self.overrides, os.environ, secrets_file=self.secrets_file, defaults=self.defaults
        )

    @contextmanager
    def _local_scheduler(self) -> Iterator["Settings"]:
        """Run a Scheduler for the time of the block; nothing of the configuration is read."""
        from lusid_image_publish.config import Settings  # noqa: PLC0415
        from lusid_image_publish.progress import StepDone, StepStarted  # noqa: PLC0415

        if self.secrets_file or self.overrides:
            raise ConfigurationError(
                "--local does not go with an option that says how to reach LUSID.",
                hint="Leave out --local to use LUSID, or leave out the other.",
            )
        console.listen(StepStarted("Starting a Scheduler on this machine", "It was stopped again."))
        server = import_server()
        variables = {"registry_image": IMAGE_VARIABLE, "volume": VOLUME_VARIABLE}
        chosen = {name: os.environ[key] for name, key in variables.items() if os.environ.get(key)}
        with server.LocalScheduler(
            server.LocalSchedulerSettings(**chosen, **self.scans)
        ) as scheduler:
            console.listen(StepDone(f"{scheduler.url}, registry {scheduler.registry_host}"))
            yield Settings(
                scheduler_url=scheduler.url,
                access_token=scheduler.access_token,
                origins=dict.fromkeys(("scheduler_url", "access_token"), "--local"),
            )


def import_server() -> ModuleType:
    """Return `local.server`. Raises `ConfigurationError` when the extra is not installed."""
    try:
        from lusid_image_publish.local_scheduler import server  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"The local Scheduler is not installed: {error.name} is missing.",
            hint="pip install 'lusid-image-publish[local]'",
        ) from error
    return server
