"""Build an image, with BuildKit or with the engine's own builder.

Both build one image for one platform. Attestations are off: they turn the image into an index,
which LUSID's registry cannot scan.
"""

import json
import os
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import docker.errors
from docker import DockerClient
from docker.auth import load_config
from docker.credentials import StoreError

from lusid_image_publish.engine import (
    ENGINE_FAILURES,
    IDLE_TIMEOUT_SECONDS,
    closing_streams,
    engine_address,
    engine_message,
)
from lusid_image_publish.environment import blank_secrets, without_secrets
from lusid_image_publish.errors import BuildError, EngineError, SourceError
from lusid_image_publish.progress import BuildOutput, Listener
from lusid_image_publish.sources.build_recipe import BuildRecipe
from lusid_image_publish.sources.builder import Builder
from lusid_image_publish.sources.engine_source import inspect_image
from lusid_image_publish.sources.image import LocalImage
from lusid_image_publish.sources.source import ImageRequest
from lusid_image_publish.system import end_process_group
from lusid_image_publish.text import shorten_message

# docker-py reads the default configuration again in place of an empty one.
_EMPTY_LOGINS: Final = '{"auths": {"none.invalid": {"auth": "bm9uZTpub25l"}}}'
_MAX_LOG_LINES: Final = 200
_DIGEST_KEYS: Final = ("containerimage.digest", "containerimage.config.digest")
_BUILD_FAILURES: Final = (
    "failed to resolve source",
    "failed to do request",
    "failed to authorize",
    'process "',
)
_BUILDER_FAILURES: Final = (
    "deadline exceeded",
    "no builder",
    "failed to list workers",
    "booting buildkit",
    "cannot connect to the docker daemon",
    "connection refused",
    "error reading from server",
    "closing transport",
    "no such container",
)
_GRACE_SECONDS: Final = 3.0  # for a cancelled build to end by itself


def build_image(recipe: BuildRecipe, builder: Builder, request: ImageRequest) -> LocalImage:
    """Build `recipe` with `builder` for `request`, and return the image.

    The engine keeps it under the name of `request`, as after `docker build -t`. Raises `BuildError`
    with the end of the log if the build fails; the tag is then unchanged.
    """
    client = request.require_engine()
    log = _BuildLog(recipe, request.listener)
    if not builder.buildx:
        built_id = _build_with_engine(client, recipe, request, log)
        return inspect_image(client, built_id, request.platform)
    try:
        built = _build_with_buildkit(recipe, builder, request, log)
    except OSError as error:
        raise log.failure(
            f"Cannot run the `docker` command or write a temporary file: {error}",
            "Check that `docker version` works here. If the disk is full, free some space or set "
            "TMPDIR to another folder.",
        ) from error
    image = _find_built_image(client, built, request)
    if image is None:
        raise log.failure(
            f"The build succeeded, but the engine at {engine_address()} does not have the image.",
            f"The builder {builder.buildx} at {builder.endpoint or 'an unknown endpoint'}, or the "
            "`docker` command, uses another engine. Compare them with `docker buildx ls` and "
            "`docker context ls`.",
        )
    return image


def _find_built_image(
    client: DockerClient, built: Iterable[str], request: ImageRequest
) -> LocalImage | None:
    """Return the built image, None where the engine does not have it.

    `built` has its manifest digest and its config digest. Which of them is the image id depends on
    the engine's store, and a containerd store may have written another manifest. The tag alone is
    not enough: it may be an older image's.
    """
    for name in (*built, request.name):
        try:
            image = inspect_image(client, name, request.platform)
        except EngineError:
            raise
        except SourceError:
            continue
        if name != request.name or image.config_digest in built:
            return image
    return None


class _BuildLog:
    """The builder's output: sent on line by line, its end kept for the error."""

    def __init__(self, recipe: BuildRecipe, listener: Listener) -> None:
        self._recipe = recipe
        self._listener = listener
        self._lines: deque[str] = deque(maxlen=_MAX_LOG_LINES)

    def add(self, text: str) -> None:
        for line in text.splitlines():
            if line.strip():
                self._lines.append(line.rstrip())
                self._listener(BuildOutput(line.rstrip()))

    def failure(self, cause: str, hint: str = "") -> BuildError:
        return BuildError(
            f"The build of {self._recipe.dockerfile} failed.",
            cause=shorten_message(cause),
            hint=hint or _failure_hint(cause),
            log=self._lines,
        )

    def last_error(self) -> str:
        errors = [line for line in self._lines if "ERROR" in line]
        return (errors or [*self._lines] or ["The builder wrote no output."])[-1]


def _failure_hint(cause: str) -> str:
    lowered = cause.lower()
    signs = ("no such host", "pull access denied", "manifest unknown", "failed to resolve source")
    if any(sign in lowered for sign in signs):
        return "Check the name of the base image, and that the engine can reach its registry."
    if "buildkit" in lowered or "dockerfile parse error" in lowered:
        return (
            "If the Dockerfile needs BuildKit, build it with `docker build` first and give the "
            "image's name as SOURCE, or install Docker's buildx plugin. Otherwise fix the "
            "Dockerfile."
        )
    return "Fix the Dockerfile where the build log stops, and run again."


