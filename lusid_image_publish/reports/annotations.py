"""A report for GitLab's `artifacts:reports:annotations`: links beside the log of the job."""

from typing import Any, Final

from lusid_image_publish.reports.content import Content
from lusid_image_publish.reports.document import json_text
from lusid_image_publish.reports.words import harmless, headline, link_of
from lusid_image_publish.scan.verdict import Finding

_MOST: Final = 20


def render(content: Content) -> str:
    """Return the advisories of the worst findings that have a link; none is an empty object."""
    verdict = content.scan.verdict if content.scan else None
    linked = [finding for finding in verdict.findings if link_of(finding.links)] if verdict else []
    title = f"{harmless(str(content.name))} is {headline(content)}"
    return json_text({title: [_link(finding) for finding in linked[:_MOST]]} if linked else {})


def _link(finding: Finding) -> dict[str, Any]:
    package = harmless(f"{finding.package} {finding.version}", 100)
    label = f"{finding.severity}: {harmless(finding.id, 100)} in {package}"
    return {"external_link": {"label": label, "url": link_of(finding.links)}}
