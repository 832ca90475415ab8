"""DockerfileSource: an image to build from a Dockerfile."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from docker import DockerClient

from lusid_image_publish.engine import connect, inspect_engine
from lusid_image_publish.environment import without_secrets
from lusid_image_publish.platforms import platform_covers, platform_error
from lusid_image_publish.progress import Listener, Note, StepDone, StepStarted, Warned, ignore
from lusid_image_publish.sources.build import build_image
from lusid_image_publish.sources.build_recipe import BuildRecipe
from lusid_image_publish.sources.build_secrets import refuse_secret_files, refuse_secret_options
from lusid_image_publish.sources.builder import Builder, choose_builder, unread_dockerignore
from lusid_image_publish.sources.engine_source import tagged_id
from lusid_image_publish.sources.image import LocalImage
from lusid_image_publish.sources.source import ImageRequest, Source
from lusid_image_publish.system import shell_command


@dataclass(frozen=True)
class DockerfileSource(BuildRecipe, Source):
    """An image to build from a Dockerfile. Both paths exist."""

    is_built: ClassVar[bool] = True

    def __str__(self) -> str:
        return str(self.dockerfile)

    @property
    def description(self) -> str:
        """The Dockerfile and the build context."""
        return f"{self.dockerfile}, context {self.context}"

    def connect(
        self, environ: Mapping[str, str], *, patience: float = 0, listener: Listener = ignore
    ) -> DockerClient:
        """Return the engine. Raises `ConfigurationError` for a build option with a secret."""
        refuse_secret_options(self.options, environ)
        return connect(patience=patience, listener=listener)

    @contextmanager
    def open(self, request: ImageRequest) -> Iterator[LocalImage]:
        """Build the image, in an environment without LUSID's secrets."""
        engine = request.require_engine()
        refuse_secret_options(self.options, request.environ)
        request = replace(request, environ=without_secrets(request.environ))
        engine_name = inspect_engine(engine).name
        builder = choose_builder(request.environ, engine_name)
        refuse_secret_files(self, builder, request.secret_files)
        request.listener(
            StepStarted(
                f"Building {self.dockerfile} for {request.platform} with {builder}",
                "The build was cancelled. Nothing was changed outside the local engine.",
                has_output=True,
            )
        )
        if builder.reason:
            request.listener(Note(builder.reason))
        for warning in (
            *_missing_arguments(self, request.environ),
            *_unread_files(self, builder, engine_name),
        ):
            request.listener(Warned(warning))
        former_id = tagged_id(engine, request.name)
        image = build_image(self, builder, request)
        if former_id not in {None, image.id}:
            moved = f"replaced the engine's earlier {request.name}, image {former_id}"
            request.listener(Note(moved))
        request.listener(StepDone(f"built {request.name} in the engine: image id {image.id}"))
        yield image

    def require_platform(self, image: LocalImage, request: ImageRequest) -> None:
        """Raise `PlatformError` for an image of another platform."""
        if platform_covers(request.platform, image.platform):
            return
        files = ["-f", str(self.dockerfile), str(self.context)]
        words = ["--platform", request.platform, "--no-cache", "-t", request.name, *files]
        command = shell_command(["docker", "build", *words])
        raise platform_error(
            [image.platform],
            request.platform,
            cause="A FROM line of the Dockerfile sets --platform, or the builder used a stale "
            "layer.",
            hint=f"Remove `--platform` from the FROM lines, then run: {command}",
        )

    def alert_file(self) -> str:
        """Return the Dockerfile, relative to the working directory if it is inside."""
        # ValueError: it is elsewhere. OSError: the working directory was removed.
        with suppress(ValueError, OSError):
            return self.dockerfile.relative_to(Path.cwd().resolve()).as_posix()
        return super().alert_file()


def _missing_arguments(source: BuildRecipe, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning for each build argument that the environment should have and does not."""
    for name, value in source.options.build_args.items():
        if value is None and name not in environ:
            yield (
                f"The build argument {name} is not set in the environment. The build uses the "
                "default of its ARG, if it has one."
            )


def _unread_files(source: BuildRecipe, builder: Builder, engine_name: str) -> Iterator[str]:
    file = unread_dockerignore(builder, engine_name, source)
    if file:
        yield (
            f"{file} is ignored, so files that it excludes can get into the image: {builder} reads "
            f"only .dockerignore in the context. Copy it to {source.context}/.dockerignore, or "
            "build with BuildKit."
        )
