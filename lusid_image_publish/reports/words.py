"""Words that reports share: the verdict, the facts, and foreign texts that do no harm."""

import re
from collections.abc import Callable
from typing import Final

from lusid_image_publish.redact import plain, redact
from lusid_image_publish.reports.content import Content
from lusid_image_publish.reports.units import NOTHING, date, human_size
from lusid_image_publish.scan.verdict import (
    Ignore,
    ScanPolicy,
    ScanVerdict,
    Severity,
    describe,
)

Shown = Callable[[str, int], str]
"""What shows a foreign text with no more than so many characters: `harmless`, remembered."""

_CUT: Final = "\N{HORIZONTAL ELLIPSIS}"
_LABEL: Final = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_SIGNS: Final = "(?:[A-Za-z0-9._~:/?@!$&'*+,;=-]|%[0-9A-Fa-f]{2})*"
_URL: Final = re.compile(
    rf"https?://{_LABEL}(?:\.{_LABEL})*(?::[0-9]{{1,5}})?(?:[/?]{_SIGNS})?(?:#{_SIGNS})?"
)
_LONGEST_URL: Final = 1000


def harmless(text: str, longest: int = 200) -> str:
    """Return a foreign text as `plain` leaves it, with a sign where it is cut; "-" for none."""
    shown = plain(text, longest=longest + 1)
    return (shown if len(shown) <= longest else shown[: longest - 1] + _CUT) or NOTHING


def link_of(links: tuple[str, ...]) -> str:
    """Return the first that is an http(s) URL without anything to escape, empty if none is."""
    return next((link for link in links if is_link(link)), "")


def is_link(text: str) -> bool:
    """Return whether a text is an http(s) URL that can stand anywhere, and has no secret.

    It is well-formed (RFC 3986), or the validators of SARIF refuse it, and names no user: a host
    can be made to look like another one by that.
    """
    return len(text) <= _LONGEST_URL and bool(_URL.fullmatch(text)) and redact(text) == text


def headline(content: Content) -> str:
    """Return what the report comes to, to be read after the image's name."""
    if content.scan is None:
        return "in LUSID; its scan was not waited for"
    if content.scan.verdict is None:
        return "in LUSID, but there is no scan to judge"
    return f"in LUSID; its scan {describe(content.scan.verdict)}"


def facts(content: Content) -> list[tuple[str, str]]:
    """Return label and text of what is known of the image and its scan, in reading order."""
    size = f" ({content.size} bytes)" if content.size is not None else ""
    found = [
        ("Image", harmless(str(content.name))),
        ("Digest", harmless(content.digest)),
        ("Size", human_size(content.size) + size),
        ("Pushed", date(content.push_time)),
    ]
    if content.publication:
        found.append(("Outcome", content.publication.outcome))
        if content.publication.latest:
            found.append(("Tag latest", content.publication.latest))
    if content.scan:
        found.append(("Scan", _scan_words(content)))
        verdict = content.scan.verdict
        found += [("Policy", policy_words(verdict.policy))] if verdict else []
    return [*found, ("Report made", date(content.made))]


def problems(content: Content) -> list[str]:
    """Return why the scan did not pass, and what of it needs a look, a line each."""
    scan = content.scan
    if scan is None:
        return []
    if scan.unavailable:
        parts = (scan.unavailable.message, scan.unavailable.cause, scan.unavailable.hint)
        borne = "This is borne by --if-unscannable warn." if scan.tolerated else ""
        return [harmless(part, 500) for part in (*parts, borne) if part]
    verdict = scan.verdict
    if verdict is None:
        return []
    lines = [str(breach) for breach in verdict.breaches]
    if verdict.unlisted:
        numbers = ", ".join(f"{number} {name}" for name, number in verdict.unlisted.items())
        lines.append(f"LUSID reports {numbers} without listing them; they count")
    return lines


def policy_words(policy: ScanPolicy) -> str:
    """Return the policy in one line."""
    rules = []
    if policy.fail_on is not None:
        worse = "" if policy.fail_on is Severity.CRITICAL else " or worse"
        rules.append(f"nothing {policy.fail_on}{worse}")
    rules += [f"at most {number} {name}" for name, number in policy.limits.items()]
    rules = rules or ["no policy set"]
    if policy.fixable_only:
        rules.append("only what has a fix counts")
    return "; ".join(rules)


def ignore_words(ignore: Ignore) -> str:
    """Return why something is ignored and until when."""
    until = f" (until {ignore.expires})" if ignore.expires else ""
    return (harmless(ignore.reason, 300) if ignore.reason else "no reason given") + until


def ignore_parts(verdict: ScanVerdict) -> list[tuple[str, list[Ignore]]]:
    """Return title and entries of each kind: those that hold, those that expired, needless ones."""
    accepted = {finding.ignored for finding in verdict.findings if finding.ignored}
    return [
        ("Ignored", sorted(accepted, key=lambda ignore: ignore.id)),
        ("No longer ignored, because that has expired", list(verdict.expired)),
        ("Ignored and not found, so the entry can go", list(verdict.unused)),
    ]


def count_rows(verdict: ScanVerdict) -> list[tuple[str, ...]]:
    """Return severity, and how many are found, have a fix, are ignored and count, worst first."""
    return [
        (str(severity), *map(str, (tally.found, tally.fixable, tally.ignored, tally.counted)))
        for severity, tally in verdict.tallies.items()
    ]


def _scan_words(content: Content) -> str:
    scan = content.scan
    assert scan is not None  # noqa: S101  # facts() looked
    report = scan.report
    words = harmless(scan.status) if scan.status else "done" if report else "no status"
    if report and report.end_time:
        words += f", ended {date(report.end_time)}"
    if report and report.scan_duration is not None:
        words += f" after {report.scan_duration} s"
    return words
