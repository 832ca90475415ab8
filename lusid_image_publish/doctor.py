"""examine(): check everything that a publication needs, and say how to fix what fails.

Nothing is built, pushed or changed, and no upload instructions are requested.
"""

import logging
import os
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Literal, TypeVar

from docker import DockerClient

from lusid_image_publish.config import Settings
from lusid_image_publish.config_values import is_http_elsewhere
from lusid_image_publish.engine import EngineFacts, connect, inspect_engine
from lusid_image_publish.errors import (
    AccessDeniedError,
    AuthenticationError,
    ExitCode,
    LusidPublishError,
    PlatformError,
)
from lusid_image_publish.jobs.job_results import shown_image
from lusid_image_publish.jobs.job_update import dangers_of, has_image, image_of, require_complete
from lusid_image_publish.jobs.lusid_job import LusidJob
from lusid_image_publish.names import ImageName, JobId
from lusid_image_publish.publishing.lusid_tag import LusidTag
from lusid_image_publish.publishing.policy import Limits
from lusid_image_publish.scheduler.client import ImagesClient
from lusid_image_publish.scheduler.jobs_client import JobsClient
from lusid_image_publish.sources.builder import choose_builder
from lusid_image_publish.sources.find_source import find_source, parse_name
from lusid_image_publish.sources.source import ImageRequest, Source

logger = logging.getLogger(__name__)

