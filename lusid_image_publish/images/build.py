"""Building an image, with BuildKit or with the engine's classic builder.

BuildKit is used through the `docker` command where that has buildx: Dockerfiles are written for it
today, and docker-py speaks to the classic builder only (docker-py issue 2230). Both give one image
for one platform. Attestations are switched off because they turn the image into an index, which
LUSID's registry cannot scan.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import docker.errors
from docker import DockerClient
from docker.auth import load_config
from docker.credentials import StoreError

from lusid_image_publish.engine import (
    ENGINE_FAILURES,
    IDLE_TIMEOUT,
    closing_streams,
    words_of,
)
from lusid_image_publish.errors import BuildError, EngineError, SourceError
from lusid_image_publish.images.docker_daemon import inspect_image
from lusid_image_publish.images.local import LocalImage
from lusid_image_publish.images.source import DockerfileSource
from lusid_image_publish.progress import BuildOutput, Listener, ignore

BUILDKIT: Final = "BuildKit (docker buildx)"
CLASSIC: Final = "the engine's classic builder"

# An empty configuration would make docker-py read the usual one again.
_NO_LOGINS: Final = '{"auths": {"none.invalid": {"auth": "bm9uZTpub25l"}}}'
_KEPT_LINES: Final = 200
_GRACE: Final = 3.0  # seconds for a cancelled build to end by itself
_PROBE_TIMEOUT: Final = 60.0


def choose_builder(environ: Mapping[str, str]) -> str:
    """Return `BUILDKIT` where the `docker` command has buildx, else `CLASSIC`.

    `DOCKER_BUILDKIT=0` asks for the classic builder, as it does with `docker build`. Raises
    `EngineError` when there is a `docker` command that does not say.
    """
    docker_command = shutil.which("docker", path=environ.get("PATH"))
    if not docker_command or environ.get("DOCKER_BUILDKIT") == "0":
        return CLASSIC
    try:
        probe = subprocess.run(  # noqa: S603  # fixed words
            [docker_command, "buildx", "version"],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_PROBE_TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(
            "The `docker` command does not say whether it has buildx.",
            cause=str(error),
            hint="Correct the `docker` that PATH leads to, or set DOCKER_BUILDKIT=0 to build "
            "without it.",
        ) from error
    return BUILDKIT if probe.returncode == 0 else CLASSIC


def build_image(
    client: DockerClient,
    source: DockerfileSource,
    *,
    builder: str,
    tag: str,
    platform: str,
    environ: Mapping[str, str],
    listener: Listener = ignore,
) -> LocalImage:
    """Build `source` for `platform` with `builder`, name it `tag`, and return it.

    The engine has the image under `tag` afterwards, as after `docker build -t`. Raises `BuildError`
    with the end of the log when the build fails; the name is not touched then.
    """
    log = _Log(listener)
    if builder == BUILDKIT:
        image_id = _build_with_buildkit(source, tag, platform, environ, log)
    else:
        image_id = _build_with_engine(client, source, tag, platform, environ, log)
    try:
        return inspect_image(client, image_id, platform)
    except SourceError as error:
        raise log.failure(
            source,
            "The build succeeded, but this engine does not have the image.",
            "The `docker` command uses another engine; `docker context ls` shows which.",
        ) from error


class _Log:
    """The builder's output: passed on line by line, the last lines kept for the error."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def add(self, text: str) -> None:
        for line in text.splitlines():
            if line.strip():
                self._lines.append(line.rstrip())
                self._listener(BuildOutput(line.rstrip()))

    def failure(self, source: DockerfileSource, cause: str, hint: str = "") -> BuildError:
        return BuildError(
            f"The build of {source.dockerfile} failed.",
            cause=cause,
            hint=hint or _advice(cause),
            log=self._lines,
        )

    def last_error(self) -> str:
        errors = [line for line in self._lines if "ERROR" in line]
        return (errors or [*self._lines] or ["The builder said nothing."])[-1]


def _advice(cause: str) -> str:
    lowered = cause.lower()
    signs = ("no such host", "pull access denied", "manifest unknown", "failed to resolve source")
    if any(sign in lowered for sign in signs):
        return "Check the name of the base image and that the engine can reach its registry."
    if "buildkit" in lowered or "dockerfile parse error" in lowered:
        return (
            "If the Dockerfile needs BuildKit, build it with `docker build` first and give the "
            "image's name as SOURCE, or install Docker's buildx plugin; else correct it."
        )
    return "Correct the Dockerfile where the build log above stops, and run again."


