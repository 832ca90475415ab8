"""Images of an engine that is not there, or is given later."""

from typing import Any, cast

from lusid_image_publish.sources.engine_image import EngineImage

NO_ENGINE: Any = cast("Any", None)


def engine_image(
    image_id: str, platform: str, size: int, digests: frozenset[str], **values: Any
) -> EngineImage:
    """Return an image of no engine."""
    return EngineImage(image_id, platform, size, digests, **{"engine": NO_ENGINE} | values)
