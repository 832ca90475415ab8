"""Find the images of the local engine that a shell completes."""

from contextlib import closing
from typing import Final

from lusid_image_publish.engine import connect

_MAX_NAMES: Final = 200


def find_images(incomplete: str) -> list[str]:
    """Return the names of the images that begin with `incomplete`. Raises `EngineError`."""
    with closing(connect()) as engine:
        listed = engine.api.images()
    names = {name for image in listed for name in image.get("RepoTags") or ()}
    return sorted(name for name in names if name.startswith(incomplete))[:_MAX_NAMES]