State = Literal["ok", "warning", "failed"]
T = TypeVar("T")


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    `check` is its name and `text` its result; `cause` and `hint` say why and what to do if it is
    not `ok`. `error` is the error that a publication would raise, None if nothing failed.
    """

    check: str
    state: State
    text: str
    cause: str = ""
    hint: str = ""
    error: LusidPublishError | None = None

    @property
    def slug(self) -> str:
        """The slug of the error, empty without one."""
        return self.error.slug if self.error else ""

    @property
    def exit_code(self) -> int:
        """The exit code of the error, 0 without one."""
        return self.error.exit_code if self.error else ExitCode.DONE


Check = Generator[CheckResult, None, T]
"""Yields results, and returns values for later checks."""


def examine(
    source: str | None,
    name: str | None,
    settings: Callable[[], AbstractContextManager[Settings]],
    *,
    platform: str,
    image: str | None = None,
    max_archive_size: float = Limits.max_archive_size,
    jobs: Sequence[JobId] = (),
    environ: Mapping[str, str] | None = None,
) -> Iterator[CheckResult]:
    """Check everything that publishing `source` as `name` needs; either may be None.

    `image` chooses one of the images in an archive, whose size `max_archive_size` limits, in GiB.
    `jobs` are the jobs to be updated. `environ` None is the process's own.

    Yield each result as soon as it is known, because an engine or a service that hangs takes a
    while. A check that depends on a failed one is skipped, and so are the engine and its builder
    for an archive, which needs none. `settings` gives the configuration for the checks of LUSID.
    """
    environ = os.environ if environ is None else environ
    with ExitStack() as stack:
        found = _find(source, image)
        engine = None
        if found is None or isinstance(found, LusidPublishError) or found.needs_engine:
            engine = yield from _guarded("engine", _engine(stack, environ))
            if engine:
                yield from _guarded("builder", _builder(engine[1], environ))
        if found is not None:
            request = ImageRequest(
                name=name or str(found),
                platform=platform,
                engine=engine[0] if engine else None,
                max_archive_bytes=Limits(max_archive_size=max_archive_size).max_archive_bytes,
            )
            yield from _guarded("source", _source(found, request, engine[1] if engine else None))
        parsed = (yield from _guarded("name", _name(name, source))) if name is not None else None
        images = yield from _guarded("configuration", _configuration(stack, settings))
        answers = images and (yield from _guarded("LUSID", _lusid(images)))
        if images and answers and parsed:
            yield from _guarded("tag", _tag(LusidTag(name=parsed, images=images)))
        if images and answers:
            for job in jobs:
                target = LusidJob(job=job, jobs=JobsClient.beside(images))
                yield from _guarded("job", _job(target, parsed))


def exit_code_of(findings: list[CheckResult]) -> int:
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
        unexpected = LusidPublishError(
            f"unexpected {type(error).__name__}: {error}",
            cause="This is probably a bug in this program.",
            hint="Run again with -vv and report the output.",
        )
        yield _failed(check, unexpected)
    return None


def _engine(
    stack: ExitStack, environ: Mapping[str, str]
) -> Check[tuple[DockerClient, EngineFacts]]:
    engine = connect()
    stack.callback(engine.close)
    facts = inspect_engine(engine, environ)
    text = f"{facts.name} {facts.version}, API {facts.api_version}, {facts.storage}"
    yield CheckResult("engine", "ok", f"{text}, {facts.platform}, at {facts.address}")
    return engine, facts


def _builder(engine: EngineFacts, environ: Mapping[str, str]) -> Check[None]:
    builder = choose_builder(environ, engine.name)
    if builder.reason:
        yield CheckResult("builder", "warning", str(builder), builder.reason, builder.remedy)
    else:
        yield CheckResult("builder", "ok", str(builder))


def _find(source: str | None, image: str | None) -> Source | LusidPublishError | None:
    """Return what `source` means, the error where it means nothing, None where it is left out."""
    try:
        return None if source is None else find_source(source, image=image)
    except LusidPublishError as error:
        return error


def _source(
    source: Source | LusidPublishError, request: ImageRequest, engine: EngineFacts | None
) -> Check[None]:
    if isinstance(source, LusidPublishError):
        raise source
    if source.is_built:
        yield CheckResult("source", "ok", source.description)
        if engine:
            yield from _foreign(engine, request.platform)
        return
    if source.needs_engine and not request.engine:
        return
    try:
        with source.open(request) as image:
            image.verify()
            where = "" if source.needs_engine else f", layers verified, in {source}"
            yield CheckResult("source", "ok", f"image {image.id}{where}")
            try:
                source.require_platform(image, request)
                yield CheckResult("platform", "ok", image.platform)
            except PlatformError as error:
                yield _failed("platform", error)
            for doubt in image.doubts():
                yield CheckResult("image", "warning", doubt)
    except PlatformError as error:  # of an archive, which does not open
        yield _failed("platform", error)


def _foreign(facts: EngineFacts, platform: str) -> Check[None]:
    """Yield a warning where the engine would have to build for a foreign platform."""
    if not f"{platform}/".startswith(f"{facts.platform}/"):
        yield CheckResult(
            "platform",
            "warning",
            f"the build is for {platform}, but the engine runs on {facts.platform}",
            "The RUN instructions of the Dockerfile are emulated.",
            f"Install QEMU (docker/setup-qemu-action in GitHub Actions), or build on {platform}.",
        )


def _name(text: str, source: str | None) -> Check[ImageName]:
    name = parse_name(text, source or "")
    yield CheckResult("name", "ok", str(name))
    return name


def _configuration(
    stack: ExitStack, settings: Callable[[], AbstractContextManager[Settings]]
) -> Check[ImagesClient]:
    used = stack.enter_context(settings())
    for setting, value, origin in used.describe():
        if origin != "default":
            yield CheckResult("configuration", "ok", f"{setting} = {value}  ({origin})")
    for name, url in (("Scheduler", used.scheduler_url), ("token", used.token_url or "")):
        if is_http_elsewhere(url):
            yield CheckResult(
                "configuration",
                "warning",
                f"the {name} URL begins with http://",
                "--allow-http allows this, but others on the network can read the credentials.",
                "Use https://.",
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
    yield CheckResult("LUSID", "ok", "reachable")
    yield CheckResult("credentials", "ok", "accepted by LUSID")
    yield CheckResult("permission", "ok", "allowed to list images")
    return True


def _tag(tag: LusidTag) -> Check[None]:
    existing = tag.find()
    if existing is None:
        yield CheckResult("tag", "ok", f"{tag.name} is free")
        return
    yield CheckResult(
        "tag",
        "warning",
        f"{tag.name} already exists ({existing.digest or 'no digest'})",
        "It was published before. Publishing the same image succeeds, another one is refused.",
        "Use a new tag for a different image, or replace the existing one with --force.",
    )


def _job(job: LusidJob, image: ImageName | None) -> Check[None]:
    """Yield whether the job may be read, and what is known of the right to change it."""
    found = job.get()
    has = shown_image(image_of(found))
    yield CheckResult("job", "ok", f"{job.job} is visible; its image is {has}")
    if image and has_image(found, image):
        return
    require_complete(found)
    if dangers := dangers_of(found):
        yield CheckResult(
            "job",
            "warning",
            f"setting the image of {job.job} could damage the job",
            dangers,
            "Set the image on LUSID's web page, or accept the risk with --force-job.",
        )
    yield _right_to_change(job)


def _right_to_change(job: LusidJob) -> CheckResult:
    """Return what is known without a change: whether the deployment has the operation at all."""
    unknown = "whether you may update and run it cannot be checked without doing so"
    try:
        endpoints = job.jobs.list_api_endpoints().endpoints or ()
    except LusidPublishError:
        return CheckResult("job", "ok", f"its image can be updated; {unknown}")
    offers = {(each.http_method or "").upper() for each in endpoints if _is_of_a_job(each.path)}
    if endpoints and "PUT" not in offers:
        return CheckResult(
            "job",
            "warning",
            "this deployment does not list update_job",
            "It may not offer the operation, or may not show it to you.",
            "Ask the domain's administrator.",
        )
    return CheckResult("job", "ok", f"its image can be updated; {unknown} (Job:Update, Job:Run)")


def _is_of_a_job(path: str | None) -> bool:
    return bool(re.search(r"/jobs/\{[^/]+\}/\{[^/]+\}$", path or ""))


def _failed(check: str, error: LusidPublishError) -> CheckResult:
    return CheckResult(check, "failed", error.message, error.cause, error.hint, error)
