"""lusid-publish: build, push and wait until the image is in LUSID."""

import os
import sys
from typing import NoReturn

import click

from lusid_image_publish import __version__
from lusid_image_publish.ci.detect import on_github
from lusid_image_publish.cli.build_options import build_options
from lusid_image_publish.cli.command import COMMAND_SETTINGS, CommandWithVariables, run_in
from lusid_image_publish.cli.completion import complete_new_name, complete_source
from lusid_image_publish.cli.connection_options import connection_options, local_option
from lusid_image_publish.cli.job_options import job_options
from lusid_image_publish.cli.main import run
from lusid_image_publish.cli.options import (
    archive_size_option,
    image_option,
    output_options,
    platform_option,
)
from lusid_image_publish.cli.parameters import Seconds
from lusid_image_publish.cli.scan_options import scan_options
from lusid_image_publish.names import NAME_RULE

_EPILOG = f"""\
\b
Examples:
  lusid-publish --local ./Dockerfile my-job:1.0.0    try it, without LUSID
  lusid-publish ./Dockerfile my-job:1.0.0            build and publish
  lusid-publish my-job:ci my-job:1.0.0               publish what `docker build` made
  lusid-publish image.tar my-job:1.0.0               publish what `docker save` wrote
  docker save my-job:ci | lusid-publish - my-job:1.0.0    the same, through a pipe
  lusid-publish my-job:ci my-job:1.0.0 --job me/my-job --run-job    and run it
  lusid-publish my-job:ci my-job:1.0.0 --dry-run     see what it would do
  lusid-images doctor my-job:ci my-job:1.0.0         see what is missing

{NAME_RULE}

\b
Configuration, the strongest first:
  1. the options above, else their variables: LUSID_PUBLISH_FAIL_ON for --fail-on,
     a line for each value where several are taken, true or false for flags
  2. the secrets file that --secrets-file names
  3. FBN_SCHEDULER_URL, FBN_ACCESS_TOKEN or FBN_ACCESS_TOKEN_FILE, or FBN_TOKEN_URL,
     FBN_USERNAME, FBN_PASSWORD, FBN_CLIENT_ID and FBN_CLIENT_SECRET, and the other
     FBN_* variables of FINBOURNE's SDKs
  4. ./secrets.json, but not in a CI
  5. .lusid-publish.toml, or [tool.lusid-publish] in pyproject.toml
A secret goes only to a place that the same source or a stronger one names.
Passwords and tokens are not options, because others can see a command line.

\b
Exit codes:
  0 published   2 usage or configuration   3 authentication   4 LUSID refused
  5 unusable instructions   6 image or build   7 push   8 waiting timed out
  9 published, but the scan breaks the policy   10 published, but there is no scan
  11 the tag exists with another image   13 stdout or report
  14 published, but a job was not updated   15 a run did not succeed   1 a bug
  129, 130, 143 interrupted
"""


@click.command(cls=CommandWithVariables, context_settings=COMMAND_SETTINGS, epilog=_EPILOG)
@click.argument("source", shell_complete=complete_source)
@click.argument("name", metavar="NAME:TAG", shell_complete=complete_new_name)
@local_option("Publish to a Scheduler started here for this run.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Do all that changes nothing outside the local engine, and say what would come next.",
)
@click.option("--no-build", is_flag=True, help="With --dry-run: do not build a Dockerfile either.")
@click.option(
    "--if-exists",
    type=click.Choice(["verify", "fail", "skip"]),
    default="verify",
    show_default=True,
    help="What an image under NAME:TAG means: `verify` takes this very image for a success and "
    "another for an error, `fail` any for an error, `skip` any for a success.",
)
@click.option("--force", is_flag=True, help="Push over another image under NAME:TAG.")
@click.option(
    "--latest",
    is_flag=True,
    help="Then let the tag `latest` follow, unless it was pushed later than NAME:TAG, or its scan "
    "stands in the way.",
)
@build_options
@platform_option("The platform to build for, or that the image must have.")
@image_option
@archive_size_option
@click.option(
    "--push-timeout",
    metavar="SECONDS",
    type=Seconds(1, 86400),
    default=3600,
    show_default=True,
    help="How long the push may take, with all its retries.",
)
@click.option(
    "--push-idle-timeout",
    metavar="SECONDS",
    type=Seconds(1, 86400),
    default=300,
    show_default=True,
    help="How long a push may stop to make progress, before it is tried again.",
)
@click.option(
    "--push-retries",
    metavar="NUMBER",
    type=click.IntRange(min=0, max=100),
    default=3,
    show_default=True,
    help="How often a push is tried again after what may pass.",
)
@click.option(
    "--no-reuse",
    is_flag=True,
    help="Use no layers of earlier images of the repository for those of an archive.",
)
@click.option(
    "--engine-timeout",
    metavar="SECONDS",
    type=Seconds(0, 3600),
    default=0,
    show_default=True,
    help="How long a Docker engine that does not answer is waited for, as one that is started with "
    "the job of a CI.",
)
@click.option(
    "--wait-timeout",
    metavar="SECONDS",
    type=Seconds(0, 86400),
    default=300,
    show_default=True,
    help="How long LUSID may take to list the image after the push.",
)
@click.option(
    "--wait-for",
    type=click.Choice(["visible", "scan"]),
    default="scan",
    show_default=True,
    help="What has to come after the push: LUSID lists the image, or its scan is done as well.",
)
@scan_options
@click.option(
    "--poll-interval",
    metavar="SECONDS",
    type=Seconds(0.05, 3600),
    help="The pause between two looks at LUSID.  [default: short at first, then longer]",
)
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="What goes to stdout: the digest (of a dry run, the plan), or a JSON document.",
)
@click.option(
    "--on-missing-credentials",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="What it means that there are no LUSID credentials: `skip` ends well without publishing "
    "where a CI keeps its secrets from a run, as from pull requests of forks, and nowhere else.",
)
@job_options
@connection_options
@output_options
@click.version_option(__version__, prog_name="lusid-publish")
@run_in("publish_run.publish_image")
def command() -> None:
    """Publish an image to the LUSID Scheduler as NAME:TAG, and prove that it is there.

    SOURCE is a Dockerfile, a directory with one, an image of the local Docker engine (name:tag or
    id), or an image archive (of `docker save`, or an OCI image layout; `-` is stdin), which needs
    no engine; a path that exists wins. The digest that LUSID lists goes to stdout, everything else
    to stderr; exit code 0 means that LUSID has the image, and that its scan breaks no policy that
    you set. Without --fail-on and --max there is no policy: what the scan found is only reported.
    """


def main() -> NoReturn:
    """Run the command and exit with the code of its outcome."""
    if on_github(os.environ):
        # Only a job of GitHub needs it.
        from lusid_image_publish.cli.action import is_action, run_action  # noqa: PLC0415

        if is_action(os.environ, sys.argv[1:]):
            run_action(command)
    run(command)


if __name__ == "__main__":
    main()
