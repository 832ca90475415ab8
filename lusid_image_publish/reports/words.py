"""Texts of reports: sizes, dates, the verdict, the facts, and harmless foreign texts."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from lusid_image_publish.errors import LusidPublishError, ScanGateError
from lusid_image_publish.jobs.job_results import JobResult, RunResult, shown_image, shown_seconds
from lusid_image_publish.publishing.results import ScanResult
from lusid_image_publish.redact import redact
from lusid_image_publish.reports.content import ReportContent
from lusid_image_publish.scan.descriptions import describe, describe_overall, describe_unknown
from lusid_image_publish.scan.verdict import Finding, Ignore, ScanPolicy, ScanVerdict, Severity
from lusid_image_publish.text import plain

Shown = Callable[[str, int], str]
"""Returns a harmless foreign text of a maximum length: `harmless`, cached."""

NOTHING: Final = "-"
"""The sign for an unknown value."""

_MAX_SIZE_BYTES: Final = 2**63  # a larger size makes no sense, and may not fit a float
_CUT: Final = "\N{HORIZONTAL ELLIPSIS}"
_LABEL: Final = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_SIGNS: Final = "(?:[A-Za-z0-9._~:/?@!$&'*+,;=-]|%[0-9A-Fa-f]{2})*"
_URL: Final = re.compile(
    rf"https?://{_LABEL}(?:\.{_LABEL})*(?::[0-9]{{1,5}})?(?:[/?]{_SIGNS})?(?:#{_SIGNS})?"
)
_MAX_URL_CHARACTERS: Final = 1000
_ADVISORIES: Final = {
    re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}"): "https://www.cve.org/CVERecord?id=",
    re.compile(r"GHSA(?:-[23456789cfghjmpqrvwx]{4}){3}"): "https://github.com/advisories/",
}
"""Forms of names, and where their advisories are."""


def human_size(size: int | None) -> str:
    """Return a number of bytes in decimal units, as Docker shows it."""
    if size is None:
        return NOTHING
    for factor, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if factor <= size < _MAX_SIZE_BYTES:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def date(moment: datetime | None) -> str:
    """Return a date in UTC; year 1 is how the service writes "never"."""
    if moment is None:
        return NOTHING
    if moment.year == 1:
        return "never"
    try:
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except OverflowError:  # at the end of the year 9999
        return f"{moment:%Y-%m-%d %H:%M}"


def known(moment: datetime | None) -> datetime | None:
    """Return `moment`, None where it means "never"."""
    return moment if moment and moment.year > 1 else None


def utc_stamp(moment: datetime) -> str:
    """Return `YYYY-MM-DDThh:mm:ss` in UTC."""
    with suppress(OverflowError):  # at the end of the year 9999
        moment = moment.astimezone(UTC)
    # Not strftime, which writes the year 999 in three digits.
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")


def harmless(text: str, longest: int = 200) -> str:
    """Return a foreign text cleaned by `plain`, with an ellipsis if it is cut; "-" if empty."""
    shown = plain(text, longest=longest + 1)
    return (shown if len(shown) <= longest else shown[: longest - 1] + _CUT) or NOTHING


def advisory_of(finding: Finding) -> str:
    """Return the first URL of `advisories_of`, empty without one."""
    return next(iter(advisories_of(finding)), "")


def advisories_of(finding: Finding) -> list[str]:
    """Return the URLs of a finding: LUSID's that need no escapes, else the public one of its id."""
    if links := [link for link in finding.links if is_link(link)]:
        return links
    return [base + finding.id for form, base in _ADVISORIES.items() if form.fullmatch(finding.id)]


def is_link(text: str) -> bool:
    """Return whether a text is an http(s) URL that is safe in every report, and has no secret.

    It must be well-formed (RFC 3986), or validators of SARIF refuse it, and have no user name,
    which can make a host look like another one.
    """
    return len(text) <= _MAX_URL_CHARACTERS and bool(_URL.fullmatch(text)) and redact(text) == text


