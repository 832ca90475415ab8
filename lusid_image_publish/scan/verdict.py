"""Judge a vulnerability scan by a policy: (report, policy, day) -> verdict.

Pure: no clock, no network. In doubt the policy is strict: a finding that the service counts but
does not list is neither ignored nor treated as one without a fix. The counts and the list decide:
the overall severity of a report is used only if it has neither.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from lusid_image_publish.arguments import any_of, argument_error, require_choice, require_number

if TYPE_CHECKING:
    from lusid_image_publish.scheduler.models import ScanReport, ScanSummary, Vulnerability


class Severity(IntEnum):
    """The severity of a finding; a greater one is worse. `str()` gives the word in lower case.

    `UNKNOWN` stands for a missing or unknown word: it is not compared with `ScanPolicy.fail_on`,
    but can be limited like the others.
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
    def parse(cls, word: str | None) -> "Severity":
        """Return the severity that the service calls `word`, in upper or lower case."""
        name = (word or "").strip().upper()
        return cls.__members__.get(_OTHER_WORDS.get(name, name), cls.UNKNOWN)


_OTHER_WORDS: Final = {"INFORMATIONAL": "NEGLIGIBLE", "MODERATE": "MEDIUM", "IMPORTANT": "HIGH"}
"""Words of Amazon ECR and Red Hat that LUSID's summary does not count by themselves."""

WORST_FIRST: Final = tuple(sorted(Severity, reverse=True))

_NO_FIX: Final = {"", "-", "none", "n/a", "notavailable", "not available"}
_MAX_NO_FIX_CHARACTERS: Final = max(map(len, _NO_FIX))

Outcome = Literal["passed", "breached", "no-policy"]
"""The outcome of a scan: `no-policy` if there is no rule that it could pass or break."""

_MAX_COUNT: Final = 2**63 - 1
"""The largest count of the service that is used: a document cannot contain every number."""


@dataclass(frozen=True)
class Ignore:
    """A vulnerability that you have accepted, by its name (`CVE-2026-1234`).

    `expires` is the last day on which it is ignored, in UTC; None means for ever. Names are
    compared without case.
    """

    id: str
    reason: str = ""
    expires: date | None = None

    def is_expired(self, today: date) -> bool:
        """Return whether the last day is over."""
        return self.expires is not None and self.expires < today


