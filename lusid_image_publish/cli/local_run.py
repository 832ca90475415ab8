"""Run a Scheduler on this machine, as a server."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lusid_image_publish.cli.console import console
from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.local_scheduler.extra import import_server
from lusid_image_publish.names import JobId
from lusid_image_publish.system import export_command

_SLEEP_SECONDS = 1.0  # on Windows only Ctrl-C ends a longer sleep


def run_server(*, env_file: Path | None, jobs: tuple[JobId, ...], **settings: Any) -> None:
    """Run the server until it is stopped."""
    server = import_server()
    given = {name: value for name, value in settings.items() if value is not None}
    given["jobs"] = {(job.scope, job.code): () for job in jobs}
    with (
        _env_file(env_file) as write,
        server.LocalScheduler(server.LocalSchedulerSettings(**given)) as scheduler,
        suppress(KeyboardInterrupt),  # Ctrl-C or SIGTERM stops it
    ):
        write(scheduler.environment())
        if not scheduler.is_on_loopback:
            console.warn(
                f"Other machines can reach the Scheduler on {settings['host']}. It has no TLS, so "
                "others can read the passwords and tokens that are sent to it. Use the default of "
                "--host, 127.0.0.1, unless you trust the network. The registry still listens on "
                "127.0.0.1."
            )
        for made in scheduler.made_jobs:
            console.remark(f"created the job {made}")
        console.say(f"ready: {scheduler.url}, registry {scheduler.registry_host}")
        if env_file:
            console.say(f"to use it: {export_command(env_file.absolute())}")
        while True:
            time.sleep(_SLEEP_SECONDS)
    console.say("stopped")


@contextmanager
def _env_file(path: Path | None) -> Iterator[Callable[[Mapping[str, str]], None]]:
    """Yield a function that writes `path`; check first that it can, and remove the file at the end.

    The file is never visible half-written, and only its owner may read it.
    """
    if path is None:
        yield lambda _: None
        return
    if path.exists():
        raise ConfigurationError(
            f"{path} already exists.",
            cause="You wrote it, or a Scheduler that is still running or was killed.",
            hint="Name another file with --env-file, or remove this one.",
        )
    try:
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    except OSError as error:
        raise _not_written(path, error) from error
    temporary = Path(name)
    os.close(number)  # Windows does not move an open file

    def write(variables: Mapping[str, str]) -> None:
        lines = (f"{name}={value}\n" for name, value in variables.items())
        try:
            temporary.write_text("".join(lines), encoding="utf-8", newline="\n")
            temporary.replace(path)
        except OSError as error:
            raise _not_written(path, error) from error

    try:
        yield write
    finally:
        written = not temporary.exists()
        (path if written else temporary).unlink(missing_ok=True)


def _not_written(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"{path} cannot be written.",
        cause=str(error),
        hint="Correct --env-file, or free some disk space.",
    )
