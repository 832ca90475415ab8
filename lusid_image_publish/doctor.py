"""examine(): would a publication start? Each thing that it needs, with the cure where it fails.

Nothing is built, pushed or changed, and no upload instructions are asked for.
"""

import logging
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Literal, TypeVar

from docker import DockerClient

from lusid_image_publish.config import Settings
from lusid_image_publish.config_values import is_http_elsewhere
from lusid_image_publish.engine import EngineFacts, connect, facts_of
from lusid_image_publish.errors import (
    AccessDeniedError,
    AuthenticationError,
    ExitCode,
    LusidPublishError,
    PlatformError,
)
from lusid_image_publish.names import ImageName
from lusid_image_publish.publishing.existing import find
from lusid_image_publish.publishing.run import Limits, Watch
from lusid_image_publish.scheduler.client import ImagesClient
from lusid_image_publish.sources.archive_image import opened_archive
from lusid_image_publish.sources.arguments import parse_name
from lusid_image_publish.sources.builder import choose_builder
from lusid_image_publish.sources.engine_image import inspect_image
from lusid_image_publish.sources.image import LocalImage, require_platform
from lusid_image_publish.sources.source import (
    ArchiveSource,
    DockerfileSource,
    EngineSource,
    find_source,
)

logger = logging.getLogger(__name__)

