"""The last words of a publication: one sentence, and how to look at the image."""

from lusid_image_publish.jobs.job_results import shown_seconds
from lusid_image_publish.publishing.results import PublishResult
from lusid_image_publish.reports.words import human_size


def closing_sentence(result: PublishResult, seconds: float) -> str:
    """Return what became of a publication that succeeded, and took `seconds`."""
    size = "" if result.size is None else f", {human_size(result.size)}"
    took = f"in {shown_seconds(seconds)}"
    match result.outcome:
        case "published":
            return f"Published {result.name}{size} {took}"
        case "unchanged":
            return f"{result.name} was already in LUSID{size}, checked {took}"
        case "skipped":
            return f"{result.name} exists in LUSID and was left as it is{size}"


def look_command(result: PublishResult) -> str:
    """Return how to look at an image that is in the Scheduler of this machine."""
    return f"To look at it: lusid-images get {result.name} --local"
