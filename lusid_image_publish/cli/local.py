"""lusid-scheduler-local: a Scheduler on this machine, as a server."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import click

from lusid_image_publish import __version__
from lusid_image_publish.cli.connection import IMAGE_VARIABLE, VOLUME_VARIABLE, import_server
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.main import run
from lusid_image_publish.cli.options import COMMAND_SETTINGS, local_scans, output_options
from lusid_image_publish.cli.types import Seconds
from lusid_image_publish.errors import ConfigurationError
from lusid_image_publish.system import setting_variables

_PORT = click.IntRange(0, 65535)
_MOMENT = 1.0  # seconds; on Windows only Ctrl-C ends a longer sleep


@click.command(context_settings=COMMAND_SETTINGS)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=_PORT, default=0, show_default=True, help="The API's port; 0 takes a free one."
)
@click.option(
    "--registry-port",
    type=_PORT,
    default=0,
    show_default=True,
    help="The registry's port on 127.0.0.1; 0 takes a free one, 80 makes its host `localhost`.",
)
@click.option("--domain", default="local", show_default=True, help="The LUSID domain to be.")
@click.option(
    "--env-file",
    metavar="PATH",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the FBN_* lines that a client needs; only you can read it. Removed at the end.",
)
@click.option(
    "--instructions-lifetime",
    metavar="SECONDS",
    type=Seconds(1, 31_536_000),
    default=43200,
    show_default=True,
    help="How long upload instructions are good.",
)
@local_scans()
@click.option(
    "--registry-image",
    envvar=IMAGE_VARIABLE,
    show_envvar=True,
    default="registry:2",
    show_default=True,
    help="The image of the registry.",
)
@click.option(
    "--volume",
    envvar=VOLUME_VARIABLE,
    show_envvar=True,
    default="lusid-scheduler-local",
    show_default=True,
    help="The Docker volume that keeps the images.",
)
@output_options
@click.version_option(__version__, prog_name="lusid-scheduler-local")
def command(env_file: Path | None, **settings: Any) -> None:
    """Run a LUSID Scheduler on this machine: the Images API over a real registry.

    Its images are kept in a Docker volume. It runs until Ctrl-C or SIGTERM; a line with `ready` on
    stderr says when it answers.
    """
    server = import_server()
    given = {name: value for name, value in settings.items() if value is not None}
    with (
        _env_file(env_file) as write,
        server.LocalScheduler(server.LocalSchedulerSettings(**given)) as scheduler,
        suppress(KeyboardInterrupt),  # to be asked to stop is how this ends, by SIGTERM as well
    ):
        write(scheduler.environment())
        if not scheduler.is_on_loopback:
            console.warn(
                f"Other machines can reach the Scheduler on {settings['host']}. It has no TLS, so "
                "others can read the passwords and tokens that are sent to it. Use the default of "
                "--host, 127.0.0.1, unless you trust the network. The registry stays on 127.0.0.1."
            )
        console.say(f"ready: {scheduler.url}, registry {scheduler.registry_host}")
        if env_file:
            console.say(f"to use it: {setting_variables(env_file.absolute())}")
        while True:
            time.sleep(_MOMENT)
    console.say("stopped")


@contextmanager
def _env_file(path: Path | None) -> Iterator[Callable[[Mapping[str, str]], None]]:
    """Yield a function that writes `path`, which is known to be writable and removed at the end.

    The file appears whole, and only its owner may read it.
    """
    if path is None:
        yield lambda _: None
        return
    if path.exists():
        raise ConfigurationError(
            f"{path} exists, and is not written over.",
            cause="It is yours, or another Scheduler's that runs or was killed.",
            hint="Name another with --env-file, or remove it.",
        )
    try:
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    except OSError as error:
        raise _not_written(path, error) from error
    temporary = Path(name)
    os.close(number)  # Windows moves no file that is open

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
        f"{path} cannot be written.", cause=str(error), hint="Correct --env-file, or make room."
    )


def main() -> NoReturn:
    """Run the command and exit with the code of its outcome."""
    run(command)


if __name__ == "__main__":
    main()
