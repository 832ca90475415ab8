"""Publish SOURCE as NAME:TAG, and fail like lusid-publish if its scan breaks the policy."""

import sys

from lusid_image_publish import Event, LusidPublishError, Policy, ScanPolicy, Severity, publish
from lusid_image_publish.progress import StepStarted


def show(event: Event) -> None:
    """Print each step as it begins."""
    if isinstance(event, StepStarted):
        print(event.text, file=sys.stderr)


policy = Policy(latest=True, scan=ScanPolicy(fail_on=Severity.HIGH))
try:
    result = publish(sys.argv[1], sys.argv[2], policy=policy, listener=show).raise_for_scan()
except LusidPublishError as error:
    print(*(f"{label}: {text}" for label, text in error.diagnostics()), sep="\n", file=sys.stderr)
    sys.exit(error.exit_code)
print(result.name, result.outcome, result.digest)
