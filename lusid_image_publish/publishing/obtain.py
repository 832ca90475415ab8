"""Having the image: built, found in the engine or in an archive, and for the right platform."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lusid_image_publish.engine import facts_of
from lusid_image_publish.environment import files_with_secrets, without_secrets
from lusid_image_publish.progress import Note, StepDone, StepStarted, Warned
from lusid_image_publish.publishing.run import Run
from lusid_image_publish.sources.archive_image import ArchiveImage, opened_archive
from lusid_image_publish.sources.build import build_image
from lusid_image_publish.sources.build_secrets import refuse_secret_files, refuse_secret_options
from lusid_image_publish.sources.builder import Builder, choose_builder, unread_dockerignore
from lusid_image_publish.sources.engine_image import inspect_image
from lusid_image_publish.sources.image import LocalImage, require_platform
from lusid_image_publish.sources.source import (
    ArchiveSource,
    DockerfileSource,
    EngineSource,
    Source,
)


@contextmanager
def obtain_image(source: Source, run: Run) -> Iterator[LocalImage]:
    """Build `source`, find it in the engine, or open its archive for the time of the block.

    Raises a `SourceError`.
    """
    match source:
        case DockerfileSource():
            yield _looked_over(_build(source, run), run)
        case EngineSource():
            yield _looked_over(_find(source, run), run)
        case ArchiveSource():
            with _open(source, run) as image:
                yield _looked_over(image, run)


def _looked_over(image: LocalImage, run: Run) -> LocalImage:
    """Return `image`, and warn where it may not run."""
    for doubt in image.doubts():
        run.listener(Warned(doubt))
    return image


def _build(source: DockerfileSource, run: Run) -> LocalImage:
    """Build, with an environment that has no secret of LUSID."""
    engine = run.require_engine()
    refuse_secret_options(source.options, run.environ)
    environ = without_secrets(run.environ)
    engine_name = facts_of(engine).name
    builder = choose_builder(environ, engine_name)
    files = files_with_secrets(run.settings, run.environ, run.secrets_file)
    refuse_secret_files(source, builder, files)
    run.listener(
        StepStarted(
            f"Building {source.dockerfile} for {run.platform} with {builder}",
            "The build was cancelled. Nothing was changed outside the local engine.",
        )
    )
    if builder.reason:
        run.listener(Note(builder.reason))
    for warning in (
        *_missing_arguments(source, environ),
        *_unread_files(source, builder, engine_name),
    ):
        run.listener(Warned(warning))
    image = build_image(
        engine,
        source,
        builder=builder,
        tag=str(run.name),
        platform=run.platform,
        environ=environ,
        listener=run.listener,
    )
    run.listener(StepDone(f"built image {image.id}, here named {run.name}"))
    require_platform(image, run.platform, source, str(run.name))
    return image


def _missing_arguments(source: DockerfileSource, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning for each build argument that the environment should have and does not."""
    for name, value in source.options.build_args.items():
        if value is None and name not in environ:
            yield (
                f"The build argument {name} is not set in the environment. The build uses the "
                "default of its ARG, if there is one."
            )


def _unread_files(source: DockerfileSource, builder: Builder, engine_name: str) -> Iterator[str]:
    file = unread_dockerignore(builder, engine_name, source.dockerfile)
    if file:
        yield (
            f"{file} is not read, so files that it excludes can get into the image: {builder} "
            f"reads .dockerignore in the context alone. Copy it to {source.context}/.dockerignore, "
            "or build with BuildKit."
        )


def _find(source: EngineSource, run: Run) -> LocalImage:
    run.listener(StepStarted(f"Looking for {source.reference} in the local engine"))
    image = inspect_image(run.require_engine(), source.reference, run.platform)
    run.listener(StepDone(f"found image {image.id}"))
    require_platform(image, run.platform, source, str(run.name))
    return image


@contextmanager
def _open(source: ArchiveSource, run: Run) -> Iterator[ArchiveImage]:
    run.listener(StepStarted(f"Reading {source}", "Nothing was changed."))
    with opened_archive(source, run.platform, most=run.limits.most_bytes) as image:
        run.listener(StepDone(f"found image {image.id}, and it is whole"))
        yield image
