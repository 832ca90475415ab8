"""lusid-scheduler-local: a Scheduler on this machine, as a server."""

from pathlib import Path
from typing import NoReturn

import click

from lusid_image_publish import __version__
from lusid_image_publish.cli.command import COMMAND_SETTINGS, run_in
from lusid_image_publish.cli.connection_options import VOLUME_VARIABLE, local_scans
from lusid_image_publish.cli.job_options import job_option
from lusid_image_publish.cli.main import run
from lusid_image_publish.cli.options import output_options
from lusid_image_publish.cli.parameters import Seconds
from lusid_image_publish.local_scheduler.extra import IMAGE_VARIABLE

_PORT = click.IntRange(0, 65535)


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
@job_option("Have this job: it is made, without an image, where it is not there. May be repeated.")
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
    help="The Docker volume that keeps the images, the jobs and their runs.",
)
@output_options
@click.version_option(__version__, prog_name="lusid-scheduler-local")
@run_in("local_run.run_server")
def command() -> None:
    """Run a LUSID Scheduler on this machine: the Images API over a real registry, and the Jobs API.

    Its images, jobs and runs are kept in a Docker volume; jobs run in the engine. It runs until
    Ctrl-C or SIGTERM; a line with `ready` on stderr says when it answers.
    """


def main() -> NoReturn:
    """Run the command and exit with the code of its outcome."""
    run(command)


if __name__ == "__main__":
    main()
