"""examine(): would a publication start? Each thing that it needs, with the cure where it fails.

Nothing is built, pushed or changed, and no upload instructions are asked for.
"""

import os
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Final, Literal

from docker import DockerClient

from lusid_image_publish.config import Settings
from lusid_image_publish.engine import EngineFacts, connect, facts_of
from lusid_image_publish.errors import (
    AccessDeniedError,
    AuthenticationError,
    ExitCode,
    LusidPublishError,
    NotFoundError,
    ServiceError,
)
from lusid_image_publish.images.build import BUILDKIT, choose_builder
from lusid_image_publish.images.docker_daemon import inspect_image, require_platform
from lusid_image_publish.images.source import DockerfileSource, Source, find_source
from lusid_image_publish.names import ImageName
from lusid_image_publish.scheduler.client import ImagesClient
from lusid_image_publish.scheduler.transport import is_loopback

State = Literal["ok", "warning", "failed"]

_BUILDX: Final = (
    "Install Docker's buildx plugin (docker-buildx-plugin, on Debian docker-buildx) if the "
    "Dockerfile needs BuildKit."
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    `check` names it; `text` says what is so, `cause` and `hint` why and what to do, where it is not
    `ok`. `exit_code` is that of the error that a publication would end with, 0 where it is none.
    """

    check: str
    state: State
    text: str
    cause: str = ""
    hint: str = ""
    exit_code: int = ExitCode.DONE


def examine(
    source: str | None,
    name: str | None,
    settings: Callable[[], AbstractContextManager[Settings]],
    *,
    platform: str,
    environ: Mapping[str, str] = os.environ,
) -> Iterator[Finding]:
    """Look at all that publishing `source` as `name` needs; either may be left out.

    Yield each finding when it is known, because an engine or a service that hangs takes a while.
    `settings` gives the configuration for as long as LUSID is looked at.
    """
    with ExitStack() as stack:
        engine, facts = None, None
        try:
            engine = connect()
            stack.callback(engine.close)
            facts = facts_of(engine, environ)
            yield _engine(facts)
        except LusidPublishError as error:
            yield _failed("engine", error)
        yield _builder(environ)
        if source is not None:
            yield from _source(source, name, engine, facts, platform)
        yield from _name(name)
        try:
            used = stack.enter_context(settings())
            used.require_credentials()
            yield from _configuration(used)
        except LusidPublishError as error:
            yield _failed("configuration", error)
            return
        images = stack.enter_context(ImagesClient(used))
        yield from _lusid(images, name)


def exit_code_of(findings: list[Finding]) -> int:
    """Return the exit code of the first failure, 0 when nothing failed."""
    return next((finding.exit_code for finding in findings if finding.state == "failed"), 0)


def _engine(facts: EngineFacts) -> Finding:
    text = f"{facts.name} {facts.version}, API {facts.api_version}, {facts.storage}"
    return Finding("engine", "ok", f"{text}, {facts.platform}, at {facts.address}")


def _builder(environ: Mapping[str, str]) -> Finding:
    builder = choose_builder(environ)
    if builder == BUILDKIT:
        return Finding("builder", "ok", builder)
    asked = environ.get("DOCKER_BUILDKIT") == "0"
    cause = "DOCKER_BUILDKIT=0 asks for it." if asked else "The `docker` command has no buildx."
    return Finding("builder", "warning", builder, cause, "" if asked else _BUILDX)


def _source(
    text: str,
    name: str | None,
    engine: DockerClient | None,
    facts: EngineFacts | None,
    platform: str,
) -> Iterator[Finding]:
    try:
        source = find_source(text)
        if isinstance(source, DockerfileSource):
            yield Finding("source", "ok", f"{source.dockerfile}, context {source.context}")
            yield from _foreign(facts, platform)
        elif engine:
            yield from _engine_image(source, source.reference, name, engine, platform)
    except LusidPublishError as error:
        yield _failed("source", error)


def _engine_image(
    source: Source, reference: str, name: str | None, engine: DockerClient, platform: str
) -> Iterator[Finding]:
    image = inspect_image(engine, reference, platform)
    yield Finding("source", "ok", f"image {image.id}")
    try:
        require_platform(image, platform, source, name or reference)
        yield Finding("platform", "ok", image.platform)
    except LusidPublishError as error:
        yield _failed("platform", error)


def _foreign(facts: EngineFacts | None, platform: str) -> Iterator[Finding]:
    """Yield a warning where the engine would have to build for a foreign platform."""
    if facts and facts.platform != platform:
        yield Finding(
            "platform",
            "warning",
            f"the build is for {platform}, and the engine runs on {facts.platform}",
            "RUN lines of the Dockerfile are emulated then.",
            "Install QEMU's emulators (docker/setup-qemu-action in GitHub), or build on "
            f"{platform}.",
        )


def _name(name: str | None) -> Iterator[Finding]:
    if name is None:
        return
    try:
        yield Finding("name", "ok", str(ImageName.parse(name)))
    except LusidPublishError as error:
        yield _failed("name", error)


def _configuration(settings: Settings) -> Iterator[Finding]:
    for setting, value, origin in settings.describe():
        if origin != "default":
            yield Finding("configuration", "ok", f"{setting} = {value}  ({origin})")
    url = urllib.parse.urlsplit(settings.scheduler_url)
    if url.scheme == "http" and not is_loopback(url.netloc):
        yield Finding(
            "configuration",
            "warning",
            "the Scheduler URL begins with http://",
            "Credentials travel where others can read them.",
            "Write https://.",
        )


def _lusid(images: ImagesClient, name: str | None) -> Iterator[Finding]:
    try:
        images.list_repositories(limit=1)
        yield Finding("LUSID", "ok", "it answers")
        yield Finding("credentials", "ok", "LUSID accepts them")
        yield Finding("permission", "ok", "they may list the images")
        yield from _tag(images, name)
    except AuthenticationError as error:
        yield _failed("credentials", error)
    except AccessDeniedError as error:
        yield _failed("permission", error)
    except ServiceError as error:
        yield _failed("LUSID", error)


def _tag(images: ImagesClient, name: str | None) -> Iterator[Finding]:
    if name is None or any(finding.state == "failed" for finding in _name(name)):
        return
    try:
        existing = images.get_image(name)
    except NotFoundError:
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
    return Finding(check, "failed", error.message, error.cause, error.hint, error.exit_code)
