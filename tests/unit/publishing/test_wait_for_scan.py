"""The wait for a scan: over in the end, with a verdict or with the reason why there is none."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from lusid_image_publish.errors import (
    AccessDeniedError,
    DigestMismatchError,
    ExitCode,
    NotFoundError,
    ServerError,
    ServiceError,
    TransportError,
    UnexpectedAnswerError,
)
from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import Event, Note, StepDone, Waiting, Warned
from lusid_image_publish.publishing.lusid_tag import LusidTag
from lusid_image_publish.publishing.policy import Limits
from lusid_image_publish.publishing.results import ScanResult
from lusid_image_publish.publishing.wait_for_scan import wait_for_scan
from lusid_image_publish.scan.status import ENDED
from lusid_image_publish.scan.verdict import Ignore, ScanPolicy, Severity
from lusid_image_publish.scheduler.models import Image, ImageSummary, ListedImage
from tests.unit.scan.examples import PUBLISHED

OURS, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
ZEROS = {"total": 0, "critical": 0}
CLEAN = {"status": "Success", "summary": ZEROS, "vulnerabilities": []}
BAD = {
    "status": "Success",
    "summary": {"total": 2, "critical": 1, "low": 1},
    "vulnerabilities": [
        {"name": "CVE-1", "severity": "Critical", "package": "zlib", "fixVersion": "1.3"},
        {"name": "CVE-2", "severity": "Low", "package": "bash"},
    ],
}

Moment = tuple[float, str | None, dict[str, Any] | None]


class SlowScanner:
    """A Scheduler that says of a scan what a timeline has: (second, scanStatus, scanReport).

    `events` are those that were reported, `failures` the errors of requests in the first seconds.
    `foreign` changes what `get_image` answers.
    """

    def __init__(self, *timeline: Moment) -> None:
        self.now = 0.0
        self.timeline = timeline
        self.looks: list[float] = []
        self.events: list[Event] = []
        self.failures: list[Exception] = []
        self.digests: tuple[tuple[float, str | None], ...] = ((0, OURS),)
        self.figures: dict[str, int] = {}
        self.foreign: dict[str, Any] = {}
        self.is_listed = True

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def get_image(self, name: str) -> Image:
        self.looks.append(self.now)
        if self.failures:
            raise self.failures.pop(0)
        digest = [digest for since, digest in self.digests if since <= self.now][-1]
        if digest == "":
            raise NotFoundError(f"no {name}")
        found = {"name": "job", "digest": digest, "tags": [{"name": "1.0"}]}
        return Image.model_validate(found | {"scanReport": self._moment()[2]} | self.foreign)

    def iter_images(self, _name: str) -> Iterator[ImageSummary]:
        tags = [{"name": "1.0"}]
        yield ImageSummary.model_validate({"digest": OTHER, "scanStatus": "FAILED", "tags": tags})
        if not self.is_listed:
            return
        entry = {"digest": OURS, "scanStatus": self._moment()[1], "tags": tags}
        yield ImageSummary.model_validate(entry | {"scanSummary": self.figures})

    def _moment(self) -> Moment:
        return [moment for moment in self.timeline if moment[0] <= self.now][-1]

    def scan(
        self, seconds: float = 600, interval: float | None = None, **policy: Any
    ) -> ScanResult:
        tag = LusidTag(
            name=ImageName("job", "1.0"),
            images=cast("Any", self),
            limits=Limits(scan_timeout=seconds, poll_interval=interval),
            listener=self.events.append,
            clock=lambda: self.now,
            sleep=self.sleep,
            now=lambda: datetime(2026, 3, 1, tzinfo=UTC),
        )
        image = ListedImage(name="job", digest=OURS)
        return wait_for_scan(image, tag, ScanPolicy(**policy), so_far="It is there.")

    def told(self, kind: type[Event]) -> list[str]:
        return [cast("Any", event).text for event in self.events if isinstance(event, kind)]


def test_a_scan_that_passes_through_all_states() -> None:
    scanner = SlowScanner(
        (0, "", None), (2, "PENDING", None), (5, "IN_PROGRESS", None), (40, "COMPLETE", CLEAN)
    )
    result = scanner.scan()
    assert result.outcome == "no-policy"
    assert result.failure() is None
    assert result.status == "COMPLETE"
    assert scanner.told(Waiting) == ["not started", "pending", "in progress"]
    assert scanner.told(StepDone) == ["the scan found nothing, no policy set"]
    assert scanner.now < 46


def test_a_scan_within_the_policy_passed() -> None:
    scanner = SlowScanner((0, "COMPLETE", BAD))
    result = scanner.scan(limits={Severity.CRITICAL: 1})
    assert (result.outcome, result.failure()) == ("passed", None)
    assert scanner.told(StepDone) == ["the scan passed: found 1 critical, 1 low; 1 with a fix"]


def test_without_a_policy_nothing_passed() -> None:
    scanner = SlowScanner((0, "COMPLETE", BAD))
    result = scanner.scan(fixable_only=True)
    assert (result.outcome, result.failure()) == ("no-policy", None)
    assert scanner.told(StepDone) == [
        "the scan found 1 critical, 1 low, no policy set; 1 with a fix"
    ]


def test_it_looks_often_at_first_and_seldom_later() -> None:
    scanner = SlowScanner((0, "PENDING", None))
    scanner.scan(300)
    pauses = [late - early for early, late in zip(scanner.looks, scanner.looks[1:], strict=False)]
    assert pauses[0] < 0.5
    assert max(pauses) <= 5
    assert len(pauses) < 120


def test_the_pause_can_be_set() -> None:
    scanner = SlowScanner((0, "PENDING", None), (7, "COMPLETE", CLEAN))
    scanner.scan(interval=3)
    assert scanner.looks == [0, 3, 6, 9]


def test_complete_is_not_complete_before_the_findings_are_there() -> None:
    scanner = SlowScanner((0, "COMPLETE", None), (30, "COMPLETE", BAD))
    result = scanner.scan(fail_on=Severity.CRITICAL)
    assert result.outcome == "breached"
    assert scanner.now >= 30


def test_a_breach_says_what_is_so_and_what_to_do() -> None:
    result = SlowScanner((0, "ACTIVE", BAD)).scan(fail_on=Severity.HIGH)
    failure = result.failure()
    assert failure is not None
    assert failure.exit_code == ExitCode.SCAN_GATE
    assert "is in LUSID and stays there" in failure.message
    assert "1 critical where --fail-on high allows none" in failure.message
    assert failure.cause == "The worst findings: critical CVE-1 in zlib (fixed in 1.3)."
    assert failure.hint


def test_a_breach_shows_the_worst_of_what_counts() -> None:
    names = [{"name": f"CVE-{number}", "severity": "High"} for number in range(20)]
    worst = {"name": "CVE-99", "severity": "Critical", "package": "zlib", "version": "1.2"}
    report = CLEAN | {"vulnerabilities": [*names, worst | {"fixVersion": "1.3"}]}
    scanner = SlowScanner((0, "COMPLETE", report))
    scanner.scan(fail_on=Severity.HIGH, ignores=[Ignore("CVE-0")])
    notes = scanner.told(Note)
    assert notes[0] == "critical: CVE-99 in zlib 1.2, fixed in 1.3"
    assert notes[-2:] == ["and 10 more: --report text shows all", "1 ignored: CVE-0"]
    assert len(notes) == 12


@pytest.mark.parametrize("word", ENDED)
def test_every_end_without_findings_is_an_error_of_its_own(word: str) -> None:
    scanner = SlowScanner((0, "IN_PROGRESS", None), (9, word, None))
    result = scanner.scan(fail_on=Severity.CRITICAL)
    failure = result.failure()
    assert failure is not None
    assert failure.exit_code == ExitCode.SCAN_UNAVAILABLE
    assert word in failure.message
    assert "is in LUSID and stays there" in failure.message
    assert failure.cause == ENDED[word]
    assert "job" not in failure.hint, "what a job may run is not documented"
    assert scanner.now < 12


def test_an_end_without_findings_can_be_accepted_and_is_reported() -> None:
    scanner = SlowScanner((0, "UNSUPPORTED_IMAGE", None))
    result = scanner.scan(if_unscannable="warn", fail_on=Severity.CRITICAL)
    assert result.failure() is None
    assert (result.outcome, result.tolerated) == ("unavailable", True)
    assert any("UNSUPPORTED_IMAGE" in text for text in scanner.told(Warned))


def test_what_takes_too_long_fails_even_if_the_unscannable_is_accepted() -> None:
    scanner = SlowScanner((0, "IN_PROGRESS", None))
    failure = scanner.scan(90, if_unscannable="warn").failure()
    assert failure is not None
    assert failure.exit_code == ExitCode.SCAN_UNAVAILABLE
    assert "within 90 seconds" in failure.message
    assert "in progress" in failure.message
    assert "lusid-images scan job:1.0" in failure.hint
    assert scanner.now == 90


def test_without_time_it_looks_once() -> None:
    assert SlowScanner((0, "COMPLETE", CLEAN)).scan(0).outcome == "no-policy"
    scanner = SlowScanner((0, "PENDING", None))
    assert scanner.scan(0).outcome == "unavailable"
    assert scanner.looks == [0]


def test_an_unknown_word_is_reported_once_and_waited_for() -> None:
    scanner = SlowScanner((0, "DREAMING", None), (20, "COMPLETE", CLEAN))
    assert scanner.scan().outcome == "no-policy"
    assert [text for text in scanner.told(Warned) if "DREAMING" in text] == [
        "Unknown scan status DREAMING: still waiting."
    ]


@pytest.mark.parametrize("error", [ServerError("502"), TransportError("no answer")])
def test_a_passing_failure_of_the_service_does_not_end_the_wait(error: Exception) -> None:
    scanner = SlowScanner((0, "COMPLETE", CLEAN))
    scanner.failures = [error, error]
    assert scanner.scan().outcome == "no-policy"
    assert scanner.told(Waiting) == [f"no valid answer from LUSID ({error})"]


def test_what_does_not_pass_ends_it() -> None:
    scanner = SlowScanner((0, "COMPLETE", CLEAN))
    scanner.failures = [AccessDeniedError("403")]
    with pytest.raises(AccessDeniedError):
        scanner.scan()


@pytest.mark.parametrize("kind", [ServiceError, ServerError])
def test_the_code_for_a_failed_scan_ends_it(kind: type[ServiceError]) -> None:
    scanner = SlowScanner((0, "PENDING", None))
    scanner.failures = [kind("image scan failure", code=756)]
    result = scanner.scan()
    assert (result.outcome, result.status) == ("unavailable", "FAILED")


def test_an_image_that_is_away_for_a_while_is_waited_for() -> None:
    scanner = SlowScanner((0, "COMPLETE", CLEAN))
    scanner.digests = ((0, ""), (20, OURS))
    assert scanner.scan().outcome == "no-policy"


def test_another_image_that_comes_under_the_tag_is_an_error() -> None:
    scanner = SlowScanner((0, "PENDING", CLEAN))
    scanner.digests = ((0, OURS), (20, OTHER))
    with pytest.raises(DigestMismatchError) as caught:
        scanner.scan()
    assert OURS in caught.value.message
    assert OTHER in caught.value.message
    assert scanner.now < 40


def test_another_image_that_is_shown_for_a_moment_is_ignored() -> None:
    scanner = SlowScanner((0, "COMPLETE", CLEAN))
    scanner.digests = ((0, OTHER), (5, OURS))
    assert scanner.scan().outcome == "no-policy"


def test_the_figures_of_the_list_are_judged_when_no_report_comes() -> None:
    scanner = SlowScanner((0, "COMPLETE", None))
    scanner.figures = {"critical": 1, "total": 1}
    assert scanner.scan(fail_on=Severity.CRITICAL).outcome == "breached"
    assert 9 < scanner.now < 20
    assert any("without listing" in text for text in scanner.told(Warned))


def test_a_report_that_is_still_being_filled_is_waited_for() -> None:
    scanner = SlowScanner((0, "COMPLETE", BAD | {"vulnerabilities": []}), (4, "COMPLETE", BAD))
    result = scanner.scan()
    assert result.verdict is not None
    assert len(result.verdict.findings) == 2
    assert result.verdict.unlisted == {}


def test_at_the_end_of_the_time_what_is_there_is_judged() -> None:
    scanner = SlowScanner((0, "COMPLETE", BAD | {"vulnerabilities": []}))
    assert scanner.scan(3, fail_on=Severity.CRITICAL).outcome == "breached"


def test_the_overall_severity_of_the_published_example_is_noted_without_a_wait() -> None:
    scanner = SlowScanner((0, "COMPLETE", PUBLISHED))
    assert scanner.scan(fail_on=Severity.CRITICAL).failure() is None
    assert scanner.looks == [0]
    assert scanner.told(Warned) == []
    [note] = scanner.told(Note)
    assert note.startswith("LUSID's overall severity is critical, but it reports no finding")


def test_the_figures_of_the_list_decide_against_an_overall_severity() -> None:
    bare = {"status": "Success", "severity": "Critical", "vulnerabilities": []}
    scanner = SlowScanner((0, "COMPLETE", bare))
    scanner.figures = {"critical": 0, "high": 0, "total": 0}
    assert scanner.scan(fail_on=Severity.LOW).failure() is None
    assert scanner.looks == [0]


def test_an_overall_severity_without_anything_else_breaks_the_gate() -> None:
    bare = {"status": "Success", "severity": "Critical", "vulnerabilities": []}
    failure = SlowScanner((0, "COMPLETE", bare)).scan(fail_on=Severity.CRITICAL).failure()
    assert failure is not None
    assert "1 critical where --fail-on critical allows none" in failure.message


def test_what_is_ignored_expired_or_unused_is_reported() -> None:
    scanner = SlowScanner((0, "COMPLETE", BAD))
    last_year = datetime(2025, 12, 31, tzinfo=UTC).date()
    ignores = [Ignore("CVE-1"), Ignore("CVE-2", "", last_year), Ignore("CVE-3")]
    result = scanner.scan(ignores=ignores, fail_on=Severity.LOW)
    assert result.outcome == "breached"
    assert scanner.told(Warned) == [
        "CVE-2 is no longer ignored: it was ignored until 2025-12-31.",
        "CVE-3 is ignored but was not found: stop ignoring it.",
    ]


@pytest.mark.parametrize("foreign", [{"name": "other"}, {"tags": []}, {"tags": [{"name": "2.0"}]}])
def test_a_report_of_another_image_is_not_judged(foreign: dict[str, Any]) -> None:
    scanner = SlowScanner((0, "COMPLETE", CLEAN))
    scanner.foreign = foreign
    with pytest.raises(UnexpectedAnswerError, match=r"not about job:1\.0") as caught:
        scanner.scan(9)
    assert caught.value.exit_code == ExitCode.SERVICE
    assert "is in LUSID" not in caught.value.message


def test_a_report_of_an_image_that_the_list_does_not_have_is_not_judged() -> None:
    scanner = SlowScanner((0, "COMPLETE", CLEAN))
    scanner.is_listed = False
    failure = scanner.scan(9).failure()
    assert failure is not None
    assert "not yet in list_images" in failure.message