def _build_with_buildkit(
    recipe: BuildRecipe, builder: Builder, request: ImageRequest, log: _BuildLog
) -> list[str]:
    """Build, and return the manifest digest and the config digest, where buildx reports them."""
    with tempfile.TemporaryDirectory(prefix="lusid-publish-") as folder:
        # Not --iidfile: a containerd store may not know that id (docker/buildx issue 3952).
        metadata = Path(folder, "metadata.json")
        command = [
            "docker",
            "buildx",
            "build",
            f"--builder={builder.buildx}",
            "--load",
            "--provenance=false",
            "--sbom=false",
            "--progress=plain",
            f"--platform={request.platform}",
            f"--tag={request.name}",
            f"--metadata-file={metadata}",
            f"--file={recipe.dockerfile}",
            *_buildx_options(recipe),
            str(recipe.context),
        ]
        status = _run_build(command, request.environ, log)
        if status != 0 or not metadata.exists():
            cause = log.last_error()
            raise log.failure(cause, _builder_hint(builder) if _builder_failed(cause) else "")
        return _reported_digests(metadata.read_text(encoding="utf-8", errors="replace"))


def _reported_digests(metadata: str) -> list[str]:
    """Return the digests in the metadata file of buildx, none where that is malformed."""
    try:
        document = json.loads(metadata)
    except ValueError:
        return []
    found = [document.get(name) for name in _DIGEST_KEYS] if isinstance(document, dict) else []
    return [digest for digest in found if isinstance(digest, str) and digest]


def _builder_failed(cause: str) -> bool:
    """Return whether the builder failed, not a registry or a step of the Dockerfile."""
    lowered = cause.lower()
    is_of_the_build = any(sign in lowered for sign in _BUILD_FAILURES)
    return not is_of_the_build and any(sign in lowered for sign in _BUILDER_FAILURES)


def _builder_hint(builder: Builder) -> str:
    return (
        f"The builder was {builder.buildx} (driver {builder.driver}, {builder.endpoint}) for the "
        f"engine at {engine_address()}: check that both respond (`docker buildx inspect "
        f"{builder.buildx}`, `docker version`). `docker buildx use default` selects the engine's "
        "BuildKit, DOCKER_BUILDKIT=0 its own builder."
    )


def _buildx_options(recipe: BuildRecipe) -> Iterator[str]:
    options = recipe.options
    for name, value in options.build_args.items():
        yield f"--build-arg={name}" if value is None else f"--build-arg={name}={value}"
    for name, value in options.labels.items():
        yield f"--label={name}={value}"
    if options.target:
        yield f"--target={options.target}"
    if options.no_cache:
        yield "--no-cache"
    if options.pull:
        yield "--pull"


def _run_build(command: list[str], environ: Mapping[str, str], log: _BuildLog) -> int:
    """Run `command` with its output to `log`; an exception ends it."""
    # In its own session, where the system has them: Ctrl-C reaches this program, which ends the
    # build.
    with subprocess.Popen(  # noqa: S603  # a list of words, no shell
        command,
        env=without_secrets(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            for line in process.stdout or ():
                log.add(line)
            return process.wait()
        except BaseException:
            end_process_group(process, grace=_GRACE_SECONDS)
            raise


def _build_with_engine(
    client: DockerClient, recipe: BuildRecipe, request: ImageRequest, log: _BuildLog
) -> str:
    options, environ = recipe.options, request.environ
    build_args = {
        name: environ[name] if value is None else value
        for name, value in options.build_args.items()
        if value is not None or name in environ
    }
    image_id = ""
    with closing_streams(client):
        try:
            _skip_broken_logins(client, log)
            stream = client.api.build(
                path=str(recipe.context),
                dockerfile=str(recipe.dockerfile),
                tag=request.name,
                platform=request.platform,
                buildargs=build_args,
                labels=dict(options.labels),
                target=options.target or "",
                # The classic builder reuses cached layers of another platform.
                nocache=options.no_cache or request.platform != _engine_platform(client),
                pull=options.pull,
                rm=True,
                forcerm=True,
                timeout=IDLE_TIMEOUT_SECONDS,
                decode=True,
            )
            for event in stream:
                image_id = _log_event(event, log) or image_id
        except (*ENGINE_FAILURES, TypeError, OSError) as error:
            raise log.failure(engine_message(error)) from error
    if not image_id:
        raise log.failure(
            "The engine ended the build with neither an image nor an error.",
            "Check that the engine is running (`docker version`), and run again.",
        )
    return image_id


def _skip_broken_logins(client: DockerClient, log: _BuildLog) -> None:
    """Build without stored logins if a credential helper cannot run, as `docker` does.

    docker-py asks all helpers of Docker's configuration, even those that the build does not need.
    """
    try:
        logins = load_config(credstore_env=blank_secrets(os.environ))
        logins.get_all_credentials()  # type: ignore[no-untyped-call]  # not in the stubs
    except (docker.errors.DockerException, StoreError) as error:
        log.add(f"Ignoring Docker's stored logins: {engine_message(error)}")
        with tempfile.TemporaryDirectory(prefix="lusid-publish-") as folder:
            file = Path(folder, "config.json")
            file.write_text(_EMPTY_LOGINS, encoding="utf-8")
            client.api.reload_config(str(file))


def _log_event(event: dict[str, Any], log: _BuildLog) -> str:
    """Log one event of the classic builder, and return its image id or an empty text."""
    failure = (event.get("errorDetail") or {}).get("message") or event.get("error")
    if failure:
        log.add(failure)
        raise log.failure(failure.strip())
    # A pull reports each layer a hundred times: skip its progress.
    if "stream" in event or ("status" in event and not event.get("progressDetail")):
        log.add(event.get("stream") or event["status"])
    return str((event.get("aux") or {}).get("ID") or "")


def _engine_platform(client: DockerClient) -> str:
    version = client.version()
    return f"{version.get('Os')}/{version.get('Arch')}"
