"""lusid-publish: build, push and wait until the image is in LUSID."""

import os
import sys
from typing import NoReturn

import click

from lusid_image_publish import __version__
from lusid_image_publish.ci.detect import on_github, on_gitlab
from lusid_image_publish.cli.build_options import build_options
from lusid_image_publish.cli.command import COMMAND_SETTINGS, CommandWithVariables, run_in
from lusid_image_publish.cli.completion import complete_new_name, complete_source
from lusid_image_publish.cli.connection_options import connection_options, local_option
from lusid_image_publish.cli.job_options import job_options
from lusid_image_publish.cli.main import run
from lusid_image_publish.cli.options import (
    archive_size_option,
    ci_options,
    image_option,
    output_options,
    platform_option,
)
from lusid_image_publish.cli.parameters import Seconds
from lusid_image_publish.cli.scan_options import scan_options
from lusid_image_publish.cli.start import import_quickly
from lusid_image_publish.names import NAME_RULE

_EPILOG = f"""\
\b
Examples:
  # Try it without LUSID
  lusid-publish --local ./Dockerfile my-job:1.0.0
  # Build and publish
  lusid-publish ./Dockerfile my-job:1.0.0
  # Publish an image from `docker build`, or an archive from `docker save`
  lusid-publish my-job:ci my-job:1.0.0
  lusid-publish image.tar my-job:1.0.0
  docker save my-job:ci | lusid-publish - my-job:1.0.0
  # Publish, then update a job to use the image and run it
  lusid-publish my-job:ci my-job:1.0.0 --job me/my-job --run-job
  # Show what would happen, or what is missing
  lusid-publish my-job:ci my-job:1.0.0 --dry-run
  lusid-images doctor my-job:ci my-job:1.0.0
  # Complete options, paths and names in your shell
  lusid-images completion --help

{NAME_RULE}

\b
Configuration, in order of precedence:
  1. Options, then their variables, such as LUSID_PUBLISH_FAIL_ON for
     --fail-on. Flags take true or false. If an option can be repeated, its
     variable takes one value per line.
  2. The file given with --secrets-file.
  3. FBN_SCHEDULER_URL, and FBN_ACCESS_TOKEN or FBN_ACCESS_TOKEN_FILE, or
     FBN_TOKEN_URL, FBN_USERNAME, FBN_PASSWORD, FBN_CLIENT_ID and
     FBN_CLIENT_SECRET; and the other FBN_* variables of FINBOURNE's SDKs.
  4. ./secrets.json, except in CI.
  5. .lusid-publish.toml, or [tool.lusid-publish] in pyproject.toml.

Passwords and tokens are not options, because others can see a command line. A secret
is sent only to a place named by the same source or one with higher precedence.

\b
Exit codes:
    0  published: LUSID has the image, and its scan passes your policy
    1  bug in this program
    2  usage or configuration error
    3  authentication failed
    4  LUSID rejected the request, failed or could not be reached
    5  LUSID's upload instructions are unusable
    6  the source, build, engine or platform is unusable
    7  the push failed or could not be verified
    8  the image was pushed, but LUSID did not list it in time
    9  published, but the scan breaks the policy
   10  published, but the scan has no result
   11  the tag already exists with another image
   13  stdout or a report could not be written
   14  published, but a job was not updated
   15  published, but the run of a job failed
  129  interrupted by SIGHUP
  130  interrupted by Ctrl-C
  141  the reader of stdout closed it; everything else was done
  143  interrupted by SIGTERM
"""


