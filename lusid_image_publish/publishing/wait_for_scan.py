"""Wait for LUSID's vulnerability scan, and judge it by the policy, if there is one."""

from typing import Final, Literal

from lusid_image_publish.errors import (
    DigestMismatchError,
    ScanUnavailableError,
    ServiceError,
    UnexpectedAnswerError,
)
from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import (
    BreakingFinding,
    Note,
    StepDone,
    StepStarted,
    Waiting,
    Warned,
)
from lusid_image_publish.publishing.lusid_tag import TEMPORARY_FAILURES, LusidTag
from lusid_image_publish.publishing.results import ScanResult
from lusid_image_publish.scan.descriptions import describe, describe_overall, describe_unknown
from lusid_image_publish.scan.status import ENDED, read_progress
from lusid_image_publish.scan.verdict import ScanPolicy, ScanVerdict, count_unlisted, judge
from lusid_image_publish.scheduler.models import Image, ImageSummary, ListedImage, ScanReport
from lusid_image_publish.text import plain
from lusid_image_publish.waiting import Deadline, poll

_SETTLING_SECONDS: Final = 10.0
"""The time for a finished scan to list all counted findings, and for a tag to show its digest."""

_MAX_SHOWN_FINDINGS: Final = 10  # a report has all

_SCAN_FAILED_CODE: Final = 756  # the service's code for it, where it refuses to show the image


def wait_for_scan(
    image: ListedImage, tag: LusidTag, policy: ScanPolicy, *, so_far: str
) -> ScanResult:
    """Wait until LUSID has scanned `image`, an answer of `get_image`, and judge the findings.

    `so_far` describes the state if the wait is interrupted. Raises `DigestMismatchError` if the tag
    gets a different image, the errors of the Images API that are not temporary, and
    `UnexpectedAnswerError` if LUSID's last answer in time was about something else.
    """
    tag.listener(StepStarted(f"Waiting for the scan of {tag.name}", so_far, so_far))
    scan = _Scan(image, tag)
    found = poll(
        scan.look,
        deadline=scan.deadline,
        pauses=tag.limits.pauses(first=0.3, quick_for=6),
        sleep=tag.sleep,
    )
    if found is None and scan.foreign:
        raise scan.foreign
    if isinstance(found, ScanReport):
        verdict = judge(found, policy, tag.now().date())
        _report(verdict, tag)
        return ScanResult(
            name=tag.name, image=scan.image, status=scan.status, report=found, verdict=verdict
        )
    unavailable = (
        _timed_out(tag, scan.seen) if found is None else ended_error(tag.name, scan.status)
    )
    tag.listener(StepDone(f"no scan result: {scan.seen if found is None else scan.status}"))
    tolerated = found is not None and policy.if_unscannable == "warn"
    if tolerated:
        tag.listener(Warned(f"{unavailable.message} {unavailable.cause}".strip()))
    return ScanResult(
        name=tag.name,
        image=scan.image,
        status=scan.status,
        unavailable=unavailable,
        tolerated=tolerated,
    )


_Ended = Literal["ended"]
"""The scan ended without findings; the status says why."""


