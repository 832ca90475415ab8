"""lusid-publish: build, push and wait until the image is in LUSID."""

from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import click

from lusid_image_publish import __version__
from lusid_image_publish.cli.connection import Connection
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.main import run
from lusid_image_publish.cli.options import connection_options, local_option, output_options
from lusid_image_publish.names import RULE, ImageName

# What a run needs is imported in the functions below: --help and a usage error need none of it.

_EPILOG = f"""\
\b
Examples:
  lusid-publish --local ./Dockerfile my-job:1.0.0    try it, without LUSID
  lusid-publish ./Dockerfile my-job:1.0.0            build and publish
  lusid-publish my-job:ci my-job:1.0.0               publish what `docker build` made

{RULE}

\b
Configuration, the strongest first:
  1. the options above
  2. the file that FBN_ACCESS_TOKEN_FILE names, for the access token
  3. secrets.json
  4. FBN_SCHEDULER_URL, FBN_ACCESS_TOKEN, or FBN_TOKEN_URL, FBN_USERNAME,
     FBN_PASSWORD, FBN_CLIENT_ID and FBN_CLIENT_SECRET, and the other FBN_*
     variables of FINBOURNE's SDKs
Passwords and tokens are not options, because others can see a command line.

\b
Exit codes:
  0 published   2 usage or configuration   3 authentication   4 LUSID refused
  5 unusable instructions   6 image or build   7 push   8 waiting timed out
  11 the tag exists with another image   13 stdout   1 a bug
  129, 130, 143 interrupted
"""


def _pairs(
    _context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str | None]:
    pairs: dict[str, str | None] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not name or (not equals and parameter.name == "labels"):
            raise click.BadParameter(f"{text!r} is not NAME=VALUE.")
        pairs[name] = value if equals else None
    return pairs


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
    epilog=_EPILOG,
)
@click.argument("source")
@click.argument("name", metavar="NAME:TAG")
@local_option("Publish to a Scheduler started here for this run.")
@click.option(
    "--context",
    metavar="DIRECTORY",
    type=click.Path(path_type=Path),
    help="The build context.  [default: the Dockerfile's directory]",
)
@click.option(
    "--build-arg",
    "build_args",
    metavar="NAME[=VALUE]",
    multiple=True,
    callback=_pairs,
    help="A build argument; without a value it is taken from the environment.",
)
@click.option(
    "--label",
    "labels",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_pairs,
    help="A label for the image.",
)
@click.option("--target", metavar="STAGE", help="The stage of the Dockerfile to build.")
@click.option("--no-cache", is_flag=True, help="Build without the engine's cache.")
@click.option("--pull", is_flag=True, help="Pull the base images anew.")
@click.option(
    "--platform",
    metavar="OS/ARCH",
    default="linux/amd64",
    show_default=True,
    help="The platform to build for, or that the image must have.",
)
@click.option(
    "--wait-timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0, max=86400),
    default=300,
    show_default=True,
    help="How long LUSID may take to list the image after the push.",
)
@connection_options
@output_options
@click.version_option(__version__, prog_name="lusid-publish")
def command(  # noqa: PLR0913  # click passes each option as a parameter
    *,
    source: str,
    name: str,
    connection: Connection,
    context: Path | None,
    build_args: dict[str, str | None],
    labels: dict[str, str],
    target: str | None,
    no_cache: bool,
    pull: bool,
    platform: str,
    wait_timeout: float,
) -> None:
    """Publish an image to the LUSID Scheduler as NAME:TAG, and prove that it is there.

    SOURCE is a Dockerfile, a directory with one, or an image of the local Docker engine (name:tag
    or id); a path that exists wins. The digest that LUSID lists goes to stdout, everything else to
    stderr; exit code 0 means that LUSID has the image.
    """
    from lusid_image_publish.engine import connect  # noqa: PLC0415
    from lusid_image_publish.images.source import BuildOptions, find_source  # noqa: PLC0415
    from lusid_image_publish.publish import publish  # noqa: PLC0415
    from lusid_image_publish.scheduler.client import ImagesClient  # noqa: PLC0415

    image_name = ImageName.parse(name)
    options = BuildOptions(
        context=context,
        build_args=build_args,
        labels=labels,
        target=target,
        no_cache=no_cache,
        pull=pull,
    )
    image_source = find_source(source, options)
    with ExitStack() as stack:
        used = stack.enter_context(connection.settings())
        images = stack.enter_context(ImagesClient(used))
        engine = connect()
        stack.callback(engine.close)
        result = publish(
            image_source,
            image_name,
            engine=engine,
            images=images,
            settings=used,
            platform=platform,
            wait_timeout=wait_timeout,
            listener=console.listen,
        )
        console.close()
    console.answer(result.digest)


def main() -> NoReturn:
    """Run the command and exit with the code of its outcome."""
    run(command)


if __name__ == "__main__":
    main()
