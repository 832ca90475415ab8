"""lusid-images: list, inspect, download and delete the images in LUSID."""

from typing import NoReturn

import click

from lusid_image_publish import __version__
from lusid_image_publish.cli.command import COMMAND_SETTINGS, run_in
from lusid_image_publish.cli.command_group import CommandGroup, common_options
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
    ci_options,
    image_option,
    output_option,
    platform_option,
)
from lusid_image_publish.cli.scan_options import scan_options
from lusid_image_publish.cli.shared_options import add_completion, list_options
from lusid_image_publish.names import NAME_RULE

_EPILOG = f"""\
\b
Examples:
  # Check whether an image can be published
  lusid-images doctor ./Dockerfile my-job:1.0.0 --job me/my-job
  # List repositories and images
  lusid-images repos
  lusid-images list my-job --sort-by -pushTime --limit 10
  lusid-images list my-job --filter "scanSummary.critical gt 0" --output json
  # Show an image, and check its scan against a policy
  lusid-images get my-job:1.0.0
  lusid-images scan my-job:1.0.0 --fail-on high --report markdown
  # Download an image
  lusid-images download my-job:1.0.0 -o my-job.tar
  # Show which old images would be deleted
  lusid-images prune my-job --keep 5 --older-than 30d --dry-run

Run `lusid-images COMMAND --help` for the options of a command. Only --local and
some checks of `doctor` need Docker. `lusid-publish --help` describes the
configuration.

{NAME_RULE}

\b
Exit codes:
    0  success
    1  bug in this program
    2  usage or configuration error
    3  authentication failed
    4  LUSID rejected the request, failed or could not be reached
    5  LUSID's upload instructions are unusable
    6  the engine or the image is unusable
    7  the tag was moved to another image during the scan
    9  the scan breaks the policy
   10  the scan has no result
   12  the download failed or could not be verified
   13  stdout or a report could not be written
  129  interrupted by SIGHUP
  130  interrupted by Ctrl-C, or deletion not confirmed
  141  stdout was closed by its reader
  143  interrupted by SIGTERM
"""


@click.group(cls=CommandGroup, context_settings=COMMAND_SETTINGS, epilog=_EPILOG)
@click.version_option(__version__, prog_name="lusid-images")
def command() -> None:
    """List, inspect, download and delete the images in the LUSID Scheduler.

    The common options can be given before or after the command.
    """


@command.command("list")
@click.argument("name", type=RepositoryNameType())
@list_options("tags any (name eq '1.0')")
@common_options
@run_in("images_run.list_images")
def list_images() -> None:
    """List the images in the repository NAME."""


@command.command("repos")
@list_options("imageCount gt 10")
@common_options
@run_in("images_run.list_repositories")
def list_repositories() -> None:
    """List repositories."""


@command.command("get")
@click.argument("name", metavar="NAME:TAG", type=ImageNameType())
@output_option
@common_options
@run_in("images_run.get_image")
def get_image() -> None:
    """Show an image and the results of its scan."""


@command.command("download")
@click.argument("name", metavar="NAME:TAG", type=ImageNameType())
@click.option(
    "-o",
    "--file",
    "file",
    metavar="FILE",
    type=click.Path(allow_dash=True),
    show_default="NAME-TAG.tar",
    help="Write the tar archive to FILE; `-` writes it to stdout.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--no-verify", is_flag=True, help="Keep the download without verifying it.")
@common_options
@run_in("images_run.download_image")
def download_image() -> None:
    """Download an image as a tar archive and verify it.

    The file is created only after it has been downloaded and verified completely: its length, that
    the tar can be read, and that it contains the manifest with the digest in LUSID. If this cannot
    be verified, the exit code is 12, unless you use --no-verify. The path of the file is printed to
    stdout.
    """


@command.command("delete")
@click.argument("name", metavar="NAME:TAG", type=ImageNameType())
@click.option("--yes", is_flag=True, help="Delete without confirmation.")
@common_options
@run_in("images_run.delete_image")
def delete_image() -> None:
    """Delete the image NAME:TAG, with all its tags.

    The command asks for confirmation; without a terminal, --yes is required. It prints LUSID's
    answer to stdout after checking that the tag no longer exists.
    """


@command.command("upload")
@click.argument("name", metavar="NAME:TAG", type=ImageNameType())
@click.option("--reveal", is_flag=True, help="Show the registry's password.")
@output_option
@common_options
@run_in("images_run.upload_image")
def upload_image() -> None:
    """Show the Docker commands for pushing an image by hand.

    lusid-publish does the same, and more. If LUSID returns anything but the expected Docker
    commands, nothing is shown and the exit code is 5. The password is hidden unless you use
    --reveal.
    """


@command.command("prune")
@click.argument("name", type=RepositoryNameType())
@click.option(
    "--keep",
    metavar="NUMBER",
    type=click.IntRange(min=0),
    required=True,
    help="Keep the NUMBER newest images.",
)
@click.option(
    "--older-than", metavar="AGE", help="Delete only images older than AGE: 12h, 30d, 8w."
)
@click.option("--dry-run", is_flag=True, help="Show what would be deleted, but delete nothing.")
@click.option("--yes", is_flag=True, help="Delete without confirmation.")
@output_option
@common_options
@run_in("images_run.prune")
def prune() -> None:
    """Delete old images from the repository NAME.

    The command asks for confirmation; without a terminal, --yes is required. An image's age is the
    time since the last push of the image or one of its tags. Prune keeps images that are tagged
    `latest`, images without a digest, push time or tag, and images that were pushed or tagged again
    before you confirmed. It does not check whether a job in LUSID still uses an image.
    """


@command.command("doctor")
@click.argument("source", required=False, shell_complete=complete_source)
@click.argument("name", metavar="[NAME:TAG]", required=False, shell_complete=complete_new_name)
@platform_option("Require the image to be for this platform.")
@image_option
@archive_size_option
@job_option("Also check the job that is to use the image. Can be repeated.")
@output_option
@common_options
@run_in("doctor_run.doctor")
def doctor() -> None:
    """Check whether SOURCE can be published as NAME:TAG.

    The command checks the engine, its builder, the Dockerfile, image or archive, the name, the
    configuration, LUSID, the credentials and the jobs, and shows what is missing. It does not
    build, push or change anything. Exit code 0 means that publishing can start; otherwise the exit
    code is that of the first failed check.
    """


@command.command("scan")
@click.argument("name", metavar="NAME:TAG", type=ImageNameType())
@scan_options
@ci_options
@output_option
@common_options
@run_in("images_run.scan_image")
def scan_image() -> None:
    """Show the scan of NAME:TAG and check it against a policy.

    The command waits for a scan that is still running, and changes nothing. Without --fail-on or
    --max there is no policy: the findings are only shown. Exit code 9 means that the scan breaks
    the policy, and 10 that the scan has no result.
    """


add_completion(command, "lusid-images")


def main() -> NoReturn:
    """Run the command and exit with the code of its outcome."""
    run(command)


if __name__ == "__main__":
    main()
