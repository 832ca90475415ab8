"""What a publication came to, as the outputs that a CI hands to later steps and jobs."""

import re
from typing import Final

from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import Arrived
from lusid_image_publish.redact import plain
from lusid_image_publish.reports.content import Content
from lusid_image_publish.scan.verdict import Severity

OUTPUTS: Final = (
    *("name", "repository", "tag", "digest", "image-id", "size", "pushed", "unchanged"),
    *("scan-status", "critical", "high", "medium", "low", "fixable", "report-path"),
)
"""The names of all outputs; `report-path` is known to whoever writes the reports."""

_COUNTED: Final = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)
_OTHER_SIGNS: Final = re.compile(r"[^A-Za-z0-9._:@/+-]")
_LONGEST: Final = 300  # characters; GitLab takes 5 KB in all


def outputs_of_name(name: ImageName) -> dict[str, str]:
    """Return what is known of an image before anything is done with it."""
    return {"name": str(name), "repository": name.repository, "tag": name.tag}


def outputs_of_arrival(name: ImageName, arrived: Arrived) -> dict[str, str]:
    """Return what is known of an image once LUSID has it."""
    return outputs_of_name(name) | {
        "digest": _word(arrived.digest),
        "pushed": _truth(arrived.is_pushed),
        "unchanged": _truth(not arrived.is_pushed),
    }


def outputs_of(content: Content) -> dict[str, str]:
    """Return the outputs, of one line each.

    `pushed` and `unchanged` are `true` or `false`, `size` is in bytes, `scan-status` is LUSID's own
    word; the numbers are what the scan found, whatever of it counts. What is not known is empty.
    """
    outcome = content.publication.outcome if content.publication else ""
    image_id = content.publication.image_id if content.publication else None
    scan = content.scan
    tallies = scan.verdict.tallies if scan and scan.verdict else {}
    told = {
        "digest": content.digest,
        "image-id": image_id or "",
        "size": "" if content.size is None else str(content.size),
        "pushed": _truth(outcome == "published"),
        "unchanged": _truth(outcome == "unchanged"),
        "scan-status": scan.status if scan else "",
        **{str(name): str(tallies[name].found) if tallies else "" for name in _COUNTED},
        "fixable": str(sum(tally.fixable for tally in tallies.values())) if tallies else "",
    }
    return outputs_of_name(content.name) | {name: _word(value) for name, value in told.items()}


def _word(text: str) -> str:
    """Return `text` without what a shell, a runner or a log would act on."""
    return _OTHER_SIGNS.sub("_", plain(text, longest=_LONGEST))


def _truth(value: bool) -> str:  # noqa: FBT001  # there is nothing else to name
    return "true" if value else "false"
