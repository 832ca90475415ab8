"""The outputs for later steps and jobs of a CI, also as a report: GitLab's `dotenv`."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from lusid_image_publish.jobs.job_results import JobResult
from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import Arrived
from lusid_image_publish.reports.content import ReportContent
from lusid_image_publish.scan.verdict import Severity
from lusid_image_publish.text import plain

OUTPUTS: Final = (
    *("name", "repository", "tag", "digest", "image-id", "size", "pushed", "unchanged"),
    *("scan-status", "critical", "high", "medium", "low", "fixable", "report-path"),
    *("job-updated", "run-id", "run-status"),
)
"""The names of all outputs; the command that writes the reports adds `report-path`."""

_COUNTED: Final = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)
_OTHER_SIGNS: Final = re.compile(r"[^A-Za-z0-9._:@/+-]")
_MAX_OUTPUT_CHARACTERS: Final = 300  # GitLab takes 5 KB in all


def outputs_of_name(name: ImageName) -> dict[str, str]:
    """Return the outputs that are known from the start."""
    return {"name": str(name), "repository": name.repository, "tag": name.tag}


def outputs_of_arrival(name: ImageName, arrived: Arrived) -> dict[str, str]:
    """Return the outputs that are known once LUSID has the image."""
    return outputs_of_name(name) | {
        "digest": _word(arrived.digest),
        "pushed": _truth(arrived.is_pushed),
        "unchanged": _truth(not arrived.is_pushed),
    }


def outputs_of(content: ReportContent) -> dict[str, str]:
    """Return all outputs, of one line each.

    `pushed` and `unchanged` are `true` or `false`, `size` is in bytes, `scan-status` is LUSID's own
    status; the numbers are those of all findings, counted or not. `job-updated` says whether a job
    was updated; `run-id` and `run-status` are those of the jobs' runs, separated by commas. Unknown
    values are empty.
    """
    result, scan, publication = content.result, content.scan, content.publication
    outcome = publication.outcome if publication else ""
    tallies = content.verdict.tallies if content.verdict else {}
    values = {
        "digest": result.digest,
        "image-id": (publication.image_id if publication else None) or "",
        "size": "" if result.size is None else str(result.size),
        "pushed": _truth(outcome == "published"),
        "unchanged": _truth(outcome == "unchanged"),
        "scan-status": scan.status if scan else "",
        **{str(name): str(tallies[name].found) if tallies else "" for name in _COUNTED},
        "fixable": str(sum(tally.fixable for tally in tallies.values())) if tallies else "",
    }
    words = {name: _word(value) for name, value in values.items()}
    return outputs_of_name(result.name) | words | _outputs_of_jobs(content.jobs)


def _outputs_of_jobs(jobs: Sequence[JobResult]) -> dict[str, str]:
    runs = [job.run for job in jobs if job.run]
    return {
        "job-updated": _truth(any(job.outcome == "updated" for job in jobs)) if jobs else "",
        "run-id": ",".join(_word(run.run_id) for run in runs),
        "run-status": ",".join(_word(run.status or "unknown") for run in runs),
    }


def render(content: ReportContent) -> str:
    """Return a line `LUSID_IMAGE_...=value` for each output, as in `LUSID_IMAGE_DIGEST`."""
    return render_outputs(outputs_of(content))


def render_outputs(outputs: Mapping[str, str]) -> str:
    """Return a line for each of these outputs."""
    return "".join(f"{variable_of_output(name)}={value}\n" for name, value in outputs.items())


def variable_of_output(name: str) -> str:
    """Return the variable for an output."""
    return f"LUSID_IMAGE_{name.removeprefix('image-').upper().replace('-', '_')}"


def _word(text: str) -> str:
    """Return `text` without signs that a shell, a runner or a log would act on."""
    return _OTHER_SIGNS.sub("_", plain(text, longest=_MAX_OUTPUT_CHARACTERS))


def _truth(value: bool) -> str:  # noqa: FBT001  # there is nothing else to name
    return "true" if value else "false"
