"""A report for GitLab's `artifacts:reports:annotations`: links beside the log of the job."""

from typing import Any, Final

from lusid_image_publish.reports.content import ReportContent
from lusid_image_publish.reports.document import json_text
from lusid_image_publish.reports.words import harmless, headline, link_of
from lusid_image_publish.scan.verdict import Finding

_MAX_LINKS: Final = 20


def render(content: ReportContent) -> str:
    """Return the advisories of the worst findings that have a link, or an empty object."""
    findings = content.verdict.findings if content.verdict else ()
    linked = [finding for finding in findings if link_of(finding.links)]
    title = f"{harmless(str(content.result.name))} is {headline(content)}"
    return json_text({title: [_link(finding) for finding in linked[:_MAX_LINKS]]} if linked else {})


def _link(finding: Finding) -> dict[str, Any]:
    package = harmless(f"{finding.package} {finding.version}", 100)
    label = f"{finding.severity}: {harmless(finding.id, 100)} in {package}"
    return {"external_link": {"label": label, "url": link_of(finding.links)}}
