"""Run: the values that the steps of one publication share."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lusid_image_publish.environment import files_with_secrets
from lusid_image_publish.names import ImageName
from lusid_image_publish.platforms import DEFAULT_PLATFORM
from lusid_image_publish.progress import Event
from lusid_image_publish.publishing.lusid_tag import LusidTag
from lusid_image_publish.publishing.policy import Limits
from lusid_image_publish.registry.registry_tag import Registries
from lusid_image_publish.sources.source import ImageRequest

if TYPE_CHECKING:  # an archive needs no docker-py, which takes long to import
    from docker import DockerClient


@dataclass(frozen=True, kw_only=True)
class Run:
    """One publication to `lusid` of an image for `platform`.

    `environ` chooses the builder and is its environment. `engine` may be None for an image in an
    archive. `secrets_file` is the file that the settings were read from, None without one; it is
    never in a build context.
    """

    lusid: LusidTag
    registries: Registries
    engine: "DockerClient | None" = None
    platform: str = DEFAULT_PLATFORM
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    secrets_file: Path | None = None

    @property
    def name(self) -> ImageName:
        """The NAME:TAG that is published."""
        return self.lusid.name

    @property
    def limits(self) -> Limits:
        """The limits of the publication."""
        return self.lusid.limits

    def notify(self, event: Event) -> None:
        """Pass `event` on to the listener."""
        self.lusid.listener(event)

    def with_tag(self, tag: str) -> Self:
        """Return the run for another tag of the repository."""
        return replace(self, lusid=self.lusid.with_tag(tag))

    def image_request(self) -> ImageRequest:
        """Return the request of this publication to its source."""
        settings = self.lusid.images.settings
        return ImageRequest(
            name=str(self.name),
            platform=self.platform,
            engine=self.engine,
            environ=self.environ,
            secret_files=tuple(files_with_secrets(settings, self.environ, self.secrets_file)),
            max_archive_bytes=self.limits.max_archive_bytes,
            listener=self.lusid.listener,
        )
