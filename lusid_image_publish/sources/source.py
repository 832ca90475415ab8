"""Source: a Dockerfile, an image of the engine or an archive, which opens as an image."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from lusid_image_publish.archives.archive_error import MAX_ARCHIVE_BYTES
from lusid_image_publish.errors import EngineError
from lusid_image_publish.platforms import DEFAULT_PLATFORM
from lusid_image_publish.progress import Listener, Warned, ignore
from lusid_image_publish.sources.image import LocalImage

if TYPE_CHECKING:  # an archive needs no docker-py, which takes long to import
    from docker import DockerClient


@dataclass(frozen=True, kw_only=True)
class ImageRequest:
    """The image requested from a source, and the means to open it.

    `name` is the tag of a built image in the engine. `engine` may be None for an archive, which may
    be decompressed to `max_archive_bytes`. `environ` chooses the builder and is its environment;
    `secret_files` are never in a build context.
    """

    name: str
    platform: str = DEFAULT_PLATFORM
    engine: "DockerClient | None" = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_files: Iterable[Path] = ()
    max_archive_bytes: int = MAX_ARCHIVE_BYTES
    listener: Listener = ignore

    def require_engine(self) -> "DockerClient":
        """Return the engine. Raises `EngineError` where there is none."""
        if self.engine is None:
            raise EngineError(
                "This image needs a Docker engine, but the run has none.",
                hint="Pass an engine client to the run, or publish an image archive.",
            )
        return self.engine


class Source(ABC):
    """A Dockerfile, an image of the engine, or an archive; `str()` names it for messages."""

    needs_engine: ClassVar[bool] = True
    is_built: ClassVar[bool] = False

    @property
    def description(self) -> str:
        """A description of the source before it is opened."""
        return str(self)

    @abstractmethod
    def connect(
        self, environ: Mapping[str, str], *, patience: float = 0, listener: Listener = ignore
    ) -> "DockerClient | None":
        """Return the engine that builds or has the image; None if the source needs none.

        `environ` is that of a build. `patience` is how many seconds to wait for an engine that does
        not answer yet; `listener` receives events about the wait. Raises `EngineError` if none
        answers, and `ConfigurationError` for a build option with a secret.
        """

    @abstractmethod
    def open(self, request: ImageRequest) -> AbstractContextManager[LocalImage]:
        """Build the image, find it in the engine, or open the archive while the block lasts.

        Raises a `SourceError`.
        """

    @abstractmethod
    def require_platform(self, image: LocalImage, request: ImageRequest) -> None:
        """Raise `PlatformError`, with a command to fix it, unless `image` is for the platform.

        The platform is that of `request`.
        """

    @contextmanager
    def open_for_platform(self, request: ImageRequest) -> Iterator[LocalImage]:
        """Open the image for the platform of `request`, and warn if it may not run."""
        with self.open(request) as image:
            self.require_platform(image, request)
            for doubt in image.doubts():
                request.listener(Warned(doubt))
            yield image

    def alert_file(self) -> str:
        """Return the file for alerts: the Dockerfile, relative to the working directory."""
        return "Dockerfile"