def headline(content: ReportContent, scan: Callable[[ScanVerdict], str] = describe) -> str:
    """Return the result in a few words, which follow "NAME:TAG is"; `scan` describes its scan."""
    number = len(content.jobs)
    failed = sum(bool(job.error or (job.run and job.run.error)) for job in content.jobs)
    words = "the job failed" if number == 1 else f"{failed} of {number} jobs failed"
    jobs = [words] if failed else []
    if content.scan is None:
        result = "in LUSID; this run did not wait for its scan"
    elif content.verdict is None:
        result = "in LUSID, but there is no scan result"
    else:
        result = f"in LUSID; its scan {scan(content.verdict)}"
    return "; ".join([result, *jobs, *content.troubles])


def facts(content: ReportContent) -> list[tuple[str, str]]:
    """Return label and text of each fact about the image and its scan, in order."""
    result = content.result
    size = f" ({result.size} bytes)" if result.size is not None else ""
    lines = [
        ("Image", harmless(str(result.name))),
        ("Digest", harmless(result.digest)),
        ("Size", human_size(result.size) + size),
        ("Pushed", date(result.push_time)),
    ]
    if content.publication:
        lines.append(("Outcome", content.publication.outcome))
        if transfer := content.publication.transfer:
            sent, reused = human_size(transfer.sent), human_size(transfer.reused)
            lines.append(("Sent", f"{sent}, and {reused} reused from the registry"))
        if content.publication.latest:
            lines.append(("Tag latest", content.publication.latest))
    if content.scan:
        lines.append(("Scan", _scan_words(content.scan)))
    if content.verdict:
        lines.append(("Policy", policy_words(content.verdict.policy)))
    if content.seconds is not None:
        lines.append(("Duration", shown_seconds(content.seconds)))
    return [*lines, ("Report created", date(content.made))]


def job_facts(jobs: Sequence[JobResult]) -> list[tuple[str, str]]:
    """Return label and text of the outcome for each job, and of its run."""
    lines = []
    for job in jobs:
        lines.append((f"Job {job.job}", _job_words(job)))
        if job.run:
            lines.append((f"Run of {job.job}", _run_words(job.run)))
    return lines


def problems(content: ReportContent, *, with_next_steps: bool = False) -> list[str]:
    """Return the reasons why the scan did not pass, and other problems, one a line.

    Below each error is what to do about it, if `with_next_steps`.
    """
    lines = [*_scan_problems(content.scan)]
    failure = content.scan.failure() if content.scan else None
    if with_next_steps and isinstance(failure, ScanGateError):
        lines.append(_next_step(failure))
    lines += _job_problems(content.jobs, with_next_steps=with_next_steps)
    return [content.wording(text) for text in lines]


def _next_step(error: LusidPublishError) -> str:
    return harmless(f"Next step: {error.hint}", 500)


def _job_problems(jobs: Sequence[JobResult], *, with_next_steps: bool) -> Iterator[str]:
    for job in jobs:
        for error in (job.error, job.run.error if job.run else None):
            if error:
                yield harmless(error.message, 500)
            if error and error.hint and with_next_steps:
                yield _next_step(error)
        if job.differences:
            names = harmless(", ".join(job.differences), 300)
            yield f"other fields of the job {job.job} changed during the update: {names}"


def _scan_problems(scan: ScanResult | None) -> list[str]:
    if scan is None:
        return []
    if scan.unavailable:
        (_, message), *others = scan.unavailable.diagnostics()
        if scan.tolerated:
            accepts = ("", "--if-unscannable warn accepts this.")
            others = [*(pair for pair in others if pair[0] != "Next step"), accepts]
        parts = [message, *(f"{label}: {text}" if label else text for label, text in others)]
        return [harmless(part, 500) for part in parts]
    verdict = scan.verdict
    if verdict is None:
        return []
    lines = [str(breach) for breach in verdict.breaches]
    if verdict.unlisted:
        numbers = ", ".join(f"{number} {name}" for name, number in verdict.unlisted.items())
        included = "" if verdict.outcome == "no-policy" else "; the policy includes them"
        lines.append(f"LUSID reports {numbers} without listing them{included}")
    return [*lines, *filter(None, (describe_overall(verdict), describe_unknown(verdict)))]


