"""lusid-jobs: list, inspect, update and run the Scheduler's jobs."""

from typing import NoReturn

import click

from lusid_image_publish import __version__
from lusid_image_publish.cli.command import COMMAND_SETTINGS, run_in
from lusid_image_publish.cli.command_group import CommandGroup, common_options
from lusid_image_publish.cli.completion import ImageNameType, JobIdType, RunIdType
from lusid_image_publish.cli.job_options import argument_option, run_timeout_option
from lusid_image_publish.cli.main import run
from lusid_image_publish.cli.options import output_option
from lusid_image_publish.cli.shared_options import add_completion, list_options

_EPILOG = """\
\b
Examples:
  # List jobs, and show one
  lusid-jobs list
  lusid-jobs list --filter "jobId.scope eq 'me'" --output json
  lusid-jobs get me/my-job
  # Update a job to use an image, and run it
  lusid-jobs set-image me/my-job my-job:1.0.0
  lusid-jobs run me/my-job --argument date=2026-01-31
  # List the runs of a job, and print the output of one
  lusid-jobs history me/my-job
  lusid-jobs logs 0f3f6ab2-6c0e-4a0e-9d1c-0c8a3f7f1b55

Run `lusid-jobs COMMAND --help` for the options of a command. Only --local needs
Docker. `lusid-publish --help` describes the configuration.

\b
Exit codes:
    0  success
    1  bug in this program
    2  usage or configuration error
    3  authentication failed
    4  LUSID rejected the request, failed or could not be reached
   13  stdout could not be written
   14  the job was not updated
   15  the run failed, or its end was not seen
  129  interrupted by SIGHUP
  130  interrupted by Ctrl-C
  141  stdout was closed by its reader
  143  interrupted by SIGTERM
"""


@click.group(cls=CommandGroup, context_settings=COMMAND_SETTINGS, epilog=_EPILOG)
@click.version_option(__version__, prog_name="lusid-jobs")
def command() -> None:
    """List, inspect, update and run the jobs of the LUSID Scheduler.

    The common options can be given before or after the command.
    """


_reveal_option = click.option(
    "--reveal",
    is_flag=True,
    help="Show the values of arguments and environment variables instead of ***.",
)
_reveal_json_option = click.option(
    "--reveal", is_flag=True, help="With --output json: show the default values of arguments."
)


@command.command("list")
@list_options("jobId.scope eq 'me'")
@_reveal_json_option
@common_options
@run_in("jobs_run.list_jobs")
def list_jobs() -> None:
    """List jobs."""


@command.command("get")
@click.argument("job", metavar="SCOPE/CODE", type=JobIdType())
@output_option
@_reveal_option
@common_options
@run_in("jobs_run.get_job")
def get_job() -> None:
    """Show a job: its image, limits and arguments."""


@command.command("set-image")
@click.argument("job", metavar="SCOPE/CODE", type=JobIdType())
@click.argument("name", metavar="NAME:TAG", type=ImageNameType())
@click.option("--dry-run", is_flag=True, help="Show the change without making it.")
@click.option(
    "--force",
    is_flag=True,
    help="Update the job even if that may remove fields that this version does not know, or "
    "replace a secret with its mask.",
)
@output_option
@common_options
@run_in("jobs_run.set_image")
def set_image() -> None:
    """Set a job's image to NAME:TAG.

    LUSID must have the image. Nothing else in the job is changed; the command reads the job again
    after the update, and shows any other difference. A job that already uses the image is not
    updated.
    """


@command.command("run")
@click.argument("job", metavar="SCOPE/CODE", type=JobIdType())
@argument_option
@run_timeout_option
@click.option("--no-wait", is_flag=True, help="Start the run, print its id and do not wait.")
@output_option
@common_options
@run_in("jobs_run.run_job")
def run_job() -> None:
    """Run a job once, wait for it to finish, and print its output.

    Exit code 15 means that the run failed, or that its end was not seen. A run cannot be stopped:
    Ctrl-C only stops waiting, and shows the id of the run that continues.
    """


@command.command("history")
@click.argument("job", metavar="[SCOPE/CODE]", type=JobIdType(), required=False)
@list_options("jobStatus eq 'Failed'")
@_reveal_option
@common_options
@run_in("jobs_run.show_history")
def show_history() -> None:
    """List the runs of a job, or of all jobs."""


@command.command("logs")
@click.argument("run_id", metavar="RUN-ID", type=RunIdType())
@common_options
@run_in("jobs_run.show_logs")
def show_logs() -> None:
    """Print the output of a run."""


add_completion(command, "lusid-jobs")


def main() -> NoReturn:
    """Run the command and exit with the code of its outcome."""
    run(command)


if __name__ == "__main__":
    main()
