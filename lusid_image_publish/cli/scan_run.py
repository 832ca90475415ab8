"""Wait for the scan of an existing image, and judge it by the policy."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lusid_image_publish.cli.connection import open_images
from lusid_image_publish.cli.connection_options import Connection
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.outcome import hand_over
from lusid_image_publish.cli.scan_choice import choose_scan
from lusid_image_publish.names import ImageName
from lusid_image_publish.publishing.lusid_tag import LusidTag
from lusid_image_publish.publishing.policy import Limits
from lusid_image_publish.publishing.wait_for_scan import wait_for_scan
from lusid_image_publish.reports.content import ReportContent
from lusid_image_publish.reports.formats import FORMATS


def scan_image(*, name: str, scan: Mapping[str, Any], output: str, connection: Connection) -> None:
    """Show the scan, and raise the error of a broken policy."""
    choice = choose_scan(scan)
    with open_images(connection) as images:
        tag = LusidTag(
            name=ImageName.parse(name),
            images=images,
            limits=Limits(scan_timeout=choice.timeout),
            listener=console.listen,
        )
        image = tag.get()
        tag.require_digest(image)
        result = wait_for_scan(image, tag, choice.policy, so_far="Nothing was changed.")
    console.close()
    content = ReportContent(result=result, made=datetime.now(UTC))
    answer = FORMATS["text"].render(content).rstrip("\n") if output == "table" else None
    hand_over(content, choice.reports, answer)
