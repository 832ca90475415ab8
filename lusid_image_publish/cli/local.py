"""lusid-scheduler-local: a Scheduler on this machine, as a server."""

from pathlib import Path
from typing import NoReturn

import click

from lusid_image_publish import __version__
from lusid_image_publish.cli.command import COMMAND_SETTINGS, SectionedCommand, run_in
from lusid_image_publish.cli.connection_options import VOLUME_VARIABLE, local_scans
from lusid_image_publish.cli.job_options import job_option
from lusid_image_publish.cli.main import run
from lusid_image_publish.cli.options import output_options
from lusid_image_publish.cli.parameters import Seconds
from lusid_image_publish.local_scheduler.extra import IMAGE_VARIABLE

_PORT = click.IntRange(0, 65535)
_EPILOG = """\
\b
Examples:
  # Run the server, with a job to publish for
  lusid-scheduler-local --env-file local.env --job me/my-job
  # Use it in another terminal
  set -a; . ./local.env; set +a
  lusid-publish ./Dockerfile my-job:1.0.0 --job me/my-job --run-job
"""


@click.command(cls=SectionedCommand, context_settings=COMMAND_SETTINGS, epilog=_EPILOG)
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this address.")
@click.option(
    "--port",
    metavar="PORT",
    type=_PORT,
    default=0,
    show_default=True,
    help="Serve the API on this port; 0 picks a free one.",
)
@click.option(
    "--registry-port",
    metavar="PORT",
    type=_PORT,
    default=0,
    show_default=True,
    help="Serve the registry on this port of 127.0.0.1; 0 picks a free one, 80 makes its host "
    "`localhost`.",
)
@click.option(
    "--domain",
    default="local",
    show_default=True,
    help="Use this LUSID domain, the first part of an image's path.",
)
@click.option(
    "--env-file",
    metavar="PATH",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the FBN_* variables for clients to this file, which only you can read; delete it "
    "when the server stops.",
)
@click.option(
    "--instructions-lifetime",
    metavar="SECONDS",
    type=Seconds(1, 31_536_000),
    default=43200,
    show_default=True,
    help="Let upload instructions expire after SECONDS.",
)
@job_option("Create this job, without an image, if it does not exist. Can be repeated.")
@local_scans()
@click.option(
    "--registry-image",
    envvar=IMAGE_VARIABLE,
    show_envvar=True,
    default="registry:2",
    show_default=True,
    help="Run the registry from this image.",
)
@click.option(
    "--volume",
    envvar=VOLUME_VARIABLE,
    show_envvar=True,
    default="lusid-scheduler-local",
    show_default=True,
    help="Keep the images, jobs and runs in this Docker volume.",
)
@output_options
@click.version_option(__version__, prog_name="lusid-scheduler-local")
@run_in("local_run.run_server")
def command() -> None:
    """Run a local LUSID Scheduler: the Images API with a real registry, and the Jobs API.

    Jobs run in the Docker engine. The server runs until Ctrl-C or SIGTERM. It prints a line with
    `ready` to stderr when it accepts requests.
    """


def main() -> NoReturn:
    """Run the command and exit with the code of its outcome."""
    run(command)


if __name__ == "__main__":
    main()
