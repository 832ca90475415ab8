"""Describe a verdict on a scan in words. Pure, like the verdict."""

from collections.abc import Mapping
from typing import Final

from lusid_image_publish.scan.verdict import Outcome, ScanVerdict, Severity

_LEADS: Final[Mapping[Outcome, str]] = {
    "passed": "passed: ",
    "breached": "breaks the policy: ",
    "no-policy": "",
}


def describe(verdict: ScanVerdict) -> str:
    """Return what a scan found, its outcome, and how many have a fix; to be read after "the scan".

    `found 3 critical, 9 high, no policy set; 4 with a fix`, `passed: found nothing`.
    """
    fixable = sum(finding.has_fix for finding in verdict.findings)
    return f"{describe_outcome(verdict)}{f'; {fixable} with a fix' if verdict.findings else ''}"


def describe_outcome(verdict: ScanVerdict) -> str:
    """Return what a scan found, and its outcome: `passed: found 9 high`."""
    numbers = [f"{tally.found} {name}" for name, tally in verdict.tallies.items() if tally.found]
    found = f"{_LEADS[verdict.outcome]}found {', '.join(numbers) or 'nothing'}"
    if verdict.outcome == "no-policy":
        found += ", no policy set"
    return found


def describe_overall(verdict: ScanVerdict) -> str:
    """Return that the overall severity of a report is worse than its findings, else ""."""
    if verdict.overall is None:
        return ""
    return (
        f"LUSID's overall severity is {verdict.overall}, but it reports no finding of that "
        "severity: the policy uses the findings"
    )


def describe_unknown(verdict: ScanVerdict) -> str:
    """Return that a policy cannot compare some findings, else ""."""
    unknown = verdict.tallies[Severity.UNKNOWN].counted
    if not unknown or verdict.policy.fail_on is None:
        return ""
    return (
        f"{unknown} of unknown severity cannot be compared with --fail-on "
        f"{verdict.policy.fail_on}; --max unknown=0 rejects them"
    )
