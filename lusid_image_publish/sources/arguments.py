"""SOURCE and NAME:TAG together: each can be right and stand in the other's place."""

import shlex
from pathlib import Path

from lusid_image_publish.errors import InvalidNameError
from lusid_image_publish.names import ImageName
from lusid_image_publish.sources.source import looks_like_path


def parse_name(text: str, source: str) -> ImageName:
    """Return the name that `text` spells, beside the SOURCE `source`.

    Raises `InvalidNameError`, also where the two are swapped.
    """
    try:
        return ImageName.parse(text)
    except InvalidNameError as error:
        if not (_is_path(text) and _is_name(source)):
            raise
        raise InvalidNameError(
            "SOURCE and NAME:TAG are swapped.",
            cause=f"{text!r} is a path, and {source!r} is a name and a tag.",
            hint=f"Swap them. SOURCE comes first: `lusid-publish {shlex.quote(text)} {source}`.",
        ) from error


def _is_path(text: str) -> bool:
    try:
        return bool(text) and (looks_like_path(text) or Path(text).exists())
    except (OSError, ValueError):  # too long, or with a NUL
        return False


def _is_name(text: str) -> bool:
    try:
        return bool(ImageName.parse(text))
    except InvalidNameError:
        return False
