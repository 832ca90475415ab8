"""lusid-jobs: look at the Scheduler's jobs, change their image, run them."""

from typing import NoReturn

import click

from lusid_image_publish import __version__
from lusid_image_publish.cli.command import COMMAND_SETTINGS, SectionedCommand, run_in
from lusid_image_publish.cli.completion import ImageNameType, JobIdType, RunIdType
from lusid_image_publish.cli.job_options import argument_option, run_timeout_option
from lusid_image_publish.cli.main import run
from lusid_image_publish.cli.options import output_option
from lusid_image_publish.cli.shared_options import add_completion, list_options, shared_options

_EPILOG = """\
\b
Examples:
  lusid-jobs list
  lusid-jobs list --filter "jobId.scope eq 'me'" --output json
  lusid-jobs get me/my-job
  lusid-jobs set-image me/my-job my-job:1.0.0
  lusid-jobs run me/my-job --argument date=2026-01-31
  lusid-jobs history me/my-job
  lusid-jobs logs 0f3f6ab2-6c0e-4a0e-9d1c-0c8a3f7f1b55

Each command has its own --help. Only --local needs Docker. LUSID is found as
lusid-publish finds it.

\b
Exit codes:
  0 done   2 usage or configuration   3 authentication   4 LUSID refused
  13 stdout   14 the job was not updated   15 the run did not succeed   1 a bug
  129, 130, 143 interrupted   141 stdout was closed by its reader
"""


@click.group(context_settings=COMMAND_SETTINGS, epilog=_EPILOG)
@click.version_option(__version__, prog_name="lusid-jobs")
def command() -> None:
    """Look at the jobs of the LUSID Scheduler, change their image, and run them."""


_reveal_option = click.option(
    "--reveal", is_flag=True, help="Show the values of arguments and environment variables."
)
_reveal_json_option = click.option(
    "--reveal", is_flag=True, help="With --output json: show the defaults of arguments."
)


@command.command("list", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@list_options("jobId.scope eq 'me'")
@_reveal_json_option
@shared_options
@run_in("jobs_run.list_jobs")
def list_jobs() -> None:
    """List the jobs."""


@command.command("get", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("job", metavar="SCOPE/CODE", type=JobIdType())
@output_option
@_reveal_option
@shared_options
@run_in("jobs_run.get_job")
def get_job() -> None:
    """Show one job: its image, its limits and its arguments."""


@command.command("set-image", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("job", metavar="SCOPE/CODE", type=JobIdType())
@click.argument("name", metavar="NAME:TAG", type=ImageNameType())
@click.option("--dry-run", is_flag=True, help="Show the change, and change nothing.")
@click.option(
    "--force",
    is_flag=True,
    help="Update the job even if that could remove members that this version does not know, or "
    "overwrite a secret with its mask.",
)
@output_option
@shared_options
@run_in("jobs_run.set_image")
def set_image() -> None:
    """Point a job at the image NAME:TAG, which LUSID has; nothing else of the job changes.

    The job is read, sent back with the new image and all else as it was written, and read again.
    What changed besides is shown. A job that has the image already is left alone.
    """


@command.command("run", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("job", metavar="SCOPE/CODE", type=JobIdType())
@argument_option
@run_timeout_option
@click.option("--no-wait", is_flag=True, help="Print the id of the run, and do not wait for it.")
@output_option
@shared_options
@run_in("jobs_run.run_job")
def run_job() -> None:
    """Run a job once, wait for its end, and print what it wrote.

    Exit code 15 means that it did not succeed, or that its end was not seen. A run cannot be
    stopped: Ctrl-C ends the waiting, and says which run goes on.
    """


@command.command("history", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("job", metavar="[SCOPE/CODE]", type=JobIdType(), required=False)
@list_options("jobStatus eq 'Failed'")
@_reveal_option
@shared_options
@run_in("jobs_run.show_history")
def show_history() -> None:
    """List the runs of a job, or of all jobs."""


@command.command("logs", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("run_id", metavar="RUN-ID", type=RunIdType())
@shared_options
@run_in("jobs_run.show_logs")
def show_logs() -> None:
    """Print what a run wrote."""


add_completion(command, "lusid-jobs")


def main() -> NoReturn:
    """Run the command and exit with the code of its outcome."""
    run(command)


if __name__ == "__main__":
    main()
