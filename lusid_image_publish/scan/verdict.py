"""What a vulnerability scan found, held against a policy: (report, policy, day) -> verdict.

Pure: no clock, no network. What cannot be told counts against the image: a finding that the service
counts and does not list is neither ignored nor known to be without a fix. The figures and the list
decide: the overall severity of a report counts only where it has neither.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from typing import Final, Literal

from lusid_image_publish.scheduler.models import ScanReport, ScanSummary, Vulnerability


class Severity(IntEnum):
    """How bad a finding is; a greater one is worse. `str()` gives the word in lower case.

    `UNKNOWN` is what has no word, or one that is none of these: it is not compared with
    `ScanPolicy.fail_on`, and can be limited like the others.
    """

    UNKNOWN = 0
    NEGLIGIBLE = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def of(cls, word: str | None) -> "Severity":
        """Return the severity that the service calls `word`, in upper or lower case."""
        name = (word or "").strip().upper()
        return cls.__members__.get(_OTHER_WORDS.get(name, name), cls.UNKNOWN)


_OTHER_WORDS: Final = {"INFORMATIONAL": "NEGLIGIBLE", "MODERATE": "MEDIUM", "IMPORTANT": "HIGH"}
"""Amazon ECR's word, and Red Hat's, for what LUSID's summary has no figure of its own."""

WORST_FIRST: Final = tuple(sorted(Severity, reverse=True))

_NO_FIX: Final = {"", "-", "none", "n/a", "notavailable", "not available"}
_LONGEST_NO_FIX: Final = max(map(len, _NO_FIX))

Outcome = Literal["passed", "breached", "no-policy"]
"""What a report comes to: `no-policy` when there is no rule that it could pass or break."""

_LEADS: Final[Mapping[Outcome, str]] = {
    "passed": "passed: ",
    "breached": "breaks the policy: ",
    "no-policy": "",
}
_MOST: Final = 2**63 - 1
"""What a figure of the service counts for at most: what is more cannot be written down for ever."""


@dataclass(frozen=True)
class Ignore:
    """A vulnerability that somebody has accepted, by its name (`CVE-2026-1234`).

    `expires` is the last day on which that holds, in UTC; None means for good. Names are compared
    without case.
    """

    id: str
    reason: str = ""
    expires: date | None = None

    def is_expired(self, today: date) -> bool:
        """Return whether the last day of this is over."""
        return self.expires is not None and self.expires < today


@dataclass(frozen=True, kw_only=True)
class ScanPolicy:
    """What a scan may find.

    A finding at or above `fail_on` is one too many (None: none is); `limits` is how many findings
    of exactly that severity are allowed. With `fixable_only` what is listed without a fix does not
    count. `if_unscannable` is for a scan that the service ended without findings: `fail` or `warn`.
    """

    fail_on: Severity | None = None
    limits: Mapping[Severity, int] = field(default_factory=dict)
    fixable_only: bool = False
    ignores: Sequence[Ignore] = ()
    if_unscannable: Literal["fail", "warn"] = "fail"

    @property
    def is_set(self) -> bool:
        """Whether there is a rule that a scan can break: without one it is only reported."""
        return self.fail_on is not None or bool(self.limits)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One vulnerability in one package; texts are the service's own, empty where it gives none.

    `ignored` is what keeps it from counting.
    """

    id: str
    package: str
    version: str
    fix_version: str
    severity: Severity
    description: str = ""
    links: tuple[str, ...] = ()
    ignored: Ignore | None = None


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How many findings of one severity there are.

    `found` has those that are not listed too; `counted` is what the policy is held against.
    """

    found: int
    fixable: int
    ignored: int
    counted: int


