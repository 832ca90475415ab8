"""lusid-publish: build, push and wait until the image is in LUSID."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import click

from lusid_image_publish import __version__
from lusid_image_publish.ci.detect import on_github
from lusid_image_publish.cli.build_options import build_options
from lusid_image_publish.cli.connection import Connection
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.credentials import (
    explain,
    is_to_be_skipped,
    missing_credentials_option,
    skip,
)
from lusid_image_publish.cli.main import run
from lusid_image_publish.cli.options import (
    COMMAND_SETTINGS,
    archive_size_option,
    connection_options,
    image_option,
    local_option,
    output_options,
    platform_option,
)
from lusid_image_publish.cli.outcome import (
    hand_over,
    record_arrival,
    record_beginning,
    record_failure,
)
from lusid_image_publish.cli.reports import ReportFiles, remove_own
from lusid_image_publish.cli.scan_options import ScanChoice, scan_options
from lusid_image_publish.cli.types import Seconds
from lusid_image_publish.cli.variables import CommandWithVariables
from lusid_image_publish.errors import (
    ConfigurationError,
    LusidPublishError,
    MissingCredentialsError,
    MissingSettingError,
    OutputError,
)
from lusid_image_publish.names import RULE, ImageName
from lusid_image_publish.progress import Arrived, Event
from lusid_image_publish.reports.formats import FORMATS

if TYPE_CHECKING:
    from lusid_image_publish.sources.build_recipe import BuildOptions

# What a run needs is imported in the functions below: --help and a usage error need none of it.

_EPILOG = f"""\
\b
Examples:
  lusid-publish --local ./Dockerfile my-job:1.0.0    try it, without LUSID
  lusid-publish ./Dockerfile my-job:1.0.0            build and publish
  lusid-publish my-job:ci my-job:1.0.0               publish what `docker build` made
  lusid-publish image.tar my-job:1.0.0               publish what `docker save` wrote
  docker save my-job:ci | lusid-publish - my-job:1.0.0    the same, through a pipe
  lusid-publish my-job:ci my-job:1.0.0 --dry-run     see what it would do
  lusid-images doctor my-job:ci my-job:1.0.0         see what is missing

{RULE}

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
  11 the tag exists with another image   13 stdout or report   1 a bug
  129, 130, 143 interrupted
