"""Import the server, which needs the extra `local`."""

from types import ModuleType
from typing import Final

from lusid_image_publish.errors import ConfigurationError

IMAGE_VARIABLE: Final = "LUSID_LOCAL_REGISTRY_IMAGE"
"""The environment variable that names the image of the registry."""


def import_server() -> ModuleType:
    """Return the server module. Raises `ConfigurationError` if the extra is not installed."""
    try:
        # The extra `local` may not be installed.
        from lusid_image_publish.local_scheduler import server  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"The local Scheduler is not installed: {error.name} is missing.",
            hint="Run `pip install 'lusid-image-publish[local]'`.",
        ) from error
    return server
