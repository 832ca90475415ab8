"""Publish a Docker image to FINBOURNE's LUSID Scheduler, and verify that it arrived.

`publish` publishes an image to LUSID; `Policy`, `ScanPolicy`, `Severity` and `Limits` control it,
and `PublishResult` is its result. `ImagesClient` and `AsyncImagesClient` are clients of the Images
API, `JobsClient` and `AsyncJobsClient` of the Jobs API; `ConfigurationOptions` are for a single
request, and `quote` is for filters. `Settings` and `load_settings` configure them all. Errors are
in `errors`, models in `scheduler.models` and `scheduler.job_models`. Each name is imported when it
is first used; everything else is private, and changes without notice.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lusid_image_publish import errors
    from lusid_image_publish.config import ConfigurationOptions, Settings, load_settings
    from lusid_image_publish.publishing.policy import Limits, Policy
    from lusid_image_publish.publishing.publish import publish
    from lusid_image_publish.publishing.results import PublishResult
    from lusid_image_publish.scan.verdict import ScanPolicy, Severity
    from lusid_image_publish.scheduler.async_client import AsyncImagesClient
    from lusid_image_publish.scheduler.async_jobs_client import AsyncJobsClient
    from lusid_image_publish.scheduler.client import ImagesClient
    from lusid_image_publish.scheduler.jobs_client import JobsClient
    from lusid_image_publish.scheduler.listing import quote

__version__ = "0.1.0"

__all__ = [
    "AsyncImagesClient",
    "AsyncJobsClient",
    "ConfigurationOptions",
    "ImagesClient",
    "JobsClient",
    "Limits",
    "Policy",
    "PublishResult",
    "ScanPolicy",
    "Settings",
    "Severity",
    "errors",
    "load_settings",
    "publish",
    "quote",
]

_HOMES = {
    "AsyncImagesClient": "scheduler.async_client",
    "AsyncJobsClient": "scheduler.async_jobs_client",
    "ConfigurationOptions": "config",
    "ImagesClient": "scheduler.client",
    "JobsClient": "scheduler.jobs_client",
    "Limits": "publishing.policy",
    "Policy": "publishing.policy",
    "PublishResult": "publishing.results",
    "ScanPolicy": "scan.verdict",
    "Settings": "config",
    "Severity": "scan.verdict",
    "load_settings": "config",
    "publish": "publishing.publish",
    "quote": "scheduler.listing",
}


def __getattr__(name: str) -> Any:
    if name == "errors":
        return importlib.import_module(f"{__name__}.errors")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
