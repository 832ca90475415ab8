"""lusid-images: house-keeping of the images that LUSID has."""

from typing import NoReturn

import click

from lusid_image_publish import __version__
from lusid_image_publish.cli.command import COMMAND_SETTINGS, SectionedCommand, run_in
from lusid_image_publish.cli.completion import (
    ImageNameType,
    RepositoryNameType,
    complete_new_name,
    complete_source,
)
from lusid_image_publish.cli.job_options import job_option
from lusid_image_publish.cli.main import run
from lusid_image_publish.cli.options import (
    archive_size_option,
    image_option,
    output_option,
    platform_option,
)
from lusid_image_publish.cli.scan_options import scan_options
from lusid_image_publish.cli.shared_options import add_completion, list_options, shared_options
from lusid_image_publish.names import NAME_RULE

_EPILOG = f"""\
\b
Examples:
  lusid-images doctor ./Dockerfile my-job:1.0.0 --job me/my-job
  lusid-images repos
  lusid-images list my-job --sort-by -pushTime --limit 10
  lusid-images list my-job --filter "scanSummary.critical gt 0" --output json
  lusid-images get my-job:1.0.0
  lusid-images scan my-job:1.0.0 --fail-on high --report markdown
  lusid-images download my-job:1.0.0 -o my-job.tar
  lusid-images prune my-job --keep 5 --older-than 30d --dry-run

{NAME_RULE}

Each command has its own --help. Only --local needs Docker, and doctor where SOURCE
does. LUSID is found as lusid-publish finds it.

\b
Exit codes:
  0 done   2 usage or configuration   3 authentication   4 LUSID refused
  5 the upload instructions are not usable   6 engine or image
  7 another image came under the tag while its scan was waited for
  9 the scan breaks the policy   10 there is no scan   12 download   13 stdout or report
  1 a bug
  129, 130, 143 interrupted   130 not agreed to   141 stdout was closed by its reader
"""


@click.group(context_settings=COMMAND_SETTINGS, epilog=_EPILOG)
@click.version_option(__version__, prog_name="lusid-images")
def command() -> None:
    """Look at, fetch and delete the images that the LUSID Scheduler has."""


@command.command("list", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("name", type=RepositoryNameType())
@list_options("tags any (name eq '1.0')")
@shared_options
@run_in("images_run.list_images")
def list_images() -> None:
    """List the images of the repository NAME."""


@command.command("repos", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@list_options("imageCount gt 10")
@shared_options
@run_in("images_run.list_repositories")
def list_repositories() -> None:
    """List the repositories."""


@command.command("get", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("name", metavar="NAME:TAG", type=ImageNameType())
@output_option
@shared_options
@run_in("images_run.get_image")
def get_image() -> None:
    """Show one image, and what its scan found."""


@command.command("download", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("name", metavar="NAME:TAG", type=ImageNameType())
@click.option(
    "-o",
    "--file",
    "file",
    metavar="FILE",
    type=click.Path(allow_dash=True),
    help="Where to write the tar; - is stdout.  [default: NAME-TAG.tar]",
)
@click.option("--force", is_flag=True, help="Write over a file that exists.")
@click.option("--no-verify", is_flag=True, help="Keep what LUSID sends, whatever is in it.")
@shared_options
@run_in("images_run.download_image")
def download_image() -> None:
    """Download an image as a tar, and prove that it is whole.

    The file appears when all of it has come and was checked: its length, that the tar can be read,
    and that it has the manifest with LUSID's digest. A tar that cannot be compared is exit code 12
    unless --no-verify. The file's path goes to stdout.
    """


@command.command("delete", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("name", metavar="NAME:TAG", type=ImageNameType())
@click.option("--yes", is_flag=True, help="Do not ask.")
@shared_options
@run_in("images_run.delete_image")
def delete_image() -> None:
    """Delete the image that NAME:TAG points to, after asking.

    Without a terminal to ask on, --yes is needed. The service's answer goes to stdout, once LUSID
    shows that the tag is gone.
    """


@command.command("upload", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("name", metavar="NAME:TAG", type=ImageNameType())
@click.option("--reveal", is_flag=True, help="Show the registry's password.")
@output_option
@shared_options
@run_in("images_run.upload_image")
def upload_image() -> None:
    """Show the Docker commands that put an image into LUSID.

    They are for those who push by hand; lusid-publish does what they say, and more. They are shown
    when they are the Docker commands that they should be, else that is exit code 5. The password is
    hidden unless --reveal.
    """


@command.command("prune", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("name", type=RepositoryNameType())
@click.option(
    "--keep",
    metavar="NUMBER",
    type=click.IntRange(min=0),
    required=True,
    help="Keep as many of the newest images.",
)
@click.option("--older-than", metavar="AGE", help="Delete only what is older: 12h, 30d, 8w.")
@click.option("--dry-run", is_flag=True, help="Show what would be deleted, and delete nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option
@shared_options
@run_in("images_run.prune")
def prune() -> None:
    """Delete the old images of the repository NAME, after asking.

    An image is as old as the last push of it or of one of its tags. What is tagged `latest` stays,
    and what cannot be judged: an image without a digest, a push time or a tag. What was pushed or
    tagged anew while you were asked stays too. LUSID's jobs are not looked at: whether one still
    runs an image is for you to know.
    """


@command.command("doctor", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("source", required=False, shell_complete=complete_source)
@click.argument("name", metavar="[NAME:TAG]", required=False, shell_complete=complete_new_name)
@platform_option("The platform that the image must be for.")
@image_option
@archive_size_option
@job_option("Look also at this job, which is to be pointed at the image; may be repeated.")
@output_option
@shared_options
@run_in("doctor_run.doctor")
def doctor() -> None:
    """Look whether publishing SOURCE as NAME:TAG would start, and say what is missing.

    The engine, its builder, the Dockerfile, image or archive, the name, the configuration, LUSID,
    the credentials and the jobs are looked at; nothing is built, pushed or changed. Exit code 0
    means that publishing would start, another one is that of the first thing that failed.
    """


@command.command("scan", cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("name", metavar="NAME:TAG", type=ImageNameType())
@scan_options
@output_option
@shared_options
@run_in("images_run.scan_image")
def scan_image() -> None:
    """Show what the scan of NAME:TAG found, and fail when that breaks the policy.

    It waits for a scan that is under way. Nothing is changed. Without --fail-on and --max there is
    no policy: what the scan found is only reported. Exit code 9 means that the policy is
    broken, 10 that there is no scan to judge.
    """


add_completion(command, "lusid-images")


def main() -> NoReturn:
    """Run the command and exit with the code of its outcome."""
    run(command)


if __name__ == "__main__":
    main()
