"""Run the job of a `Service`, and see what was sent for that."""

import json
from typing import Any

from lusid_image_publish.jobs.job_results import RunResult
from lusid_image_publish.jobs.job_run import JobRun
from lusid_image_publish.names import ImageName
from tests.unit.jobs.service import Service

NEW = ImageName("my-job", "1.0.0")
ENDED = {
    "jobStatus": "Succeeded",
    "startDate": "2026-01-02T03:04:05.1234567+00:00",
    "endDate": "2026-01-02T03:04:12.1234567Z",
}


def run(service: Service, ttl: int | None = 60, **options: Any) -> RunResult:
    """Run the job of `service`, and wait for it."""
    with service.target(is_local=options.pop("is_local", False)) as target:
        values: dict[str, Any] = {"arguments": {}, "image": NEW} | options
        job_run = JobRun(target=target, **values)
        job_run.start()
        result = job_run.wait(ttl)
        job_run.show_output()
        return result


def starts(service: Service) -> list[Any]:
    """Return what was sent to start runs."""
    asked = zip(service.asked, service.bodies, strict=True)
    return [json.loads(body) for path, body in asked if path.endswith("$run")]
