"""Having the image in the local engine: built, or found there, and for the right platform."""

from lusid_image_publish.config import SECRET_VARIABLES
from lusid_image_publish.images.build import build_image, choose_builder
from lusid_image_publish.images.docker_daemon import inspect_image
from lusid_image_publish.images.local import LocalImage, require_platform
from lusid_image_publish.images.source import DockerfileSource, EngineSource, Source
from lusid_image_publish.progress import StepDone, StepStarted
from lusid_image_publish.steps.run import Run


def obtain_image(source: Source, run: Run) -> LocalImage:
    """Build `source`, or find it in the engine. Raises a `SourceError`."""
    found = _build(source, run) if isinstance(source, DockerfileSource) else _find(source, run)
    require_platform(found, run.platform, source, str(run.name))
    return found


def _build(source: DockerfileSource, run: Run) -> LocalImage:
    """Build, with an environment that has no secret but those that the build asks for."""
    asked_for = source.options.build_args
    environ = {
        name: value
        for name, value in run.environ.items()
        if name not in SECRET_VARIABLES or name in asked_for
    }
    builder = choose_builder(environ)
    run.listener(
        StepStarted(
            f"Building {source.dockerfile} for {run.platform} with {builder}",
            "The build was cancelled. Nothing was changed outside the local engine.",
        )
    )
    image = build_image(
        run.engine,
        source,
        builder=builder,
        tag=str(run.name),
        platform=run.platform,
        environ=environ,
        listener=run.listener,
    )
    run.listener(StepDone(f"built image {image.id}, here named {run.name}"))
    return image


def _find(source: EngineSource, run: Run) -> LocalImage:
    run.listener(StepStarted(f"Looking for {source.reference} in the local engine"))
    image = inspect_image(run.engine, source.reference, run.platform)
    run.listener(StepDone(f"found image {image.id}"))
    return image