def _build_with_buildkit(
    source: DockerfileSource, tag: str, platform: str, environ: Mapping[str, str], log: _Log
) -> str:
    with tempfile.TemporaryDirectory(prefix="lusid-publish-") as folder:
        id_file = Path(folder, "image-id")
        command = [
            "docker",
            "buildx",
            "build",
            "--load",
            "--provenance=false",
            "--sbom=false",
            "--progress=plain",
            f"--platform={platform}",
            f"--tag={tag}",
            f"--iidfile={id_file}",
            f"--file={source.dockerfile}",
            *_build_options(source),
            str(source.context),
        ]
        status = _run(command, environ, log)
        if status != 0 or not id_file.exists():
            raise log.failure(source, log.last_error())
        return id_file.read_text().strip()


def _build_options(source: DockerfileSource) -> Iterator[str]:
    options = source.options
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


def _run(command: list[str], environ: Mapping[str, str], log: _Log) -> int:
    """Run `command`, feeding `log`; whatever ends this block also ends the command."""
    # A session of its own: Ctrl-C reaches this program first, which then ends the build.
    with subprocess.Popen(  # noqa: S603  # a list of words, no shell
        command,
        env=dict(environ),
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
            _end(process)
            raise


def _end(process: subprocess.Popen[str]) -> None:
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
                return
    finally:
        # Also when a second signal ends the waiting: nothing may go on building.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def _build_with_engine(
    client: DockerClient,
    source: DockerfileSource,
    tag: str,
    platform: str,
    environ: Mapping[str, str],
    log: _Log,
) -> str:
    options = source.options
    build_args = {
        name: environ[name] if value is None else value
        for name, value in options.build_args.items()
        if value is not None or name in environ
    }
    image_id = ""
    with closing_streams(client):
        try:
            _leave_out_logins_that_are_missing(client, log)
            stream = client.api.build(
                path=str(source.context),
                dockerfile=str(source.dockerfile),
                tag=tag,
                platform=platform,
                buildargs=build_args,
                labels=dict(options.labels),
                target=options.target or "",
                # The classic builder takes layers of another platform out of its cache.
                nocache=options.no_cache or platform != _own_platform(client),
                pull=options.pull,
                rm=True,
                forcerm=True,
                timeout=IDLE_TIMEOUT,
                decode=True,
            )
            for event in stream:
                image_id = _follow(event, source, log) or image_id
        except (*ENGINE_FAILURES, TypeError, OSError) as error:
            raise log.failure(source, words_of(error)) from error
    if not image_id:
        raise log.failure(
            source,
            "The engine ended the build without an image and without an error.",
            "Check that the engine runs (`docker version`), and run again.",
        )
    return image_id


def _leave_out_logins_that_are_missing(client: DockerClient, log: _Log) -> None:
    """Let a credential helper that cannot be run stop no build, as the `docker` command does.

    docker-py asks all helpers that Docker's configuration names, whatever the build needs.
    """
    try:
        load_config().get_all_credentials()  # type: ignore[no-untyped-call]  # not in the stubs
    except (docker.errors.DockerException, StoreError) as error:
        log.add(f"Docker's stored logins are left out: {words_of(error)}")
        with tempfile.TemporaryDirectory(prefix="lusid-publish-") as folder:
            file = Path(folder, "config.json")
            file.write_text(_NO_LOGINS)
            client.api.reload_config(str(file))


def _follow(event: dict[str, Any], source: DockerfileSource, log: _Log) -> str:
    """Log one event of the classic builder and return the image's id if it has one."""
    failure = (event.get("errorDetail") or {}).get("message") or event.get("error")
    if failure:
        log.add(failure)
        raise log.failure(source, failure.strip())
    # A pull inside the build reports each layer a hundred times; only its first words are kept.
    if "stream" in event or ("status" in event and not event.get("progressDetail")):
        log.add(event.get("stream") or event["status"])
    return str((event.get("aux") or {}).get("ID") or "")


def _own_platform(client: DockerClient) -> str:
    version = client.version()
    return f"{version.get('Os')}/{version.get('Arch')}"
