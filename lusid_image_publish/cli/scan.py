"""lusid-images scan: wait for the scan of an image that LUSID has, and hold it against a policy."""

from datetime import UTC, datetime

import click

from lusid_image_publish.cli.completion import ImageNameType
from lusid_image_publish.cli.connection import Connection
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.options import COMMAND_SETTINGS, output_option, shared_options
from lusid_image_publish.cli.outcome import hand_over
from lusid_image_publish.cli.scan_options import ScanChoice, scan_options
from lusid_image_publish.cli.sections import SectionedCommand
from lusid_image_publish.names import ImageName

# What a run needs is imported in the functions below: --help and a usage error need none of it.


@click.command(cls=SectionedCommand, context_settings=COMMAND_SETTINGS)
@click.argument("name", metavar="NAME:TAG", type=ImageNameType())
@scan_options
@output_option
@shared_options
def scan_image(*, name: str, scan: ScanChoice, output: str, connection: Connection) -> None:
    """Show what the scan of NAME:TAG found, and fail when that breaks the policy.

    It waits for a scan that is under way. Nothing is changed. Without --fail-on and --max there is
    no policy: what the scan found is only reported. Exit code 9 means that the policy is
    broken, 10 that there is no scan to judge.
    """
    from lusid_image_publish.publishing.lusid_tag import LusidTag  # noqa: PLC0415
    from lusid_image_publish.publishing.policy import Limits  # noqa: PLC0415
    from lusid_image_publish.publishing.wait_for_scan import wait_for_scan  # noqa: PLC0415
    from lusid_image_publish.reports.content import ReportContent  # noqa: PLC0415
    from lusid_image_publish.reports.formats import FORMATS  # noqa: PLC0415

    with connection.images() as images:
        tag = LusidTag(
            name=ImageName.parse(name),
            images=images,
            limits=Limits(scan_timeout=scan.timeout),
            listener=console.listen,
        )
        image = tag.get()
        tag.require_digest(image)
        result = wait_for_scan(image, tag, scan.policy, so_far="Nothing was changed.")
    console.close()
    content = ReportContent(result=result, made=datetime.now(UTC))
    answer = FORMATS["text"].render(content).rstrip("\n") if output == "table" else None
    hand_over(content, scan.reports, answer)
