"""Images that run as jobs: they write their arguments, and end as requested."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from docker import DockerClient

from lusid_image_publish.config import load_settings
from lusid_image_publish.scheduler.job_models import JobRunResult
from lusid_image_publish.scheduler.jobs_client import JobsClient
from lusid_image_publish.waiting import Deadline, poll, quick_then_patient
from tests.integration.parts import BUSYBOX, Job
from tests.integration.test_official_sdk import Clients, publish

SCRIPT: Final = """\
echo "words: $*"
echo "greeting: $GREETING"
[ "$2" != fail ] || exit 3
[ "$2" != wait ] || exec sleep 300
"""


def publish_runnable(
    clients: Clients, engine: DockerClient, folder: Path, repository: str, *tags: str
) -> None:
    """Publish an image whose container shows its arguments, and ends as requested."""
    job = Job(folder, repository, f"{SCRIPT}# {uuid.uuid4()}\n")
    job.write(f'FROM {BUSYBOX}\nCOPY content /job.sh\nENTRYPOINT ["sh", "/job.sh"]\n')
    publish(clients, engine, job, *(f"{repository}:{tag}" for tag in tags))


def await_run(variables: Mapping[str, str], run_id: str, status: str) -> JobRunResult:
    """Wait until a run has the status; return it."""
    with JobsClient(load_settings(environ=variables)) as client:

        def look() -> JobRunResult | None:
            run = client.get_run_history(run_id)
            return run if run.job_status == status else None

        found = poll(look, deadline=Deadline(120), pauses=quick_then_patient())
    assert found, f"the run {run_id} does not become {status}"
    return found