"""


@click.command(cls=CommandWithVariables, context_settings=COMMAND_SETTINGS, epilog=_EPILOG)
@click.argument("source")
@click.argument("name", metavar="NAME:TAG")
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
@missing_credentials_option
@connection_options
@output_options
@click.version_option(__version__, prog_name="lusid-publish")
def command(  # noqa: PLR0913  # click passes each option as a parameter
    *,
    source: str,
    name: str,
    connection: Connection,
    dry_run: bool,
    no_build: bool,
    if_exists: Literal["verify", "fail", "skip"],
    force: bool,
    latest: bool,
    build: "BuildOptions",
    platform: str,
    image: str | None,
    engine_timeout: float,
    wait_for: Literal["visible", "scan"],
    scan: ScanChoice,
    output: str,
    on_missing_credentials: str,
    **limits: Any,
) -> None:
    """Publish an image to the LUSID Scheduler as NAME:TAG, and prove that it is there.

    SOURCE is a Dockerfile, a directory with one, an image of the local Docker engine (name:tag or
    id), or an image archive (of `docker save`, or an OCI image layout; `-` is stdin), which needs
    no engine; a path that exists wins. The digest that LUSID lists goes to stdout, everything else
    to stderr; exit code 0 means that LUSID has the image, and that its scan breaks no policy that
    you set. Without --fail-on and --max there is no policy: what the scan found is only reported.
    """
    from lusid_image_publish.cli.plan import show_plan  # noqa: PLC0415
    from lusid_image_publish.engine import connect  # noqa: PLC0415
    from lusid_image_publish.publishing.lusid_tag import LusidTag  # noqa: PLC0415
    from lusid_image_publish.publishing.plan import plan_publication  # noqa: PLC0415
    from lusid_image_publish.publishing.policy import Limits, Policy  # noqa: PLC0415
    from lusid_image_publish.publishing.publish import publish_source  # noqa: PLC0415
    from lusid_image_publish.publishing.run import Run  # noqa: PLC0415
    from lusid_image_publish.registry.registry_tag import Registries  # noqa: PLC0415
    from lusid_image_publish.reports.content import ReportContent  # noqa: PLC0415
    from lusid_image_publish.scheduler.client import ImagesClient  # noqa: PLC0415
    from lusid_image_publish.sources.build_secrets import refuse_secret_options  # noqa: PLC0415
    from lusid_image_publish.sources.find_source import find_source, parse_name  # noqa: PLC0415

    image_name = parse_name(name, source)
    with _failures_told(image_name, () if dry_run else scan.reports, connection):
        record_beginning(image_name)
        _refuse_contradictions(
            image_name,
            scan,
            dry_run=dry_run,
            no_build=no_build,
            if_exists=if_exists,
            force=force,
            latest=latest,
            wait_for=wait_for,
        )
        image_source = find_source(source, build, image=image)
        if is_to_be_skipped(on_missing_credentials, connection):
            skip(image_name, output)
            return
        policy = Policy(
            if_exists=if_exists,
            force=force,
            latest=latest,
            scan=scan.policy if wait_for == "scan" else None,
        )
        with ExitStack() as stack:
            used = stack.enter_context(connection.settings())
            images = stack.enter_context(ImagesClient(used))
            refuse_secret_options(build, os.environ)
            engine = None
            if image_source.needs_engine:
                engine = connect(patience=engine_timeout, listener=console.listen)
                stack.callback(engine.close)
            lusid = LusidTag(
                name=image_name,
                images=images,
                limits=Limits(scan_timeout=scan.timeout, **limits),
                listener=partial(_listen, image_name),
            )
            run_ = Run(
                lusid=lusid,
                registries=stack.enter_context(Registries(used)),
                engine=engine,
                platform=platform,
                secrets_file=connection.secrets_file,
            )
            if dry_run:
                plan = plan_publication(image_source, run_, policy, build=not no_build)
            else:
                result = publish_source(image_source, run_, policy)
            console.close()
    if dry_run:
        show_plan(plan, scan.policy if wait_for == "scan" else None, output, scan.reports)
        return
    content = ReportContent(
        result=result, made=datetime.now(UTC), location=image_source.alert_file()
    )
    hand_over(content, scan.reports, result.digest if output == "text" else None)


def _listen(name: ImageName, event: Event) -> None:
    console.listen(event)
    if isinstance(event, Arrived):
        record_arrival(name, event)


@contextmanager
def _failures_told(name: ImageName, files: ReportFiles, connection: Connection) -> Iterator[None]:
    """Tell the CI of an error, and the person what the CI may have to do with it."""
    try:
        yield
    except LusidPublishError as error:
        if isinstance(error, MissingCredentialsError | MissingSettingError):
            explain(error, connection)
        try:
            record_failure(name, files, error)
        except OutputError as lost:
            console.show_error(lost)
        raise
    except BaseException:
        with suppress(OutputError):
            remove_own(files)
        raise


def _refuse_contradictions(  # it looks at all of them
    name: ImageName,
    scan: ScanChoice,
    *,
    dry_run: bool,
    no_build: bool,
    if_exists: str,
    force: bool,
    latest: bool,
    wait_for: str,
) -> None:
    """Raise `ConfigurationError` for options that do not go together."""
    rules = [f"--{name}" for name in scan.given if name != "report"]
    of_scans = [f"--report {form}" for form, _ in scan.reports if FORMATS[form].needs_scan]
    needless = [*rules, *of_scans] if wait_for == "visible" else []
    contradictions = {
        f"{' '.join(needless)} does not go with --wait-for visible": bool(needless),
        "--no-build goes with --dry-run alone": no_build and not dry_run,
        f"--force does not go with --if-exists {if_exists}": force and if_exists != "verify",
        "--latest does not go with --if-exists skip": latest and if_exists == "skip",
        "--latest does not go with the tag latest itself": latest and name.tag == "latest",
    }
    for words, applies in contradictions.items():
        if applies:
            raise ConfigurationError(f"{words}.", hint="Leave out one of them.")


def main() -> NoReturn:
    """Run the command and exit with the code of its outcome."""
    if on_github(os.environ):
        from lusid_image_publish.cli.action import is_action, run_action  # noqa: PLC0415

        if is_action(os.environ, sys.argv[1:]):
            run_action(command)
    run(command)


if __name__ == "__main__":
    # As a module of its own name: the project's file sets the options of that one's `command`.
    from lusid_image_publish.cli import publish as this_module  # noqa: PLW0406

    this_module.main()
