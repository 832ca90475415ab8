"""The report for programs, a JSON document: for `--output json` and `--report json`."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any, Final

from pydantic_core import to_json

from lusid_image_publish.errors import LusidPublishError
from lusid_image_publish.jobs.job_results import JobResult, RunResult
from lusid_image_publish.publishing.results import ScanResult
from lusid_image_publish.reports.content import ReportContent
from lusid_image_publish.scan.verdict import Finding, Ignore, ScanPolicy, ScanVerdict
from lusid_image_publish.text import plain

_MAX_TEXT_CHARACTERS: Final = 4000


def render(content: ReportContent) -> str:
    """Return the document; it ends with a line break. Unknown values are null."""
    result, publication = content.result, content.publication
    document: dict[str, Any] = {
        "name": str(result.name),
        "repository": result.name.repository,
        "tag": result.name.tag,
        "digest": result.digest,
        "size": result.size,
        "pushTime": _date(result.push_time),
        "reportTime": _date(content.made),
    }
    if publication:
        document |= {
            "outcome": publication.outcome,
            "imageId": publication.image_id,
            "platform": publication.platform,
            "reference": str(publication.reference) if publication.reference else None,
            "bytesSent": publication.transfer.sent if publication.transfer else None,
            "bytesReused": publication.transfer.reused if publication.transfer else None,
            "latest": publication.latest,
            "jobs": [_job(job) for job in content.jobs],
        }
    return json_text(document | {"scan": _scan(content.scan) if content.scan else None})


def json_text(document: Any) -> str:
    """Return a document as JSON; each text is cleaned by `plain`."""
    # Thousands of findings share a few packages.
    return dump_json(_clean(document, cache(partial(plain, longest=_MAX_TEXT_CHARACTERS))))


def dump_json(document: Any) -> str:
    """Return a document as JSON, whose texts are already cleaned by `plain`."""
    return to_json(document, indent=2).decode() + "\n"


def _clean(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {key: _clean(part, clean) for key, part in value.items()}
    return [_clean(part, clean) for part in value] if isinstance(value, list) else value


def _job(job: JobResult) -> dict[str, Any]:
    return {
        "job": str(job.job),
        "outcome": job.outcome,
        "formerImage": job.former or None,
        "image": job.image or None,
        "differences": list(job.differences),
        "error": _error(job.error) if job.error else None,
        "run": _run(job.run) if job.run else None,
    }


def _run(run: RunResult) -> dict[str, Any]:
    return {
        "runId": run.run_id or None,
        "status": run.status or None,
        "seconds": run.seconds,
        "error": _error(run.error) if run.error else None,
    }


def _scan(scan: ScanResult) -> dict[str, Any]:
    report, verdict, failure = scan.report, scan.verdict, scan.failure() or scan.unavailable
    return {
        "outcome": scan.outcome,
        "tolerated": scan.tolerated,
        "status": scan.status,
        "startTime": _date(report.start_time) if report else None,
        "endTime": _date(report.end_time) if report else None,
        "duration": report.scan_duration if report else None,
        "error": _error(failure) if failure else None,
        **(_verdict(verdict) if verdict else {}),
    }


def _error(error: LusidPublishError) -> dict[str, Any]:
    return {
        "slug": error.slug,
        "exitCode": int(error.exit_code),
        "message": error.message,
        "cause": error.cause,
        "hint": error.hint,
    }


def _verdict(verdict: ScanVerdict) -> dict[str, Any]:
    return {
        "policy": _policy(verdict.policy),
        "counts": {
            str(severity): {
                "found": tally.found,
                "fixable": tally.fixable,
                "ignored": tally.ignored,
                "counted": tally.counted,
            }
            for severity, tally in verdict.tallies.items()
        },
        "breaches": [
            {
                "rule": breach.rule,
                "severity": str(breach.severity),
                "allowed": breach.allowed,
                "counted": sum(breach.counted.values()),
                "text": str(breach),
            }
            for breach in verdict.breaches
        ],
        "unlisted": {str(severity): number for severity, number in verdict.unlisted.items()},
        "vulnerabilities": [_finding(finding, verdict.policy) for finding in verdict.findings],
        "expiredIgnores": _ignores(verdict.expired),
        "unusedIgnores": _ignores(verdict.unused),
    }


def _policy(policy: ScanPolicy) -> dict[str, Any]:
    return {
        "failOn": "none" if policy.fail_on is None else str(policy.fail_on),
        "max": {str(severity): number for severity, number in policy.limits.items()},
        "fixableOnly": policy.fixable_only,
        "ifUnscannable": policy.if_unscannable,
    }


def _finding(finding: Finding, policy: ScanPolicy) -> dict[str, Any]:
    return {
        "id": finding.id,
        "severity": str(finding.severity),
        "package": finding.package,
        "version": finding.version,
        "fixVersion": finding.fix_version or None,
        "description": finding.description or None,
        "links": list(finding.links),
        "counted": policy.counts(finding),
        "ignored": _ignores([finding.ignored])[0] if finding.ignored else None,
    }


def _ignores(ignores: Sequence[Ignore]) -> list[dict[str, Any]]:
    return [
        {
            "id": ignore.id,
            "reason": ignore.reason or None,
            "expires": ignore.expires.isoformat() if ignore.expires else None,
        }
        for ignore in ignores
    ]


def _date(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment and moment.year > 1 else None