@click.command(cls=CommandWithVariables, context_settings=COMMAND_SETTINGS, epilog=_EPILOG)
@click.argument("source", shell_complete=complete_source)
@click.argument("name", metavar="NAME:TAG", shell_complete=complete_new_name)
@local_option("Publish to a local Scheduler, started for this run, instead of LUSID.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Build the image and show what would happen, but push and change nothing.",
)
@click.option("--no-build", is_flag=True, help="With --dry-run: do not build the Dockerfile.")
@click.option(
    "--if-exists",
    type=click.Choice(["verify", "fail", "skip"]),
    default="verify",
    show_default=True,
    help="Choose what happens if NAME:TAG already exists: `verify` succeeds if it is the same "
    "image and fails if it is another one, `fail` always fails, `skip` always succeeds.",
)
@click.option(
    "--force", is_flag=True, help="Overwrite NAME:TAG if it already exists with another image."
)
@click.option(
    "--latest",
    is_flag=True,
    help="Also move the tag `latest` to the image, unless `latest` was pushed later than NAME:TAG "
    "or the scan breaks the policy.",
)
@build_options
@platform_option("Build for this platform, or require it of an existing image.")
@image_option
@archive_size_option
@click.option(
    "--push-timeout",
    metavar="SECONDS",
    type=Seconds(1, 86400),
    default=3600,
    show_default=True,
    help="Wait at most SECONDS for the push, including retries.",
)
@click.option(
    "--push-idle-timeout",
    metavar="SECONDS",
    type=Seconds(1, 86400),
    default=300,
    show_default=True,
    help="Retry the push after SECONDS without progress.",
)
@click.option(
    "--push-retries",
    metavar="NUMBER",
    type=click.IntRange(min=0, max=100),
    default=3,
    show_default=True,
    help="Retry the push up to NUMBER times after a temporary failure.",
)
@click.option(
    "--no-reuse",
    is_flag=True,
    help="When pushing an archive, do not reuse layers of earlier images in the repository.",
)
@click.option(
    "--engine-timeout",
    metavar="SECONDS",
    type=Seconds(0, 3600),
    default=0,
    show_default=True,
    help="Wait at most SECONDS for the Docker engine to start, for example as a CI service.",
)
@click.option(
    "--wait-for",
    type=click.Choice(["visible", "scan"]),
    default="scan",
    show_default=True,
    help="Wait until LUSID lists the image (`visible`), or until its scan is complete as well "
    "(`scan`).",
)
@click.option(
    "--wait-timeout",
    metavar="SECONDS",
    type=Seconds(0, 86400),
    default=300,
    show_default=True,
    help="Wait at most SECONDS for LUSID to list the image after the push.",
)
@scan_options
@click.option(
    "--poll-interval",
    metavar="SECONDS",
    type=Seconds(0.05, 3600),
    show_default="short at first, then longer",
    help="Ask LUSID for the image and its scan every SECONDS.",
)
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Print the digest (with --dry-run, the plan), or all results as JSON.",
)
@click.option(
    "--on-missing-credentials",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="Choose what happens without LUSID credentials: `skip` exits with 0 and publishes nothing "
    "in runs that get no secrets from the CI, such as pull requests from forks; other runs fail.",
)
@job_options
@connection_options
@ci_options
@output_options
@click.version_option(__version__, prog_name="lusid-publish")
@run_in("publish_run.publish_image")
def command() -> None:
    """Publish an image to the LUSID Scheduler as NAME:TAG and verify that it arrived.

    SOURCE is one of:

    \b
      - a Dockerfile, or a directory that contains one
      - an image in the local Docker engine: name:tag or id
      - an archive from `docker save`, or an OCI image layout; `-` for stdin

    An existing path is preferred to an image of the same name. Archives need no Docker engine.

    The command prints the digest in LUSID to stdout, and everything else to stderr. It succeeds if
    LUSID has the image and its scan passes your policy; without --fail-on or --max there is no
    policy, and the findings are only shown.
    """  # noqa: D301  # click keeps the lines after a backspace


def main() -> NoReturn:
    """Run the command and exit with the code of its outcome."""
    if on_github(os.environ):
        action = import_quickly("action")
        if action.is_action(os.environ, sys.argv[1:]):
            action.run_action(command)
    if on_gitlab(os.environ):
        template = import_quickly("template")
        if template.is_template(os.environ, sys.argv[1:]):
            template.run_template(command)
    run(command)


if __name__ == "__main__":
    main()
