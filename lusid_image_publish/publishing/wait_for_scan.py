"""The vulnerability scan: wait until LUSID has done it, and hold it against the policy, if any."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Literal

from lusid_image_publish.errors import (
    DigestMismatchError,
    LusidPublishError,
    ScanGateError,
    ScanUnavailableError,
    ServiceError,
    UnexpectedAnswerError,
)
from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import Note, StepDone, StepStarted, Waiting, Warned
from lusid_image_publish.publishing.existing import PASSING_FAILURES, find, find_in_list
from lusid_image_publish.publishing.run import Watch
from lusid_image_publish.redact import plain
from lusid_image_publish.scan.status import ENDED, progress_of
from lusid_image_publish.scan.verdict import (
    Outcome,
    ScanPolicy,
    ScanVerdict,
    Severity,
    describe,
    has_fix,
    judge,
    unlisted_in,
)
from lusid_image_publish.scheduler.models import Image, ImageSummary, ScanReport
from lusid_image_publish.waiting import Deadline, poll

_SETTLING: Final = 10.0
"""Seconds for a finished scan to list all that it counts, and for a tag to show its digest."""

_SHOWN: Final = 10  # of the findings; a report has all

_SCAN_FAILED: Final = 756  # the service's code for it, where it refuses to show the image


@dataclass(frozen=True, kw_only=True)
class ScanResult:
    """What LUSID says of the scan of one image.

    `image` is as `get_image` had it last. `status` is LUSID's word in upper case (`COMPLETE`,
    `UNSUPPORTED_IMAGE`), empty where it gave none. Either there is a `report` with its `verdict`,
    or `unavailable` says why not; that is `tolerated` where the policy says so.
    """

    name: ImageName
    image: Image
    status: str
    report: ScanReport | None = None
    verdict: ScanVerdict | None = None
    unavailable: ScanUnavailableError | None = None
    tolerated: bool = False

    @property
    def outcome(self) -> Outcome | Literal["unavailable"]:
        """The result in a word."""
        return self.verdict.outcome if self.verdict else "unavailable"

    def failure(self) -> LusidPublishError | None:
        """Return the error that the command ends with, None when all is well."""
        if self.verdict is None:
            return None if self.tolerated else self.unavailable
        return _gate_error(self.name, self.verdict) if self.verdict.breaches else None


def scan_image(image: Image, watch: Watch, policy: ScanPolicy, *, so_far: str) -> ScanResult:
    """Wait until LUSID has scanned `image`, as `get_image` gave it, and judge what was found.

    `so_far` says what is so when that is broken off. Raises `DigestMismatchError` when another
    image comes under the tag, the errors of the Images API that do not pass, and
    `UnexpectedAnswerError` when LUSID's last answer within the time was about something else.
    """
    watch.listener(StepStarted(f"Waiting for the scan of {watch.name}", so_far, so_far))
    scan = _Scan(image, watch)
    found = poll(
        scan.look,
        deadline=scan.deadline,
        pauses=watch.limits.pauses(first=0.3, quick_for=6),
        sleep=watch.sleep,
    )
    if found is None and scan.strange:
        raise scan.strange
    if isinstance(found, ScanReport):
        verdict = judge(found, policy, watch.now().date())
        _tell(verdict, watch)
        return ScanResult(
            name=watch.name, image=scan.image, status=scan.status, report=found, verdict=verdict
        )
    unavailable = (
        _timed_out(watch, scan.seen) if found is None else ended_error(watch.name, scan.status)
    )
    watch.listener(StepDone(f"no findings: {scan.seen if found is None else scan.status}"))
    tolerated = found is not None and policy.if_unscannable == "warn"
    if tolerated:
        watch.listener(Warned(f"{unavailable.message} {unavailable.cause}".strip()))
    return ScanResult(
        name=watch.name,
        image=scan.image,
        status=scan.status,
        unavailable=unavailable,
        tolerated=tolerated,
    )


class _End(Enum):
    """The scan ended without findings; the status says why."""

    WITHOUT_FINDINGS = auto()


class _Scan:
    """Looks whether the scan is over, and remembers and tells what it saw last."""

    def __init__(self, image: Image, watch: Watch) -> None:
        self._watch = watch
        self.image = image
        self.status = ""
        self.seen = "LUSID was not looked at"
        self.strange: UnexpectedAnswerError | None = None
        self.deadline = Deadline(watch.limits.scan_timeout, clock=watch.clock)
        self._patience: Deadline | None = None
        self._unknown: set[str] = set()

    def look(self) -> ScanReport | _End | None:
        """Return the report when it is there, `_End` when there will be none, None until then."""
        self.strange = None
        try:
            image = find(self._watch)
            listed = find_in_list(self._watch) if image else []
        except ServiceError as error:
            if error.code == _SCAN_FAILED:
                self.status = "FAILED"
                return _End.WITHOUT_FINDINGS
            if not isinstance(error, PASSING_FAILURES):
                raise
            self.strange = error if isinstance(error, UnexpectedAnswerError) else None
            self._tell(f"LUSID did not answer well ({plain(error.message)})")
            return None
        if image is None:
            self._tell("LUSID does not list the image at the moment")
            return None
        if image.digest != self.image.digest:
            self._bear_with(image)
            return None
        self.image = image
        summary = next((entry for entry in listed if entry.digest == image.digest), None)
        if summary is None:
            self._tell("get_image has the image, and list_images not yet")
            return None
        return self._judge(image.scan_report, summary)

    def _judge(self, report: ScanReport | None, summary: ImageSummary) -> ScanReport | _End | None:
        progress = progress_of(report, summary)
        self.status = progress.status
        if progress.has_failed:
            return _End.WITHOUT_FINDINGS
        if not progress.is_known:
            self._tell_unknown(progress.status)
        if progress.report is None:
            self._tell(progress.text)
        elif not self._is_settled(progress.report):
            self._tell("done, but not all that it counts is listed yet")
        else:
            return progress.report
        return None

    def _is_settled(self, report: ScanReport) -> bool:
        """Return whether the report lists what it counts, or has had its time to do so."""
        if not unlisted_in(report):
            return True
        self._patience = self._patience or Deadline(_SETTLING, clock=self._watch.clock)
        return self._patience.passed() or self.deadline.passed()

    def _bear_with(self, other: Image) -> None:
        """Raise `DigestMismatchError` when another image stays under the tag."""
        self._patience = self._patience or Deadline(_SETTLING, clock=self._watch.clock)
        if self._patience.passed():
            raise DigestMismatchError(
                f"{self._watch.name} has {other.digest or 'no digest'} now, and not "
                f"{self.image.digest or 'none'}, whose scan was waited for.",
                cause="Somebody else published another image under this tag.",
                hint="Publish under a new tag, and let one job at a time publish a tag.",
            )
        self._tell("LUSID shows another image under the tag")

    def _tell(self, text: str) -> None:
        if text != self.seen:
            self.seen = text
            self._watch.listener(Waiting(text))

    def _tell_unknown(self, word: str) -> None:
        if word not in self._unknown:
            self._unknown.add(word)
            self._watch.listener(
                Warned(f"The status {word} of the scan is new to this program, which waits on.")
            )


def _tell(verdict: ScanVerdict, watch: Watch) -> None:
    """Say what was found, and what of the policy needs a look."""
    watch.listener(StepDone(f"the scan {describe(verdict)}"))
    if verdict.breaches:
        _tell_worst(verdict, watch)
    if verdict.ignored:
        names = sorted({plain(finding.id) for finding in verdict.ignored})
        watch.listener(Note(f"{len(verdict.ignored)} ignored: {_some(names)}"))
    for ignore in verdict.expired:
        watch.listener(
            Warned(f"{plain(ignore.id)} counts again: it was ignored until {ignore.expires}.")
        )
    for ignore in verdict.unused:
        watch.listener(Warned(f"{plain(ignore.id)} is ignored, and was not found: remove that."))
    if verdict.unlisted:
        number = sum(verdict.unlisted.values())
        watch.listener(Warned(f"{number} of them LUSID reports without listing them; they count."))
    if verdict.overall is not None:
        watch.listener(
            Note(
                f"LUSID's overall severity is {verdict.overall}, but it counts and lists nothing "
                "of that severity: the figures and the list decide"
            )
        )
    unknown = verdict.tallies[Severity.UNKNOWN].counted
    if unknown and verdict.policy.fail_on is not None:
        watch.listener(
            Warned(
                f"{unknown} of unknown severity cannot be compared with --fail-on "
                f"{verdict.policy.fail_on}; --max unknown=0 refuses them."
            )
        )


def _tell_worst(verdict: ScanVerdict, watch: Watch) -> None:
    for finding in verdict.breaking[:_SHOWN]:
        fix = f", fixed in {plain(finding.fix_version)}" if has_fix(finding) else ", without a fix"
        package = plain(f"{finding.package} {finding.version}")
        watch.listener(Note(f"{finding.severity}: {plain(finding.id)} in {package}{fix}"))
    if len(verdict.breaking) > _SHOWN:
        watch.listener(Note(f"and {len(verdict.breaking) - _SHOWN} more: --report text shows all"))


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _gate_error(name: ImageName, verdict: ScanVerdict) -> ScanGateError:
    broken = " and ".join(str(breach) for breach in verdict.breaches)
    return ScanGateError(
        f"{name} is in LUSID and stays there, but its scan found {broken}.",
        cause=f"The scan {describe(verdict)}.",
        hint="Build on a newer base image or update the packages that have a fix, and publish "
        "under a new tag. What you can accept goes into .lusid-publish.toml as "
        "[[ignore]] with id, reason and expires.",
    )


def ended_error(name: ImageName, status: str) -> ScanUnavailableError:
    """Return the error for a scan that ended with `status`, one of `scan.status.ENDED`."""
    return ScanUnavailableError(
        f"{name} is in LUSID and stays there, but its scan ended without findings: {status}.",
        cause=ENDED[status],
        hint="Build on a common base image, which the scanner knows; or use --if-unscannable warn "
        "to accept an image without findings.",
    )


def _timed_out(watch: Watch, seen: str) -> ScanUnavailableError:
    return ScanUnavailableError(
        f"{watch.name} is in LUSID and stays there, but its scan was not done within "
        f"{watch.limits.scan_timeout:g} seconds; when last looked at: {seen}.",
        cause="The scanner is slow or busy, or this deployment of LUSID does not scan.",
        hint=f"Look again with `lusid-images scan {watch.name}`, or wait longer with "
        "--scan-timeout. --wait-for visible does not wait for scans.",
    )