@dataclass(frozen=True, kw_only=True)
class Breach:
    """A rule of the policy that is broken: more findings are `counted` than `allowed`.

    `rule` is `fail-on` (at or above `severity`) or `max` (of exactly that). `counted` has only the
    severities of the rule that anything was found of, worst first.
    """

    rule: Literal["fail-on", "max"]
    severity: Severity
    allowed: int
    counted: Mapping[Severity, int]

    def __str__(self) -> str:
        found = ", ".join(f"{number} {severity}" for severity, number in self.counted.items())
        if self.rule == "fail-on":
            return f"{found} where --fail-on {self.severity} allows none"
        return f"{found} where --max allows {self.allowed}"


@dataclass(frozen=True, kw_only=True)
class ScanVerdict:
    """A report held against a policy.

    `findings` are all that are listed, worst first; `tallies` has every severity, worst first;
    `unlisted` is what the service reports and does not list. `overall` is the report's overall
    severity where it is worse than all of that and so does not count, else None. `expired` are
    ignores that would have kept a finding from counting, `unused` those that no finding is called
    by.
    """

    policy: ScanPolicy
    findings: tuple[Finding, ...]
    tallies: Mapping[Severity, Tally]
    unlisted: Mapping[Severity, int]
    overall: Severity | None
    breaches: tuple[Breach, ...]
    expired: tuple[Ignore, ...]
    unused: tuple[Ignore, ...]

    @property
    def outcome(self) -> Outcome:
        """Whether the report breaks a rule, or passed, or whether there is no rule."""
        if self.breaches:
            return "breached"
        return "passed" if self.policy.is_set else "no-policy"

    @property
    def breaking(self) -> tuple[Finding, ...]:
        """The listed findings that a broken rule counts."""
        severities = {severity for breach in self.breaches for severity in breach.counted}
        return tuple(
            finding
            for finding in self.findings
            if finding.severity in severities and counts(finding, self.policy)
        )

    @property
    def ignored(self) -> tuple[Finding, ...]:
        """The findings that an ignore keeps from counting."""
        return tuple(finding for finding in self.findings if finding.ignored)


def judge(report: ScanReport, policy: ScanPolicy, today: date) -> ScanVerdict:
    """Return what `policy` says of `report` on that day (UTC).

    The order of findings and ignores makes no difference.
    """
    holding = _by_name(ignore for ignore in policy.ignores if not ignore.is_expired(today))
    listed = [_finding(item, holding) for item in report.vulnerabilities or ()]
    findings = tuple(sorted(listed, key=_worst_first))
    unlisted = unlisted_in(report)
    tallies = {
        severity: _tally(
            [finding for finding in findings if finding.severity is severity],
            unlisted.get(severity, 0),
            policy,
        )
        for severity in WORST_FIRST
    }
    names = {finding.id.casefold() for finding in findings}
    counting = {finding.id.casefold() for finding in findings if not finding.ignored}
    return ScanVerdict(
        policy=policy,
        findings=findings,
        tallies=tallies,
        unlisted=unlisted,
        overall=_uncounted(Severity.of(report.severity), tallies),
        breaches=tuple(_breaches(tallies, policy)),
        expired=tuple(
            ignore
            for ignore in policy.ignores
            if ignore.is_expired(today) and ignore.id.casefold() in counting
        ),
        unused=tuple(ignore for ignore in policy.ignores if ignore.id.casefold() not in names),
    )


def unlisted_in(report: ScanReport) -> dict[Severity, int]:
    """Return how many findings of each severity `report` has without listing them.

    Its summary may count more than it lists. Its overall severity is a finding only where there is
    nothing else: the example in the API document is Critical, over figures with critical 0.
    """
    listed = Counter(Severity.of(item.severity) for item in report.vulnerabilities or ())
    figures = report.summary.model_dump() if report.summary else {}
    figures = {name: min(number or 0, _MOST) for name, number in figures.items()}
    unlisted = {
        severity: figures.get(str(severity), 0) - listed[severity] for severity in WORST_FIRST
    }
    unlisted = {severity: number for severity, number in unlisted.items() if number > 0}
    rest = figures.get("total", 0) - listed.total() - sum(unlisted.values())
    if rest > 0:
        unlisted[Severity.UNKNOWN] = unlisted.get(Severity.UNKNOWN, 0) + rest
    overall = Severity.of(report.severity)
    if overall > Severity.UNKNOWN and not listed and not has_figures(report.summary):
        unlisted[overall] = 1
    return unlisted