@dataclass(frozen=True, init=False)
class ScanPolicy:
    """What a scan may find.

    No finding at or above `fail_on` is allowed (None: all are); `limits` is the number of findings
    allowed of exactly that severity. With `fixable_only`, listed findings without a fix are not
    counted. `ignores` are not counted either. `if_unscannable` is for a scan that ended without a
    result: `fail` or `warn`.

    A severity may be its name, in upper or lower case, and an ignore the name of a vulnerability.
    Raises `ConfigurationError` for what is not allowed.
    """

    fail_on: Severity | None
    limits: Mapping[Severity, int]
    fixable_only: bool
    ignores: Sequence[Ignore]
    if_unscannable: Literal["fail", "warn"]

    def __init__(
        self,
        *,
        fail_on: Severity | str | None = None,
        limits: Mapping[Severity, int] | Mapping[str, int] = MappingProxyType({}),
        fixable_only: bool = False,
        ignores: Sequence[Ignore | str] = (),
        if_unscannable: Literal["fail", "warn"] = "fail",
    ) -> None:
        require_choice("if_unscannable", if_unscannable, ("fail", "warn"))
        vars(self).update(  # a frozen dataclass allows no assignment
            fail_on=None if fail_on is None else _severity("fail_on", fail_on, "None"),
            limits=_severity_limits(limits),
            fixable_only=fixable_only,
            ignores=_ignores(ignores),
            if_unscannable=if_unscannable,
        )

    @property
    def is_set(self) -> bool:
        """Whether there is a rule that a scan can break; without one it is only reported."""
        return self.fail_on is not None or bool(self.limits)

    def counts(self, finding: "Finding") -> bool:
        """Return whether the rules count this finding."""
        return not finding.ignored and (not self.fixable_only or finding.has_fix)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One vulnerability in one package; texts are the service's own, empty without one.

    `ignored` is the entry that ignores it, None if it is not ignored.
    """

    id: str
    package: str
    version: str
    fix_version: str
    severity: Severity
    description: str = ""
    links: tuple[str, ...] = ()
    ignored: Ignore | None = None

    @property
    def has_fix(self) -> bool:
        """Whether the service names a version without the vulnerability."""
        fix = self.fix_version.strip()
        return len(fix) > _MAX_NO_FIX_CHARACTERS or fix.casefold() not in _NO_FIX


@dataclass(frozen=True, kw_only=True)
class Tally:
    """The numbers of findings of one severity.

    `found` includes those that are not listed; `counted` are those that the policy counts.
    """

    found: int
    fixable: int
    ignored: int
    counted: int


@dataclass(frozen=True, kw_only=True)
class Breach:
    """A broken rule of the policy: more findings are `counted` than `allowed`.

    `rule` is `fail-on` (at or above `severity`) or `max` (of exactly that). `counted` has the
    number of findings for each severity of the rule that was found, worst first.
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
    """A report judged by a policy.

    `findings` are all listed findings, worst first; `tallies` has every severity, worst first;
    `unlisted` counts the findings that the service counts but does not list. `overall` is the
    report's overall severity if it is worse than all findings, and so not used, else None.
    `expired` are expired ignores of listed findings, `unused` are ignores without a finding.
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
        """Whether the report breaks a rule, passes, or there is no rule."""
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
            if finding.severity in severities and self.policy.counts(finding)
        )

    @property
    def breaking_first(self) -> list[Finding]:
        """The findings that break the policy, then the others; each worst first."""
        breaking = {id(finding) for finding in self.breaking}
        return sorted(self.findings, key=lambda finding: id(finding) not in breaking)

    @property
    def ignored(self) -> tuple[Finding, ...]:
        """The findings that are not counted because they are ignored."""
        return tuple(finding for finding in self.findings if finding.ignored)


def judge(report: "ScanReport", policy: ScanPolicy, today: date) -> ScanVerdict:
    """Judge `report` by `policy` on the day `today` (UTC).

    The order of findings and ignores makes no difference.
    """
    current = _index_by_name(ignore for ignore in policy.ignores if not ignore.is_expired(today))
    listed = [_read_finding(item, current) for item in report.vulnerabilities or ()]
    findings = tuple(sorted(listed, key=_sort_key))
    unlisted = count_unlisted(report)
    tallies = {
        severity: _count(
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
        overall=_worse_than_found(Severity.parse(report.severity), tallies),
        breaches=tuple(_find_breaches(tallies, policy)),
        expired=tuple(
            ignore
            for ignore in policy.ignores
            if ignore.is_expired(today) and ignore.id.casefold() in counting
        ),
        unused=tuple(ignore for ignore in policy.ignores if ignore.id.casefold() not in names),
    )


def count_unlisted(report: "ScanReport") -> dict[Severity, int]:
    """Count the findings of each severity that `report` does not list.

    Its summary may count more than it lists. Its overall severity is a finding only if there is
    nothing else: the example in the API document is Critical, with a summary of critical 0.
    """
    listed = Counter(Severity.parse(item.severity) for item in report.vulnerabilities or ())
    figures = report.summary.model_dump() if report.summary else {}
    figures = {name: min(number or 0, _MAX_COUNT) for name, number in figures.items()}
    unlisted = {
        severity: figures.get(str(severity), 0) - listed[severity] for severity in WORST_FIRST
    }
    unlisted = {severity: number for severity, number in unlisted.items() if number > 0}
    rest = figures.get("total", 0) - listed.total() - sum(unlisted.values())
    if rest > 0:
        unlisted[Severity.UNKNOWN] = unlisted.get(Severity.UNKNOWN, 0) + rest
    overall = Severity.parse(report.severity)
    if overall > Severity.UNKNOWN and not listed and not has_counts(report.summary):
        unlisted[overall] = 1
    return unlisted


def has_counts(summary: "ScanSummary | None") -> bool:
    """Return whether a summary counts findings, even as 0; the number with a fix is not enough."""
    return bool(summary and summary.model_dump(exclude={"fixable"}, exclude_none=True))


def _severity(name: str, value: object, *others: str) -> Severity:
    """Return the severity that a caller gives as `name`.

    Raises `ConfigurationError`, which lists the severities and the `others` that are allowed.
    """
    if isinstance(value, Severity):
        return value
    word = value.strip().upper() if isinstance(value, str) else ""
    if word not in Severity.__members__:
        raise argument_error(name, value, any_of([*map(str, WORST_FIRST), *others]))
    return Severity[word]


def _severity_limits(limits: object) -> dict[Severity, int]:
    if not isinstance(limits, Mapping):
        raise argument_error("limits", limits, "a dict of severities and numbers")
    for key, number in limits.items():
        require_number(f"limits.{key}", number, is_whole=True)
    return {_severity("a key of limits", key): number for key, number in limits.items()}


def _ignores(ignores: object) -> tuple[Ignore, ...]:
    if isinstance(ignores, Iterable) and not isinstance(ignores, str | Mapping):
        items = [Ignore(item) if isinstance(item, str) else item for item in ignores]
        if all(isinstance(item, Ignore) for item in items):
            return tuple(items)
    raise argument_error("ignores", ignores, "a list of Ignore or str")


def _read_finding(item: "Vulnerability", ignores: Mapping[str, Ignore]) -> Finding:
    name = (item.name or "").strip()
    return Finding(
        id=name,
        package=item.package or "",
        version=item.version or "",
        fix_version=item.fix_version or "",
        severity=Severity.parse(item.severity),
        description=item.description or "",
        links=tuple(link for link in item.links or () if link),
        ignored=ignores.get(name.casefold()),
    )


def _index_by_name(ignores: Iterator[Ignore]) -> dict[str, Ignore]:
    """Return the ignores by their names; of several with one name, that which expires last."""
    return {
        ignore.id.casefold(): ignore
        for ignore in sorted(ignores, key=lambda ignore: ignore.expires or date.max)
    }


def _worse_than_found(overall: Severity, tallies: Mapping[Severity, Tally]) -> Severity | None:
    """Return the overall severity where it is worse than all findings, else None."""
    found = (severity for severity, tally in tallies.items() if tally.found)
    return overall if overall > max(found, default=Severity.UNKNOWN) else None


def _sort_key(finding: Finding) -> tuple[object, ...]:
    return (-finding.severity, not finding.has_fix, finding.id, finding.package, finding.version)


def _count(findings: Sequence[Finding], unlisted: int, policy: ScanPolicy) -> Tally:
    return Tally(
        found=len(findings) + unlisted,
        fixable=sum(finding.has_fix for finding in findings),
        ignored=sum(finding.ignored is not None for finding in findings),
        counted=unlisted + sum(policy.counts(finding) for finding in findings),
    )


def _find_breaches(tallies: Mapping[Severity, Tally], policy: ScanPolicy) -> Iterator[Breach]:
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
