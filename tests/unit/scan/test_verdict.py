"""What a policy says of a report: never better than what was found."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.scan.descriptions import describe
from lusid_image_publish.scan.verdict import (
    WORST_FIRST,
    Ignore,
    ScanPolicy,
    Severity,
    has_counts,
    judge,
)
from lusid_image_publish.scheduler.models import ScanReport, ScanSummary
from tests.unit.scan.examples import PUBLISHED, ZEROS

TODAY = date(2026, 3, 1)
YESTERDAY = TODAY - timedelta(days=1)


def found(name: str, severity: str | None, *, fix: str | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "severity": severity,
        "package": "openssl",
        "version": "3.0.1",
        "fixVersion": fix,
    }


def report_of(*findings: dict[str, Any], **members: Any) -> ScanReport:
    return ScanReport.model_validate({"vulnerabilities": findings} | members)


def passes(report: ScanReport, **rules: Any) -> bool:
    return not judge(report, ScanPolicy(**rules), TODAY).breaches


MIXED = report_of(
    found("CVE-1", "Critical"),
    found("CVE-2", "HIGH", fix="3.0.2"),
    found("CVE-3", "high"),
    found("CVE-4", "Low", fix="3.0.9"),
    found("CVE-5", None),
)


def test_without_a_rule_everything_is_counted_and_nothing_passed() -> None:
    verdict = judge(MIXED, ScanPolicy(), TODAY)
    assert verdict.outcome == "no-policy"
    assert {str(severity): tally.found for severity, tally in verdict.tallies.items()} == {
        "critical": 1,
        "high": 2,
        "medium": 0,
        "low": 1,
        "negligible": 0,
        "unknown": 1,
    }


@pytest.mark.parametrize("rules", [{}, {"fixable_only": True}, {"ignores": [Ignore("CVE-1")]}])
def test_what_counts_is_not_a_policy(rules: dict[str, Any]) -> None:
    assert judge(MIXED, ScanPolicy(**rules), TODAY).outcome == "no-policy"


NINE_AND_THREE = report_of(
    *[found(f"CVE-1{number}", "High", fix="2.0" if number < 4 else None) for number in range(9)],
    *[found(f"CVE-2{number}", "Critical") for number in range(3)],
)


@pytest.mark.parametrize(
    ("report", "rules", "words"),
    [
        (NINE_AND_THREE, {}, "found 3 critical, 9 high, no policy set; 4 with a fix"),
        (
            NINE_AND_THREE,
            {"fail_on": Severity.CRITICAL},
            "breaks the policy: found 3 critical, 9 high; 4 with a fix",
        ),
        (
            NINE_AND_THREE,
            {"limits": {Severity.HIGH: 9}},
            "passed: found 3 critical, 9 high; 4 with a fix",
        ),
        (report_of(), {}, "found nothing, no policy set"),
        (report_of(), {"fail_on": Severity.LOW}, "passed: found nothing"),
        (
            ScanReport.model_validate({"summary": {"critical": 3, "high": 9}}),
            {},
            "found 3 critical, 9 high, no policy set",
        ),
    ],
)
def test_one_line_says_what_was_found_and_what_that_means(
    report: ScanReport, rules: dict[str, Any], words: str
) -> None:
    assert describe(judge(report, ScanPolicy(**rules), TODAY)) == words


@pytest.mark.parametrize("severity", [s for s in WORST_FIRST if s is not Severity.UNKNOWN])
def test_what_is_at_the_threshold_or_above_breaks_it(severity: Severity) -> None:
    for found_severity in WORST_FIRST:
        report = report_of(found("CVE-1", str(found_severity).title()))
        assert passes(report, fail_on=severity) is (found_severity < severity)


def test_the_breach_says_how_many_and_of_which_rule() -> None:
    limits = {Severity.HIGH: 1, Severity.LOW: 1, Severity.UNKNOWN: 0}
    verdict = judge(MIXED, ScanPolicy(fail_on=Severity.HIGH, limits=limits), TODAY)
    assert [str(breach) for breach in verdict.breaches] == [
        "1 critical, 2 high where --fail-on high allows none",
        "2 high where --max allows 1",
        "1 unknown where --max allows 0",
    ]


def test_a_limit_is_for_its_severity_alone() -> None:
    assert not passes(MIXED, limits={Severity.CRITICAL: 0})
    assert passes(MIXED, limits={Severity.MEDIUM: 0, Severity.HIGH: 2})


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("critical", Severity.CRITICAL),
        (" High ", Severity.HIGH),
        ("MODERATE", Severity.MEDIUM),
        ("Informational", Severity.NEGLIGIBLE),
        ("Undefined", Severity.UNKNOWN),
        ("", Severity.UNKNOWN),
        (None, Severity.UNKNOWN),
    ],
)
def test_the_words_of_the_scanners(word: str | None, severity: Severity) -> None:
    assert Severity.parse(word) is severity


def test_what_has_no_fix_can_be_left_out() -> None:
    assert not passes(MIXED, fail_on=Severity.HIGH, fixable_only=True)
    assert passes(MIXED, fail_on=Severity.CRITICAL, fixable_only=True)
    assert not passes(MIXED, fail_on=Severity.CRITICAL)


@pytest.mark.parametrize("words", [None, "", " ", "NotAvailable", "None", "n/a", "-"])
def test_words_for_no_fix(words: str | None) -> None:
    [finding] = judge(report_of(found("CVE-1", "High", fix=words)), ScanPolicy(), TODAY).findings
    assert not finding.has_fix


def test_an_ignored_one_does_not_count_and_is_reported() -> None:
    ignore = Ignore("cve-1", "not reachable", TODAY)
    verdict = judge(MIXED, ScanPolicy(fail_on=Severity.CRITICAL, ignores=[ignore]), TODAY)
    assert verdict.outcome == "passed"
    assert [(finding.id, finding.ignored) for finding in verdict.ignored] == [("CVE-1", ignore)]
    assert (verdict.expired, verdict.unused) == ((), ())
    assert verdict.tallies[Severity.CRITICAL].ignored == 1


def test_an_expired_one_counts_again_and_is_reported() -> None:
    ignore = Ignore("CVE-1", "for now", YESTERDAY)
    verdict = judge(MIXED, ScanPolicy(fail_on=Severity.CRITICAL, ignores=[ignore]), TODAY)
    assert verdict.outcome == "breached"
    assert verdict.expired == (ignore,)
    assert verdict.unused == ()


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_for_one_name_that_which_holds_counts(order: int) -> None:
    ignores = [Ignore("CVE-1", "old", YESTERDAY), Ignore("CVE-1", "new")][::order]
    verdict = judge(MIXED, ScanPolicy(fail_on=Severity.CRITICAL, ignores=ignores), TODAY)
    assert verdict.outcome == "passed"
    assert verdict.expired == ()


def test_an_unused_one_is_reported() -> None:
    unused = [Ignore("CVE-99"), Ignore("CVE-98", "", YESTERDAY)]
    verdict = judge(MIXED, ScanPolicy(ignores=unused), TODAY)
    assert verdict.unused == tuple(unused)
    assert verdict.expired == ()


def test_what_is_counted_and_not_listed_counts() -> None:
    report = report_of(found("CVE-1", "High"), summary={"high": 3, "critical": 1, "total": 7})
    verdict = judge(report, ScanPolicy(ignores=[Ignore("CVE-1")], fixable_only=True), TODAY)
    assert verdict.unlisted == {Severity.CRITICAL: 1, Severity.HIGH: 2, Severity.UNKNOWN: 3}
    assert verdict.tallies[Severity.HIGH].counted == 2
    assert not passes(report, fail_on=Severity.CRITICAL)


def test_figures_alone_are_enough_to_fail() -> None:
    assert not passes(ScanReport.model_validate({"summary": {"high": 1}}), fail_on=Severity.HIGH)
    assert passes(ScanReport.model_validate({"summary": {"high": 0}}), fail_on=Severity.HIGH)


def test_the_figures_and_the_list_of_the_published_example_decide() -> None:
    report = ScanReport.model_validate(PUBLISHED)
    verdict = judge(report, ScanPolicy(fail_on=Severity.CRITICAL), TODAY)
    assert (verdict.unlisted, verdict.breaches) == ({}, ())
    assert verdict.overall is Severity.CRITICAL
    assert verdict.tallies[Severity.CRITICAL].found == 0
    assert verdict.tallies[Severity.HIGH].found == 1


@pytest.mark.parametrize(
    "rules",
    [{"ignores": [Ignore("CVE-2012-113462")]}, {"fail_on": None, "limits": {Severity.HIGH: 1}}],
)
def test_an_ignore_or_a_limit_lifts_the_gate_of_the_published_example(rules: Any) -> None:
    report = ScanReport.model_validate(PUBLISHED)
    assert not passes(report, fail_on=Severity.NEGLIGIBLE)
    assert passes(report, **{"fail_on": Severity.NEGLIGIBLE, **rules})


@pytest.mark.parametrize(
    "members",
    [
        {"summary": ZEROS},
        {"summary": {"critical": 0}},
        {"summary": {"total": 0, "critical": None}},
        {"summary": ZEROS, "vulnerabilities": None},
        {"summary": {"low": 2}, "vulnerabilities": None},
        {"vulnerabilities": [found("CVE-1", "Low")]},
        {"vulnerabilities": [found("CVE-1", None)], "summary": {}},
    ],
)
def test_beside_figures_or_a_list_the_overall_severity_does_not_count(
    members: dict[str, Any],
) -> None:
    verdict = judge(
        report_of(**{"severity": "Critical", **members}),
        ScanPolicy(fail_on=Severity.MEDIUM),
        TODAY,
    )
    assert verdict.breaches == ()
    assert verdict.overall is Severity.CRITICAL


@pytest.mark.parametrize("summary", [None, {}, {"critical": None, "high": None}, {"fixable": 1}])
@pytest.mark.parametrize("listed", [None, []])
def test_without_figures_and_a_list_the_overall_severity_counts(
    summary: dict[str, Any] | None, listed: list[Any] | None
) -> None:
    report = report_of(severity="Critical", summary=summary, vulnerabilities=listed)
    verdict = judge(report, ScanPolicy(fail_on=Severity.HIGH), TODAY)
    assert verdict.breaches
    assert verdict.overall is None
    assert verdict.unlisted == {Severity.CRITICAL: 1}
    assert passes(report, limits={Severity.CRITICAL: 1})


@pytest.mark.parametrize("word", [None, "", "None", "Undefined", "Unknown"])
def test_an_overall_severity_that_says_nothing_is_not_a_finding(word: str | None) -> None:
    verdict = judge(report_of(severity=word), ScanPolicy(), TODAY)
    assert (verdict.unlisted, verdict.overall) == ({}, None)


def test_an_overall_severity_that_is_found_is_not_repeated() -> None:
    for word in ("High", "Low", None):
        verdict = judge(report_of(found("CVE-1", "High"), severity=word), ScanPolicy(), TODAY)
        assert verdict.overall is None


@pytest.mark.parametrize(
    ("members", "is_so"),
    [(ZEROS, True), ({"low": 0}, True), ({"total": 3}, True), ({}, False), ({"fixable": 1}, False)],
)
def test_a_summary_has_counts_when_it_counts_findings(
    members: dict[str, Any],
    is_so: bool,  # noqa: FBT001  # pytest gives it by name
) -> None:
    assert has_counts(ScanSummary.model_validate(members)) is is_so
    assert not has_counts(None)


def test_figures_that_make_no_sense_do_no_harm() -> None:
    report = report_of(found("CVE-1", "Low"), summary={"high": -3, "total": -1, "low": 0})
    assert judge(report, ScanPolicy(), TODAY).unlisted == {}


def test_figures_beyond_all_numbers_break_a_rule_and_nothing_else() -> None:
    report = ScanReport.model_validate({"summary": {"high": 10**4200, "total": 10**4200}})
    verdict = judge(report, ScanPolicy(fail_on=Severity.HIGH), TODAY)
    assert verdict.outcome == "breached"
    assert all(map(str, verdict.breaches))


def test_the_worst_comes_first_and_what_has_a_fix_before_what_has_none() -> None:
    verdict = judge(MIXED, ScanPolicy(), TODAY)
    assert [finding.id for finding in verdict.findings] == [
        "CVE-1",
        "CVE-2",
        "CVE-3",
        "CVE-4",
        "CVE-5",
    ]


names = st.sampled_from([f"CVE-{number}" for number in range(6)])
severities = st.sampled_from(["Critical", "high", "MEDIUM", "Low", "negligible", "odd", "", None])
findings = st.builds(found, names, severities, fix=st.sampled_from([None, "", "2.0", "none"]))
figures = st.dictionaries(
    st.sampled_from(["total", *map(str, WORST_FIRST)]), st.integers(-1, 8), max_size=4
)
reports = st.builds(
    lambda listed, summary, overall: report_of(*listed, summary=summary, severity=overall),
    st.lists(findings, max_size=8),
    st.none() | figures,
    severities,
)
ignores = st.builds(
    Ignore, names, st.just(""), st.none() | st.sampled_from([TODAY, YESTERDAY, date.max])
)
policies = st.builds(
    ScanPolicy,
    fail_on=st.none() | st.sampled_from(WORST_FIRST),
    limits=st.dictionaries(st.sampled_from(WORST_FIRST), st.integers(0, 4), max_size=3),
    fixable_only=st.booleans(),
    ignores=st.lists(ignores, max_size=4),
)


@given(reports, policies)
def test_it_never_passes_what_is_at_or_above_the_threshold(
    report: ScanReport, policy: ScanPolicy
) -> None:
    verdict = judge(report, policy, TODAY)
    held = {i.id for i in policy.ignores if i.expires is None or i.expires >= TODAY}
    for item in report.vulnerabilities or ():
        counted = item.name not in held and (
            not policy.fixable_only or item.fix_version not in {None, "", "none"}
        )
        if (
            counted
            and policy.fail_on is not None
            and Severity.parse(item.severity) >= policy.fail_on
        ):
            assert verdict.outcome == "breached"


@given(reports, policies, st.randoms(use_true_random=False))
def test_the_order_makes_no_difference(report: ScanReport, policy: ScanPolicy, random: Any) -> None:
    listed = list(report.vulnerabilities or ())
    random.shuffle(listed)
    others = list(policy.ignores)
    random.shuffle(others)
    shuffled = judge(
        report.model_copy(update={"vulnerabilities": listed}),
        replace(policy, ignores=others),
        TODAY,
    )
    verdict = judge(report, policy, TODAY)
    assert shuffled.breaches == verdict.breaches
    assert shuffled.tallies == verdict.tallies


@given(reports, policies, ignores)
def test_another_ignore_never_makes_it_worse(
    report: ScanReport, policy: ScanPolicy, another: Ignore
) -> None:
    before = judge(report, policy, TODAY)
    after = judge(report, replace(policy, ignores=[*policy.ignores, another]), TODAY)
    assert before.breaches or not after.breaches
    for severity in WORST_FIRST:
        assert after.tallies[severity].counted <= before.tallies[severity].counted


@given(reports, policies, severities)
def test_beside_anything_else_the_overall_severity_makes_no_difference(
    report: ScanReport, policy: ScanPolicy, overall: str | None
) -> None:
    other = judge(report.model_copy(update={"severity": overall}), policy, TODAY)
    verdict = judge(report, policy, TODAY)
    if report.vulnerabilities or has_counts(report.summary):
        assert (other.tallies, other.breaches) == (verdict.tallies, verdict.breaches)


@given(st.lists(findings, max_size=8), severities)
def test_what_is_listed_can_be_ignored_whatever_the_overall_severity(
    listed: list[dict[str, Any]], overall: str | None
) -> None:
    words = [str(Severity.parse(item["severity"])) for item in listed]
    summary = {"total": len(words), **{str(word): words.count(str(word)) for word in WORST_FIRST}}
    report = report_of(*listed, summary=summary, severity=overall)
    accepted = [Ignore(item["name"]) for item in listed]
    assert passes(report, fail_on=Severity.UNKNOWN, ignores=accepted)


@given(reports, policies)
def test_the_tallies_add_up(report: ScanReport, policy: ScanPolicy) -> None:
    verdict = judge(report, policy, TODAY)
    for severity, tally in verdict.tallies.items():
        of_it = [finding for finding in verdict.findings if finding.severity is severity]
        missing = verdict.unlisted.get(severity, 0)
        assert tally.found == len(of_it) + missing
        assert tally.counted == missing + sum(policy.counts(finding) for finding in of_it)