def has_figures(summary: ScanSummary | None) -> bool:
    """Return whether a summary counts findings, be it 0: how many have a fix is not enough."""
    return bool(summary and summary.model_dump(exclude={"fixable"}, exclude_none=True))


def describe(verdict: ScanVerdict) -> str:
    """Return what a scan found and what that means, to be read after "the scan".

    `found 3 critical, 9 high; no policy set; 4 with a fix`, `passed: found nothing`.
    """
    numbers = [f"{tally.found} {name}" for name, tally in verdict.tallies.items() if tally.found]
    parts = [f"{_LEADS[verdict.outcome]}found {', '.join(numbers) or 'nothing'}"]
    if verdict.outcome == "no-policy":
        parts.append("no policy set")
    if verdict.findings:
        parts.append(f"{sum(map(has_fix, verdict.findings))} with a fix")
    return "; ".join(parts)


def has_fix(finding: Finding) -> bool:
    """Return whether the service names a version without the vulnerability."""
    fix = finding.fix_version.strip()
    return len(fix) > _LONGEST_NO_FIX or fix.casefold() not in _NO_FIX


def _finding(item: Vulnerability, holding: Mapping[str, Ignore]) -> Finding:
    name = (item.name or "").strip()
    return Finding(
        id=name,
        package=item.package or "",
        version=item.version or "",
        fix_version=item.fix_version or "",
        severity=Severity.of(item.severity),
        description=item.description or "",
        links=tuple(link for link in item.links or () if link),
        ignored=holding.get(name.casefold()),
    )


def _by_name(ignores: Iterator[Ignore]) -> dict[str, Ignore]:
    """Return the ignores by their names; of several for one name, that which holds longest."""
    return {
        ignore.id.casefold(): ignore
        for ignore in sorted(ignores, key=lambda ignore: ignore.expires or date.max)
    }


def _uncounted(overall: Severity, tallies: Mapping[Severity, Tally]) -> Severity | None:
    """Return the overall severity where it is worse than all that was found, else None."""
    found = (severity for severity, tally in tallies.items() if tally.found)
    return overall if overall > max(found, default=Severity.UNKNOWN) else None


def _worst_first(finding: Finding) -> tuple[object, ...]:
    return (-finding.severity, not has_fix(finding), finding.id, finding.package, finding.version)


def _tally(findings: Sequence[Finding], unlisted: int, policy: ScanPolicy) -> Tally:
    return Tally(
        found=len(findings) + unlisted,
        fixable=sum(map(has_fix, findings)),
        ignored=sum(finding.ignored is not None for finding in findings),
        counted=unlisted + sum(counts(finding, policy) for finding in findings),
    )


def counts(finding: Finding, policy: ScanPolicy) -> bool:
    """Return whether the policy is held against this finding."""
    return not finding.ignored and (not policy.fixable_only or has_fix(finding))


def _breaches(tallies: Mapping[Severity, Tally], policy: ScanPolicy) -> Iterator[Breach]:
    if policy.fail_on is not None:
        found = {
            severity: tally.counted
            for severity, tally in tallies.items()
            if severity >= policy.fail_on and tally.counted
        }
        if found:
            yield Breach(rule="fail-on", severity=policy.fail_on, allowed=0, counted=found)
    for severity, allowed in sorted(policy.limits.items(), reverse=True):
        counted = tallies[severity].counted
        if counted > allowed:
            yield Breach(
                rule="max", severity=severity, allowed=allowed, counted={severity: counted}
            )