def policy_words(policy: ScanPolicy) -> str:
    """Return the policy in one line."""
    rules = []
    if policy.fail_on is not None:
        worse = "" if policy.fail_on is Severity.CRITICAL else " or worse"
        rules.append(f"nothing {policy.fail_on}{worse}")
    rules += [f"at most {number} {name}" for name, number in policy.limits.items()]
    rules = rules or ["no policy set"]
    if policy.fixable_only:
        rules.append("only findings with a fix are counted")
    return "; ".join(rules)


def ignore_words(ignore: Ignore) -> str:
    """Return why a finding is ignored, and until when."""
    until = f" (until {ignore.expires})" if ignore.expires else ""
    return (harmless(ignore.reason, 300) if ignore.reason else "no reason given") + until


def ignore_parts(verdict: ScanVerdict) -> list[tuple[str, list[Ignore]]]:
    """Return title and entries of each kind: in use, expired, and unused."""
    accepted = {finding.ignored for finding in verdict.findings if finding.ignored}
    return [
        ("Ignored", sorted(accepted, key=lambda ignore: ignore.id)),
        ("No longer ignored, because the entry has expired", list(verdict.expired)),
        ("Ignored but not found, so the entry can be removed", list(verdict.unused)),
    ]


def ignore_notes(
    verdict: ScanVerdict, max_findings: int | None = None
) -> Iterator[tuple[bool, str]]:
    """Yield (whether it expired, a sentence) for each ignored finding and each other ignore.

    `max_findings` limits the ignored findings, None for all.
    """
    for finding in verdict.ignored[:max_findings]:
        if finding.ignored:
            name, package = harmless(finding.id, 100), harmless(finding.package, 100)
            yield False, f"{name} in {package} is ignored: {ignore_words(finding.ignored)}"
    for ignore in verdict.expired:
        yield True, f"{harmless(ignore.id, 100)} is no longer ignored: {ignore_words(ignore)}"
    for ignore in verdict.unused:
        yield False, f"{harmless(ignore.id, 100)} is ignored but was not found."


def count_rows(verdict: ScanVerdict) -> list[tuple[str, ...]]:
    """Return severity and numbers (found, fixable, ignored, counted) of each found, worst first."""
    return [
        (str(severity), *map(str, (tally.found, tally.fixable, tally.ignored, tally.counted)))
        for severity, tally in verdict.tallies.items()
        if tally.found
    ]


def _job_words(job: JobResult) -> str:
    former, image = (harmless(shown_image(name)) for name in (job.former, job.image))
    match job.outcome:
        case "updated":
            return f"{former} -> {image}"
        case "unchanged":
            return f"already has {image}"
        case "kept":
            return f"stays at {former}"
        case "failed":
            return f"was not updated; it had {former}"
        case "unknown":
            return f"may have been updated; it had {former}"


def _run_words(run: RunResult) -> str:
    words = harmless(run.status) if run.status else "final status unknown"
    if run.seconds is not None:
        words += f" after {shown_seconds(run.seconds)}"
    return f"{words} (run {harmless(run.run_id)})" if run.run_id else words


def _scan_words(scan: ScanResult) -> str:
    report = scan.report
    words = harmless(scan.status) if scan.status else "done" if report else "no status"
    if report and report.end_time:
        words += f", ended {date(report.end_time)}"
    if report and report.scan_duration is not None:
        words += f" after {report.scan_duration} s"
    return words
