"""Publish a Docker image to FINBOURNE's LUSID Scheduler, and verify that it arrived.

`publish` publishes an image to LUSID. `Policy`, `ScanPolicy` with `Severity` and `Ignore`, `Limits`
and `BuildOptions` are its options; it returns a `PublishResult` with a `ScanResult`, and calls a
`Listener` with each `Event` of `progress`. `ImagesClient` and `AsyncImagesClient` use the
Images API, `JobsClient` and `AsyncJobsClient` the Jobs API; `ConfigurationOptions` are for a
single request, and `quote` is for filters. `Settings` and `load_settings` configure them all. Every
error is a `LusidPublishError`; the others are in `errors`. Models are in `scheduler.models` and
`scheduler.job_models`; `testing` has the local Scheduler for tests. Each name is imported when it
is first used. Everything else is private, and changes without notice.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lusid_image_publish import errors, progress
    from lusid_image_publish.config import ConfigurationOptions, Settings, load_settings
    from lusid_image_publish.errors import LusidPublishError
    from lusid_image_publish.progress import Event, Listener
    from lusid_image_publish.publishing.policy import Limits, Policy
    from lusid_image_publish.publishing.publish import publish
    from lusid_image_publish.publishing.results import PublishResult, ScanResult
    from lusid_image_publish.scan.verdict import Ignore, ScanPolicy, Severity
    from lusid_image_publish.scheduler.async_client import AsyncImagesClient
    from lusid_image_publish.scheduler.async_jobs_client import AsyncJobsClient
    from lusid_image_publish.scheduler.client import ImagesClient
    from lusid_image_publish.scheduler.jobs_client import JobsClient
    from lusid_image_publish.scheduler.listing import quote
    from lusid_image_publish.sources.build_recipe import BuildOptions

__version__ = "0.1.0"

__all__ = [
    "AsyncImagesClient",
    "AsyncJobsClient",
    "BuildOptions",
    "ConfigurationOptions",
    "Event",
    "Ignore",
    "ImagesClient",
    "JobsClient",
    "Limits",
    "Listener",
    "LusidPublishError",
    "Policy",
    "PublishResult",
    "ScanPolicy",
    "ScanResult",
    "Settings",
    "Severity",
    "errors",
    "load_settings",
    "progress",
    "publish",
    "quote",
]

_HOMES = {
    "AsyncImagesClient": "scheduler.async_client",
    "AsyncJobsClient": "scheduler.async_jobs_client",
    "BuildOptions": "sources.build_recipe",
    "ConfigurationOptions": "config",
    "Event": "progress",
    "Ignore": "scan.verdict",
    "ImagesClient": "scheduler.client",
    "JobsClient": "scheduler.jobs_client",
    "Limits": "publishing.policy",
    "Listener": "progress",
    "LusidPublishError": "errors",
    "Policy": "publishing.policy",
    "PublishResult": "publishing.results",
    "ScanPolicy": "scan.verdict",
    "ScanResult": "publishing.results",
    "Settings": "config",
    "Severity": "scan.verdict",
    "load_settings": "config",
    "publish": "publishing.publish",
    "quote": "scheduler.listing",
}


if not TYPE_CHECKING:  # a type checker that sees it accepts every name, misspelt ones too

    def __getattr__(name: str) -> Any:
        if name in {"errors", "progress"}:
            return importlib.import_module(f"{__name__}.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