class _Scan:
    """Looks whether the scan is over, and remembers and tells what it saw last."""

    def __init__(self, image: ListedImage, tag: LusidTag) -> None:
        self._tag = tag
        self.image = image
        self.status = ""
        self.seen = "not checked"
        self.foreign: UnexpectedAnswerError | None = None
        self.deadline = Deadline(tag.limits.scan_timeout, clock=tag.clock)
        self._patience: Deadline | None = None
        self._unknown: set[str] = set()

    def look(self) -> ScanReport | _Ended | None:
        """Return the report when it is there, "ended" when there will be none, None until then."""
        self.foreign = None
        try:
            image = self._tag.find()
            listed = self._tag.find_in_list() if image else []
        except ServiceError as error:
            if error.code == _SCAN_FAILED_CODE:
                self.status = "FAILED"
                return "ended"
            if not isinstance(error, TEMPORARY_FAILURES):
                raise
            self.foreign = error if isinstance(error, UnexpectedAnswerError) else None
            self._report(f"no valid answer from LUSID ({plain(error.message)})")
            return None
        if image is None:
            self._report("LUSID does not list the image at present")
            return None
        if image.digest != self.image.digest:
            self._allow_for_a_while(image)
            return None
        self.image = self._tag.require_digest(image)
        summary = next((entry for entry in listed if entry.digest == image.digest), None)
        if summary is None:
            self._report("in get_image, but not yet in list_images")
            return None
        return self._judge(image.scan_report, summary)

    def _judge(
        self, report: ScanReport | None, summary: ImageSummary
    ) -> ScanReport | _Ended | None:
        progress = read_progress(report or ScanReport(), summary)
        self.status = progress.status
        if progress.has_failed:
            return "ended"
        if not progress.is_known:
            self._report_unknown(progress.status)
        if progress.report is None:
            self._report(progress.text)
        elif not self._is_settled(progress.report):
            self._report("done, but not all findings are listed yet")
        else:
            return progress.report
        return None

    def _is_settled(self, report: ScanReport) -> bool:
        """Return whether the report lists what it counts, or has had its time to do so."""
        if not count_unlisted(report):
            return True
        self._patience = self._patience or Deadline(_SETTLING_SECONDS, clock=self._tag.clock)
        return self._patience.passed() or self.deadline.passed()

    def _allow_for_a_while(self, other: Image) -> None:
        """Raise `DigestMismatchError` when another image stays under the tag."""
        self._patience = self._patience or Deadline(_SETTLING_SECONDS, clock=self._tag.clock)
        if self._patience.passed():
            raise DigestMismatchError(
                f"{self._tag.name} now has {other.digest or 'no digest'}, not {self.image.digest}, "
                "whose scan this run waited for.",
                cause="Someone else published a different image under this tag.",
                hint="Publish under a new tag, and let only one job at a time publish a tag.",
            )
        self._report("LUSID shows a different image under the tag")

    def _report(self, text: str) -> None:
        if text != self.seen:
            self.seen = text
            self._tag.listener(Waiting(text))

    def _report_unknown(self, word: str) -> None:
        if word not in self._unknown:
            self._unknown.add(word)
            self._tag.listener(Warned(f"Unknown scan status {word}: still waiting."))


def _report(verdict: ScanVerdict, tag: LusidTag) -> None:
    """Say what was found, and what of the policy needs a look."""
    tag.listener(StepDone(f"the scan {describe(verdict)}"))
    if verdict.breaches:
        _report_worst(verdict, tag)
    if verdict.ignored:
        names = sorted({plain(finding.id) for finding in verdict.ignored})
        tag.listener(Note(f"{len(verdict.ignored)} ignored: {_some(names)}"))
    for ignore in verdict.expired:
        tag.listener(
            Warned(
                f"{plain(ignore.id)} is no longer ignored: it was ignored until {ignore.expires}."
            )
        )
    for ignore in verdict.unused:
        tag.listener(Warned(f"{plain(ignore.id)} is ignored but was not found: stop ignoring it."))
    if verdict.unlisted:
        number = sum(verdict.unlisted.values())
        included = "" if verdict.outcome == "no-policy" else "; the policy includes them"
        tag.listener(Warned(f"LUSID reports {number} of them without listing them{included}."))
    if overall := describe_overall(verdict):
        tag.listener(Note(overall))
    if unknown := describe_unknown(verdict):
        tag.listener(Warned(f"{unknown}."))


def _report_worst(verdict: ScanVerdict, tag: LusidTag) -> None:
    for finding in verdict.breaking[:_MAX_SHOWN_FINDINGS]:
        fix = f", fixed in {plain(finding.fix_version)}" if finding.has_fix else ", without a fix"
        package = plain(f"{finding.package} {finding.version}")
        text = f"{finding.severity}: {plain(finding.id)} in {package}{fix}"
        tag.listener(BreakingFinding(text))
    more = len(verdict.breaking) - _MAX_SHOWN_FINDINGS
    if more > 0:
        tag.listener(BreakingFinding(f"and {more} more: --report text shows all"))


def _some(names: list[str]) -> str:
    more = (
        f" and {len(names) - _MAX_SHOWN_FINDINGS} more" if len(names) > _MAX_SHOWN_FINDINGS else ""
    )
    return ", ".join(names[:_MAX_SHOWN_FINDINGS]) + more


def ended_error(name: ImageName, status: str) -> ScanUnavailableError:
    """Return the error for a scan that ended with `status`, one of `scan.status.ENDED`."""
    return ScanUnavailableError(
        f"{name} is in LUSID and stays there, but its scan ended without a result: {status}.",
        cause=ENDED[status],
        hint="Build on a common base image that the scanner knows, or accept an image without a "
        "scan result with --if-unscannable warn.",
    )


def _timed_out(tag: LusidTag, seen: str) -> ScanUnavailableError:
    return ScanUnavailableError(
        f"{tag.name} is in LUSID and stays there, but its scan did not finish within "
        f"{tag.limits.scan_timeout:g} seconds; last state: {seen}.",
        cause="The scanner is slow or busy, or this deployment of LUSID does not scan images.",
        hint=f"Check later with `lusid-images scan {tag.name}`, or wait longer with "
        "--scan-timeout. --wait-for visible does not wait for scans.",
    )
