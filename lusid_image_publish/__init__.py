"""Publish a Docker image to FINBOURNE's LUSID Scheduler, and prove that it arrived.

What a program needs of the Images API is here: the clients `ImagesClient` and `AsyncImagesClient`,
`Settings` and `load_settings` to configure them, `ConfigurationOptions` for a single request, and
`quote` for filters. Errors are in `errors`, models in `scheduler.models`, the publication of an
image in `publish`. Each is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lusid_image_publish.config import ConfigurationOptions, Settings, load_settings
    from lusid_image_publish.scheduler.async_client import AsyncImagesClient
    from lusid_image_publish.scheduler.client import ImagesClient
    from lusid_image_publish.scheduler.listing import quote

__version__ = "0.1.0"

__all__ = [
    "AsyncImagesClient",
    "ConfigurationOptions",
    "ImagesClient",
    "Settings",
    "load_settings",
    "quote",
]

_HOMES = {
    "AsyncImagesClient": "scheduler.async_client",
    "ConfigurationOptions": "config",
    "ImagesClient": "scheduler.client",
    "Settings": "config",
    "load_settings": "config",
    "quote": "scheduler.listing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