State = Literal["ok", "warning", "failed"]
T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    `check` names it; `text` says what is so, `cause` and `hint` why and what to do, where it is not
    `ok`. `error` is what a publication would end with, None where nothing failed.
    """

    check: str
    state: State
    text: str
    cause: str = ""
    hint: str = ""
    error: LusidPublishError | None = None

    @property
    def slug(self) -> str:
        """The slug of the error, empty where there is none."""
        return self.error.slug if self.error else ""

    @property
    def exit_code(self) -> int:
        """The exit code of the error, 0 where there is none."""
        return self.error.exit_code if self.error else ExitCode.DONE


Check = Generator[Finding, None, T]
"""Yields what it finds, and returns what later checks need."""


def examine(
    source: str | None,
    name: str | None,
    settings: Callable[[], AbstractContextManager[Settings]],
    *,
    platform: str,
    image: str | None = None,
    max_archive_size: float = Limits.max_archive_size,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Finding]:
    """Look at all that publishing `source` as `name` needs; either may be left out.

    `image` chooses one of the images in an archive, whose size `max_archive_size` bounds, in GiB.
    `environ` is the process's own if it is None.

    Yield each finding when it is known, because an engine or a service that hangs takes a while.
    What depends on something that failed is left out, and so are the engine and its builder where
    an archive needs none. `settings` gives the configuration for as long as LUSID is looked at.
    """
    environ = os.environ if environ is None else environ
    limit = Limits(max_archive_size=max_archive_size).most_bytes
    with ExitStack() as stack:
        engine = None
        if not _is_archive(source):
            engine = yield from _guarded("engine", _engine(stack, environ))
            if engine:
                yield from _guarded("builder", _builder(engine[1], environ))
        if source is not None:
            yield from _guarded("source", _source(source, name, engine, platform, image, limit))
        parsed = (yield from _guarded("name", _name(name, source))) if name is not None else None
        images = yield from _guarded("configuration", _configuration(stack, settings))
        answers = images and (yield from _guarded("LUSID", _lusid(images)))
        if images and answers and parsed:
            yield from _guarded("tag", _tag(images, parsed))


def exit_code_of(findings: list[Finding]) -> int:
    """Return the exit code of the first failure, 0 when nothing failed."""
    return next((finding.exit_code for finding in findings if finding.state == "failed"), 0)


def _guarded(check: str, findings: Check[T]) -> Check[T | None]:
    """Yield `findings`, and the error that ends them as a failure of `check`."""
    try:
        return (yield from findings)
    except LusidPublishError as error:
        yield _failed(check, error)
    except Exception as error:  # the other checks go on, whatever it is
        logger.debug("The check %s ended unexpectedly.", check, exc_info=True)
        yield _failed(check, _unforeseen(error))
    return None


def _engine(
    stack: ExitStack, environ: Mapping[str, str]
) -> Check[tuple[DockerClient, EngineFacts]]:
    engine = connect()
    stack.callback(engine.close)
    facts = facts_of(engine, environ)
    text = f"{facts.name} {facts.version}, API {facts.api_version}, {facts.storage}"
    yield Finding("engine", "ok", f"{text}, {facts.platform}, at {facts.address}")
    return engine, facts


def _builder(engine: EngineFacts, environ: Mapping[str, str]) -> Check[None]:
    builder = choose_builder(environ, engine.name)
    if builder.reason:
        yield Finding("builder", "warning", str(builder), builder.reason, builder.remedy)
    else:
        yield Finding("builder", "ok", str(builder))


def _source(
    text: str,
    name: str | None,
    engine: tuple[DockerClient, EngineFacts] | None,
    platform: str,
    image: str | None,
    most: int,
) -> Check[None]:
    source = find_source(text, image=image)
    if isinstance(source, DockerfileSource):
        yield Finding("source", "ok", f"{source.dockerfile}, context {source.context}")
        if engine:
            yield from _foreign(engine[1], platform)
    elif isinstance(source, ArchiveSource):
        yield from _archive(source, platform, most)
    elif engine:
        yield from _engine_image(source, name, engine[0], platform)


def _is_archive(text: str | None) -> bool:
    try:
        return text is not None and isinstance(find_source(text), ArchiveSource)
    except LusidPublishError:
        return False  # it is told when its turn comes


def _archive(source: ArchiveSource, platform: str, most: int) -> Check[None]:
    try:
        with opened_archive(source, platform, most=most) as image:
            yield Finding("source", "ok", f"image {image.id}, whole, in {source}")
            yield Finding("platform", "ok", image.platform)
            yield from _doubts(image)
    except PlatformError as error:
        yield _failed("platform", error)


def _engine_image(
    source: EngineSource, name: str | None, engine: DockerClient, platform: str
) -> Check[None]:
    image = inspect_image(engine, source.reference, platform)
    yield Finding("source", "ok", f"image {image.id}")
    try:
        require_platform(image, platform, source, name or source.reference)
        yield Finding("platform", "ok", image.platform)
    except LusidPublishError as error:
        yield _failed("platform", error)
    yield from _doubts(image)


def _doubts(image: LocalImage) -> Iterator[Finding]:
    for doubt in image.doubts():
        yield Finding("image", "warning", doubt)


def _foreign(facts: EngineFacts, platform: str) -> Check[None]:
    """Yield a warning where the engine would have to build for a foreign platform."""
    if not f"{platform}/".startswith(f"{facts.platform}/"):
        yield Finding(
            "platform",
            "warning",
            f"the build is for {platform}, and the engine runs on {facts.platform}",
            "RUN lines of the Dockerfile are emulated then.",
            "Install QEMU's emulators (docker/setup-qemu-action in GitHub), or build on "
            f"{platform}.",
        )


def _name(text: str, source: str | None) -> Check[ImageName]:
    name = parse_name(text, source or "")
    yield Finding("name", "ok", str(name))
    return name


def _configuration(
    stack: ExitStack, settings: Callable[[], AbstractContextManager[Settings]]
) -> Check[ImagesClient]:
    used = stack.enter_context(settings())
    for setting, value, origin in used.describe():
        if origin != "default":
            yield Finding("configuration", "ok", f"{setting} = {value}  ({origin})")
    for name, url in (("Scheduler", used.scheduler_url), ("token", used.token_url or "")):
        if is_http_elsewhere(url):
            yield Finding(
                "configuration",
                "warning",
                f"the {name} URL begins with http://",
                "--allow-http allows it. Others on the network can read the credentials.",
                "Write https://.",
            )
    used.require_credentials()
    return stack.enter_context(ImagesClient(used))


def _lusid(images: ImagesClient) -> Check[bool]:
    """Return whether LUSID lets these credentials list its images."""
    try:
        images.list_repositories(limit=1)
    except AuthenticationError as error:
        yield _failed("credentials", error)
        return False
    except AccessDeniedError as error:
        yield _failed("permission", error)
        return False
    yield Finding("LUSID", "ok", "it answers")
    yield Finding("credentials", "ok", "LUSID accepts them")
    yield Finding("permission", "ok", "they may list the images")
    return True


def _tag(images: ImagesClient, name: ImageName) -> Check[None]:
    existing = find(Watch(name=name, images=images))
    if existing is None:
        yield Finding("tag", "ok", f"{name} is free")
        return
    yield Finding(
        "tag",
        "warning",
        f"{name} exists ({existing.digest or 'no digest'})",
        "It was published before. The same image again is a success, another one is refused.",
        "Choose a new tag for another image; --force would push over this one.",
    )


def _failed(check: str, error: LusidPublishError) -> Finding:
    return Finding(check, "failed", error.message, error.cause, error.hint, error)


def _unforeseen(error: Exception) -> LusidPublishError:
    return LusidPublishError(
        f"unexpected {type(error).__name__}: {error}",
        cause="Something that this program is not prepared for.",
        hint="Run again with -vv and report what it shows.",
    )
